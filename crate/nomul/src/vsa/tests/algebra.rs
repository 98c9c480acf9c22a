//! Binding: orthogonal, invertible, not commutative, and different for every path.

use super::*;

fn role(name: &str) -> Role {
    Role::new(1_000, 7, name.as_bytes())
}

#[test]
fn a_hundred_nested_bindings_change_no_norm_and_no_angle() {
    let dimension = 1_156;
    let mut draw = other(1);
    let random = |draw: &mut Draw| {
        Sums::from_values((0..dimension).map(|_| draw.below(2_001) as i16 - 1_000).collect()).unwrap()
    };
    let (x, y) = (random(&mut draw), random(&mut draw));
    let (mut bx, mut by) = (x.clone(), y.clone());
    let (p, q) = (Bits::atom(dimension, 1, b"p"), Bits::atom(dimension, 1, b"q"));
    let (mut bp, mut bq) = (p.clone(), q.clone());
    let roles: Vec<Role> = (0..100u8).map(|i| Role::new(dimension, 1, &[i])).collect();
    for role in &roles {
        (bx, by, bp, bq) = (role.bind_sums(&bx), role.bind_sums(&by), role.bind(&bp), role.bind(&bq));
        assert_eq!((bx.dot(&bx), by.dot(&by), bx.dot(&by)), (x.dot(&x), y.dot(&y), x.dot(&y)));
        assert_eq!(bp.dot(&bq), p.dot(&q));
    }
    for role in roles.iter().rev() {
        (bx, bp) = (role.unbind_sums(&bx), role.unbind(&bp));
    }
    assert_eq!((bx, bp), (x, p));
}

#[test]
fn composition_is_one_role_after_the_other() {
    let (a, b, x) = (role("a"), role("b"), Bits::atom(1_000, 7, b"x"));
    let both = a.compose(&b);
    assert_eq!(both.bind(&x), a.bind(&b.bind(&x)));
    assert_eq!(both.unbind(&x), b.unbind(&a.unbind(&x)));
    assert_eq!(both.compose(&both.inverse()), Role::identity(1_000));
    assert_eq!(both.inverse().compose(&both), Role::identity(1_000));
    assert_eq!(a.compose(&b).compose(&both), a.compose(&b.compose(&both)));
}

#[test]
fn ternary_vectors_are_bound_as_their_numbers() {
    let mut draw = other(3);
    let sums = Sums::from_values((0..1_000).map(|_| draw.below(41) as i16 - 20).collect()).unwrap();
    let (role, ternary) = (role("a").compose(&role("b")), sums.ternary(9));
    let numbers = |t: &Ternary| -> Vec<i32> { (0..1_000).map(|i| t.value(i)).collect() };
    let expected: Vec<i32> = sums.values().iter().map(|v| if v.abs() > 9 { v.signum() as i32 } else { 0 }).collect();
    assert_eq!(numbers(&ternary), expected);
    let (by, s) = (role.parts().1, signs(role.parts().0));
    assert_eq!(numbers(&role.bind_ternary(&ternary)), permuted(&expected, by, &s));
    assert_eq!(role.unbind_ternary(&role.bind_ternary(&ternary)), ternary);
    let second = sums.ternary(3);
    assert_eq!(ternary.dot(&second), dot(&expected, &numbers(&second)));
}

/// Over paths of all lengths: normalised by √D, dot products of different paths' results behave as standard normal
/// numbers. The same path gives the same vector, and any other is unrelated, however similar it looks.
#[test]
fn different_paths_are_unrelated() {
    let dimension = 1_024;
    let paths = [
        "a",
        "b",
        "aa",
        "ab",
        "ba",
        "bb",
        "aaa",
        "aab",
        "aba",
        "baa",
        "abab",
        "baba",
        "abba",
        "baab",
        "aaaa",
        "aaaaaaaa",
        "aaaabaaaa",
        "aaabaaaaa",
        "abcdefgh",
        "hgfedcba",
        "bacdefgh",
        "abcdefhg",
        "",
    ];
    let roles: Vec<Role> = paths
        .iter()
        .map(|path| {
            path.bytes().fold(Role::identity(dimension), |all, name| all.compose(&Role::new(dimension, 0, &[name])))
        })
        .collect();
    let (mut squares, mut count) = (0.0, 0);
    for x in 0..20u8 {
        let x = Bits::atom(dimension, 0, &[x]);
        let bound: Vec<Bits> = roles.iter().map(|role| role.bind(&x)).collect();
        for i in 0..bound.len() {
            for j in 0..i {
                let normal = bound[i].dot(&bound[j]) as f64 / 32.0;
                assert!(normal.abs() < 5.5, "{:?} and {:?}: {normal}", paths[i], paths[j]);
                (squares, count) = (squares + normal * normal, count + 1);
            }
        }
    }
    let variance = squares / count as f64;
    assert!((variance - 1.0).abs() < 0.1, "variance {variance} of {count}");
}

/// The powers of a role come back to the start after D of them at the earliest.
#[test]
fn powers_of_a_role_stay_apart() {
    let (a, x) = (Role::new(256, 0, b"a"), Bits::atom(256, 0, b"x"));
    let mut powers = vec![x.clone()];
    for _ in 1..256 {
        powers.push(a.bind(powers.last().unwrap()));
    }
    for i in 0..256 {
        for j in 0..i {
            assert!(powers[i].dot(&powers[j]).abs() < 112, "{i}, {j}: {}", powers[i].dot(&powers[j]));
        }
    }
}
