//! NumPy's format for one array: a header of text, then the numbers.

use std::{fs, path::Path};

use nomul::{Code, Error, Result, bail};

use super::output::Numbers;
use crate::folder::io;

const MAGIC: &[u8] = b"\x93NUMPY\x01\x00";

/// The header of an array (rows, columns).
pub fn header(numbers: Numbers, rows: usize, columns: usize) -> Vec<u8> {
    let kind = match numbers {
        Numbers::F32 => "<f4",
        Numbers::I16 => "<i2",
        Numbers::I8 => "|i1",
    };
    let text = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': ({rows}, {columns}), }}");
    // The numbers begin at a multiple of 64.
    let length = (MAGIC.len() + 2 + text.len() + 1).next_multiple_of(64) - MAGIC.len() - 2;
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&(length as u16).to_le_bytes());
    bytes.extend_from_slice(format!("{text:<width$}\n", width = length - 1).as_bytes());
    bytes
}

/// An array of two dimensions as floats.
pub struct Array {
    pub rows: usize,
    pub columns: usize,
    /// (row, column).
    pub values: Vec<f32>,
}

/// Reads what [`header`] describes, and what NumPy writes of the same types.
pub fn read(path: &Path) -> Result<Array> {
    let bytes = fs::read(path).map_err(|e| io(path, e))?;
    parse(&bytes).map_err(|error| error.at(path.display()))
}

fn parse(bytes: &[u8]) -> Result<Array> {
    let wrong = || Error::new(Code::Format, "no array of two dimensions in NumPy's format, version 1");
    let rest = bytes.strip_prefix(MAGIC).ok_or_else(wrong)?;
    let (length, rest) = rest.split_first_chunk::<2>().ok_or_else(wrong)?;
    let length = usize::from(u16::from_le_bytes(*length));
    let (header, data) = rest.split_at_checked(length).ok_or_else(wrong)?;
    let header = std::str::from_utf8(header).map_err(|_| wrong())?;
    let value = |name: &str| header.split_once(name).map(|(_, rest)| rest.trim_start_matches([' ', ':', '\'']));
    let shape = value("'shape'").and_then(|rest| rest.strip_prefix('(')).and_then(|rest| rest.split_once(')'));
    let sizes: Option<Vec<usize>> = shape.and_then(|(shape, _)| {
        shape.split(',').map(str::trim).filter(|size| !size.is_empty()).map(|size| size.parse().ok()).collect()
    });
    let Some([rows, columns]) = sizes.as_deref().and_then(|sizes| <[usize; 2]>::try_from(sizes).ok()) else {
        return Err(wrong());
    };
    if !value("'fortran_order'").is_some_and(|rest| rest.starts_with("False")) {
        bail!(Unsupported, "an array in the order of Fortran");
    }
    let kind = value("'descr'").unwrap_or_default();
    let width = match kind.get(..3) {
        Some("<f4") => 4,
        Some("<i2") => 2,
        Some("|i1") => 1,
        _ => bail!(Unsupported, "numbers of type {}: <f4, <i2 and |i1 are read", kind.split('\'').next().unwrap_or("")),
    };
    let size = rows.checked_mul(columns).and_then(|size| size.checked_mul(width));
    if size != Some(data.len()) {
        bail!(Format, "{} bytes for {rows} rows of {columns} numbers", data.len());
    }
    let values = match width {
        4 => data.as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect(),
        2 => data.as_chunks::<2>().0.iter().map(|&bytes| i16::from_le_bytes(bytes).into()).collect(),
        _ => data.iter().map(|&byte| f32::from(byte as i8)).collect(),
    };
    Ok(Array { rows, columns, values })
}
