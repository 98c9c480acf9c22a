//! x86-64 with AVX2: 128-bit byte shuffles, compiled in their three-operand form.

use super::{Kernel, Lanes, Simd};
use core::arch::x86_64::*;

cpufeatures::new!(avx2, "avx2");

/// The token of this back end: whoever holds one has seen that the processor has AVX2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Avx2(());

impl Avx2 {
    /// A token, if the processor has the instructions.
    pub fn detect() -> Option<Self> {
        avx2::get().then_some(Avx2(()))
    }

    /// Runs an algorithm compiled for AVX2.
    #[inline]
    pub fn run<K: Kernel>(self, kernel: K) -> K::Output {
        #[target_feature(enable = "avx2")]
        fn with_avx2<K: Kernel>(kernel: K, token: Avx2) -> K::Output {
            kernel.call(token)
        }
        // SAFETY: the token proves that the processor has AVX2.
        unsafe { with_avx2(kernel, self) }
    }
}

/// An operation on registers only.
///
/// SAFETY, for every use: the token proves that the processor has AVX2 and so all earlier extensions; nothing but
/// registers is touched.
macro_rules! op {
    ($($call:tt)*) => { unsafe { $($call)* } };
}

impl Simd for Avx2 {
    type V = __m128i;
    type Both = Wide;
    const STREAMS: usize = 4;
    const BOTH: bool = true;
    const LEAST_BATCH: usize = 14;

