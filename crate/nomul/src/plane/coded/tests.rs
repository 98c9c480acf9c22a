use alloc::{format, string::String, vec, vec::Vec};

use super::*;
use crate::{
    Code,
    plane::{is_positive, pack},
};

/// Numbers without a pattern, 0..1.
fn noise(seed: usize) -> f32 {
    let mut x = (seed as u32).wrapping_mul(0x9e37_79b9).wrapping_add(0x85eb);
    for _ in 0..3 {
        x = (x ^ x >> 15).wrapping_mul(0x2c1b_3c6d);
        x ^= x >> 12;
    }
    x as f32 / u32::MAX as f32
}

/// Planes of bell-shaped numbers on evenly spaced levels, `step` of their deviation apart, and the bits a weight that they hold.
fn bells((rows, columns): (usize, usize), planes: usize, step: f32) -> (Vec<Vec<u8>>, f64) {
    let level = |row: usize, column: usize| {
        let bell = (0..12).map(|i| noise((row * columns + column) * 12 + i)).sum::<f32>() - 6.0;
        ((bell / step + (1 << planes) as f32 * 0.5) as i32).clamp(0, (1 << planes) - 1) as usize
    };
    // Plane 0 has the highest bit.
    let plane = |b: usize| pack(rows, columns, |row, column| level(row, column) >> (planes - 1 - b) & 1 == 1);
    let mut seen = vec![0usize; 1 << planes];
    (0..rows * columns).for_each(|at| seen[level(at / columns, at % columns)] += 1);
    let share = |n: usize| n as f64 / (rows * columns) as f64;
    let entropy = seen.iter().filter(|&&n| n > 0).map(|&n| -share(n) * share(n).log2()).sum();
    ((0..planes).map(plane).collect(), entropy)
}

/// Decodes level by level, the bytes cut into pieces, and compares; the bytes of each level.
fn decoded((rows, columns): (usize, usize), planes: &[Vec<u8>], levels: &[usize], cut: usize) -> Vec<usize> {
    let layout = Layout::new(rows, columns, planes.len());
    let [mut memory, mut expected] = [(); 2].map(|()| vec![0; layout.bytes().unwrap()]);
    let mut from = 0;
    let each = levels.iter().map(|&to| {
        let part = Part { rows, columns, from, to };
        let coded = encode(part, planes);
        assert!(coded.len() <= part.most_bytes().unwrap());
        let mut decoder = Decoder::new(part, planes.len());
        for piece in coded.chunks(cut) {
            assert!(decoder.finish().is_err());
            decoder.push(piece, &mut memory).unwrap();
        }
        decoder.finish().unwrap();
        assert!(decoder.push(&[0], &mut memory).is_err());
        (from..to).for_each(|plane| layout.place(&mut expected, plane, 0, &planes[plane]));
        assert!(memory == expected, "{rows} x {columns}, planes {from}..{to}");
        from = to;
        coded.len()
    });
    each.collect()
}

#[test]
fn planes_come_back_whatever_the_levels_and_cuts() {
    let levels = [&[1][..], &[3], &[2, 4], &[1, 3, 5], &[8], &[7, 8], &[4, 8]];
    for (size, cut) in [((1, 1), 1), ((16, 8), 7), ((17, 9), 64), ((40, 130), 1 << 20), ((96, 64), 333)] {
        for levels in levels {
            decoded(size, &bells(size, *levels.last().unwrap(), 0.4).0, levels, cut);
        }
    }
}

#[test]
fn as_many_bits_as_the_levels_hold() {
    let size = (512, 576);
    for (planes, step) in [(3, 0.6), (4, 0.4), (5, 0.3), (5, 1.0), (8, 0.03)] {
        let (signs, entropy) = bells(size, planes, step);
        for levels in [&[planes][..], &[2, planes]] {
            let bytes: usize = decoded(size, &signs, levels, 4096).iter().sum();
            let bits = 8.0 * bytes as f64 / (size.0 * size.1) as f64;
            assert!(
                (entropy..1.01 * entropy + 0.02).contains(&bits),
                "{planes} planes, {levels:?}: {bits} of {entropy}"
            );
        }
    }
}

