//! The few operations on 128-bit vectors that the kernel uses, once per instruction set.
//!
//! All `unsafe` code of the project lies in this folder. Each back end is a zero-sized token that exists only where its
//! instructions do; the algorithms are written once over [`Simd`] and compiled for each token by [`run`]. Every
//! operation is exact (integers) or correctly rounded (additions of floats), so all back ends give the same bits.

#[cfg(target_arch = "x86_64")]
mod avx512;
mod bytes;
mod lanes;
#[cfg(target_arch = "aarch64")]
mod neon;
mod scalar;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod wasm;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use bytes::{bytes_of, bytes_of_mut};
pub use lanes::{Both, Lanes, One};

/// Sixteen bytes, read as 16 x u8, 8 x i16, 4 x i32 or 4 x f32 as the operation says.
pub trait Simd: Copy {
    /// The register.
    type V: Copy;
    /// Both tiles of a pair.
    type Both: Lanes<Self> + Default;
    /// How many tokens the look-up serves at once, and whether with both tiles of a pair or one after the other: as
    /// much as there are registers for sums.
    const STREAMS: usize;
    /// See [`Simd::STREAMS`].
    const BOTH: bool;
    /// From so many tokens on a batch is sooner done, full or not, than the look-up: as measured.
    const LEAST_BATCH: usize;

    /// Sixteen bytes from memory.
    fn load(self, bytes: &[u8; 16]) -> Self::V;
    /// Sixteen bytes to memory.
    fn store(self, v: Self::V, bytes: &mut [u8; 16]);
    /// Four floats from memory.
    fn load_f32(self, x: &[f32; 4]) -> Self::V;
    /// Four floats to memory.
    fn store_f32(self, v: Self::V, x: &mut [f32; 4]);
    /// Four integers from memory.
    fn load_i32(self, x: &[i32; 4]) -> Self::V;
    /// Four integers to memory.
    fn store_i32(self, v: Self::V, x: &mut [i32; 4]);
    /// Four 16-bit numbers from memory, each put into the upper half of a 32-bit lane.
    fn load_upper_halves(self, x: &[u16; 4]) -> Self::V;
    /// The lower halves of the 32-bit lanes to memory.
    fn store_lower_halves(self, v: Self::V, x: &mut [i16; 4]);

    /// Eight signed bytes from memory, as 16-bit lanes.
    fn load_extended(self, x: &[i8; 8]) -> Self::V;

    /// The byte in every lane.
    fn splat8(self, x: u8) -> Self::V;
    /// The number in every 16-bit lane.
    fn splat16(self, x: i16) -> Self::V;
    /// The number in every 32-bit lane.
    fn splat32(self, x: i32) -> Self::V;

    /// Bitwise and.
    fn and(self, a: Self::V, b: Self::V) -> Self::V;
    /// Bitwise or.
    fn or(self, a: Self::V, b: Self::V) -> Self::V;
    /// Bitwise exclusive or.
    fn xor(self, a: Self::V, b: Self::V) -> Self::V;

    /// `table[index]` for each byte lane; every index is below 16.
    fn swizzle(self, table: Self::V, index: Self::V) -> Self::V;

    /// How many bits of each byte lane are ones.
    fn popcount8(self, a: Self::V) -> Self::V;
    /// The sum of all byte lanes, unsigned.
    fn sum8(self, a: Self::V) -> u32;

    /// 8-bit sums, wrapping.
    fn add8(self, a: Self::V, b: Self::V) -> Self::V;
    /// 16-bit sums, wrapping.
    fn add16(self, a: Self::V, b: Self::V) -> Self::V;
    /// 16-bit differences, wrapping.
    fn sub16(self, a: Self::V, b: Self::V) -> Self::V;
    /// 16-bit lanes shifted right, zeros coming in.
    fn shr16<const N: u32>(self, a: Self::V) -> Self::V;
    /// 16-bit lanes shifted right by the same count, below 16, the sign coming in.
    fn sar16(self, a: Self::V, count: u32) -> Self::V;
    /// 16-bit lanes shifted left.
    fn shl16<const N: u32>(self, a: Self::V) -> Self::V;
    /// The 16-bit lanes of both in turn, the first of `a` first: those of their lower halves, then the others.
    fn zip16(self, a: Self::V, b: Self::V) -> [Self::V; 2];
    /// Sixteen signed 16-bit lanes as bytes, saturating: `a` low, `b` high.
    fn narrow16(self, a: Self::V, b: Self::V) -> Self::V;

    /// The lower four signed 16-bit lanes as 32-bit lanes.
    fn extend_low(self, a: Self::V) -> Self::V;
    /// The upper four signed 16-bit lanes as 32-bit lanes.
    fn extend_high(self, a: Self::V) -> Self::V;
    /// 32-bit sums, wrapping.
    fn add32(self, a: Self::V, b: Self::V) -> Self::V;
    /// 32-bit lanes shifted left by the same count, below 32.
    fn shl32(self, a: Self::V, count: u32) -> Self::V;
    /// The smaller of each pair of signed 32-bit lanes.
    fn min32(self, a: Self::V, b: Self::V) -> Self::V;
    /// The larger of each pair of signed 32-bit lanes.
    fn max32(self, a: Self::V, b: Self::V) -> Self::V;
    /// All ones in each 32-bit lane that is zero, else zero.
    fn is_zero32(self, a: Self::V) -> Self::V;

