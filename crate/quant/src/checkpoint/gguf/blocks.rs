//! The quantised blocks of GGUF, one function a type, each appending its block's elements in order.
//!
//! The order of operations is that of ggml's reference code, without fused multiply-add, so the floats are the same
//! bit for bit.

use half::f16;

fn half(bytes: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([bytes[at], bytes[at + 1]]).to_f32()
}

/// The 32 nibbles of 16 bytes: all low ones, then all high ones.
fn nibbles(bytes: &[u8]) -> impl Iterator<Item = u8> {
    bytes.iter().map(|b| b & 15).chain(bytes.iter().map(|b| b >> 4))
}

/// Bit `i` of a little-endian word of 32, moved to bit 4.
fn fifth_bit(bits: &[u8], i: usize) -> u8 {
    (bits[i / 8] >> (i % 8) & 1) << 4
}

/// Scale, 16 bytes of nibbles: `d (q - 8)`.
pub fn q4_0(block: &[u8; 18], out: &mut Vec<f32>) {
    let d = half(block, 0);
    out.extend(nibbles(&block[2..]).map(|q| d * (f32::from(q) - 8.0)));
}

/// Scale, minimum, 16 bytes of nibbles: `d q + m`.
pub fn q4_1(block: &[u8; 20], out: &mut Vec<f32>) {
    let (d, m) = (half(block, 0), half(block, 2));
    out.extend(nibbles(&block[4..]).map(|q| d * f32::from(q) + m));
}

/// Scale, 32 fifth bits, 16 bytes of nibbles: `d (q - 16)`.
pub fn q5_0(block: &[u8; 22], out: &mut Vec<f32>) {
    let d = half(block, 0);
    let q = nibbles(&block[6..]).enumerate().map(|(i, q)| q | fifth_bit(&block[2..6], i));
    out.extend(q.map(|q| d * (f32::from(q) - 16.0)));
}

/// Scale, minimum, 32 fifth bits, 16 bytes of nibbles: `d q + m`.
pub fn q5_1(block: &[u8; 24], out: &mut Vec<f32>) {
    let (d, m) = (half(block, 0), half(block, 2));
    let q = nibbles(&block[8..]).enumerate().map(|(i, q)| q | fifth_bit(&block[4..8], i));
    out.extend(q.map(|q| d * f32::from(q) + m));
}

/// Scale, 32 signed bytes: `d q`.
pub fn q8_0(block: &[u8; 34], out: &mut Vec<f32>) {
    let d = half(block, 0);
    out.extend(block[2..].iter().map(|&q| f32::from(q as i8) * d));
}

/// The 6-bit scale and minimum of group `j` of 8, from the 12 bytes that hold all of them: the first four groups have
/// theirs in the low six bits of bytes 0..4 and 4..8, the others in the nibbles of bytes 8..12 and the two bits left.
fn scale_and_minimum(packed: &[u8], j: usize) -> (f32, f32) {
    let (scale, minimum) = if j < 4 {
        (packed[j] & 63, packed[j + 4] & 63)
    } else {
        let both = packed[j + 4];
        (both & 15 | packed[j - 4] >> 6 << 4, both >> 4 | packed[j] >> 6 << 4)
    };
    (f32::from(scale), f32::from(minimum))
}

/// Scale of scales, scale of minima, 12 bytes of them, 128 bytes of nibbles. A run of 32 bytes holds two groups of 32
/// elements: one in the low, one in the high nibbles.
pub fn q4_k(block: &[u8; 144], out: &mut Vec<f32>) {
    let (d, d_minimum) = (half(block, 0), half(block, 2));
    for group in 0..8 {
        let (scale, minimum) = scale_and_minimum(&block[4..16], group);
        let (scale, minimum) = (d * scale, d_minimum * minimum);
        let run = &block[16 + group / 2 * 32..][..32];
        let shift = group % 2 * 4;
        out.extend(run.iter().map(|b| scale * f32::from(b >> shift & 15) - minimum));
    }
}

/// As [`q4_k`], with 32 bytes before the nibbles: bit `g` of byte `i` is the fifth bit of element `i` of group `g`.
pub fn q5_k(block: &[u8; 176], out: &mut Vec<f32>) {
    let (d, d_minimum) = (half(block, 0), half(block, 2));
    let fifth = &block[16..48];
    for group in 0..8 {
        let (scale, minimum) = scale_and_minimum(&block[4..16], group);
        let (scale, minimum) = (d * scale, d_minimum * minimum);
        let run = &block[48 + group / 2 * 32..][..32];
        let shift = group % 2 * 4;
        let q = run.iter().zip(fifth).map(|(b, f)| b >> shift & 15 | (f >> group & 1) << 4);
        out.extend(q.map(|q| scale * f32::from(q) - minimum));
    }
}

/// 128 bytes of low nibbles, 64 bytes of upper pairs of bits, 16 signed scales, a scale of scales: `d s (q - 32)`.
/// Each half of 128 elements is four groups of 32: nibbles low, low, high, high from two runs of 32 bytes in turn, and
/// the pair of bits at `2 group` of one run of 32 bytes.
pub fn q6_k(block: &[u8; 210], out: &mut Vec<f32>) {
    let d = half(block, 208);
    for part in 0..2 {
        let pairs = &block[128 + part * 32..][..32];
        for group in 0..4 {
            let low = &block[part * 64 + group % 2 * 32..][..32];
            for (i, (l, h)) in low.iter().zip(pairs).enumerate() {
                let q = l >> (group / 2 * 4) & 15 | (h >> (group * 2) & 3) << 4;
                let scale = f32::from(block[192 + part * 8 + group * 2 + i / 16] as i8);
                out.push(d * scale * (f32::from(q) - 32.0));
            }
        }
    }
}
