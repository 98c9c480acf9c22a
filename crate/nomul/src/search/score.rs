//! Exact scores without multiplying: products by a table of squares, cosines as differences of logarithms.

use super::Kind;

/// `n * n / 4`, rounded down, for n from -383 to 510: sums and differences of a byte, signed or not, with another.
static SQUARES: [i32; SQUARE_COUNT] = {
    let mut squares = [0; SQUARE_COUNT];
    // From n to n + 1 the quarter of the square grows by (n + 1) / 2, rounded down.
    let mut n = 0;
    while n + 1 + ZERO < SQUARE_COUNT {
        squares[ZERO + n + 1] = squares[ZERO + n] + ((n + 1) >> 1) as i32;
        n += 1;
    }
    let mut n = 1;
    while n <= ZERO {
        squares[ZERO - n] = squares[ZERO + n];
        n += 1;
    }
    squares
};
const ZERO: usize = 383;
const SQUARE_COUNT: usize = ZERO + 511;

/// `x * y` as a difference of squares, `((x + y)^2 - (x - y)^2) / 4`; both roundings are the same, as both squares are
/// even or both odd. `x` and `y` are bytes, signed or not.
#[inline(always)]
fn product(x: i32, y: i32) -> i32 {
    let square = |n: i32| SQUARES[(n + ZERO as i32) as usize];
    square(x + y) - square(x - y)
}

/// The dot product of two rows of numbers: the sum of `x[i] * y[i]`.
pub fn dot(kind: Kind, x: &[u8], y: &[u8]) -> i64 {
    if kind == Kind::I16 { dot16(x, y) } else { dot8(x, y) }
}

fn dot8(x: &[u8], y: &[u8]) -> i64 {
    // 65,536 products of 2^14 stay below 2^31.
    let products = x.iter().zip(y).map(|(x, y)| product(i32::from(x.cast_signed()), i32::from(y.cast_signed())));
    i64::from(products.sum::<i32>())
}

/// Each number is 256 times its upper byte, which has a sign, and its lower one, which has none.
fn dot16(x: &[u8], y: &[u8]) -> i64 {
    let (mut high, mut middle, mut low) = (0i64, 0i64, 0i64);
    for ([xl, xh], [yl, yh]) in x.as_chunks().0.iter().zip(y.as_chunks().0) {
        let (xl, yl) = (i32::from(*xl), i32::from(*yl));
        let (xh, yh) = (i32::from(xh.cast_signed()), i32::from(yh.cast_signed()));
        high += i64::from(product(xh, yh));
        middle += i64::from(product(xh, yl) + product(xl, yh));
        low += i64::from(product(xl, yl));
    }
    (high << 16) + (middle << 8) + low
}

/// Bits behind the point of a logarithm.
pub const FRACTION: u32 = 40;

/// `log2(1 + 2^-k)` for k from 1 to 40, in units of `2^-FRACTION`.
static LOGARITHMS: [u64; FRACTION as usize] = [
    643_173_071_356,
    353_963_683_636,
    186_834_514_936,
    96_166_410_953,
    48_811_850_439,
    24_593_670_513,
    12_344_497_886,
    6_184_257_240,
    3_095_142_392,
    1_548_326_109,
    774_351_967,
    387_223_235,
    193_623_433,
    96_814_671,
    48_408_074,
    24_204_222,
    12_102_157,
    6_051_090,
    3_025_548,
    1_512_775,
    756_388,
    378_194,
    189_097,
    94_548,
    47_274,
    23_637,
    11_819,
    5_909,
    2_955,
    1_477,
    739,
    369,
    185,
    92,
    46,
    23,
    12,
    6,
    3,
    1,
];

/// The logarithm of a number over zero to base 2, in units of `2^-FRACTION`, to about 40 of them. The number is doubled
/// up to 2^63 in steps of `1 + 2^-k`, each a shift and an addition, whose logarithms are subtracted.
pub fn log2(n: u64) -> i64 {
    let places = n.leading_zeros();
    let mut mantissa = n << places >> 1; // 2^62 up to 2^63
    let mut log = i64::from(64 - places) << FRACTION;
    for (k, step) in (1..).zip(LOGARITHMS) {
        let next = mantissa + (mantissa >> k);
        if next < 1 << 63 {
            mantissa = next;
            log -= step as i64;
        }
    }
    log
}

/// Half of the logarithm of a vector's squared length; [`NO_LENGTH`] for the zero vector.
pub fn half_log(squared_length: u64) -> i64 {
    if squared_length == 0 { NO_LENGTH } else { log2(squared_length) >> 1 }
}