    /// Float sums.
    fn add_f32(self, a: Self::V, b: Self::V) -> Self::V;
    /// 32-bit integers as floats, rounded to nearest.
    fn to_f32(self, a: Self::V) -> Self::V;
    /// Lanes 2, 3, 0, 1.
    fn swap_halves(self, a: Self::V) -> Self::V;
    /// Lanes 1, 0, 3, 2.
    fn swap_pairs(self, a: Self::V) -> Self::V;

    /// Says that what lies `ahead` bytes behind these will be read soon.
    fn prefetch(self, _bytes: &[[u8; 32]], _ahead: usize) {}
    /// Says that this row will be read soon.
    fn prefetch_row(self, _row: &[i8]) {}
}

/// An algorithm over any back end. Implementations mark `call` `#[inline(always)]`, so that it is compiled with the
/// back end's instructions.
pub trait Kernel {
    /// What it returns.
    type Output;
    /// Runs it.
    fn call<S: Simd>(self, s: S) -> Self::Output;
}

/// The instruction sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackEnd {
    /// Plain Rust, everywhere; the twin of the others.
    Scalar,
    /// AVX2-era x86-64: 128-bit byte shuffles in three-operand form.
    #[cfg(target_arch = "x86_64")]
    Avx2(x86::Avx2),
    /// 64-bit Arm.
    #[cfg(target_arch = "aarch64")]
    Neon(neon::Neon),
    /// WebAssembly SIMD, with the relaxed swizzle where the build allows it.
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    Wasm(wasm::Wasm),
}

impl BackEnd {
    /// The name that benchmarks and `inspect` print.
    pub fn name(self) -> &'static str {
        match self {
            BackEnd::Scalar => "scalar",
            #[cfg(target_arch = "x86_64")]
            BackEnd::Avx2(_) => "avx2",
            #[cfg(target_arch = "aarch64")]
            BackEnd::Neon(_) => "neon",
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            BackEnd::Wasm(_) => wasm::NAME,
        }
    }
}

impl BackEnd {
    /// How many tokens the look-up serves at once.
    pub(super) fn streams(self) -> usize {
        run(self, Counts)[0]
    }

    /// From how many tokens on a batch is sooner done.
    pub(super) fn least_batch(self) -> usize {
        run(self, Counts)[1]
    }
}

/// [`Simd::STREAMS`] and [`Simd::LEAST_BATCH`].
struct Counts;

impl Kernel for Counts {
    type Output = [usize; 2];

    #[inline(always)]
    fn call<S: Simd>(self, _: S) -> [usize; 2] {
        [S::STREAMS, S::LEAST_BATCH]
    }
}

/// Every back end that this machine can run, the scalar one first and the best one last.
pub struct BackEnds;

/// See [`BackEnds`].
pub const BACK_ENDS: BackEnds = BackEnds;

impl IntoIterator for BackEnds {
    type Item = BackEnd;
    type IntoIter = core::iter::Flatten<core::array::IntoIter<Option<BackEnd>, 2>>;
    fn into_iter(self) -> Self::IntoIter {
        #[cfg(target_arch = "x86_64")]
        let vector = x86::Avx2::detect().map(BackEnd::Avx2);
        #[cfg(target_arch = "aarch64")]
        let vector = Some(BackEnd::Neon(neon::Neon::new()));
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        let vector = Some(BackEnd::Wasm(wasm::Wasm::new()));
        #[cfg(not(any(
            target_arch = "x86_64",
            target_arch = "aarch64",
            all(target_arch = "wasm32", target_feature = "simd128")
        )))]
        let vector = None;
        [Some(BackEnd::Scalar), vector].into_iter().flatten()
    }
}

/// The fastest back end that this machine can run.
pub fn best() -> BackEnd {
    BACK_ENDS.into_iter().last().unwrap_or(BackEnd::Scalar)
}

/// Compiles and runs an algorithm for a back end.
#[inline]
pub fn run<K: Kernel>(back_end: BackEnd, kernel: K) -> K::Output {
    match back_end {
        BackEnd::Scalar => kernel.call(scalar::Scalar),
        #[cfg(target_arch = "x86_64")]
        BackEnd::Avx2(token) => token.run(kernel),
        #[cfg(target_arch = "aarch64")]
        BackEnd::Neon(token) => kernel.call(token),
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        BackEnd::Wasm(token) => kernel.call(token),
    }
}

/// Runs an algorithm of plain code, compiled with the instructions of the best back end, so that the compiler may use
/// wider registers for it. Rust never reorders or fuses float operations, so the result does not depend on where it
/// runs. (It takes a [`Kernel`] and not a closure, because a closure cannot be forced inline.)
#[inline]
pub fn on_best<K: Kernel>(kernel: K) -> K::Output {
    run(best(), kernel)
}

/// Counts bits in the widest way there is, where that is not a back end of its own: see [`avx512::counted`].
#[cfg(target_arch = "x86_64")]
pub use avx512::{counted as counted_widely, counts as counts_widely};

/// There is no wider way here.
#[cfg(not(target_arch = "x86_64"))]
pub fn counts_widely(_planes: &[u64], _words: usize) -> bool {
    false
}

/// There is no wider way here.
#[cfg(not(target_arch = "x86_64"))]
pub fn counted_widely(_planes: &[u64], _x: &[u64]) -> Option<(u64, u32)> {
    None
}
