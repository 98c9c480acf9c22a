//! How a sign plane lies in memory and in files.
//!
//! A plane of a matrix with `rows` outputs and `columns` inputs is a grid of signs. Sixteen rows make a tile; eight
//! columns of a tile make one 16-byte vector: byte `lane` holds two four-bit indices, columns 0..4 in the low half and
//! columns 4..8 in the high half. Bit `j` of an index is one where the weight of column `j` is +1, zero where it is -1.
//! Tiles follow each other row-wise: `(tile, column / 8, lane)`, shape `[ceil(rows/16), ceil(columns/8), 16]`.
//!
//! Lane 2i belongs to row i of the tile, lane 2i+1 to row 8+i: the kernel's accumulators separate even from odd bytes,
//! and this order makes them come out as rows 0..8 and 8..16. Rows and columns beyond the matrix are stored as -1 and
//! never read back: their activations are zero and their outputs are dropped.

use alloc::{vec, vec::Vec};

/// Rows of a tile.
pub const TILE_ROWS: usize = 16;
/// Columns that one vector of a tile covers.
pub const VECTOR_COLUMNS: usize = 8;

/// The row within its tile that a byte lane serves.
pub const fn lane_row(lane: usize) -> usize {
    lane / 2 + (lane % 2) * 8
}

/// The byte lane that serves a row of a tile.
pub const fn row_lane(row: usize) -> usize {
    (row % 8) * 2 + row / 8
}

/// Stored shape of a plane: `[tiles, vectors, 16]`.
pub const fn shape(rows: usize, columns: usize) -> [usize; 3] {
    [rows.div_ceil(TILE_ROWS), columns.div_ceil(VECTOR_COLUMNS), TILE_ROWS]
}

/// Bytes of a plane; `None` where that exceeds the address space.
pub const fn bytes(rows: usize, columns: usize) -> Option<usize> {
    let [tiles, vectors, lanes] = shape(rows, columns);
    match tiles.checked_mul(vectors) {
        Some(n) => n.checked_mul(lanes),
        None => None,
    }
}

/// Packs signs given by `positive(row, column)`.
pub fn pack(rows: usize, columns: usize, positive: impl Fn(usize, usize) -> bool) -> Vec<u8> {
    let [_, vectors, _] = shape(rows, columns);
    let mut plane = vec![0; bytes(rows, columns).expect("the matrix was in memory")];
    for row in 0..rows {
        for column in 0..columns {
            if positive(row, column) {
                let (byte, bit) = place(vectors, row, column);
                plane[byte] |= 1 << bit;
            }
        }
    }
    plane
}

/// Reads one sign back.
pub fn is_positive(plane: &[u8], columns: usize, row: usize, column: usize) -> bool {
    let (byte, bit) = place(columns.div_ceil(VECTOR_COLUMNS), row, column);
    plane[byte] >> bit & 1 == 1
}

/// Byte and bit of a weight.
fn place(vectors: usize, row: usize, column: usize) -> (usize, usize) {
    let tile = row / TILE_ROWS;
    let byte = (tile * vectors + column / VECTOR_COLUMNS) * TILE_ROWS + row_lane(row % TILE_ROWS);
    (byte, column % VECTOR_COLUMNS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_can_be_read() {
        for (rows, columns) in [(1, 1), (16, 8), (17, 9), (40, 515)] {
            let sign = |r: usize, c: usize| (r * 31 + c * 17 + r * c).is_multiple_of(3);
            let plane = pack(rows, columns, sign);
            assert_eq!(plane.len(), bytes(rows, columns).unwrap());
            for r in 0..rows {
                for c in 0..columns {
                    assert_eq!(is_positive(&plane, columns, r, c), sign(r, c), "{r},{c} of {rows}x{columns}");
                }
            }
        }
    }

    #[test]
    fn lanes_and_rows_are_inverse() {
        for lane in 0..16 {
            assert_eq!(row_lane(lane_row(lane)), lane);
        }
    }
}
