//! Vectors as callers give them, and as rows: planes of bits, and bytes of numbers.

use alloc::vec::Vec;

use super::{Kind, Shape, score};
use crate::{Code, Error, Result, bail};

/// A vector of the caller.
#[derive(Clone, Copy, Debug)]
pub enum Vector<'a> {
    /// Packed bits, for [`Kind::Signs`]: number `i` is bit `i % 8` of byte `i / 8`. Which of the two means +1 makes no
    /// difference to a comparison, but has to be the same for all.
    Bits(&'a [u8]),
    /// The same in words: number `i` is bit `i % 64` of word `i / 64`.
    Words(&'a [u64]),
    /// Bytes: for [`Kind::I8`]; for [`Kind::Ternary`], -1, 0 and 1 alone; for [`Kind::Signs`], of which the signs count.
    I8(&'a [i8]),
    /// Two bytes each, for [`Kind::I16`]; for [`Kind::Signs`], the signs.
    I16(&'a [i16]),
}

/// A vector of an index, as callers give it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Values {
    /// Packed bits, of [`Kind::Signs`].
    Bits(Vec<u8>),
    /// Bytes, of [`Kind::I8`] and [`Kind::Ternary`].
    I8(Vec<i8>),
    /// Two bytes each, of [`Kind::I16`].
    I16(Vec<i16>),
}

impl Values {
    /// The same, borrowed.
    pub fn as_vector(&self) -> Vector<'_> {
        match self {
            Values::Bits(bits) => Vector::Bits(bits),
            Values::I8(numbers) => Vector::I8(numbers),
            Values::I16(numbers) => Vector::I16(numbers),
        }
    }

    /// From a row's planes and numbers.
    pub fn of_row(shape: &Shape, planes: &[u8], bytes: &[u8]) -> Values {
        let dimensions = shape.dimensions();
        match shape.kind() {
            Kind::Signs => Values::Bits(planes[..dimensions.div_ceil(8)].into()),
            Kind::Ternary => {
                let bit = |plane: &[u8], i: usize| plane[i / 8] >> (i % 8) & 1 == 1;
                let (signs, sizes) = planes.split_at(shape.plane_bytes());
                let number = |i| match (bit(signs, i), bit(sizes, i)) {
                    (_, false) => 0,
                    (false, true) => 1,
                    (true, true) => -1,
                };
                Values::I8((0..dimensions).map(number).collect())
            }
            Kind::I8 => Values::I8(bytes.iter().map(|byte| byte.cast_signed()).collect()),
            Kind::I16 => Values::I16(bytes.as_chunks().0.iter().map(|bytes| i16::from_le_bytes(*bytes)).collect()),
        }
    }
}

/// A vector as it lies in an index.
pub struct Row {
    /// Planes, each padded to whole registers: signs (a one is minus), and for ternary numbers which are not zero.
    pub planes: Vec<u8>,
    /// Numbers, little-endian, where planes do not say all.
    pub numbers: Vec<u8>,
}

impl Row {
    /// Checks a vector and takes it apart.
    pub fn new(shape: &Shape, vector: Vector) -> Result<Row> {
        let mut row = Row { planes: zeros(shape.code_bytes())?, numbers: Vec::new() };
        match (vector, shape.kind()) {
            (Vector::Bits(bits), Kind::Signs) => row.bits(shape, bits.len(), bits.iter().copied(), 8)?,
            (Vector::Words(words), Kind::Signs) => {
                row.bits(shape, words.len(), words.iter().flat_map(|word| word.to_le_bytes()), 64)?;
            }
            (Vector::I8(numbers), Kind::Signs) => {
                length(shape, numbers.len())?;
                row.signs(numbers.iter().map(|&x| i32::from(x)));
            }
            (Vector::I16(numbers), Kind::Signs) => {
                length(shape, numbers.len())?;
                row.signs(numbers.iter().map(|&x| i32::from(x)));
            }
            (Vector::I8(numbers), Kind::Ternary) => {
                length(shape, numbers.len())?;
                row.ternary(numbers)?;
            }
            (Vector::I8(numbers), Kind::I8) => {
                length(shape, numbers.len())?;
                row.signs(numbers.iter().map(|&x| i32::from(x)));
                row.numbers = zeros(numbers.len())?;
                row.numbers.iter_mut().zip(numbers).for_each(|(byte, x)| *byte = x.cast_unsigned());
            }
            (Vector::I16(numbers), Kind::I16) => {
                length(shape, numbers.len())?;
                row.signs(numbers.iter().map(|&x| i32::from(x)));
                row.numbers = zeros(shape.number_bytes())?;
                row.numbers.as_chunks_mut().0.iter_mut().zip(numbers).for_each(|(bytes, x)| *bytes = x.to_le_bytes());
            }
            (vector, kind) => {
                let given = match vector {
                    Vector::Bits(_) | Vector::Words(_) => "bits",
                    Vector::I8(_) => "bytes",
                    Vector::I16(_) => "16-bit numbers",
                };
                bail!(Input, "vector: an index of kind {} takes no {given}", kind.as_str());
            }
        }
        Ok(row)
    }

    /// Half the logarithm of its squared length.
    pub fn half_log(&self, shape: &Shape) -> i64 {
        score::half_log(match shape.kind() {
            Kind::Signs => shape.dimensions() as u64,
            Kind::Ternary => self.planes[shape.plane_bytes()..].iter().map(|byte| u64::from(byte.count_ones())).sum(),
            kind => score::dot(kind, &self.numbers, &self.numbers).unsigned_abs(),
        })
    }

    fn bits(&mut self, shape: &Shape, count: usize, bytes: impl Iterator<Item = u8>, bits_each: usize) -> Result<()> {
        let dimensions = shape.dimensions();
        if count != dimensions.div_ceil(bits_each) {
            let wanted = dimensions.div_ceil(bits_each);
            let what = if bits_each == 8 { "bytes" } else { "words" };
            bail!(Input, "vector: {count} {what} of bits, but {dimensions} bits take {wanted}");
        }
        for (place, byte) in self.planes[..dimensions.div_ceil(8)].iter_mut().zip(bytes) {
            *place = byte;
        }
        // What lies behind the last number is nobody's.
        if !dimensions.is_multiple_of(8) {
            self.planes[dimensions / 8] &= (1 << (dimensions % 8)) - 1;
        }
        Ok(())
    }

    fn signs(&mut self, numbers: impl Iterator<Item = i32>) {
        for (i, x) in numbers.enumerate() {
            if x < 0 || x == 0 && sign_of_zero(i) {
                self.planes[i / 8] |= 1 << (i % 8);
            }
        }
    }

    fn ternary(&mut self, numbers: &[i8]) -> Result<()> {
        let plane = self.planes.len() / 2;
        let (signs, sizes) = self.planes.split_at_mut(plane);
        for (i, x) in numbers.iter().enumerate() {
            let bit = 1 << (i % 8);
            match x {
                0 => (),
                1 => sizes[i / 8] |= bit,
                -1 => {
                    sizes[i / 8] |= bit;
                    signs[i / 8] |= bit;
                }
                _ => bail!(Value, "vector: {x} at {i} is none of -1, 0, 1"),
            }
        }
        Ok(())
    }

    /// The row of a record in an image: packed bits, two planes of them, or little-endian numbers.
    pub fn from_record(shape: &Shape, record: &[u8]) -> Result<Row> {
        let damaged = |what: &str| Error::new(Code::Format, what);
        let bits = shape.dimensions().div_ceil(8);
        let clear =
            |plane: &[u8]| shape.dimensions().is_multiple_of(8) || plane[bits - 1] >> (shape.dimensions() % 8) == 0;
        match shape.kind() {
            Kind::Signs => {
                if !clear(record) {
                    return Err(damaged("bits behind the last number"));
                }
                Row::new(shape, Vector::Bits(record))
            }
            Kind::Ternary => {
                let (signs, sizes) = record.split_at(bits);
                if !clear(sizes) || signs.iter().zip(sizes).any(|(sign, size)| sign & !size != 0) {
                    return Err(damaged("a sign where there is no number"));
                }
                let mut row = Row { planes: zeros(shape.code_bytes())?, numbers: Vec::new() };
                row.planes[..bits].copy_from_slice(signs);
                row.planes[shape.plane_bytes()..][..bits].copy_from_slice(sizes);
                Ok(row)
            }
            Kind::I8 | Kind::I16 => {
                let mut row = Row { planes: zeros(shape.code_bytes())?, numbers: zeros(record.len())? };
                row.numbers.copy_from_slice(record);
                row.signs(numbers(shape.kind(), record));
                Ok(row)
            }
        }
    }
}

/// The other direction of [`Row::from_record`], added to `out`.
pub fn write_record(shape: &Shape, planes: &[u8], numbers: &[u8], out: &mut Vec<u8>) {
    let bits = shape.dimensions().div_ceil(8);
    match shape.kind() {
        Kind::Signs => out.extend_from_slice(&planes[..bits]),
        Kind::Ternary => {
            let (signs, sizes) = planes.split_at(shape.plane_bytes());
            out.extend_from_slice(&signs[..bits]);
            out.extend_from_slice(&sizes[..bits]);
        }
        Kind::I8 | Kind::I16 => out.extend_from_slice(numbers),
    }
}

/// The numbers of a row, one after the other.
pub fn numbers(kind: Kind, bytes: &[u8]) -> impl Iterator<Item = i32> {
    let each = if kind == Kind::I16 { 2 } else { 1 };
    bytes.chunks_exact(each).map(|bytes| match *bytes {
        [low, high] => i32::from(i16::from_le_bytes([low, high])),
        [byte] => i32::from(byte.cast_signed()),
        _ => 0,
    })
}

/// What a zero counts as among signs: fixed for each place and even over all, so that zeros neither lean to one side nor
/// make equal vectors differ. (The sequence of Thue and Morse.)
fn sign_of_zero(place: usize) -> bool {
    place.count_ones() % 2 == 1
}

fn length(shape: &Shape, found: usize) -> Result<()> {
    if found != shape.dimensions() {
        bail!(Input, "vector: {found} numbers where there should be {}", shape.dimensions());
    }
    Ok(())
}

fn zeros(bytes: usize) -> Result<Vec<u8>> {
    let mut zeros = Vec::new();
    zeros.try_reserve_exact(bytes).map_err(|_| Error::new(Code::Capacity, "no memory for a vector"))?;
    zeros.resize(bytes, 0);
    Ok(zeros)
}
