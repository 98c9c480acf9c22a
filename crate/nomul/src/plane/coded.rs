//! Sign planes as they lie in files: a weight's signs in the planes of a level are one symbol, coded in about as many bits
//! as its probability asks for.
//!
//! Weights are bell-shaped, so the outer of the levels that planes make are rare: four planes of SmolLM2 hold 3.66 bits a
//! weight. The coder is a table that is stepped through (asymmetric numeral systems, arXiv 1311.2540, there tANS): to take a
//! symbol is a look-up, a shift and an addition. Planes that came with an earlier level are known, and each of their patterns
//! has a table of its own.
//!
//! A tensor has the planes `from..to` of a matrix, all numbers little end first:
//!
//! - Counts, U16, `[2^(to - from), 2^from]`: of the `2^bits` places of the table of a pattern of planes before (plane 0 in
//!   bit 0), how many each symbol has (plane `from` in bit 0); all zero where the pattern does not occur. `bits` is 12 where
//!   `from` is 0, else 10.
//! - For every four tiles (64 rows) a part of two strands: the bytes of each, U32; then each, the second of one tile fewer where
//!   their number is odd, and of no bytes where there is one: the first states of four decoders, U16, and the bits that
//!   they read, the lowest of a byte first.
//! - Zeros up to a multiple of eight bytes, so that what follows in a file lies where its type asks for.
//!
//! In a strand, tiles follow each other, in a tile vectors of eight columns, in a vector columns, in a column the sixteen byte
//! lanes (see [`crate::plane`]); symbol `i` is taken by decoder `i mod 4`. Symbols get the places of a table in turn, as many as
//! their counts, each place `5/8 * size + 3` after the one before. The `n`th place of a symbol, in ascending order,
//! stands for `x = count + n`, and leads to state `(x << b) - size` plus the `b` next bits, `b` being what brings `x` up to
//! the size. All four decoders end in state 0.

use alloc::{vec, vec::Vec};
use core::ops::Range;

use super::{Layout, TILE_ROWS, VECTOR_COLUMNS, shape};
use crate::{Result, bail, kernel::MAX_PLANES};

/// Decoders of a strand that take turns: each waits for its own last look-up alone.
const STATES: usize = 4;
/// Strands of a part: while one waits for the place of its next bits, the other goes on.
const STRANDS: usize = 2;
/// Tiles of a part.
const TILES: usize = 4;
/// What a strand has before its bits.
const HEAD: usize = 2 * STATES;
/// What a part has before its strands.
const LENGTHS: usize = 4 * STRANDS;
/// Bytes of what bits are taken from.
const WORD: usize = 8;
/// A tensor has a multiple of so many bytes.
const UNIT: usize = 8;
/// Symbols of a vector.
const SYMBOLS: usize = TILE_ROWS * VECTOR_COLUMNS;

/// Which planes of which matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Outputs.
    pub rows: usize,
    /// Inputs.
    pub columns: usize,
    /// Planes that are known.
    pub from: usize,
    /// Those and the ones that are coded.
    pub to: usize,
}

impl Part {
    /// log2 of the places of a table: the tables of all patterns should stay in a first-level cache.
    const fn bits(self) -> u32 {
        if self.from == 0 { 12 } else { 10 }
    }

    const fn patterns(self) -> usize {
        1 << self.from
    }

    const fn vectors(self) -> usize {
        shape(self.rows, self.columns)[1]
    }

    const fn parts(self) -> usize {
        shape(self.rows, self.columns)[0].div_ceil(TILES)
    }

    /// The tiles of each strand of a part.
    fn tiles(self, part: usize) -> [Range<usize>; STRANDS] {
        let (first, end) = (TILES * part, (TILES * part + TILES).min(shape(self.rows, self.columns)[0]));
        let middle = first + (end - first).div_ceil(STRANDS);
        [first..middle, middle..end]
    }

    /// The most bytes that [`encode`] takes for such planes; `None` where that exceeds the address space.
    pub fn most_bytes(self) -> Option<usize> {
        let planes = super::bytes(self.rows, self.columns)?.checked_mul(self.to - self.from)?;
        planes
            .checked_add(self.parts().checked_mul(LENGTHS + STRANDS * HEAD)?)?
            .checked_add(2 << self.to)?
            .checked_next_multiple_of(UNIT)
    }

