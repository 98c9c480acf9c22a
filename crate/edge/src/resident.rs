//! The model that an image brings along.

use std::cell::RefCell;

use nomul::{Code, Error};

use crate::{
    Component,
    bindings::exports::nomul::runtime::{
        resident::Guest,
        types::{Files, Shard},
    },
    convert::Result,
    loaded::Loaded,
};

thread_local! {
    /// Handles of resources are kept by the host and so are not part of an image: what it brings along lies here.
    static RESIDENT: RefCell<Option<Loaded>> = const { RefCell::new(None) };
}

fn missing() -> Error {
    Error::new(Code::Missing, "no model was left in this instance")
}

/// The model, once.
pub fn take() -> nomul::Result<Loaded> {
    RESIDENT.take().ok_or_else(missing)
}

impl Guest for Component {
    fn begin(files: Files, context_length: Option<u32>) -> Result<Vec<Shard>> {
        let loaded = Loaded::open(&files, context_length)?;
        let shards = loaded.session.model().shards().iter().map(Shard::from).collect();
        RESIDENT.set(Some(loaded));
        Ok(shards)
    }

    fn push(bytes: Vec<u8>) -> Result<()> {
        RESIDENT.with_borrow_mut(|resident| {
            Ok(resident.as_mut().ok_or_else(missing).and_then(|loaded| loaded.session.push(&bytes))?)
        })
    }

    fn finish() -> Result<()> {
        RESIDENT.with_borrow(|resident| {
            let model = resident.as_ref().ok_or_else(missing)?.session.model();
            if model.received() < model.total() {
                let line = format!("{} of {} bytes of the shards have come", model.received(), model.total());
                return Err(Error::new(Code::NotReady, line).into());
            }
            Ok(())
        })
    }
}
