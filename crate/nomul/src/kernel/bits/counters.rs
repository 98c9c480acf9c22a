//! Counters in bit planes: adding a list of vectors up, and comparing the sum with one vector after the other.
//!
//! Counter `i` has its bit `p` in `planes[p * words + i / 64] >> (i % 64)`, with `words` for each plane. One vector at a
//! time would write every plane for each; a list goes through trees of full adders first, in registers, so that eight
//! vectors write the upper planes once (Harley and Seal's way of counting). Textbooks stand in `vsa/tests.rs`.

use alloc::{vec, vec::Vec};

use crate::kernel::{
    BackEnd, Kernel, Simd,
    simd::{Lanes, bytes_of, bytes_of_mut, counted_widely, counts_widely, run},
};

/// The registers of a back end: 32 bytes, four words.
type Wide<S> = <<S as Simd>::Both as Lanes<S>>::W;

/// Planes that the adders hold in registers: of counts of one, two and four.
const HELD: usize = 3;

/// A list of vectors of bits.
pub trait Terms {
    /// Whether a term is the exclusive or of two vectors.
    const PAIRS: bool;
    /// How many there are.
    fn count(&self) -> usize;
    /// The words of a term: of both vectors, or twice those of the one.
    fn term(&self, term: usize) -> [&[u64]; 2];
}

/// Adds one to the counter of every place and term that is set. The planes have room for the sums.
pub fn count<T: Terms + ?Sized>(back_end: BackEnd, terms: &T, words: usize, planes: &mut [u64]) {
    for term in 0..terms.count() {
        assert!(terms.term(term).iter().all(|part| part.len() == words), "words of a term");
    }
    run(back_end, Count { terms, words, planes });
}

struct Count<'a, T: ?Sized> {
    terms: &'a T,
    words: usize,
    planes: &'a mut [u64],
}

impl<T: Terms + ?Sized> Kernel for Count<'_, T> {
    type Output = ();

    // No closures here and below: they could not be forced inline, and what is not has not the back end's instructions.
    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        let Count { terms, words, planes } = self;
        let mut next = 0;
        while next + 8 <= terms.count() {
            add::<S, T, 8>(s, terms, next, words, planes);
            next += 8;
        }
        let left = terms.count() - next;
        if left & 4 != 0 {
            add::<S, T, 4>(s, terms, next, words, planes);
            next += 4;
        }
        if left & 2 != 0 {
            add::<S, T, 2>(s, terms, next, words, planes);
            next += 2;
        }
        if left & 1 != 0 {
            add::<S, T, 1>(s, terms, next, words, planes);
        }
        // What fills no register.
        for word in words / 4 * 4..words {
            for i in 0..terms.count() {
                let [a, b] = terms.term(i);
                let mut carry = if T::PAIRS { a[word] ^ b[word] } else { a[word] };
                for plane in planes.chunks_exact_mut(words) {
                    let next = plane[word] & carry;
                    plane[word] ^= carry;
                    carry = next;
                }
            }
        }
    }
}

/// Adds `N` terms from the `first` on, a power of two up to eight, in all whole registers.
#[inline(always)]
fn add<S: Simd, T: Terms + ?Sized, const N: usize>(s: S, terms: &T, first: usize, words: usize, planes: &mut [u64]) {
    let lanes = S::Both::default();
    let whole = words / 4;
    let mut list: [[&[[u8; 32]]; 2]; N] = [[&[]; 2]; N];
    for (i, parts) in list.iter_mut().enumerate() {
        let [a, b] = terms.term(first + i);
        *parts = [&blocks(a)[..whole], &blocks(b)[..whole]];
    }
    for at in 0..whole {
        let mut held = [lanes.splat8(s, 0); HELD];
        for (held, plane) in held.iter_mut().zip(planes.chunks_exact(words)) {
            *held = load(s, plane, at);
        }
        let mut terms = [held[0]; N];
        for (term, [a, b]) in terms.iter_mut().zip(&list) {
            *term = lanes.load(s, &a[at]);
            if T::PAIRS {
                *term = lanes.xor(s, *term, lanes.load(s, &b[at]));
            }
        }
        let carry = match N {
            8 => {
                let a = four(s, [terms[0], terms[1 % N], terms[2 % N], terms[3 % N]], &mut held);
                let b = four(s, [terms[4 % N], terms[5 % N], terms[6 % N], terms[7 % N]], &mut held);
                full(s, &mut held[2], a, b)
            }
            4 => {
                let carry = four(s, [terms[0], terms[1 % N], terms[2 % N], terms[3 % N]], &mut held);
                half(s, &mut held[2], carry)
            }
            2 => {
                let carry = full(s, &mut held[0], terms[0], terms[1 % N]);
                let carry = half(s, &mut held[1], carry);
                half(s, &mut held[2], carry)
            }
            _ => {
                let carry = half(s, &mut held[0], terms[0]);
                let carry = half(s, &mut held[1], carry);
                half(s, &mut held[2], carry)
            }
        };
        up(s, planes, words, at, carry);
        for (held, plane) in held.iter().zip(planes.chunks_exact_mut(words)) {
            lanes.store(s, *held, &mut bytes_of_mut(plane).as_chunks_mut::<32>().0[at]);
        }
    }
}

