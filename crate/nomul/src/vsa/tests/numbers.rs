//! Whole numbers, bytes, levels, spread vectors.

use super::{levels::*, *};

#[test]
fn bytes_multiply_by_table() {
    let all: Vec<i8> = (-127..=127).collect();
    for shift in [0usize, 1, 100, 254] {
        let rotated: Vec<i8> = all.iter().cycle().skip(shift).take(255).copied().collect();
        let padded = |x: &[i8]| Bytes::from_values(x.iter().copied().chain([0]).collect(), 0).unwrap();
        let expected: i64 = all.iter().zip(&rotated).map(|(a, b)| *a as i64 * *b as i64).sum();
        assert_eq!(padded(&all).dot(&padded(&rotated)), expected);
    }
}

#[test]
fn bytes_are_sums_shifted_and_rounded() {
    let mut values = vec![0i16; 256];
    values[..6].copy_from_slice(&[508, -508, 3, -3, 2, 6]);
    let bytes = Sums::from_values(values).unwrap().bytes();
    assert_eq!((bytes.shift(), &bytes.values()[..6]), (2, &[127, -127, 1, -1, 1, 2][..]));
    assert_eq!(bytes.sums().values()[..6], [508, -508, 4, -4, 4, 8]);
    assert_eq!(Sums::new(256).bytes().shift(), 0);
    assert!(Sums::from_values(vec![i16::MIN; 256]).unwrap_err().message.contains("element 0"));
    assert!(Bytes::from_values(vec![i8::MIN; 256], 0).is_err() && Bytes::from_values(vec![0; 256], 16).is_err());
}

#[test]
fn sums_saturate_and_say_so_in_their_values() {
    let x = Bits::atom(256, 0, b"x");
    let mut sums = Sums::new(256);
    for _ in 0..5 {
        sums.add_bits(&x, 8_000);
    }
    assert!(sums.values().iter().all(|v| v.abs() == Sums::LIMIT));
    sums.add(&sums.clone());
    assert!(sums.values().iter().all(|v| v.abs() == Sums::LIMIT));
    let mut bundle = Bundle::new(256);
    bundle.add(&x, 1 << 20);
    assert_eq!(bundle.sums(), sums);
}

#[test]
fn similarity_falls_evenly_along_a_line_and_no_further_than_zero() {
    let line = Line::new(10_000, 0, b"line");
    for (x, y) in [(0.0, 0.0), (0.0, 0.25), (0.9, 1.3), (-3.2, -2.7), (5.5, 6.5), (2.0, 12.0), (-1e9, -1e9 - 0.5)] {
        let expected = f64::max(0.0, 1.0 - f64::abs(x - y));
        let got = line.at(x).similarity(&line.at(y));
        assert!((got - expected).abs() < 0.05, "{x}, {y}: {got}, expected {expected}");
    }
    // Nothing but the nearest number that is there.
    assert_eq!(line.at(f64::NAN), line.at(0.0));
    assert_eq!(line.at(f64::INFINITY), line.at(f64::MAX));
}

#[test]
fn a_circle_closes() {
    let circle = Line::circle(4_096, 0, b"hours", 8).unwrap();
    assert_eq!(circle.at(8.0), circle.at(0.0));
    assert_eq!(circle.at(-0.5), circle.at(7.5));
    assert!(circle.at(7.75).similarity(&circle.at(0.25)) > 0.45);
    assert!(circle.at(7.0).similarity(&circle.at(3.0)).abs() < 0.06);
    assert!(Line::circle(256, 0, b"", 1).is_err());
    let around = circular(4_096, 0, 12);
    assert!(around[11].similarity(&around[0]) > 0.6 && around[6].similarity(&around[0]).abs() < 0.06);
}

