//! WebAssembly SIMD. With relaxed SIMD the look-up loses the clamp of its index; indices are below 16, where both
//! instructions are defined to do the same.

use super::{Both, Simd};
use core::arch::wasm32::*;

/// The token of this back end; the build was compiled for it, so every engine that accepts the module has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wasm(());

/// The name of this build.
pub const NAME: &str = if cfg!(target_feature = "relaxed-simd") { "relaxed" } else { "simd128" };

impl Wasm {
    /// Always available in this build.
    pub fn new() -> Self {
        Wasm(())
    }
}

impl Simd for Wasm {
    type V = v128;
    type Both = Both;
    const STREAMS: usize = 2;
    const BOTH: bool = false;
    const LEAST_BATCH: usize = 9;

    /// There is no hint, so one byte of each cache line is read: reads that wait for memory do not wait for each other.
    #[inline(always)]
    fn prefetch_row(self, row: &[i8]) {
        for line in row.chunks(64) {
            // SAFETY: the reference covers at least one byte. Volatile, as nobody asks for what is read.
            unsafe { line.as_ptr().read_volatile() };
        }
    }
    #[inline(always)]
    fn load(self, bytes: &[u8; 16]) -> v128 {
        // SAFETY: the reference covers the 16 bytes; the instruction asks for no alignment.
        unsafe { v128_load(bytes.as_ptr().cast()) }
    }
    #[inline(always)]
    fn store(self, v: v128, bytes: &mut [u8; 16]) {
        // SAFETY: as in `load`.
        unsafe { v128_store(bytes.as_mut_ptr().cast(), v) }
    }
    #[inline(always)]
    fn load_f32(self, x: &[f32; 4]) -> v128 {
        // SAFETY: four floats are 16 bytes.
        unsafe { v128_load(x.as_ptr().cast()) }
    }
    #[inline(always)]
    fn store_f32(self, v: v128, x: &mut [f32; 4]) {
        // SAFETY: as above; any bits are a float.
        unsafe { v128_store(x.as_mut_ptr().cast(), v) }
    }
    #[inline(always)]
    fn load_i32(self, x: &[i32; 4]) -> v128 {
        // SAFETY: four integers are 16 bytes.
        unsafe { v128_load(x.as_ptr().cast()) }
    }
    #[inline(always)]
    fn store_i32(self, v: v128, x: &mut [i32; 4]) {
        // SAFETY: as above.
        unsafe { v128_store(x.as_mut_ptr().cast(), v) }
    }
    #[inline(always)]
    fn load_upper_halves(self, x: &[u16; 4]) -> v128 {
        // SAFETY: four 16-bit numbers are the 8 bytes that the instruction reads.
        let low = unsafe { v128_load64_zero(x.as_ptr().cast()) };
        i16x8_shuffle::<8, 0, 9, 1, 10, 2, 11, 3>(low, i16x8_splat(0))
    }
    #[inline(always)]
    fn store_lower_halves(self, v: v128, x: &mut [i16; 4]) {
        let packed = i16x8_shuffle::<0, 2, 4, 6, 0, 2, 4, 6>(v, v);
        // SAFETY: four 16-bit numbers are the 8 bytes that the instruction writes.
        unsafe { v128_store64_lane::<0>(packed, x.as_mut_ptr().cast()) }
    }
    #[inline(always)]
    fn load_extended(self, x: &[i8; 8]) -> v128 {
        // SAFETY: eight bytes are what the instruction reads.
        unsafe { i16x8_load_extend_i8x8(x.as_ptr()) }
    }
    #[inline(always)]
    fn splat8(self, x: u8) -> v128 {
        u8x16_splat(x)
    }
    #[inline(always)]
    fn splat16(self, x: i16) -> v128 {
        i16x8_splat(x)
    }
    #[inline(always)]
    fn splat32(self, x: i32) -> v128 {
        i32x4_splat(x)
    }
    #[inline(always)]
    fn and(self, a: v128, b: v128) -> v128 {
        v128_and(a, b)
    }
    #[inline(always)]
    fn or(self, a: v128, b: v128) -> v128 {
        v128_or(a, b)
    }
    #[inline(always)]
    fn xor(self, a: v128, b: v128) -> v128 {
        v128_xor(a, b)
    }
    #[inline(always)]
    fn swizzle(self, table: v128, index: v128) -> v128 {
        #[cfg(target_feature = "relaxed-simd")]
        return i8x16_relaxed_swizzle(table, index);
        #[cfg(not(target_feature = "relaxed-simd"))]
        return i8x16_swizzle(table, index);
    }
    #[inline(always)]
    fn popcount8(self, a: v128) -> v128 {
        u8x16_popcnt(a)
    }
    #[inline(always)]
    fn sum8(self, a: v128) -> u32 {
        let pairs = u32x4_extadd_pairwise_u16x8(u16x8_extadd_pairwise_u8x16(a));
        let halves = i32x4_add(pairs, self.swap_halves(pairs));
        u32x4_extract_lane::<0>(halves) + u32x4_extract_lane::<1>(halves)
    }
    #[inline(always)]
    fn add8(self, a: v128, b: v128) -> v128 {
        i8x16_add(a, b)
    }
    #[inline(always)]
    fn add16(self, a: v128, b: v128) -> v128 {
        i16x8_add(a, b)
    }
    #[inline(always)]
    fn sub16(self, a: v128, b: v128) -> v128 {
        i16x8_sub(a, b)
    }
    #[inline(always)]
    fn shr16<const N: u32>(self, a: v128) -> v128 {
        u16x8_shr(a, N)
    }
    #[inline(always)]
    fn sar16(self, a: v128, count: u32) -> v128 {
        i16x8_shr(a, count)
    }
    #[inline(always)]
    fn shl16<const N: u32>(self, a: v128) -> v128 {
        i16x8_shl(a, N)
    }
    #[inline(always)]
    fn zip16(self, a: v128, b: v128) -> [v128; 2] {
        [i16x8_shuffle::<0, 8, 1, 9, 2, 10, 3, 11>(a, b), i16x8_shuffle::<4, 12, 5, 13, 6, 14, 7, 15>(a, b)]
    }
    #[inline(always)]
    fn narrow16(self, a: v128, b: v128) -> v128 {
        i8x16_narrow_i16x8(a, b)
    }
    #[inline(always)]
    fn extend_low(self, a: v128) -> v128 {
        i32x4_extend_low_i16x8(a)
    }
    #[inline(always)]
    fn extend_high(self, a: v128) -> v128 {
        i32x4_extend_high_i16x8(a)
    }
    #[inline(always)]
    fn add32(self, a: v128, b: v128) -> v128 {
        i32x4_add(a, b)
    }
    #[inline(always)]
    fn shl32(self, a: v128, count: u32) -> v128 {
        i32x4_shl(a, count)
    }
    #[inline(always)]
    fn min32(self, a: v128, b: v128) -> v128 {
        i32x4_min(a, b)
    }
    #[inline(always)]
    fn max32(self, a: v128, b: v128) -> v128 {
        i32x4_max(a, b)
    }
    #[inline(always)]
    fn is_zero32(self, a: v128) -> v128 {
        i32x4_eq(a, i32x4_splat(0))
    }
    #[inline(always)]
    fn add_f32(self, a: v128, b: v128) -> v128 {
        f32x4_add(a, b)
    }
    #[inline(always)]
    fn to_f32(self, a: v128) -> v128 {
        f32x4_convert_i32x4(a)
    }
    #[inline(always)]
    fn swap_halves(self, a: v128) -> v128 {
        i32x4_shuffle::<2, 3, 0, 1>(a, a)
    }
    #[inline(always)]
    fn swap_pairs(self, a: v128) -> v128 {
        i32x4_shuffle::<1, 0, 3, 2>(a, a)
    }
}
