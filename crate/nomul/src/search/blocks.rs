//! Rows of bytes, all of one size, in blocks of memory: growing never copies what is there, and a scan reads long runs.

use alloc::vec::Vec;

use crate::{Code, Error, Result};

/// Bytes of a block, about: large enough to be read at full speed, small enough not to be missed.
const BLOCK_BYTES: usize = 1 << 18;

#[derive(Clone, Debug)]
pub struct Blocks {
    row_bytes: usize,
    rows_per_block: usize,
    rows: usize,
    blocks: Vec<Vec<u8>>,
}

impl Blocks {
    /// Rows of so many bytes; of none where there is nothing to keep.
    pub fn new(row_bytes: usize) -> Blocks {
        Blocks { row_bytes, rows_per_block: rows_per_block(row_bytes), rows: 0, blocks: Vec::new() }
    }

    /// The bytes that so many rows take: whole blocks, once there is more than one.
    pub fn memory(row_bytes: usize, rows: u64) -> u64 {
        let block = rows_per_block(row_bytes) as u64;
        let rows = if rows > block { rows.div_ceil(block) * block } else { rows };
        row_bytes as u64 * rows
    }

    /// Adds a row behind the others.
    pub fn push(&mut self, row: &[u8]) -> Result<()> {
        debug_assert_eq!(row.len(), self.row_bytes);
        if self.row_bytes > 0 {
            if self.rows.is_multiple_of(self.rows_per_block) {
                self.add_block()?;
            }
            let first = self.blocks.len() == 1;
            if let Some(block) = self.blocks.last_mut() {
                // A small index takes little: only its first block grows as it fills.
                if first {
                    block.try_reserve(row.len()).map_err(|_| no_memory(row.len()))?;
                }
                block.extend_from_slice(row);
            }
        }
        self.rows += 1;
        Ok(())
    }

    fn add_block(&mut self) -> Result<()> {
        let bytes = self.rows_per_block * self.row_bytes;
        let mut block = Vec::new();
        if !self.blocks.is_empty() {
            block.try_reserve_exact(bytes).map_err(|_| no_memory(bytes))?;
        }
        self.blocks.try_reserve(1).map_err(|_| no_memory(bytes))?;
        self.blocks.push(block);
        Ok(())
    }

    /// A row's bytes.
    pub fn row(&self, row: usize) -> &[u8] {
        &self.run(row, 1)[..self.row_bytes]
    }

    /// A row's bytes, to be changed.
    pub fn row_mut(&mut self, row: usize) -> &mut [u8] {
        if self.row_bytes == 0 {
            return &mut [];
        }
        let at = row % self.rows_per_block * self.row_bytes;
        &mut self.blocks[row / self.rows_per_block][at..at + self.row_bytes]
    }

    /// The bytes of the rows from `row` on that lie in one run: `most` rows, or fewer where a block ends.
    pub fn run(&self, row: usize, most: usize) -> &[u8] {
        if self.row_bytes == 0 {
            return &[];
        }
        let place = row % self.rows_per_block;
        let rows = most.min(self.rows_per_block - place);
        let block = &self.blocks[row / self.rows_per_block];
        &block[place * self.row_bytes..block.len().min((place + rows) * self.row_bytes)]
    }

    /// Takes a row out: the last one comes to its place.
    pub fn swap_remove(&mut self, row: usize) {
        self.rows -= 1;
        if self.row_bytes == 0 {
            return;
        }
        let Some(last) = self.blocks.last_mut() else { return };
        let moved = last.split_off(last.len() - self.row_bytes);
        if last.is_empty() {
            self.blocks.pop();
        }
        if row < self.rows {
            self.row_mut(row).copy_from_slice(&moved);
        }
    }
}

fn rows_per_block(row_bytes: usize) -> usize {
    (BLOCK_BYTES / row_bytes.max(1)).max(1)
}

fn no_memory(bytes: usize) -> Error {
    Error::new(Code::Capacity, crate::format!("no memory for {bytes} more bytes of vectors"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn rows_come_and_go() {
        for row_bytes in [0, 16, 100_000, 300_000] {
            let mut blocks = Blocks::new(row_bytes);
            let mut model: Vec<u8> = Vec::new();
            for i in 0..40u8 {
                blocks.push(&vec![i; row_bytes]).unwrap();
                model.push(i);
            }
            for i in [39, 0, 5, 30, 3, 3, 3, 0] {
                blocks.swap_remove(i % blocks.rows);
                model.swap_remove(i % model.len());
                for (row, byte) in model.iter().enumerate() {
                    assert_eq!(blocks.row(row), vec![*byte; row_bytes], "{row_bytes}, {row}");
                }
            }
            while blocks.rows > 0 {
                blocks.swap_remove(0);
            }
            assert!(blocks.blocks.is_empty());
        }
    }
}
