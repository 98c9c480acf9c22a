//! 64-bit Arm, where NEON is part of the base.

use super::{Both, Simd};
use core::arch::aarch64::*;

/// The token of this back end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neon(());

impl Neon {
    /// Always available on this architecture.
    pub fn new() -> Self {
        Neon(())
    }
}

/// An operation on registers only.
///
/// SAFETY, for every use: NEON is part of every 64-bit Arm processor that Rust compiles for with default features;
/// nothing but registers is touched.
macro_rules! op {
    ($($call:tt)*) => { unsafe { $($call)* } };
}

#[inline(always)]
fn s16(a: uint8x16_t) -> int16x8_t {
    op!(vreinterpretq_s16_u8(a))
}
#[inline(always)]
fn s32(a: uint8x16_t) -> int32x4_t {
    op!(vreinterpretq_s32_u8(a))
}
#[inline(always)]
fn from16(a: int16x8_t) -> uint8x16_t {
    op!(vreinterpretq_u8_s16(a))
}
#[inline(always)]
fn from32(a: int32x4_t) -> uint8x16_t {
    op!(vreinterpretq_u8_s32(a))
}

impl Simd for Neon {
    type V = uint8x16_t;
    type Both = Both;
    const STREAMS: usize = 2;
    const BOTH: bool = true;
    const LEAST_BATCH: usize = 9;