/// Stands for the length of the zero vector, whose cosine with everything is 0.
pub const NO_LENGTH: i64 = i64::MIN;

/// Larger than any logarithm of a length, so that a score's sign is the cosine's.
const OFFSET: i64 = 64 << FRACTION;

/// A number that orders as `dot / length` does: its sign times its logarithm, moved off zero.
pub fn cosine_score(dot: i64, half_log: i64) -> i64 {
    if dot == 0 || half_log == NO_LENGTH {
        return 0;
    }
    let score = OFFSET + log2(dot.unsigned_abs()) - half_log;
    if dot < 0 { -score } else { score }
}

/// No smaller than [`cosine_score`] with the same arguments, and quick: the logarithm is rounded up.
pub fn cosine_bound(dot: i64, half_log: i64) -> i64 {
    if dot <= 0 || half_log == NO_LENGTH {
        return 0;
    }
    OFFSET + (i64::from(64 - dot.leading_zeros()) << FRACTION) - half_log
}

/// The cosine of a score and the query's length, for the reader: the one step that leaves the integers.
pub fn cosine(score: i64, query_half_log: i64) -> f64 {
    if score == 0 || query_half_log == NO_LENGTH {
        return 0.0;
    }
    let log = score.abs() - OFFSET - query_half_log;
    let size = libm::exp2(log as f64 / (1u64 << FRACTION) as f64).min(1.0);
    if score < 0 { -size } else { size }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn products_of_all_bytes() {
        for x in -128..256 {
            for y in -128..256 {
                assert_eq!(product(x, y), x * y, "{x} {y}");
            }
        }
    }

    #[test]
    fn dots_equal_the_textbook() {
        let numbers: Vec<i16> = (0..1000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 16) as i16).collect();
        let edges = [i16::MIN, i16::MIN, i16::MAX, -1, 0, 255, 256, -256];
        for (x, y) in [(&numbers[..500], &numbers[500..]), (&edges[..4], &edges[4..]), (&edges[..1], &edges[1..2])] {
            let textbook: i64 = x.iter().zip(y).map(|(x, y)| i64::from(*x) * i64::from(*y)).sum();
            let bytes = |x: &[i16]| x.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
            assert_eq!(dot(Kind::I16, &bytes(x), &bytes(y)), textbook);
            let textbook: i64 = x.iter().zip(y).map(|(x, y)| i64::from(*x as i8) * i64::from(*y as i8)).sum();
            let bytes = |x: &[i16]| x.iter().map(|x| *x as u8).collect::<Vec<u8>>();
            assert_eq!(dot(Kind::I8, &bytes(x), &bytes(y)), textbook);
        }
        // The largest sums of bytes.
        assert_eq!(dot(Kind::I8, &[0x80; 65_536], &[0x80; 65_536]), 1 << 30);
    }

    #[test]
    fn logarithms() {
        let unit = (1u64 << FRACTION) as f64;
        let numbers = (1..5000).chain((0..64).map(|i| 1 << i)).chain((1..64).map(|i| (1 << i) - 1)).chain([u64::MAX]);
        for n in numbers {
            let exact = (n as f64).log2();
            let error = (log2(n) as f64 / unit - exact).abs();
            assert!(error < 1e-10, "{n}: {error}");
        }
        for (k, log) in (1..).zip(LOGARITHMS) {
            assert_eq!(log, (2f64.powi(-k).ln_1p() / 2f64.ln() * unit).round() as u64, "{k}");
        }
    }

    #[test]
    fn scores_order_as_cosines_do() {
        let mut cases = Vec::new();
        for dot in [0, 1, -1, 2, 3, -3, 1000, -999, 123_456_789, i64::from(i32::MAX) << 14] {
            for squared in [1, 2, 3, 1000, 999_999, 1 << 45] {
                cases.push((dot as f64 / (squared as f64).sqrt(), cosine_score(dot, half_log(squared)), dot, squared));
            }
        }
        for (a, score_a, dot, squared) in &cases {
            for (b, score_b, ..) in &cases {
                if (a - b).abs() > 1e-9 * a.abs().max(b.abs()) {
                    assert_eq!(a < b, score_a < score_b, "{a} {b}");
                }
            }
            assert!(cosine_bound(*dot, half_log(*squared)) >= *score_a);
        }
        assert_eq!(cosine_score(5, half_log(0)), 0);
        let three_four_five = cosine(cosine_score(48, half_log(25)), half_log(100));
        assert!((three_four_five - 0.96).abs() < 1e-9, "{three_four_five}");
    }
}