    /// The most bytes that a strand of so many tiles can take.
    fn most_of_strand(self, tiles: usize) -> usize {
        if tiles == 0 { 0 } else { HEAD + tiles * self.vectors() * SYMBOLS / 8 * self.bits() as usize }
    }
}

/// Takes coded planes in, cut anywhere, and puts them into the memory of their matrix.
#[derive(Debug)]
pub struct Decoder {
    part: Part,
    layout: Layout,
    /// The tables of all patterns. A place: the state it leads to, less what bits add (16), how many bits (8), the symbol (8).
    places: Vec<u32>,
    /// What has come of what is read next.
    pending: Vec<u8>,
    /// Bytes of that.
    wanted: usize,
    /// Bytes before it.
    taken: usize,
    next: Next,
}

#[derive(Clone, Copy, Debug)]
enum Next {
    Counts,
    Lengths { part: usize },
    Strands { part: usize, first: usize },
    Zeros,
    Nothing,
}

impl Decoder {
    /// For planes that belong to a matrix of `planes` planes.
    pub fn new(part: Part, planes: usize) -> Decoder {
        let layout = Layout::new(part.rows, part.columns, planes);
        Decoder {
            part,
            layout,
            places: Vec::new(),
            pending: Vec::new(),
            wanted: 2 << part.to,
            taken: 0,
            next: Next::Counts,
        }
    }

    /// Takes the next bytes; `memory` is that of all planes of the matrix, in which those before `from` are.
    ///
    /// Errors: [`crate::Code::Format`] for bytes that no planes were coded in. What was decoded before them stays.
    pub fn push(&mut self, mut bytes: &[u8], memory: &mut [u8]) -> Result<()> {
        while !bytes.is_empty() {
            let (these, rest) = bytes.split_at(bytes.len().min(self.wanted - self.pending.len()));
            self.pending.extend_from_slice(these);
            bytes = rest;
            if self.pending.len() == self.wanted {
                self.taken += self.wanted;
                self.step(memory)?;
                self.pending.clear();
            }
        }
        Ok(())
    }

    /// Checks that nothing is missing.
    pub fn finish(&self) -> Result<()> {
        match self.next {
            Next::Nothing => Ok(()),
            Next::Counts => bail!(Format, "ends within its counts"),
            Next::Zeros => bail!(Format, "ends {} bytes too early", self.wanted - self.pending.len()),
            Next::Lengths { part } | Next::Strands { part, .. } => bail!(Format, "ends within part {part}"),
        }
    }

    /// Reads what was waited for.
    fn step(&mut self, memory: &mut [u8]) -> Result<()> {
        let planes = self.part;
        let next = match self.next {
            Next::Counts => {
                self.places = tables(planes, &self.pending)?;
                0
            }
            Next::Lengths { part } => {
                let length = |i: usize| {
                    self.pending[4 * i..][..4].iter().rev().fold(0, |sum, &byte| sum << 8 | usize::from(byte))
                };
                let lengths: [usize; STRANDS] = core::array::from_fn(length);
                for (length, tiles) in lengths.into_iter().zip(planes.tiles(part)) {
                    let most = planes.most_of_strand(tiles.len());
                    if length > most {
                        bail!(Format, "part {part} has a strand of {length} bytes, where {most} are possible");
                    }
                }
                let first = lengths[0];
                (self.wanted, self.next) = (lengths.iter().sum::<usize>().max(1), Next::Strands { part, first });
                return Ok(());
            }
            Next::Strands { part, first } => {
                // Words are read whole, also the last.
                self.pending.extend([0; WORD]);
                if !self.decode(part, first, memory) {
                    bail!(Format, "part {part} is damaged");
                }
                part + 1
            }
            Next::Zeros if self.pending.iter().all(|&byte| byte == 0) => planes.parts(),
            Next::Zeros | Next::Nothing => bail!(Format, "bytes after the last part"),
        };
        (self.wanted, self.next) = match self.taken.next_multiple_of(UNIT) - self.taken {
            _ if next < planes.parts() => (LENGTHS, Next::Lengths { part: next }),
            0 => (1, Next::Nothing),
            missing => (missing, Next::Zeros),
        };
        Ok(())
    }