/// Words, four by four.
#[inline(always)]
fn blocks(words: &[u64]) -> &[[u8; 32]] {
    bytes_of(words).as_chunks().0
}

/// The `at`-th four words.
#[inline(always)]
fn load<S: Simd>(s: S, words: &[u64], at: usize) -> Wide<S> {
    S::Both::default().load(s, &blocks(words)[at])
}

/// The sum of three bits of each place: what stays becomes `sum`, what goes to the next plane is the answer.
#[inline(always)]
fn full<S: Simd>(s: S, sum: &mut Wide<S>, a: Wide<S>, b: Wide<S>) -> Wide<S> {
    let lanes = S::Both::default();
    let (either, both) = (lanes.xor(s, *sum, a), lanes.and(s, *sum, a));
    *sum = lanes.xor(s, either, b);
    lanes.xor(s, both, lanes.and(s, either, b))
}

/// The same of two bits.
#[inline(always)]
fn half<S: Simd>(s: S, sum: &mut Wide<S>, a: Wide<S>) -> Wide<S> {
    let lanes = S::Both::default();
    let carry = lanes.and(s, *sum, a);
    *sum = lanes.xor(s, *sum, a);
    carry
}

/// Adds four terms into the planes of ones and twos; the answer belongs to that of fours.
#[inline(always)]
fn four<S: Simd>(s: S, terms: [Wide<S>; 4], held: &mut [Wide<S>; HELD]) -> Wide<S> {
    let a = full(s, &mut held[0], terms[0], terms[1]);
    let b = full(s, &mut held[0], terms[2], terms[3]);
    full(s, &mut held[1], a, b)
}

/// What is carried out of the planes that are held goes up one by one.
#[inline(always)]
fn up<S: Simd>(s: S, planes: &mut [u64], words: usize, at: usize, mut carry: Wide<S>) {
    let lanes = S::Both::default();
    for plane in planes.chunks_exact_mut(words).skip(HELD) {
        let place = &mut bytes_of_mut(plane).as_chunks_mut::<32>().0[at];
        let mut sum = lanes.load(s, place);
        carry = half(s, &mut sum, carry);
        lanes.store(s, sum, place);
    }
}

/// Counters that are compared with one vector after the other, made ready once: of every plane the lower and the upper
/// halves of its bytes lie apart, so that a comparison need not take them apart again.
pub struct Ready<'a> {
    back_end: BackEnd,
    planes: &'a [u64],
    words: usize,
    /// For each group of planes, for each block of 32 bytes, for each plane of the group: lower halves, upper halves.
    /// Empty where there is a wider way.
    halves: Vec<[u8; 32]>,
    /// All counters, added up.
    sum: u64,
}

