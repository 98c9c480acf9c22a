//! The operations in plain Rust: the definition of every other back end.

use super::{Both, Simd};

/// The token of plain Rust.
#[derive(Clone, Copy)]
pub struct Scalar;

fn map16(a: [u8; 16], b: [u8; 16], f: impl Fn(i16, i16) -> i16) -> [u8; 16] {
    let mut out = [0; 16];
    for i in 0..8 {
        let x = i16::from_le_bytes([a[2 * i], a[2 * i + 1]]);
        let y = i16::from_le_bytes([b[2 * i], b[2 * i + 1]]);
        out[2 * i..2 * i + 2].copy_from_slice(&f(x, y).to_le_bytes());
    }
    out
}

fn lanes32(a: [u8; 16]) -> [i32; 4] {
    core::array::from_fn(|i| i32::from_le_bytes([a[4 * i], a[4 * i + 1], a[4 * i + 2], a[4 * i + 3]]))
}

fn from32(a: [i32; 4]) -> [u8; 16] {
    let mut out = [0; 16];
    for (i, x) in a.into_iter().enumerate() {
        out[4 * i..4 * i + 4].copy_from_slice(&x.to_le_bytes());
    }
    out
}

fn map32(a: [u8; 16], b: [u8; 16], f: impl Fn(i32, i32) -> i32) -> [u8; 16] {
    let (a, b) = (lanes32(a), lanes32(b));
    from32(core::array::from_fn(|i| f(a[i], b[i])))
}

fn lane16(a: [u8; 16], i: usize) -> i16 {
    i16::from_le_bytes([a[2 * i], a[2 * i + 1]])
}

impl Simd for Scalar {
    type V = [u8; 16];
    type Both = Both;
    const STREAMS: usize = 2;
    const BOTH: bool = false;
    const LEAST_BATCH: usize = 9;

