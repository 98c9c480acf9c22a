//! How sign planes lie in files and in memory.
//!
//! A plane of a matrix with `rows` outputs and `columns` inputs is a grid of signs. Sixteen rows make a tile; eight
//! columns of a tile make one 16-byte vector: byte `lane` holds two four-bit indices, columns 0..4 in the low half and
//! columns 4..8 in the high half. Bit `j` of an index is one where the weight of column `j` is +1, zero where it is -1.
//! Tiles follow each other row-wise: `(tile, column / 8, lane)`, shape `[ceil(rows/16), ceil(columns/8), 16]`.
//!
//! Lane 2i belongs to row i of the tile, lane 2i+1 to row 8+i: the kernel's accumulators separate even from odd bytes,
//! and this order makes them come out as rows 0..8 and 8..16. Rows and columns beyond the matrix are stored as -1 and
//! never read back: their activations are zero and their outputs are dropped.
//!
//! Packed, each plane stands alone; in files the planes of a level are coded together ([`coded`]). In memory the planes of a matrix are
//! interleaved in the order in which the kernel walks them ([`Layout`]): weights are read once per token and from main
//! memory, and one stream of addresses is what a processor's prefetcher follows best.

pub mod coded;

use alloc::{vec, vec::Vec};

use crate::address::{rows, times};

/// Rows of a tile.
pub const TILE_ROWS: usize = 16;
/// Columns that one vector of a tile covers.
pub const VECTOR_COLUMNS: usize = 8;

/// Vectors of a block.
pub const BLOCK_VECTORS: usize = 8;
/// Columns of a block: they share the unit of their integers, see [`crate::kernel`].
pub const BLOCK_COLUMNS: usize = BLOCK_VECTORS * VECTOR_COLUMNS;

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

/// The planes of one matrix in memory: `(pair of tiles, block of columns, plane, vector of the block, tile of the pair)`,
/// 16 bytes each, filled up to whole pairs and blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    pairs: usize,
    vectors: usize,
    planes: usize,
}

impl Layout {
    /// For a matrix of `planes` planes.
    pub const fn new(rows: usize, columns: usize, planes: usize) -> Layout {
        let [tiles, vectors, _] = shape(rows, columns);
        Layout { pairs: tiles.div_ceil(2), vectors, planes }
    }

    /// Bytes of all planes; `None` where that exceeds the address space.
    pub const fn bytes(self) -> Option<usize> {
        match self.pairs.checked_mul(self.vectors.div_ceil(BLOCK_VECTORS)) {
            Some(blocks) => blocks.checked_mul(self.block_bytes()),
            None => None,
        }
    }

    /// Bytes of a block of columns of a pair of tiles.
    pub const fn block_bytes(self) -> usize {
        self.planes * (BLOCK_VECTORS * 2 * TILE_ROWS)
    }

    /// Bytes of a pair of tiles.
    pub const fn pair_bytes(self) -> usize {
        times(self.vectors.div_ceil(BLOCK_VECTORS), self.block_bytes())
    }

    /// Where a vector of a tile of a plane begins.
    const fn start(self, plane: usize, tile: usize, vector: usize) -> usize {
        let of_block = (times(vector / BLOCK_VECTORS, self.planes) + plane) * BLOCK_VECTORS + vector % BLOCK_VECTORS;
        times(tile / 2, self.pair_bytes()) + (2 * of_block + tile % 2) * TILE_ROWS
    }

    /// Puts a piece of a packed plane, which begins at byte `offset` of it, into the memory of the matrix: the twin of what decodes.
    #[cfg(test)]
    pub fn place(self, memory: &mut [u8], plane: usize, mut offset: usize, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (vector, within) = (offset / TILE_ROWS, offset % TILE_ROWS);
            let start = self.start(plane, vector / self.vectors, vector % self.vectors) + within;
            let (piece, rest) = bytes.split_at(bytes.len().min(TILE_ROWS - within));
            memory[start..start + piece.len()].copy_from_slice(piece);
            (offset, bytes) = (offset + piece.len(), rest);
        }
    }

    /// Byte and bit of a weight in the memory of the matrix.
    #[inline]
    pub const fn place_of(self, plane: usize, row: usize, column: usize) -> (usize, usize) {
        let start = self.start(plane, row / TILE_ROWS, column / VECTOR_COLUMNS);
        (start + row_lane(row % TILE_ROWS), column % VECTOR_COLUMNS)
    }

    /// The signs of a row in a plane, eight columns a byte.
    pub fn row(self, memory: &[u8], plane: usize, row: usize) -> impl Iterator<Item = u8> {
        let (tile, pair_bytes, block_bytes) = (row / TILE_ROWS, self.pair_bytes(), self.block_bytes());
        let first = times(tile / 2, pair_bytes);
        let pair = &memory[first..first + pair_bytes];
        let within = tile % 2 * TILE_ROWS + row_lane(row % TILE_ROWS);
        let of_plane = plane * BLOCK_VECTORS * 2 * TILE_ROWS;
        rows(pair, block_bytes).flat_map(move |block| {
            block[of_plane..].chunks(2 * TILE_ROWS).take(BLOCK_VECTORS).map(move |vector| vector[within])
        })
    }

    /// Reads one sign.
    pub const fn is_positive(self, memory: &[u8], plane: usize, row: usize, column: usize) -> bool {
        let (byte, bit) = self.place_of(plane, row, column);
        memory[byte] >> bit & 1 == 1
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
    fn planes_cut_anywhere_come_out_of_memory_as_they_went_in() {
        for (rows, columns, planes) in [(1, 1, 1), (16, 8, 3), (17, 9, 2), (40, 515, 4), (96, 128, 8)] {
            let sign = |b: usize, r: usize, c: usize| (b * 5 + r * 31 + c * 17 + r * c).is_multiple_of(3);
            let layout = Layout::new(rows, columns, planes);
            let mut memory = vec![0; layout.bytes().unwrap()];
            for plane in 0..planes {
                let bytes = pack(rows, columns, |r, c| sign(plane, r, c));
                let cut = 1 + (plane * 7 + rows) % 40;
                for (piece, bytes) in bytes.chunks(cut).enumerate() {
                    layout.place(&mut memory, plane, piece * cut, bytes);
                }
            }
            for (plane, r, c) in
                (0..planes).flat_map(|b| (0..rows).flat_map(move |r| (0..columns).map(move |c| (b, r, c))))
            {
                assert_eq!(layout.is_positive(&memory, plane, r, c), sign(plane, r, c), "{plane},{r},{c}");
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
