//! Binding: signed permutations drawn from names.

use super::{
    Bits, Sums, Ternary,
    bits::same,
    draw::{Draw, Kind},
    words,
};
use crate::kernel::best;

/// A signed permutation `M`: `(M x)[i] = signs[i] * x[i - shift]`, places counted modulo D.
///
/// Roles with a name shift by one place; products of them shift further. See the [module](super) for why these products
/// stay apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    signs: Bits,
    shift: usize,
}

impl Role {
    /// The role of a name.
    pub fn new(dimension: usize, seed: u64, name: &[u8]) -> Role {
        Role::from_signs(Bits::random(dimension, &mut Draw::new(seed, Kind::Role, name)))
    }

    /// The role `diag(signs) P`: roles with similar signs do similar things, which is how neighbouring positions bind.
    pub fn from_signs(signs: Bits) -> Role {
        Role { signs, shift: 1 }
    }

    /// What leaves everything alone.
    pub fn identity(dimension: usize) -> Role {
        Role { signs: Bits::identity(dimension), shift: 0 }
    }

    /// D.
    pub fn dimension(&self) -> usize {
        self.signs.dimension()
    }

    /// The signs, and by how many places they follow a shift.
    pub fn parts(&self) -> (&Bits, usize) {
        (&self.signs, self.shift)
    }

    /// `self` after `inner`: binding with the result is binding with `inner` and then with `self`.
    pub fn compose(&self, inner: &Role) -> Role {
        let signs = self.bind(&inner.signs);
        Role { signs, shift: (self.shift + inner.shift) % self.dimension() }
    }

    /// What unbinds.
    pub fn inverse(&self) -> Role {
        let dimension = self.dimension();
        Role { signs: self.signs.permute(-(self.shift as isize)), shift: (dimension - self.shift) % dimension }
    }

    /// `M x`.
    pub fn bind(&self, x: &Bits) -> Bits {
        let mut out = Bits::identity(x.dimension());
        self.bind_into(x, &mut out);
        out
    }

    /// [`Role::bind`] into memory that is there already.
    pub(crate) fn bind_into(&self, x: &Bits, out: &mut Bits) {
        same(self.dimension(), x.dimension());
        same(self.dimension(), out.dimension());
        words::permute(best(), x.words(), self.shift, self.signs.words(), x.dimension(), out.words_mut());
    }

    /// `Mᵀ x`: takes [`Role::bind`] back.
    pub fn unbind(&self, x: &Bits) -> Bits {
        self.inverse().bind(x)
    }

    /// `M x` for whole numbers.
    pub fn bind_sums(&self, x: &Sums) -> Sums {
        same(self.dimension(), x.dimension());
        x.permute(self.shift as isize).bind(&self.signs)
    }

    /// `Mᵀ x` for whole numbers.
    pub fn unbind_sums(&self, x: &Sums) -> Sums {
        self.inverse().bind_sums(x)
    }

    /// `M x` for vectors of -1, 0 and +1.
    pub fn bind_ternary(&self, x: &Ternary) -> Ternary {
        same(self.dimension(), x.dimension());
        let used = x.used().permute(self.shift as isize);
        let mut negative = self.bind(x.negative());
        negative.words_mut().iter_mut().zip(used.words()).for_each(|(negative, used)| *negative &= used);
        Ternary::from_parts(negative, used)
    }

    /// `Mᵀ x` for vectors of -1, 0 and +1.
    pub fn unbind_ternary(&self, x: &Ternary) -> Ternary {
        self.inverse().bind_ternary(x)
    }
}
