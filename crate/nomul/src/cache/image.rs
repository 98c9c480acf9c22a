//! Keys and values as bytes, to be kept and put back.
//!
//! For each block and head: the signs of the keys, as they lie in memory, up to the last pair of tiles that a position is in;
//! of the values each pair of tiles up to the last block of positions; then the scales of keys and of values, three terms
//! of 16 bits (little-endian) for each position. What lies behind the last position in its pair or block is never read.

use alloc::vec::Vec;

use super::{HeadCache, PlaneCache};
use crate::{
    Result, bail,
    plane::{BLOCK_COLUMNS, TILE_ROWS},
    state::State,
    stream::no_memory,
};

/// Bytes of a scale.
const SCALE: usize = 6;

impl State {
    /// Bytes of [`State::save`] for so many positions.
    pub fn image_bytes(&self, positions: usize) -> usize {
        self.heads().map(|head| head.image_bytes(positions)).sum()
    }

    /// The keys and values of all positions so far.
    pub fn save(&self) -> Result<Vec<u8>> {
        let bytes = self.image_bytes(self.position);
        let mut image = Vec::new();
        image.try_reserve_exact(bytes).map_err(|_| no_memory(bytes, "the image of a conversation"))?;
        self.heads().for_each(|head| head.save(self.position, &mut image));
        Ok(image)
    }

    /// Goes back to `positions` positions whose keys and values were saved from a state of the same model. Its context may be
    /// another one. After an error nothing has changed.
    pub fn restore(&mut self, positions: usize, image: &[u8]) -> Result<()> {
        if positions > self.context {
            bail!(Capacity, "{positions} positions were saved, the context holds {}", self.context);
        }
        let bytes = self.image_bytes(positions);
        if image.len() != bytes {
            bail!(Format, "{} bytes of keys and values; {positions} positions of this model have {bytes}", image.len());
        }
        let mut rest = image;
        for head in self.layers.iter_mut().flat_map(|PlaneCache { heads }| heads) {
            rest = head.restore(positions, rest);
        }
        self.position = positions;
        Ok(())
    }

    fn heads(&self) -> impl Iterator<Item = &HeadCache> {
        self.layers.iter().flat_map(|PlaneCache { heads }| heads)
    }
}

impl HeadCache {
    /// Bytes of the keys' signs, and of the values' in each pair of tiles.
    fn sign_bytes(&self, positions: usize) -> (usize, usize) {
        let keys = positions.div_ceil(2 * TILE_ROWS) * self.key_layout.pair_bytes();
        (keys, positions.div_ceil(BLOCK_COLUMNS) * self.value_layout.block_bytes())
    }

    pub(super) fn image_bytes(&self, positions: usize) -> usize {
        let (keys, values) = self.sign_bytes(positions);
        let pairs = self.values.len() / self.value_layout.pair_bytes();
        keys + pairs * values + 2 * SCALE * positions
    }

    pub(super) fn save(&self, positions: usize, image: &mut Vec<u8>) {
        let (keys, values) = self.sign_bytes(positions);
        image.extend_from_slice(&self.keys[..keys]);
        for pair in self.values.chunks(self.value_layout.pair_bytes()) {
            image.extend_from_slice(&pair[..values]);
        }
        for scales in [&self.key_scales, &self.value_scales] {
            image.extend((0..positions).flat_map(|position| scales.terms(position)).flat_map(u16::to_le_bytes));
        }
    }

    /// Answers with the bytes behind those of this head.
    pub(super) fn restore<'a>(&mut self, positions: usize, image: &'a [u8]) -> &'a [u8] {
        let (keys, values) = self.sign_bytes(positions);
        let (signs, mut rest) = image.split_at(keys);
        self.keys[..keys].copy_from_slice(signs);
        for pair in self.values.chunks_mut(self.value_layout.pair_bytes()) {
            let (signs, behind) = rest.split_at(values);
            pair[..values].copy_from_slice(signs);
            rest = behind;
        }
        for scales in [&mut self.key_scales, &mut self.value_scales] {
            let (terms, behind) = rest.split_at(SCALE * positions);
            for (position, terms) in terms.as_chunks::<SCALE>().0.iter().enumerate() {
                let [a, b, c, d, e, f] = *terms;
                scales.set_terms(position, [[a, b], [c, d], [e, f]].map(u16::from_le_bytes));
            }
            rest = behind;
        }
        rest
    }
}