    #[inline(always)]
    fn load(self, bytes: &[u8; 16]) -> __m128i {
        // SAFETY: the reference covers the 16 bytes; the instruction asks for no alignment.
        unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
    }
    #[inline(always)]
    fn store(self, v: __m128i, bytes: &mut [u8; 16]) {
        // SAFETY: as in `load`.
        unsafe { _mm_storeu_si128(bytes.as_mut_ptr().cast(), v) }
    }
    #[inline(always)]
    fn load_f32(self, x: &[f32; 4]) -> __m128i {
        // SAFETY: four floats are 16 bytes.
        unsafe { _mm_loadu_si128(x.as_ptr().cast()) }
    }
    #[inline(always)]
    fn store_f32(self, v: __m128i, x: &mut [f32; 4]) {
        // SAFETY: as above; any bits are a float.
        unsafe { _mm_storeu_si128(x.as_mut_ptr().cast(), v) }
    }
    #[inline(always)]
    fn load_i32(self, x: &[i32; 4]) -> __m128i {
        // SAFETY: four integers are 16 bytes.
        unsafe { _mm_loadu_si128(x.as_ptr().cast()) }
    }
    #[inline(always)]
    fn store_i32(self, v: __m128i, x: &mut [i32; 4]) {
        // SAFETY: as above.
        unsafe { _mm_storeu_si128(x.as_mut_ptr().cast(), v) }
    }
    #[inline(always)]
    fn load_upper_halves(self, x: &[u16; 4]) -> __m128i {
        // SAFETY: four 16-bit numbers are the 8 bytes that the instruction reads.
        unsafe { _mm_unpacklo_epi16(_mm_setzero_si128(), _mm_loadl_epi64(x.as_ptr().cast())) }
    }
    #[inline(always)]
    fn store_lower_halves(self, v: __m128i, x: &mut [i16; 4]) {
        let order = [0, 1, 4, 5, 8, 9, 12, 13, 0, 1, 4, 5, 8, 9, 12, 13];
        // SAFETY: four 16-bit numbers are the 8 bytes that the instruction writes; see `op` for the rest.
        unsafe { _mm_storel_epi64(x.as_mut_ptr().cast(), _mm_shuffle_epi8(v, self.load(&order))) }
    }
    #[inline(always)]
    fn load_extended(self, x: &[i8; 8]) -> __m128i {
        // SAFETY: eight bytes are what the instruction reads; see `op` for the rest.
        unsafe { _mm_cvtepi8_epi16(_mm_loadl_epi64(x.as_ptr().cast())) }
    }
    #[inline(always)]
    fn splat8(self, x: u8) -> __m128i {
        op!(_mm_set1_epi8(x as i8))
    }
    #[inline(always)]
    fn splat16(self, x: i16) -> __m128i {
        op!(_mm_set1_epi16(x))
    }
    #[inline(always)]
    fn splat32(self, x: i32) -> __m128i {
        op!(_mm_set1_epi32(x))
    }
    #[inline(always)]
    fn and(self, a: __m128i, b: __m128i) -> __m128i {
        op!(_mm_and_si128(a, b))
    }
    #[inline(always)]
    fn or(self, a: __m128i, b: __m128i) -> __m128i {
        op!(_mm_or_si128(a, b))
    }
    #[inline(always)]
    fn xor(self, a: __m128i, b: __m128i) -> __m128i {
        op!(_mm_xor_si128(a, b))
    }
    #[inline(always)]
    fn swizzle(self, table: __m128i, index: __m128i) -> __m128i {
        op!(_mm_shuffle_epi8(table, index))
    }
    #[inline(always)]
    fn popcount8(self, a: __m128i) -> __m128i {
        // AVX2 has no such instruction: each half of a byte looks its count up.
        let counts = self.load(&[0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4]);
        let half = self.splat8(0x0f);
        let low = self.swizzle(counts, self.and(a, half));
        let high = self.swizzle(counts, self.and(self.shr16::<4>(a), half));
        self.add8(low, high)
    }
    #[inline(always)]
    fn sum8(self, a: __m128i) -> u32 {
        let halves = op!(_mm_sad_epu8(a, _mm_setzero_si128()));
        op!(_mm_cvtsi128_si32(_mm_add_epi32(halves, self.swap_halves(halves)))) as u32
    }
    #[inline(always)]
    fn add8(self, a: __m128i, b: __m128i) -> __m128i {
        op!(_mm_add_epi8(a, b))
    }
    #[inline(always)]
    fn add16(self, a: __m128i, b: __m128i) -> __m128i {
        op!(_mm_add_epi16(a, b))
    }
    #[inline(always)]
    fn sub16(self, a: __m128i, b: __m128i) -> __m128i {
        op!(_mm_sub_epi16(a, b))
    }
    #[inline(always)]
    fn shr16<const N: u32>(self, a: __m128i) -> __m128i {
        op!(_mm_srl_epi16(a, _mm_cvtsi32_si128(N as i32)))
    }
    #[inline(always)]
    fn sar16(self, a: __m128i, count: u32) -> __m128i {
        op!(_mm_sra_epi16(a, _mm_cvtsi32_si128(count as i32)))
    }
    #[inline(always)]
    fn shl16<const N: u32>(self, a: __m128i) -> __m128i {
        op!(_mm_sll_epi16(a, _mm_cvtsi32_si128(N as i32)))
    }
    #[inline(always)]
    fn zip16(self, a: __m128i, b: __m128i) -> [__m128i; 2] {
        op!([_mm_unpacklo_epi16(a, b), _mm_unpackhi_epi16(a, b)])
    }
    #[inline(always)]
    fn narrow16(self, a: __m128i, b: __m128i) -> __m128i {
        op!(_mm_packs_epi16(a, b))
    }
    #[inline(always)]
    fn extend_low(self, a: __m128i) -> __m128i {
        op!(_mm_cvtepi16_epi32(a))
    }
    #[inline(always)]
    fn extend_high(self, a: __m128i) -> __m128i {
        op!(_mm_srai_epi32::<16>(_mm_unpackhi_epi16(a, a)))
    }
    #[inline(always)]
    fn add32(self, a: __m128i, b: __m128i) -> __m128i {
        op!(_mm_add_epi32(a, b))
    }
    #[inline(always)]
    fn shl32(self, a: __m128i, count: u32) -> __m128i {
        op!(_mm_sll_epi32(a, _mm_cvtsi32_si128(count as i32)))
    }
    #[inline(always)]
    fn min32(self, a: __m128i, b: __m128i) -> __m128i {
        op!(_mm_min_epi32(a, b))
    }
    #[inline(always)]
    fn max32(self, a: __m128i, b: __m128i) -> __m128i {
        op!(_mm_max_epi32(a, b))
    }
    #[inline(always)]
    fn is_zero32(self, a: __m128i) -> __m128i {
        op!(_mm_cmpeq_epi32(a, _mm_setzero_si128()))
    }
    #[inline(always)]
    fn add_f32(self, a: __m128i, b: __m128i) -> __m128i {
        op!(_mm_castps_si128(_mm_add_ps(_mm_castsi128_ps(a), _mm_castsi128_ps(b))))
    }
    #[inline(always)]
    fn to_f32(self, a: __m128i) -> __m128i {
        op!(_mm_castps_si128(_mm_cvtepi32_ps(a)))
    }
    #[inline(always)]
    fn swap_halves(self, a: __m128i) -> __m128i {
        op!(_mm_shuffle_epi32::<0b01_00_11_10>(a))
    }
    #[inline(always)]
    fn swap_pairs(self, a: __m128i) -> __m128i {
        op!(_mm_shuffle_epi32::<0b10_11_00_01>(a))
    }

