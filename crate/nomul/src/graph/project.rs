//! The start: very sparse signed projections, one row a node.
//!
//! A node's entries are -1, 0 or 1, times its degree to a power. They come from a generator that is seeded by a hash of
//! the caller's own key of the node and the seed, so a node starts the same whatever the order of nodes and edges, in
//! every graph, on every engine. Hash (SipHash) and generator (xoroshiro128++) only add, shift and exclusive-or.

use core::hash::Hasher;

use serde::{Deserialize, Serialize};
use siphasher::sip128::{Hasher128, SipHasher24};

use super::keys::Key;

/// Numbers of 64 bits: xoroshiro128++ (Blackman, Vigna 2019).
#[derive(Clone, Debug)]
pub struct Stream([u64; 2]);

impl Stream {
    /// The stream of a node. `purpose` tells apart what is drawn for one node.
    pub fn of(key: Key, seed: u64, purpose: u64) -> Stream {
        let mut hasher = SipHasher24::new_with_keys(seed, purpose);
        match key {
            Key::Number(number) => hasher.write(&number.to_le_bytes()),
            // One byte more than a number has, at the least, where it could be mistaken for one.
            Key::Text(text) => {
                hasher.write(text.as_bytes());
                hasher.write(&[0xff]);
                hasher.write(&(text.len() as u64).to_le_bytes());
            }
        }
        let hash = hasher.finish128();
        // All zeros would stay zeros.
        Stream([hash.h1 | 1, hash.h2])
    }

    /// The next number.
    #[inline(always)]
    pub fn draw(&mut self) -> u64 {
        let [a, mut b] = self.0;
        let result = a.wrapping_add(b).rotate_left(17).wrapping_add(a);
        b ^= a;
        self.0 = [a.rotate_left(49) ^ b ^ (b << 21), b.rotate_left(28)];
        result
    }
}

/// How many entries are not zero: one in `s`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sparsity {
    /// One in `sqrt(nodes)`: very sparse (Li, Hastie, Church 2006), as in the paper's code.
    Root,
    /// One in this many, at least 1 (Achlioptas 2003: 3, as in Neo4j).
    #[default]
    Three,
    /// One in this many.
    OneIn(f32),
}

impl Sparsity {
    /// Of 65,536 draws, how many give 1, and as many -1.
    pub fn threshold(self, nodes: usize) -> u16 {
        let one_in = match self {
            Sparsity::Root => libm::sqrt(nodes as f64),
            Sparsity::Three => 3.0,
            Sparsity::OneIn(s) => f64::from(s),
        };
        (32_768.0 / one_in.max(1.0)).max(1.0) as u16
    }
}

/// Fills a row with -1, 0 and 1: 1 for a draw of 16 bits below the threshold, -1 for one that is as far from the end.
#[inline(always)]
pub fn signs(stream: &mut Stream, threshold: u16, row: &mut [i8]) {
    let last = u16::MAX - threshold;
    // Drawn first and compared then, so that many are compared at once.
    for part in row.chunks_mut(64) {
        let mut draws = [0u16; 64];
        for four in &mut draws.as_chunks_mut::<4>().0[..part.len().div_ceil(4)] {
            let draw = stream.draw();
            *four = [draw as u16, (draw >> 16) as u16, (draw >> 32) as u16, (draw >> 48) as u16];
        }
        for (entry, draw) in part.iter_mut().zip(draws) {
            *entry = i8::from(draw < threshold) - i8::from(draw > last);
        }
    }
}