impl<'a> Ready<'a> {
    /// Of planes of so many words each.
    pub fn new(back_end: BackEnd, planes: &'a [u64], words: usize) -> Ready<'a> {
        assert!(words > 0 && planes.len().is_multiple_of(words), "whole planes");
        let mut ready = Ready { back_end, planes, words, halves: Vec::new(), sum: 0 };
        if back_end == BackEnd::Scalar || !counts_widely(planes, words) {
            ready.plainly();
        } else if let Some((sum, _)) = counted_widely(planes, &vec![u64::MAX; words]) {
            ready.sum = sum;
        }
        ready
    }

    /// [`Ready::new`] with what every back end has.
    #[cfg(test)]
    pub fn new_plainly(back_end: BackEnd, planes: &'a [u64], words: usize) -> Ready<'a> {
        let mut ready = Ready { back_end, planes, words, halves: Vec::new(), sum: 0 };
        ready.plainly();
        ready
    }

    fn widely(&self, x: &[u64]) -> Option<(u64, u32)> {
        if self.back_end == BackEnd::Scalar { None } else { counted_widely(self.planes, x) }
    }

    fn plainly(&mut self) {
        self.halves = vec![[0; 32]; 2 * (self.words / 4) * (self.planes.len() / self.words)];
        self.sum = run(self.back_end, Halve { planes: self.planes, words: self.words, halves: &mut self.halves });
    }

    /// All counters, added up.
    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// The counters of the places that are set in `x`, added up, and how many those places are.
    pub fn counted(&self, x: &[u64]) -> (u64, u32) {
        assert!(x.len() == self.words, "words of a vector");
        if self.halves.is_empty()
            && let Some(counted) = self.widely(x)
        {
            return counted;
        }
        run(self.back_end, Counted { planes: self.planes, halves: &self.halves, x })
    }
}

/// Planes that are looked up together: their counts of eight places add up to 120 at most, so bytes hold two of them.
const TOGETHER: usize = 4;

/// The bits of a half byte, counted, in the weight of each plane.
static COUNTS: [[u8; 16]; TOGETHER] = {
    let mut counts = [[0; 16]; TOGETHER];
    let mut plane = 0;
    while plane < TOGETHER {
        let mut half = 0;
        while half < 16 {
            counts[plane][half] = ((half as u32).count_ones() as u8) << plane;
            half += 1;
        }
        plane += 1;
    }
    counts
};

struct Halve<'a> {
    planes: &'a [u64],
    words: usize,
    halves: &'a mut [[u8; 32]],
}

impl Kernel for Halve<'_> {
    type Output = u64;

    #[inline(always)]
    fn call<S: Simd>(self, s: S) -> u64 {
        let Halve { planes, words, halves } = self;
        let lanes = S::Both::default();
        let (zero, half) = (lanes.splat8(s, 0), lanes.splat8(s, 0x0f));
        let whole = words / 4;
        let mut sum = 0;
        for (p, plane) in planes.chunks_exact(words).enumerate() {
            let (group, place) = (p / TOGETHER, p % TOGETHER);
            let in_group = TOGETHER.min(planes.len() / words - group * TOGETHER);
            let halves = &mut halves[2 * group * TOGETHER * whole..];
            let mut counts = 0;
            let mut sums = zero;
            for block in 0..whole {
                let bytes = load(s, plane, block);
                let (low, high) = (lanes.and(s, bytes, half), lanes.and(s, lanes.shr16::<4>(s, bytes), half));
                let at = 2 * (block * in_group + place);
                lanes.store(s, low, &mut halves[at]);
                lanes.store(s, high, &mut halves[at + 1]);
                let counted = lanes.add8(s, lanes.swizzle(s, &COUNTS[0], low), lanes.swizzle(s, &COUNTS[0], high));
                sums = widened(s, sums, counted);
            }
            counts += total(s, sums);
            counts += plane[4 * whole..].iter().map(|word| word.count_ones() as u64).sum::<u64>();
            sum += counts << p;
        }
        sum
    }
}

struct Counted<'a> {
    planes: &'a [u64],
    halves: &'a [[u8; 32]],
    x: &'a [u64],
}