    #[inline(always)]
    fn load(self, bytes: &[u8; 16]) -> uint8x16_t {
        // SAFETY: the reference covers the 16 bytes.
        unsafe { vld1q_u8(bytes.as_ptr()) }
    }
    #[inline(always)]
    fn store(self, v: uint8x16_t, bytes: &mut [u8; 16]) {
        // SAFETY: as in `load`.
        unsafe { vst1q_u8(bytes.as_mut_ptr(), v) }
    }
    #[inline(always)]
    fn load_f32(self, x: &[f32; 4]) -> uint8x16_t {
        // SAFETY: four floats.
        unsafe { vreinterpretq_u8_f32(vld1q_f32(x.as_ptr())) }
    }
    #[inline(always)]
    fn store_f32(self, v: uint8x16_t, x: &mut [f32; 4]) {
        // SAFETY: four floats.
        unsafe { vst1q_f32(x.as_mut_ptr(), vreinterpretq_f32_u8(v)) }
    }
    #[inline(always)]
    fn load_i32(self, x: &[i32; 4]) -> uint8x16_t {
        // SAFETY: four integers.
        from32(unsafe { vld1q_s32(x.as_ptr()) })
    }
    #[inline(always)]
    fn store_i32(self, v: uint8x16_t, x: &mut [i32; 4]) {
        // SAFETY: four integers.
        unsafe { vst1q_s32(x.as_mut_ptr(), s32(v)) }
    }
    #[inline(always)]
    fn load_upper_halves(self, x: &[u16; 4]) -> uint8x16_t {
        // SAFETY: four 16-bit numbers.
        unsafe { vreinterpretq_u8_u32(vshll_n_u16::<16>(vld1_u16(x.as_ptr()))) }
    }
    #[inline(always)]
    fn store_lower_halves(self, v: uint8x16_t, x: &mut [i16; 4]) {
        // SAFETY: four 16-bit numbers.
        unsafe { vst1_s16(x.as_mut_ptr(), vmovn_s32(s32(v))) }
    }
    #[inline(always)]
    fn load_extended(self, x: &[i8; 8]) -> uint8x16_t {
        // SAFETY: eight bytes are what the instruction reads.
        unsafe { from16(vmovl_s8(vld1_s8(x.as_ptr()))) }
    }
    #[inline(always)]
    fn splat8(self, x: u8) -> uint8x16_t {
        op!(vdupq_n_u8(x))
    }
    #[inline(always)]
    fn splat16(self, x: i16) -> uint8x16_t {
        from16(op!(vdupq_n_s16(x)))
    }
    #[inline(always)]
    fn splat32(self, x: i32) -> uint8x16_t {
        from32(op!(vdupq_n_s32(x)))
    }
    #[inline(always)]
    fn and(self, a: uint8x16_t, b: uint8x16_t) -> uint8x16_t {
        op!(vandq_u8(a, b))
    }
    #[inline(always)]
    fn or(self, a: uint8x16_t, b: uint8x16_t) -> uint8x16_t {
        op!(vorrq_u8(a, b))
    }
    #[inline(always)]
    fn xor(self, a: uint8x16_t, b: uint8x16_t) -> uint8x16_t {
        op!(veorq_u8(a, b))
    }
    #[inline(always)]
    fn swizzle(self, table: uint8x16_t, index: uint8x16_t) -> uint8x16_t {
        op!(vqtbl1q_u8(table, index))
    }
    #[inline(always)]
    fn popcount8(self, a: uint8x16_t) -> uint8x16_t {
        op!(vcntq_u8(a))
    }
    #[inline(always)]
    fn sum8(self, a: uint8x16_t) -> u32 {
        u32::from(op!(vaddlvq_u8(a)))
    }
    #[inline(always)]
    fn add8(self, a: uint8x16_t, b: uint8x16_t) -> uint8x16_t {
        op!(vaddq_u8(a, b))
    }
    #[inline(always)]
    fn add16(self, a: uint8x16_t, b: uint8x16_t) -> uint8x16_t {
        from16(op!(vaddq_s16(s16(a), s16(b))))
    }
    #[inline(always)]
    fn sub16(self, a: uint8x16_t, b: uint8x16_t) -> uint8x16_t {
        from16(op!(vsubq_s16(s16(a), s16(b))))
    }
    #[inline(always)]
    fn shr16<const N: u32>(self, a: uint8x16_t) -> uint8x16_t {
        op!(vreinterpretq_u8_u16(vshlq_u16(vreinterpretq_u16_u8(a), vdupq_n_s16(-(N as i16)))))
    }
    #[inline(always)]
    fn sar16(self, a: uint8x16_t, count: u32) -> uint8x16_t {
        from16(op!(vshlq_s16(s16(a), vdupq_n_s16(-(count as i16)))))
    }
    #[inline(always)]
    fn shl16<const N: u32>(self, a: uint8x16_t) -> uint8x16_t {
        from16(op!(vshlq_s16(s16(a), vdupq_n_s16(N as i16))))
    }
    #[inline(always)]
    fn zip16(self, a: uint8x16_t, b: uint8x16_t) -> [uint8x16_t; 2] {
        [from16(op!(vzip1q_s16(s16(a), s16(b)))), from16(op!(vzip2q_s16(s16(a), s16(b))))]
    }
    #[inline(always)]
    fn narrow16(self, a: uint8x16_t, b: uint8x16_t) -> uint8x16_t {
        op!(vreinterpretq_u8_s8(vcombine_s8(vqmovn_s16(s16(a)), vqmovn_s16(s16(b)))))
    }
    #[inline(always)]
    fn extend_low(self, a: uint8x16_t) -> uint8x16_t {
        from32(op!(vmovl_s16(vget_low_s16(s16(a)))))
    }
    #[inline(always)]
    fn extend_high(self, a: uint8x16_t) -> uint8x16_t {
        from32(op!(vmovl_high_s16(s16(a))))
    }
    #[inline(always)]
    fn add32(self, a: uint8x16_t, b: uint8x16_t) -> uint8x16_t {
        from32(op!(vaddq_s32(s32(a), s32(b))))
    }
    #[inline(always)]
    fn shl32(self, a: uint8x16_t, count: u32) -> uint8x16_t {
        from32(op!(vshlq_s32(s32(a), vdupq_n_s32(count as i32))))
    }
    #[inline(always)]
    fn min32(self, a: uint8x16_t, b: uint8x16_t) -> uint8x16_t {
        from32(op!(vminq_s32(s32(a), s32(b))))
    }
    #[inline(always)]
    fn max32(self, a: uint8x16_t, b: uint8x16_t) -> uint8x16_t {
        from32(op!(vmaxq_s32(s32(a), s32(b))))
    }
    #[inline(always)]
    fn is_zero32(self, a: uint8x16_t) -> uint8x16_t {
        op!(vreinterpretq_u8_u32(vceqzq_s32(s32(a))))
    }
    #[inline(always)]
    fn add_f32(self, a: uint8x16_t, b: uint8x16_t) -> uint8x16_t {
        op!(vreinterpretq_u8_f32(vaddq_f32(vreinterpretq_f32_u8(a), vreinterpretq_f32_u8(b))))
    }
    #[inline(always)]
    fn to_f32(self, a: uint8x16_t) -> uint8x16_t {
        op!(vreinterpretq_u8_f32(vcvtq_f32_s32(s32(a))))
    }
    #[inline(always)]
    fn swap_halves(self, a: uint8x16_t) -> uint8x16_t {
        op!(vextq_u8::<8>(a, a))
    }
    #[inline(always)]
    fn swap_pairs(self, a: uint8x16_t) -> uint8x16_t {
        from32(op!(vrev64q_s32(s32(a))))
    }
}