    /// Decodes a part, the first strand of which has `first` bytes; false where it does not come out even.
    fn decode(&self, part: usize, first: usize, memory: &mut [u8]) -> bool {
        let [own, others] = self.part.tiles(part);
        let end = self.pending.len() - WORD;
        let strand = |start: usize| Strand::new(&self.pending[..end], start, self.part.bits());
        let (Some(mut a), mut b) = (strand(0), strand(first).filter(|_| !others.is_empty())) else { return false };
        for tile in own.clone() {
            let other = tile + own.len();
            for vector in 0..self.part.vectors() {
                let is_whole = match &mut b {
                    Some(b) if others.contains(&other) => self.vectors([&mut a, b], [tile, other], vector, memory),
                    _ => self.vectors([&mut a], [tile], vector, memory),
                };
                if !is_whole {
                    return false;
                }
            }
        }
        a.is_at(first) && b.map_or(others.is_empty() && first == end, |b| b.is_at(end))
    }

    /// Decodes a vector of a tile of each strand; false where bits are missing.
    fn vectors<const N: usize>(
        &self,
        strands: [&mut Strand; N],
        tiles: [usize; N],
        vector: usize,
        memory: &mut [u8],
    ) -> bool {
        let Decoder { part, layout, .. } = self;
        let (from, count) = (part.from, part.to - part.from);
        let mut known = [[Lanes::default(); MAX_PLANES]; N];
        for (known, &tile) in known.iter_mut().zip(&tiles) {
            for (plane, known) in known[..from].iter_mut().enumerate() {
                *known = Lanes::read(&memory[layout.start(plane, tile, vector)..]);
            }
        }
        let mut found = [[Lanes::default(); MAX_PLANES]; N];
        // Copies, which registers can hold.
        let mut own = strands.each_ref().map(|strand| **strand);
        for column in 0..VECTOR_COLUMNS as u32 {
            let mut patterns = [Lanes::default(); N];
            for (patterns, known) in patterns.iter_mut().zip(&known) {
                (0..).zip(&known[..from]).for_each(|(plane, known)| patterns.add_bit(*known, column, plane));
            }
            let mut symbols = [Lanes::default(); N];
            for four in 0..TILE_ROWS / STATES {
                for i in 0..N {
                    let Some(found) = self.four(&mut own[i], patterns[i].0[four]) else { return false };
                    symbols[i].0[four] = found;
                }
            }
            for (found, symbols) in found.iter_mut().zip(&symbols) {
                (0..).zip(&mut found[..count]).for_each(|(plane, found)| found.add_bit(*symbols, plane, column));
            }
        }
        strands.into_iter().zip(own).for_each(|(strand, own)| *strand = own);
        for (found, &tile) in found.iter().zip(&tiles) {
            for (plane, found) in found[..count].iter().enumerate() {
                found.write(&mut memory[layout.start(from + plane, tile, vector)..]);
            }
        }
        true
    }

    /// Takes four symbols, given the patterns of their weights, a byte each.
    #[inline(always)]
    fn four(&self, strand: &mut Strand, patterns: u32) -> Option<u32> {
        let word = self.pending.get(strand.at >> 3..)?.first_chunk::<WORD>()?;
        // They take 48 bits at most; 57 are here.
        let word = u64::from_le_bytes(*word) >> (strand.at & 7);
        let bits = self.part.bits();
        let (mut taken, mut symbols) = (0, 0);
        for (i, state) in strand.states.iter_mut().enumerate() {
            let pattern = (patterns >> (8 * i)) as usize & 0xff;
            let place = *self.places.get(pattern << bits | *state as usize)?;
            let length = place >> 8 & 0xff;
            *state = (place >> 16) + ((word >> taken) as u32 & ((1 << length) - 1));
            symbols |= (place & 0xff) << (8 * i);
            taken += length;
        }
        strand.at += taken as usize;
        Some(symbols)
    }
}

/// The sixteen byte lanes of a vector, in fours.
#[derive(Clone, Copy, Default)]
struct Lanes([u32; 4]);

impl Lanes {
    fn read(bytes: &[u8]) -> Lanes {
        let fours = bytes[..TILE_ROWS].as_chunks::<4>().0;
        Lanes(core::array::from_fn(|four| u32::from_le_bytes(fours[four])))
    }

    fn write(self, bytes: &mut [u8]) {
        let fours = bytes[..TILE_ROWS].as_chunks_mut::<4>().0;
        fours.iter_mut().zip(self.0).for_each(|(bytes, four)| *bytes = four.to_le_bytes());
    }

    /// Sets bit `to` of each lane where bit `from` of the lane of `other` is set.
    fn add_bit(&mut self, other: Lanes, from: u32, to: u32) {
        const LOWEST: u32 = u32::MAX / 0xff;
        self.0.iter_mut().zip(other.0).for_each(|(four, other)| *four |= (other >> from & LOWEST) << to);
    }
}