    #[inline(always)]
    fn load(self, bytes: &[u8; 16]) -> Self::V {
        *bytes
    }
    #[inline(always)]
    fn store(self, v: Self::V, bytes: &mut [u8; 16]) {
        *bytes = v;
    }
    #[inline(always)]
    fn load_f32(self, x: &[f32; 4]) -> Self::V {
        from32(x.map(|x| x.to_bits() as i32))
    }
    #[inline(always)]
    fn store_f32(self, v: Self::V, x: &mut [f32; 4]) {
        *x = lanes32(v).map(|bits| f32::from_bits(bits as u32));
    }
    #[inline(always)]
    fn load_i32(self, x: &[i32; 4]) -> Self::V {
        from32(*x)
    }
    #[inline(always)]
    fn store_i32(self, v: Self::V, x: &mut [i32; 4]) {
        *x = lanes32(v);
    }
    #[inline(always)]
    fn load_upper_halves(self, x: &[u16; 4]) -> Self::V {
        from32(x.map(|x| (x as i32) << 16))
    }
    #[inline(always)]
    fn store_lower_halves(self, v: Self::V, x: &mut [i16; 4]) {
        *x = lanes32(v).map(|x| x as i16);
    }
    #[inline(always)]
    fn load_extended(self, x: &[i8; 8]) -> Self::V {
        let mut out = [0; 16];
        for (pair, &x) in out.chunks_exact_mut(2).zip(x) {
            pair.copy_from_slice(&i16::from(x).to_le_bytes());
        }
        out
    }
    #[inline(always)]
    fn splat8(self, x: u8) -> Self::V {
        [x; 16]
    }
    #[inline(always)]
    fn splat16(self, x: i16) -> Self::V {
        map16([0; 16], [0; 16], |_, _| x)
    }
    #[inline(always)]
    fn splat32(self, x: i32) -> Self::V {
        from32([x; 4])
    }
    #[inline(always)]
    fn and(self, a: Self::V, b: Self::V) -> Self::V {
        core::array::from_fn(|i| a[i] & b[i])
    }
    #[inline(always)]
    fn or(self, a: Self::V, b: Self::V) -> Self::V {
        core::array::from_fn(|i| a[i] | b[i])
    }
    #[inline(always)]
    fn xor(self, a: Self::V, b: Self::V) -> Self::V {
        core::array::from_fn(|i| a[i] ^ b[i])
    }
    #[inline(always)]
    fn swizzle(self, table: Self::V, index: Self::V) -> Self::V {
        index.map(|i| table[i as usize & 15])
    }
    #[inline(always)]
    fn popcount8(self, a: Self::V) -> Self::V {
        a.map(|x| x.count_ones() as u8)
    }
    #[inline(always)]
    fn sum8(self, a: Self::V) -> u32 {
        a.into_iter().map(u32::from).sum()
    }
    #[inline(always)]
    fn add8(self, a: Self::V, b: Self::V) -> Self::V {
        core::array::from_fn(|i| a[i].wrapping_add(b[i]))
    }
    #[inline(always)]
    fn add16(self, a: Self::V, b: Self::V) -> Self::V {
        map16(a, b, i16::wrapping_add)
    }
    #[inline(always)]
    fn sub16(self, a: Self::V, b: Self::V) -> Self::V {
        map16(a, b, i16::wrapping_sub)
    }
    #[inline(always)]
    fn shr16<const N: u32>(self, a: Self::V) -> Self::V {
        map16(a, a, |x, _| ((x as u16) >> N) as i16)
    }
    #[inline(always)]
    fn sar16(self, a: Self::V, count: u32) -> Self::V {
        map16(a, a, |x, _| x >> count)
    }
    #[inline(always)]
    fn shl16<const N: u32>(self, a: Self::V) -> Self::V {
        map16(a, a, |x, _| x << N)
    }
    #[inline(always)]
    fn zip16(self, a: Self::V, b: Self::V) -> [Self::V; 2] {
        [0, 4].map(|first| {
            let mut out = [0; 16];
            for (i, pair) in out.chunks_exact_mut(4).enumerate() {
                pair[..2].copy_from_slice(&lane16(a, first + i).to_le_bytes());
                pair[2..].copy_from_slice(&lane16(b, first + i).to_le_bytes());
            }
            out
        })
    }
    #[inline(always)]
    fn narrow16(self, a: Self::V, b: Self::V) -> Self::V {
        core::array::from_fn(|i| {
            let x = if i < 8 { lane16(a, i) } else { lane16(b, i - 8) };
            x.clamp(-128, 127) as i8 as u8
        })
    }
    #[inline(always)]
    fn extend_low(self, a: Self::V) -> Self::V {
        from32(core::array::from_fn(|i| lane16(a, i) as i32))
    }
    #[inline(always)]
    fn extend_high(self, a: Self::V) -> Self::V {
        from32(core::array::from_fn(|i| lane16(a, i + 4) as i32))
    }
    #[inline(always)]
    fn add32(self, a: Self::V, b: Self::V) -> Self::V {
        map32(a, b, i32::wrapping_add)
    }
    #[inline(always)]
    fn shl32(self, a: Self::V, count: u32) -> Self::V {
        map32(a, a, |x, _| x << count)
    }
    #[inline(always)]
    fn min32(self, a: Self::V, b: Self::V) -> Self::V {
        map32(a, b, i32::min)
    }
    #[inline(always)]
    fn max32(self, a: Self::V, b: Self::V) -> Self::V {
        map32(a, b, i32::max)
    }
    #[inline(always)]
    fn is_zero32(self, a: Self::V) -> Self::V {
        map32(a, a, |x, _| -((x == 0) as i32))
    }
    #[inline(always)]
    fn add_f32(self, a: Self::V, b: Self::V) -> Self::V {
        map32(a, b, |x, y| (f32::from_bits(x as u32) + f32::from_bits(y as u32)).to_bits() as i32)
    }
    #[inline(always)]
    fn to_f32(self, a: Self::V) -> Self::V {
        map32(a, a, |x, _| (x as f32).to_bits() as i32)
    }
    #[inline(always)]
    fn swap_halves(self, a: Self::V) -> Self::V {
        let [a, b, c, d] = lanes32(a);
        from32([c, d, a, b])
    }
    #[inline(always)]
    fn swap_pairs(self, a: Self::V) -> Self::V {
        let [a, b, c, d] = lanes32(a);
        from32([b, a, d, c])
    }
}
