//! Vectors as a Parquet file: a text and a list of floats for each node. Written by the format's own library, without its Arrow side,
//! codecs and async writers, which floats of random signs do not profit from.

use std::{fmt::Display, fs::File, io::BufWriter, sync::Arc};

use nomul::{Code, Error, Result};
use parquet::{
    data_type::{ByteArray, ByteArrayType, FloatType},
    file::{
        properties::{EnabledStatistics, WriterProperties},
        writer::SerializedFileWriter,
    },
    schema::parser::parse_message_type,
};

const SCHEMA: &str = "message nodes {
    REQUIRED BYTE_ARRAY id (STRING);
    REQUIRED GROUP vector (LIST) { REPEATED GROUP list { REQUIRED FLOAT element; } }
}";

/// A file in the making.
pub struct Parquet<'a> {
    writer: SerializedFileWriter<&'a mut BufWriter<File>>,
    dimensions: usize,
}

impl<'a> Parquet<'a> {
    /// Begins.
    pub fn new(file: &'a mut BufWriter<File>, dimensions: usize) -> Result<Self> {
        let schema = Arc::new(parse_message_type(SCHEMA).map_err(failed)?);
        // Hardly a number is there twice, and the least of a column says nothing.
        let properties =
            WriterProperties::builder().set_dictionary_enabled(false).set_statistics_enabled(EnabledStatistics::None);
        let writer = SerializedFileWriter::new(file, schema, Arc::new(properties.build())).map_err(failed)?;
        Ok(Parquet { writer, dimensions })
    }

    /// More nodes, as a row group of their own: `values` is (node, dimension).
    pub fn write(&mut self, ids: impl Iterator<Item = String>, values: &[f32]) -> Result<()> {
        let ids: Vec<ByteArray> = ids.map(|id| ByteArray::from(id.into_bytes())).collect();
        // A list begins where the repetition is 0; each of its elements is there.
        let repetition: Vec<i16> = (0..values.len()).map(|i| i16::from(i % self.dimensions != 0)).collect();
        let definition = vec![1; values.len()];
        let mut group = self.writer.next_row_group().map_err(failed)?;
        // The two columns of the schema, in its order.
        if let Some(mut column) = group.next_column().map_err(failed)? {
            column.typed::<ByteArrayType>().write_batch(&ids, None, None).map_err(failed)?;
            column.close().map_err(failed)?;
        }
        if let Some(mut column) = group.next_column().map_err(failed)? {
            let list = column.typed::<FloatType>();
            list.write_batch(values, Some(&definition), Some(&repetition)).map_err(failed)?;
            column.close().map_err(failed)?;
        }
        group.close().map_err(failed)?;
        Ok(())
    }

    /// Ends the file with its footer.
    pub fn finish(self) -> Result<()> {
        self.writer.close().map_err(failed)?;
        Ok(())
    }
}

fn failed(error: impl Display) -> Error {
    Error::new(Code::Io, error.to_string())
}