/// Four decoders that read the same bits.
#[derive(Clone, Copy)]
struct Strand {
    states: [u32; STATES],
    /// The bit that is next.
    at: usize,
}

impl Strand {
    /// One that begins at byte `start`; `None` where it is too short.
    fn new(bytes: &[u8], start: usize, bits: u32) -> Option<Strand> {
        let head = bytes.get(start..)?.first_chunk::<HEAD>()?;
        let state = |i: usize| u32::from(u16::from_le_bytes([head[2 * i], head[2 * i + 1]]));
        let states = core::array::from_fn(|i| state(i) & ((1 << bits) - 1));
        Some(Strand { states, at: 8 * (start + HEAD) })
    }

    /// It has come out even, at byte `end`.
    fn is_at(&self, end: usize) -> bool {
        self.states == [0; STATES] && self.at.div_ceil(8) == end
    }
}

/// The symbol of each place of a table. `counts` add up to its size.
fn spread(counts: &[u16], size: usize) -> Vec<u8> {
    let mut symbols = vec![0; size];
    let step = (size >> 1) + (size >> 3) + 3;
    let turns = counts.iter().enumerate().flat_map(|(symbol, &count)| core::iter::repeat_n(symbol, count.into()));
    turns.enumerate().for_each(|(turn, symbol)| symbols[(turn * step) & (size - 1)] = symbol as u8);
    symbols
}

/// The tables that counts stand for. One of a pattern that does not occur stays at its first place.
fn tables(part: Part, counts: &[u8]) -> Result<Vec<u32>> {
    let (bits, size) = (part.bits(), 1usize << part.bits());
    let counts: Vec<u16> = counts.as_chunks::<2>().0.iter().map(|pair| u16::from_le_bytes(*pair)).collect();
    let mut places = vec![0; size * part.patterns()];
    for (pattern, places) in places.chunks_mut(size).enumerate() {
        let counts: Vec<u16> = counts[pattern..].iter().step_by(part.patterns()).copied().collect();
        let sum: usize = counts.iter().map(|&count| usize::from(count)).sum();
        if sum == 0 {
            continue;
        }
        if sum != size {
            bail!(Format, "counts of pattern {pattern} add up to {sum}, not {size}");
        }
        let mut numbers: Vec<usize> = counts.iter().map(|&count| count.into()).collect();
        for (place, symbol) in places.iter_mut().zip(spread(&counts, size)) {
            let number = &mut numbers[usize::from(symbol)];
            let length = bits - number.ilog2();
            *place = (((*number << length) - size) as u32) << 16 | length << 8 | u32::from(symbol);
            *number += 1;
        }
    }
    Ok(places)
}

/// Codes the planes `part.from..part.to`; `planes` has all up to the last of them, each as [`super::pack`] gives it.
pub fn encode(part: Part, planes: &[impl AsRef<[u8]>]) -> Vec<u8> {
    let size = 1u64 << part.bits();
    let (mut seen, mut signs) = (vec![0u64; 1 << part.to], Vec::new());
    for tiles in (0..part.parts()).flat_map(|place| part.tiles(place)) {
        gather(part, planes, tiles, &mut signs);
        signs.iter().for_each(|&signs| seen[usize::from(signs)] += 1);
    }
    let mut counts = vec![0u16; 1 << part.to];
    for pattern in 0..part.patterns() {
        let own: Vec<u64> = seen[pattern..].iter().step_by(part.patterns()).copied().collect();
        let places = counts[pattern..].iter_mut().step_by(part.patterns());
        places.zip(share_out(size, &own)).for_each(|(count, places)| *count = places);
    }
    let coded = encode_with(part, planes, &counts);
    // What cannot be foreseen takes no more than its planes.
    if part.most_bytes().is_some_and(|most| coded.len() <= most) {
        return coded;
    }
    encode_with(part, planes, &vec![(size >> (part.to - part.from)) as u16; 1 << part.to])
}

