//! Values that several interfaces have in common.

use nomul::{Code, Error};

use crate::bindings::exports::nomul::runtime::types;

pub type Result<T> = std::result::Result<T, types::Error>;

impl From<Error> for types::Error {
    fn from(error: Error) -> types::Error {
        let code = match error.code {
            Code::Format => types::Code::Format,
            Code::Checksum => types::Code::Checksum,
            Code::Missing => types::Code::Missing,
            Code::Unsupported => types::Code::Unsupported,
            Code::Shape => types::Code::Shape,
            Code::Value => types::Code::Value,
            Code::Capacity => types::Code::Capacity,
            Code::Input => types::Code::Input,
            Code::NotReady => types::Code::NotReady,
            Code::Io => types::Code::Io,
        };
        types::Error { code, message: error.message }
    }
}

#[cfg(not(feature = "server"))]
/// A count as it crosses. Memories of 32 bits hold no more.
pub fn count(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
