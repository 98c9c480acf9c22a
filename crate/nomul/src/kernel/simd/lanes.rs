//! What the look-up works on: both tiles of a pair at once, or one of them.

use super::Simd;

/// Registers that hold 16 or 32 bytes: the same operations as [`Simd`]'s, on all of them.
pub trait Lanes<S: Simd>: Copy {
    /// The registers.
    type W: Copy;
    /// The tiles of a pair that they hold.
    const TILES: core::ops::Range<usize>;

    /// These tiles' bytes of a pair.
    fn load(self, s: S, bytes: &[u8; 32]) -> Self::W;
    /// These tiles' bytes of a pair to memory.
    fn store(self, s: S, a: Self::W, bytes: &mut [u8; 32]);
    /// The register of a tile, counted from the first that is held.
    fn tile(self, s: S, a: Self::W, tile: usize) -> S::V;
    /// The byte in every lane.
    fn splat8(self, s: S, x: u8) -> Self::W;
    /// Bitwise and.
    fn and(self, s: S, a: Self::W, b: Self::W) -> Self::W;
    /// Bitwise exclusive or.
    fn xor(self, s: S, a: Self::W, b: Self::W) -> Self::W;
    /// `table[index]` for each byte lane; every index is below 16.
    fn swizzle(self, s: S, table: &[u8; 16], index: Self::W) -> Self::W;
    /// 8-bit sums, wrapping.
    fn add8(self, s: S, a: Self::W, b: Self::W) -> Self::W;
    /// 16-bit sums, wrapping.
    fn add16(self, s: S, a: Self::W, b: Self::W) -> Self::W;
    /// 16-bit differences, wrapping.
    fn sub16(self, s: S, a: Self::W, b: Self::W) -> Self::W;
    /// 16-bit lanes shifted right by the same count, below 16, the sign coming in.
    fn sar16(self, s: S, a: Self::W, count: u32) -> Self::W;
    /// 16-bit lanes shifted right, zeros coming in.
    fn shr16<const N: u32>(self, s: S, a: Self::W) -> Self::W;
    /// 16-bit lanes shifted left.
    fn shl16<const N: u32>(self, s: S, a: Self::W) -> Self::W;
}

/// One tile of a pair.
#[derive(Clone, Copy)]
pub struct One<const TILE: usize>;

impl<S: Simd, const TILE: usize> Lanes<S> for One<TILE> {
    type W = S::V;
    const TILES: core::ops::Range<usize> = TILE..TILE + 1;

    #[inline(always)]
    fn load(self, s: S, bytes: &[u8; 32]) -> S::V {
        s.load(&bytes.as_chunks::<16>().0[TILE])
    }
    #[inline(always)]
    fn store(self, s: S, a: S::V, bytes: &mut [u8; 32]) {
        s.store(a, &mut bytes.as_chunks_mut::<16>().0[TILE]);
    }
    #[inline(always)]
    fn tile(self, _: S, a: S::V, _: usize) -> S::V {
        a
    }
    #[inline(always)]
    fn splat8(self, s: S, x: u8) -> S::V {
        s.splat8(x)
    }
    #[inline(always)]
    fn and(self, s: S, a: S::V, b: S::V) -> S::V {
        s.and(a, b)
    }
    #[inline(always)]
    fn xor(self, s: S, a: S::V, b: S::V) -> S::V {
        s.xor(a, b)
    }
    #[inline(always)]
    fn swizzle(self, s: S, table: &[u8; 16], index: S::V) -> S::V {
        s.swizzle(s.load(table), index)
    }
    #[inline(always)]
    fn add8(self, s: S, a: S::V, b: S::V) -> S::V {
        s.add8(a, b)
    }
    #[inline(always)]
    fn add16(self, s: S, a: S::V, b: S::V) -> S::V {
        s.add16(a, b)
    }
    #[inline(always)]
    fn sub16(self, s: S, a: S::V, b: S::V) -> S::V {
        s.sub16(a, b)
    }
    #[inline(always)]
    fn sar16(self, s: S, a: S::V, count: u32) -> S::V {
        s.sar16(a, count)
    }
    #[inline(always)]
    fn shr16<const N: u32>(self, s: S, a: S::V) -> S::V {
        s.shr16::<N>(a)
    }
    #[inline(always)]
    fn shl16<const N: u32>(self, s: S, a: S::V) -> S::V {
        s.shl16::<N>(a)
    }
}

/// Both tiles of a pair, in two registers.
#[derive(Clone, Copy, Default)]
pub struct Both;

impl<S: Simd> Lanes<S> for Both {
    type W = [S::V; 2];
    const TILES: core::ops::Range<usize> = 0..2;

    #[inline(always)]
    fn load(self, s: S, bytes: &[u8; 32]) -> Self::W {
        let tiles = bytes.as_chunks::<16>().0;
        [s.load(&tiles[0]), s.load(&tiles[1])]
    }
    #[inline(always)]
    fn store(self, s: S, a: Self::W, bytes: &mut [u8; 32]) {
        let tiles = bytes.as_chunks_mut::<16>().0;
        s.store(a[0], &mut tiles[0]);
        s.store(a[1], &mut tiles[1]);
    }
    #[inline(always)]
    fn tile(self, _: S, a: Self::W, tile: usize) -> S::V {
        a[tile]
    }
    #[inline(always)]
    fn splat8(self, s: S, x: u8) -> Self::W {
        [s.splat8(x); 2]
    }
    #[inline(always)]
    fn and(self, s: S, a: Self::W, b: Self::W) -> Self::W {
        [s.and(a[0], b[0]), s.and(a[1], b[1])]
    }
    #[inline(always)]
    fn xor(self, s: S, a: Self::W, b: Self::W) -> Self::W {
        [s.xor(a[0], b[0]), s.xor(a[1], b[1])]
    }
    #[inline(always)]
    fn swizzle(self, s: S, table: &[u8; 16], index: Self::W) -> Self::W {
        let table = s.load(table);
        [s.swizzle(table, index[0]), s.swizzle(table, index[1])]
    }
    #[inline(always)]
    fn add8(self, s: S, a: Self::W, b: Self::W) -> Self::W {
        [s.add8(a[0], b[0]), s.add8(a[1], b[1])]
    }
    #[inline(always)]
    fn add16(self, s: S, a: Self::W, b: Self::W) -> Self::W {
        [s.add16(a[0], b[0]), s.add16(a[1], b[1])]
    }
    #[inline(always)]
    fn sub16(self, s: S, a: Self::W, b: Self::W) -> Self::W {
        [s.sub16(a[0], b[0]), s.sub16(a[1], b[1])]
    }
    #[inline(always)]
    fn sar16(self, s: S, a: Self::W, count: u32) -> Self::W {
        [s.sar16(a[0], count), s.sar16(a[1], count)]
    }
    #[inline(always)]
    fn shr16<const N: u32>(self, s: S, a: Self::W) -> Self::W {
        [s.shr16::<N>(a[0]), s.shr16::<N>(a[1])]
    }
    #[inline(always)]
    fn shl16<const N: u32>(self, s: S, a: Self::W) -> Self::W {
        [s.shl16::<N>(a[0]), s.shl16::<N>(a[1])]
    }
}
