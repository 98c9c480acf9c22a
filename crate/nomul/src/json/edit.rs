//! Changing a vector without encoding its document again.

use super::{encode::Encoder, path::Path, schema::Balance, value::Value};
use crate::{
    Result, bail,
    vsa::{Bundle, Sums},
};

impl Encoder {
    /// Adds what a value contributes at a path to the vector of a document.
    ///
    /// The result is the vector of the document with the value there, exactly, as long as [`Sums`] do not saturate. It
    /// takes a schema whose leaves all weigh the same ([`Balance::Leaves`]). A container that was empty stays marked as
    /// empty until `{}` or `[]` is removed; a set keeps what is added twice.
    pub fn add(&mut self, vector: &mut Sums, path: &Path, value: &Value) -> Result<()> {
        vector.add(&self.contribution(vector, path, value)?);
        Ok(())
    }

    /// Takes away what a value contributes at a path: what [`Encoder::add`] added.
    pub fn remove(&mut self, vector: &mut Sums, path: &Path, value: &Value) -> Result<()> {
        vector.subtract(&self.contribution(vector, path, value)?);
        Ok(())
    }

    /// Replaces a value at a path by another one.
    pub fn update(&mut self, vector: &mut Sums, path: &Path, before: &Value, after: &Value) -> Result<()> {
        let (before, after) = (self.contribution(vector, path, before)?, self.contribution(vector, path, after)?);
        vector.subtract(&before);
        vector.add(&after);
        Ok(())
    }

    fn contribution(&mut self, vector: &Sums, path: &Path, value: &Value) -> Result<Sums> {
        let dimension = self.schema().dimension;
        if vector.dimension() != dimension {
            bail!(Shape, "a vector of {} numbers, the encoder's have {dimension}", vector.dimension());
        }
        if self.schema().balance != Balance::Leaves {
            bail!(Input, "the schema balances levels: what a field weighs depends on the others, so encode again");
        }
        let node = self.node(path)?;
        let mut bundle = Bundle::new(dimension);
        self.add_up(&node, value, &mut bundle)?;
        Ok(bundle.sums())
    }
}