/// The signs of each weight of some tiles, in the order of the file; plane 0 in bit 0.
fn gather(part: Part, planes: &[impl AsRef<[u8]>], tiles: Range<usize>, signs: &mut Vec<u8>) {
    let bytes = tiles.start * part.vectors() * TILE_ROWS..tiles.end * part.vectors() * TILE_ROWS;
    signs.clear();
    signs.resize(bytes.len() * VECTOR_COLUMNS, 0);
    for (b, plane) in planes[..part.to].iter().enumerate() {
        let vectors = plane.as_ref()[bytes.clone()].as_chunks::<TILE_ROWS>().0;
        for (signs, vector) in signs.as_chunks_mut::<SYMBOLS>().0.iter_mut().zip(vectors) {
            for (column, signs) in signs.as_chunks_mut::<TILE_ROWS>().0.iter_mut().enumerate() {
                signs.iter_mut().zip(vector).for_each(|(signs, byte)| *signs |= (byte >> column & 1) << b);
            }
        }
    }
}

/// [`encode`] with the counts of each pattern and symbol.
fn encode_with(part: Part, planes: &[impl AsRef<[u8]>], counts: &[u16]) -> Vec<u8> {
    let size = 1usize << part.bits();
    let mut coded: Vec<u8> = counts.iter().flat_map(|count| count.to_le_bytes()).collect();
    // For each pattern and symbol the places that it has, ascending.
    let mut places = vec![Vec::new(); counts.len()];
    for pattern in 0..part.patterns() {
        let own: Vec<u16> = counts[pattern..].iter().step_by(part.patterns()).copied().collect();
        if own.iter().any(|&count| count > 0) {
            let each = spread(&own, size).into_iter().enumerate();
            each.for_each(|(place, symbol)| places[usize::from(symbol) << part.from | pattern].push(place));
        }
    }
    let (mut signs, mut read) = (Vec::new(), Vec::new());
    for place in 0..part.parts() {
        let lengths = coded.len();
        coded.resize(lengths + LENGTHS, 0);
        for (strand, tiles) in part.tiles(place).into_iter().enumerate().filter(|(_, tiles)| !tiles.is_empty()) {
            gather(part, planes, tiles, &mut signs);
            read.clear();
            // Backwards: a decoder's end is known, and from each state the one that it came from.
            let mut states = [size; STATES];
            for (i, &signs) in signs.iter().enumerate().rev() {
                let (places, state) = (&places[usize::from(signs)], &mut states[i % STATES]);
                let few = state.ilog2() - places.len().ilog2();
                let length = if *state >> few < places.len() { few - 1 } else { few };
                read.push(((*state & ((1 << length) - 1)) as u64, length));
                *state = size + places[(*state >> length) - places.len()];
            }
            let start = coded.len();
            coded.extend(states.iter().flat_map(|&state| ((state - size) as u16).to_le_bytes()));
            let (mut word, mut held) = (0, 0);
            for &(value, length) in read.iter().rev() {
                word |= value << held;
                held += length;
                while held >= 8 {
                    coded.push(word as u8);
                    (word, held) = (word >> 8, held - 8);
                }
            }
            if held > 0 {
                coded.push(word as u8);
            }
            let length = (coded.len() - start) as u32;
            coded[lengths + 4 * strand..][..4].copy_from_slice(&length.to_le_bytes());
        }
    }
    coded.resize(coded.len().next_multiple_of(UNIT), 0);
    coded
}

/// Shares `size` places out among symbols that were seen so often: each that was seen gets one, and where none was, none does.
fn share_out(size: u64, seen: &[u64]) -> Vec<u16> {
    let total: u64 = seen.iter().sum();
    if total == 0 {
        return vec![0; seen.len()];
    }
    let share =
        |&n: &u64| if n == 0 { 0 } else { (u128::from(n) * u128::from(size) / u128::from(total)).max(1) as u64 };
    let mut counts: Vec<u64> = seen.iter().map(share).collect();
    let mut sum: u64 = counts.iter().sum();
    // Place by place, to where one more saves most, or from where one less costs least: about n / count bits.
    while sum != size {
        let more = |a: usize, b: usize| {
            u128::from(seen[a]) * u128::from(counts[b]) > u128::from(seen[b]) * u128::from(counts[a])
        };
        let open = (0..seen.len()).filter(|&symbol| if sum < size { seen[symbol] > 0 } else { counts[symbol] > 1 });
        let Some(best) = open.reduce(|a, b| if more(b, a) == (sum < size) { b } else { a }) else { break };
        (counts[best], sum) = if sum < size { (counts[best] + 1, sum + 1) } else { (counts[best] - 1, sum - 1) };
    }
    counts.into_iter().map(|count| count as u16).collect()
}

#[cfg(test)]
mod tests;