    #[inline(always)]
    fn prefetch(self, bytes: &[[u8; 32]], ahead: usize) {
        for line in bytes.chunks(2) {
            let address = line.as_ptr().cast::<i8>().wrapping_add(ahead);
            // SAFETY: the instruction is a hint and reads nothing, whatever the address.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(address) };
        }
    }
    #[inline(always)]
    fn prefetch_row(self, row: &[i8]) {
        for line in row.chunks(64) {
            // SAFETY: as above.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr()) };
        }
    }
}

/// Both tiles of a pair in one register of twice the size.
#[derive(Clone, Copy, Default)]
pub struct Wide;

impl Lanes<Avx2> for Wide {
    type W = __m256i;
    const TILES: core::ops::Range<usize> = 0..2;

    #[inline(always)]
    fn load(self, _: Avx2, bytes: &[u8; 32]) -> __m256i {
        // SAFETY: the reference covers the 32 bytes; the instruction asks for no alignment.
        unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
    }
    #[inline(always)]
    fn store(self, _: Avx2, a: __m256i, bytes: &mut [u8; 32]) {
        // SAFETY: as in `load`.
        unsafe { _mm256_storeu_si256(bytes.as_mut_ptr().cast(), a) }
    }
    #[inline(always)]
    fn tile(self, _: Avx2, a: __m256i, tile: usize) -> __m128i {
        match tile {
            0 => op!(_mm256_castsi256_si128(a)),
            _ => op!(_mm256_extracti128_si256::<1>(a)),
        }
    }
    #[inline(always)]
    fn splat8(self, _: Avx2, x: u8) -> __m256i {
        op!(_mm256_set1_epi8(x as i8))
    }
    #[inline(always)]
    fn and(self, _: Avx2, a: __m256i, b: __m256i) -> __m256i {
        op!(_mm256_and_si256(a, b))
    }
    #[inline(always)]
    fn xor(self, _: Avx2, a: __m256i, b: __m256i) -> __m256i {
        op!(_mm256_xor_si256(a, b))
    }
    #[inline(always)]
    fn swizzle(self, s: Avx2, table: &[u8; 16], index: __m256i) -> __m256i {
        let table = s.load(table);
        op!(_mm256_shuffle_epi8(_mm256_broadcastsi128_si256(table), index))
    }
    #[inline(always)]
    fn add8(self, _: Avx2, a: __m256i, b: __m256i) -> __m256i {
        op!(_mm256_add_epi8(a, b))
    }
    #[inline(always)]
    fn add16(self, _: Avx2, a: __m256i, b: __m256i) -> __m256i {
        op!(_mm256_add_epi16(a, b))
    }
    #[inline(always)]
    fn sub16(self, _: Avx2, a: __m256i, b: __m256i) -> __m256i {
        op!(_mm256_sub_epi16(a, b))
    }
    #[inline(always)]
    fn sar16(self, _: Avx2, a: __m256i, count: u32) -> __m256i {
        op!(_mm256_sra_epi16(a, _mm_cvtsi32_si128(count as i32)))
    }
    #[inline(always)]
    fn shr16<const N: u32>(self, _: Avx2, a: __m256i) -> __m256i {
        op!(_mm256_srl_epi16(a, _mm_cvtsi32_si128(N as i32)))
    }
    #[inline(always)]
    fn shl16<const N: u32>(self, _: Avx2, a: __m256i) -> __m256i {
        op!(_mm256_sll_epi16(a, _mm_cvtsi32_si128(N as i32)))
    }
}
