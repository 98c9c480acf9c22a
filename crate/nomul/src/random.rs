//! Random numbers of additions, rotations and exclusive ors: xoroshiro128++ (Blackman and Vigna, arXiv 1805.01407).

/// The generator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Random {
    state: [u64; 2],
}

impl Random {
    /// From 128 bits, best those of a hash.
    pub fn new(state: [u64; 2]) -> Random {
        // The one state that the generator cannot leave.
        Random { state: if state == [0, 0] { [1, 0] } else { state } }
    }

    /// From a small number, spread by SplitMix64 (Steele, Lea, Flood 2014), as the authors advise.
    pub fn from_seed(seed: u64) -> Random {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        };
        Random::new([next(), next()])
    }

    /// The next 64 fair bits.
    #[inline(always)]
    pub fn word(&mut self) -> u64 {
        let [a, mut b] = self.state;
        let word = a.wrapping_add(b).rotate_left(17).wrapping_add(a);
        b ^= a;
        self.state = [a.rotate_left(49) ^ b ^ (b << 21), b.rotate_left(28)];
        word
    }

    /// A number below `bound`, which is not 0, all equally likely: what is too large is drawn again.
    pub fn below(&mut self, bound: u64) -> u64 {
        let mask = u64::MAX >> (bound - 1).max(1).leading_zeros();
        loop {
            let word = self.word() & mask;
            if word < bound {
                return word;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first numbers after state 1, 2, worked out from the authors' definition with Python's whole numbers.
    #[test]
    fn the_generator_is_xoroshiro128_plus_plus() {
        let mut random = Random::new([1, 2]);
        let words: [u64; 4] = core::array::from_fn(|_| random.word());
        assert_eq!(words, [393217, 669327710093319, 1732421326133921491, 11394790081659126983]);
    }

    #[test]
    fn seeds_are_spread_as_published() {
        // The first outputs of SplitMix64 for the seed 1234567 in the authors' reference program.
        let expected = Random::new([6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
        assert_eq!(Random::from_seed(1_234_567), expected);
    }

    #[test]
    fn numbers_below_a_bound_are_below_it_and_all_occur() {
        let mut random = Random::from_seed(1);
        for bound in [1, 2, 3, 7, 8, 9] {
            let mut counts = [0; 9];
            (0..9000).for_each(|_| counts[random.below(bound) as usize] += 1);
            let expected = 9000 / bound;
            assert!(counts[..bound as usize].iter().all(|&count| u64::abs_diff(count, expected) < expected / 4 + 1));
        }
        assert!(random.below(u64::MAX) < u64::MAX);
    }
}
