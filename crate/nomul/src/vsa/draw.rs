//! Random signs from names: the same name and seed give the same signs on every engine, and nothing is stored.
//!
//! A keyed hash (SipHash-2-4 with 128 bits, Aumasson and Bernstein 2012) of what is named starts the
//! generator xoroshiro128++. Both are made of additions, rotations and exclusive ors.

use siphasher::sip128::SipHasher24;

use crate::random::Random;

/// What a name names. Equal names of different kinds are unrelated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// A role that something is bound with.
    Role = 0,
    /// A symbol.
    Atom = 1,
    /// A mark on a line or a circle of levels.
    Level = 2,
    /// What decides when a majority is a tie.
    Tie = 3,
    /// The signs of a spreader.
    Spread = 4,
    /// What a caller draws for purposes of its own.
    Other = 5,
}

/// A stream of random words.
#[derive(Clone, Debug)]
pub struct Draw {
    random: Random,
}

impl Draw {
    /// The stream that belongs to a name, its kind and the seed.
    pub fn new(seed: u64, kind: Kind, name: &[u8]) -> Draw {
        let hash = SipHasher24::new_with_keys(seed, 0x6e6f_6d75_6c20_0000 | kind as u64).hash(name);
        Draw { random: Random::new([hash.h1, hash.h2]) }
    }

    /// The next 64 fair bits.
    #[inline(always)]
    pub fn word(&mut self) -> u64 {
        self.random.word()
    }

    /// A number below `bound`, which is not 0. For bounds far below 2^64, as good as even.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.word() % bound
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_kinds_and_seeds_tell_streams_apart() {
        let word = |seed, kind, name: &str| Draw::new(seed, kind, name.as_bytes()).word();
        let all = [
            word(0, Kind::Role, "a"),
            word(0, Kind::Atom, "a"),
            word(0, Kind::Role, "b"),
            word(0, Kind::Role, ""),
            word(1, Kind::Role, "a"),
        ];
        for (i, a) in all.iter().enumerate() {
            assert_eq!(all.iter().filter(|b| *b == a).count(), 1, "{i}");
        }
        // Written into every file by what it produces: this must never change.
        assert_eq!(word(0, Kind::Role, "a"), 5_111_019_241_636_558_534);
    }
}