#[test]
fn what_cannot_be_foreseen_takes_no_more_than_its_planes() {
    let size = (64, 80);
    let signs: Vec<Vec<u8>> = (0..4).map(|b| pack(64, 80, |r, c| noise((b * 64 + r) * 80 + c) < 0.5)).collect();
    assert!(decoded(size, &signs, &[4], 999)[0] <= 4 * 64 * 80 / 8 + 24 + 32);
    // One pattern alone takes nothing.
    let alike: Vec<Vec<u8>> = (0..4).map(|b| pack(64, 80, |_, _| b % 2 == 0)).collect();
    assert_eq!(decoded(size, &alike, &[2, 4], 999), [8 + 24, 32 + 24]);
}

#[test]
fn damage_is_told_or_stays_within_the_planes() {
    let size = (40, 24);
    let part = Part { rows: 40, columns: 24, from: 0, to: 4 };
    let coded = encode(part, &bells(size, 4, 0.4).0);
    let read = |bytes: &[u8]| {
        let mut memory = vec![0; Layout::new(40, 24, 4).bytes().unwrap()];
        let mut decoder = Decoder::new(part, 4);
        decoder.push(bytes, &mut memory).and_then(|()| decoder.finish())
    };
    assert!(read(&coded).is_ok());
    for bit in 0..8 * coded.len() {
        let mut damaged = coded.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        // A digest finds what the decoder cannot; here nothing may panic.
        let _ = read(&damaged);
    }
    for end in 0..coded.len() {
        assert!(read(&coded[..end]).is_err(), "{end} bytes");
    }
    let mut counts = coded.clone();
    counts[0] ^= 1;
    let error = read(&counts).unwrap_err();
    assert!(error.code == Code::Format && error.message.contains("counts of pattern 0"), "{error}");
    let mut length = coded.clone();
    length[32..36].copy_from_slice(&u32::MAX.to_le_bytes());
    let most = part.most_of_strand(2);
    let message = format!("part 0 has a strand of {} bytes, where {most} are possible", u32::MAX);
    assert_eq!(read(&length).unwrap_err().message, message);
}

/// What the page's decoder (web/app/panels/why/coded.ts) is held to, which reads the first 64 rows: a matrix of 72 rows in two
/// levels, its signs as they were before.
#[derive(serde::Serialize, serde::Deserialize, PartialEq, Debug)]
struct Golden {
    rows: usize,
    columns: usize,
    /// Planes up to which each level goes, and its bytes in hexadecimal digits.
    levels: Vec<(usize, String)>,
    /// Of each plane + and -, row after row.
    planes: Vec<String>,
}

fn golden() -> Golden {
    let (rows, columns) = (72, 20);
    let (planes, _) = bells((rows, columns), 5, 0.3);
    let level = |from: usize, to: usize| {
        let bytes = encode(Part { rows, columns, from, to }, &planes);
        (to, bytes.iter().map(|byte| format!("{byte:02x}")).collect())
    };
    let sign = |plane: &[u8], at| if is_positive(plane, columns, at / columns, at % columns) { '+' } else { '-' };
    let signs = |plane: &Vec<u8>| (0..rows * columns).map(|at| sign(plane, at)).collect();
    Golden { rows, columns, levels: vec![level(0, 2), level(2, 5)], planes: planes.iter().map(signs).collect() }
}

#[test]
fn the_coded_form_is_what_the_page_reads() {
    let now = golden();
    // For tests/golden/coded.mjs, which makes the file anew.
    std::println!("{}", serde_json::to_string(&now).unwrap());
    let kept: Golden = serde_json::from_str(include_str!("../../../../../tests/golden/coded.json")).unwrap();
    assert_eq!(now, kept, "see tests/golden/coded.mjs");
}
