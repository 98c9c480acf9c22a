//! x86-64 with AVX-512 and its instruction that counts bits: eight words at once, where counting is all there is to do.

use core::arch::x86_64::*;

cpufeatures::new!(counting, "avx512f", "avx512bw", "avx512vl", "avx512vpopcntdq");

/// Planes whose counts are kept in registers.
const MOST_PLANES: usize = 16;

/// Whether [`counted`] can, of planes of so many words each.
pub fn counts(planes: &[u64], words: usize) -> bool {
    planes.len() <= MOST_PLANES * words && counting::get()
}

/// The sum over planes of `2^plane` times the places that are set in both the plane and `x`, and how many are set in
/// `x`. The planes lie one behind the other, each as long as `x`. None where the processor cannot, or for more planes
/// than 16.
pub fn counted(planes: &[u64], x: &[u64]) -> Option<(u64, u32)> {
    if !counts(planes, x.len()) {
        return None;
    }
    // SAFETY: the processor has the instructions.
    Some(unsafe { by_eight(planes, x) })
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vpopcntdq")]
fn by_eight(planes: &[u64], x: &[u64]) -> (u64, u32) {
    let mut sums = [_mm512_setzero_si512(); MOST_PLANES];
    let mut set = _mm512_setzero_si512();
    for at in (0..x.len()).step_by(8) {
        let register = words(x, at);
        set = _mm512_add_epi64(set, _mm512_popcnt_epi64(register));
        for (sum, plane) in sums.iter_mut().zip(planes.chunks_exact(x.len())) {
            let both = _mm512_and_si512(register, words(plane, at));
            *sum = _mm512_add_epi64(*sum, _mm512_popcnt_epi64(both));
        }
    }
    let counts = sums.iter().zip(planes.chunks_exact(x.len())).enumerate();
    let sum = counts.map(|(p, (sum, _))| (_mm512_reduce_add_epi64(*sum) as u64) << p).sum();
    (sum, _mm512_reduce_add_epi64(set) as u32)
}

/// Eight words from a place on, zeros behind the last.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vpopcntdq")]
fn words(words: &[u64], at: usize) -> __m512i {
    let rest = &words[at..];
    let mask = if rest.len() >= 8 { 0xff } else { (1u8 << rest.len()) - 1 };
    // SAFETY: lanes that are not in the mask are not read, the others lie in the slice.
    unsafe { _mm512_maskz_loadu_epi64(mask, rest.as_ptr().cast()) }
}