#[test]
fn levels_and_thermometers() {
    let levels = level(4_096, 0, 11);
    assert!((levels[0].similarity(&levels[5]) - 0.5).abs() < 0.05 && levels[0].similarity(&levels[10]).abs() < 0.06);
    let steps = thermometer(1_000, 5);
    let negatives = |x: &Bits| x.hamming(&Bits::identity(1_000));
    assert_eq!(steps.iter().map(negatives).collect::<Vec<_>>(), [1_000, 750, 500, 250, 0]);
    assert_eq!((level(256, 0, 1).len(), thermometer(256, 0).len(), circular(256, 0, 0).len()), (1, 0, 0));
}

#[test]
fn a_level_is_found_again_in_noise() {
    let line = Line::new(2_048, 0, b"line");
    for level in [-4.0, -0.3, 0.0, 0.5, 2.71, 9.0] {
        let mut bundle = Bundle::new(2_048);
        bundle.add(&line.at(level), 1);
        (0..10u8).for_each(|noise| bundle.add(&Bits::atom(2_048, 1, &[noise]), 1));
        let (found, _) = line.nearest(&bundle.sums(), 0, -5, 10);
        assert!((found - level).abs() < 0.1, "{level}: {found}");
    }
}

#[test]
fn equiangular_symbols_stand_at_right_angles() {
    let memory = ItemMemory::equiangular(1_024, 5, 40).unwrap();
    for i in 0..40 {
        for j in 0..40 {
            assert_eq!(memory.item(i).dot(memory.item(j)), if i == j { 1_024 } else { 0 });
        }
    }
    assert!(ItemMemory::equiangular(1_000, 0, 8).is_ok());
    assert_eq!(ItemMemory::equiangular(1_000, 0, 9).unwrap_err().code, crate::Code::Input);
}

#[test]
fn spreading_keeps_angles() {
    let spreader = Spreader::new(100, 4_000, 0).unwrap();
    let mut draw = other(0);
    let mut normal = || (0..12).map(|_| (draw.word() >> 40) as f32 / (1 << 24) as f32).sum::<f32>() - 6.0;
    let x: Vec<f32> = (0..100).map(|_| normal()).collect();
    let y: Vec<f32> = (0..100).map(|_| normal()).collect();
    for t in [0.0f64, 0.2, 0.5, 1.0] {
        let z: Vec<f32> = x.iter().zip(&y).map(|(x, y)| ((1.0 - t) * *x as f64 + t * *y as f64) as f32).collect();
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| *a as f64 * *b as f64).sum::<f64>();
        let angle = (dot(&x, &z) / (dot(&x, &x) * dot(&z, &z)).sqrt()).acos();
        let differ = spreader.spread(&x).unwrap().hamming(&spreader.spread(&z).unwrap()) as f64 / 4_000.0;
        assert!((differ - angle / core::f64::consts::PI).abs() < 0.03, "{t}: {differ}, {angle}");
    }
    // Neither length nor huge numbers change a sign; what is not a number is refused.
    let longer: Vec<f32> = x.iter().map(|x| x * 2f32.powi(120)).collect();
    assert_eq!(spreader.spread(&longer).unwrap(), spreader.spread(&x).unwrap());
    assert!(spreader.spread(&[f32::NAN; 100]).unwrap_err().message.starts_with("number 0"));
    assert!(spreader.spread(&x[1..]).is_err() && Spreader::new(0, 256, 0).is_err());
}

#[test]
fn packed_words_are_checked() {
    assert!(Bits::from_words(300, vec![0; 5]).is_ok());
    assert!(Bits::from_words(300, vec![0; 4]).is_err());
    assert!(Bits::from_words(300, vec![0, 0, 0, 0, 1 << 44]).is_err());
    assert!(Bits::from_words(255, vec![0; 4]).is_err() && Bits::from_words(65_537, vec![0; 1_025]).is_err());
    let x = Bits::atom(300, 0, b"x");
    assert_eq!(Bits::from_signs(&signs(&x)).unwrap(), x);
    let (negative, used) = (Bits::identity(256).negative(), Bits::identity(256));
    assert!(Ternary::new(negative, used).is_err());
}