impl Kernel for Counted<'_> {
    type Output = (u64, u32);

    #[inline(always)]
    fn call<S: Simd>(self, s: S) -> (u64, u32) {
        let Counted { planes, halves, x } = self;
        let whole = x.len() / 4;
        let mut left = planes.len() / x.len();
        let (mut sum, mut at, mut weight) = (0, 0, 0);
        let mut set;
        loop {
            let (weighed, count) = match left {
                0 => weighed::<S, 0>(s, &[], x),
                1 => weighed::<S, 1>(s, &halves[at..], x),
                2 => weighed::<S, 2>(s, &halves[at..], x),
                3 => weighed::<S, 3>(s, &halves[at..], x),
                _ => weighed::<S, 4>(s, &halves[at..], x),
            };
            sum += weighed << weight;
            set = count;
            if left <= TOGETHER {
                break;
            }
            left -= TOGETHER;
            at += 2 * TOGETHER * whole;
            weight += TOGETHER;
        }
        // What fills no register.
        for w in 4 * whole..x.len() {
            set += x[w].count_ones();
            for (p, plane) in planes.chunks_exact(x.len()).enumerate() {
                sum += ((plane[w] & x[w]).count_ones() as u64) << p;
            }
        }
        (sum, set)
    }
}

/// [`Ready::counted`] for `PLANES` planes, at most [`TOGETHER`], and all whole blocks.
#[inline(always)]
fn weighed<S: Simd, const PLANES: usize>(s: S, halves: &[[u8; 32]], x: &[u64]) -> (u64, u32) {
    let lanes = S::Both::default();
    let zero = lanes.splat8(s, 0);
    let half = lanes.splat8(s, 0x0f);
    let x = &bytes_of(x).as_chunks::<32>().0;
    let halves = &halves[..2 * PLANES * x.len()];
    // Lanes of 16 bits hold the counts of all blocks: 256 of 256 places at most.
    let (mut sums, mut sets) = (zero, zero);
    for (many, x) in x.chunks(SET_BLOCKS).enumerate() {
        let halves = &halves[2 * PLANES * SET_BLOCKS * many..];
        let mut set = zero;
        for (two, x) in x.chunks(2).enumerate() {
            let (mut low_sum, mut high_sum) = (zero, zero);
            for (one, x) in x.iter().enumerate() {
                let halves = &halves[2 * PLANES * (2 * two + one)..][..2 * PLANES];
                let x = lanes.load(s, x);
                let (low, high) = (lanes.and(s, x, half), lanes.and(s, lanes.shr16::<4>(s, x), half));
                set = lanes.add8(s, set, lanes.swizzle(s, &COUNTS[0], low));
                set = lanes.add8(s, set, lanes.swizzle(s, &COUNTS[0], high));
                for p in 0..PLANES {
                    let (lower, upper) = (lanes.load(s, &halves[2 * p]), lanes.load(s, &halves[2 * p + 1]));
                    low_sum = lanes.add8(s, low_sum, lanes.swizzle(s, &COUNTS[p], lanes.and(s, lower, low)));
                    high_sum = lanes.add8(s, high_sum, lanes.swizzle(s, &COUNTS[p], lanes.and(s, upper, high)));
                }
            }
            // Each holds at most 120.
            sums = widened(s, sums, lanes.add8(s, low_sum, high_sum));
        }
        sets = widened(s, sets, set);
    }
    (total(s, sums), total(s, sets) as u32)
}

/// Blocks of which bytes hold the places that are set: eight each. Even, because two are looked up at once.
const SET_BLOCKS: usize = 30;

/// Adds bytes, in pairs, to lanes of 16 bits.
#[inline(always)]
fn widened<S: Simd>(s: S, sums: Wide<S>, bytes: Wide<S>) -> Wide<S> {
    let lanes = S::Both::default();
    let low = lanes.and(s, bytes, lanes.load(s, &LOW_BYTES));
    lanes.add16(s, lanes.add16(s, sums, low), lanes.shr16::<8>(s, bytes))
}

/// A mask of the lower byte of each lane of 16 bits.
static LOW_BYTES: [u8; 32] = {
    let mut mask = [0; 32];
    let mut i = 0;
    while i < 32 {
        mask[i] = 0xff;
        i += 2;
    }
    mask
};

/// All lanes of 16 bits, added up.
#[inline(always)]
fn total<S: Simd>(s: S, sums: Wide<S>) -> u64 {
    let mut sum = 0;
    for tile in <S::Both as Lanes<S>>::TILES {
        let mut bytes = [0; 16];
        s.store(S::Both::default().tile(s, sums, tile), &mut bytes);
        for pair in bytes.as_chunks().0 {
            sum += u16::from_le_bytes(*pair) as u64;
        }
    }
    sum
}
