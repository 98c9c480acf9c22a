use nomul::weights::{Kind, MatrixId};
use nomul::{Code, plane};
use proptest::prelude::*;

use super::bits::*;
use super::*;

/// A stream of normal numbers from a seed.
fn normals(seed: u64) -> impl FnMut() -> f32 {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut uniform = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    move || ((-2.0 * (1.0 - uniform()).ln()).sqrt() * (std::f64::consts::TAU * uniform()).cos()) as f32
}

fn matrix(seed: u64, rows: usize, columns: usize) -> Vec<f32> {
    let mut normal = normals(seed);
    (0..rows * columns).map(|_| normal()).collect()
}

/// Inputs that all lean on a few directions, some inputs larger than others.
fn correlated(seed: u64, columns: usize) -> Hessian {
    let mut normal = normals(seed);
    let directions: Vec<f32> = (0..columns * 8).map(|_| normal()).collect();
    let mut hessian = Hessian::new(columns).unwrap();
    let mut x = Vec::new();
    for _ in 0..4 * columns {
        let common: Vec<f32> = (0..8).map(|_| 2.0 * normal()).collect();
        for k in 0..columns {
            let lean: f32 = directions[k * 8..][..8].iter().zip(&common).map(|(d, c)| d * c).sum();
            x.push((lean + normal()) * if k % 7 == 0 { 4.0 } else { 1.0 });
        }
    }
    hessian.accumulate(&x).unwrap();
    hessian
}

fn fit(by: &dyn FitPlanes, weights: &[f32], rows: usize, hessian: &Hessian, planes: usize) -> FittedMatrix {
    fit_prefixes(by, weights, rows, hessian, &[planes])
}

fn fit_prefixes(
    by: &dyn FitPlanes,
    weights: &[f32],
    rows: usize,
    hessian: &Hessian,
    prefixes: &[usize],
) -> FittedMatrix {
    by.fit(weights, (rows, weights.len() / rows), Metric::of(hessian), prefixes.into(), &|_| ()).unwrap()
}

/// tr(E H E^T) / tr(W H W^T), as it is written.
fn error_of(weights: &[f32], found: &[f32], rows: usize, hessian: &Hessian) -> f64 {
    let columns = weights.len() / rows;
    let energy = |number: &dyn Fn(usize) -> f64| {
        let mut sum = 0.0;
        for n in 0..rows {
            for i in 0..columns {
                for j in 0..columns {
                    sum += number(n * columns + i) * hessian.mean(i, j) * number(n * columns + j);
                }
            }
        }
        sum
    };
    energy(&|at| weights[at] as f64 - found[at] as f64) / energy(&|at| weights[at] as f64)
}

#[test]
fn normal_numbers_lose_what_theory_says() {
    // Max (1960): what the best quantisers of a normal number lose, with free levels and with equally spaced ones. Sums
    // of signs lie between the two, and a column of 1024 numbers is a little easier than its distribution.
    let free = [1.0, 0.3634, 0.1175, 0.03454, 0.009497, 0.002499, 0.0, 0.0, 0.0];
    let equal = [1.0, 0.3634, 0.1188, 0.03744, 0.01154, 0.003495, 0.001041, 0.000304, 0.0000877];
    let (rows, columns) = (1024, 24);
    let weights = matrix(1, rows, columns);
    let identity = Hessian::identity(columns).unwrap();
    for planes in 1..=8 {
        // Row scales would adapt to the few numbers of a row.
        let settings = Settings { row_scales: false, ..Default::default() };
        let fitted = fit(&RoundToNearest(settings.clone()), &weights, rows, &identity, planes);
        let error = fitted.error();
        assert!(error > 0.95 * free[planes] && error < 1.02 * equal[planes], "{planes} planes lose {error}");
        // With uncorrelated inputs there is nothing to feed forward.
        assert_eq!(fitted, fit(&Gptq(settings), &weights, rows, &identity, planes));
    }
}

#[test]
fn many_planes_reach_as_far_as_the_numbers_and_no_further() {
    // Equally spaced levels lose a twelfth of their distance squared. Normal columns of so many numbers end at 2.5, 3.2
    // and 3.6 deviations; row scales shorten that.
    for (rows, columns, reach) in [(96, 96, 2.5), (1024, 64, 3.2), (4096, 32, 3.6)] {
        let weights = matrix(29, rows, columns);
        for planes in [6, 7, 8] {
            let step = 2.0 * reach / 2f64.powi(planes as i32);
            let fitted = fit(&Gptq::default(), &weights, rows, &Hessian::identity(columns).unwrap(), planes);
            assert!(fitted.error() < step * step / 12.0, "{rows} rows, {planes} planes: {}", fitted.error());
        }
    }
}

/// Bits a weight that the planes of a matrix are coded in.
fn coded(matrix: &FittedMatrix) -> f64 {
    let FittedMatrix { rows, columns, .. } = *matrix;
    let part = plane::coded::Part { rows, columns, from: 0, to: matrix.planes.len() };
    8.0 * plane::coded::encode(part, &matrix.planes).len() as f64 / (rows * columns) as f64
}

#[test]
fn even_levels_lose_less_for_the_bits_that_they_are_coded_in() {
    let (rows, columns) = (1024, 96);
    let weights = matrix(31, rows, columns);
    for (hessian, planes, bits, least) in [
        (Hessian::identity(columns).unwrap(), 4, 3.0, 0.88),
        (Hessian::identity(columns).unwrap(), 5, 4.0, 0.88),
        (correlated(32, columns), 4, 2.8, 0.88),
        (correlated(32, columns), 5, 3.7, 0.88),
    ] {
        let levels = Levels { prefixes: &[planes], bits: Some(bits) };
        let metric = Metric::of(&hessian);
        let even = Gptq::default().fit(&weights, (rows, columns), metric, levels, &|_| ()).unwrap();
        let free = fit(&Gptq::default(), &weights, rows, &hessian, planes - 1);
        let (taken, by_free) = (coded(&even), coded(&free));
        assert!((taken - bits).abs() < 0.1, "{planes} planes, {bits} bits: {taken}");
        // A bit is worth a factor of four.
        let expected = free.error() * 0.25f64.powf(taken - by_free);
        println!("{planes} planes: {taken:.3} bits lose {:.5}, {by_free:.3} lose {:.5}", even.error(), free.error());
        assert!(even.error() < least * expected, "{planes} planes, {bits} bits: {} of {expected}", even.error());
        // What is stored of a column is its least scale.
        assert!(even.is_even && !free.is_even);
        for (column, least) in even.column_scales[0][planes - 1].iter().enumerate() {
            let doubled = (0..planes).all(|b| even.column_scales[0][b][column] == least.doubled(planes - 1 - b));
            assert!(doubled, "column {column}");
        }
        let exact = error_of(&weights, &even.dequantize(planes), rows, &hessian);
        assert!((even.error() / exact - 1.0).abs() < 1e-3, "{} is {exact}", even.error());
    }
}

#[test]
fn fewer_bits_than_even_levels_hold_leave_them_among_the_weights() {
    let (rows, columns) = (256, 64);
    let weights = matrix(35, rows, columns);
    for (planes, bits) in [(2, 0.5), (2, 1.3), (3, 1.3)] {
        let levels = Levels { prefixes: &[planes], bits: Some(bits) };
        let metric = Hessian::identity(columns).unwrap();
        let fitted = Gptq::default().fit(&weights, (rows, columns), Metric::of(&metric), levels, &|_| ()).unwrap();
        // What one sign loses, and a little more.
        assert!(fitted.error() < 0.4, "{planes} planes, {bits} bits: {}", fitted.error());
    }
}

#[test]
fn the_first_of_even_planes_are_even_too() {
    let (rows, columns) = (192, 64);
    let weights = matrix(33, rows, columns);
    let hessian = correlated(34, columns);
    let fit = |prefixes: &[usize]| {
        let levels = Levels { prefixes, bits: Some(3.5) };
        Gptq::default().fit(&weights, (rows, columns), Metric::of(&hessian), levels, &|_| ()).unwrap()
    };
    let (both, alone) = (fit(&[3, 5]), fit(&[5]));
    assert!(both.error() < 2.0 * alone.error(), "{} nested, {} alone", both.error(), alone.error());
    assert!(both.errors[0] < 40.0 * both.error(), "{:?}", both.errors);
    for (scales, planes) in both.column_scales.iter().zip([3, 5]) {
        assert!((0..planes).all(|b| scales[b][7] == scales[planes - 1][7].doubled(planes - 1 - b)));
    }
    // Nothing but zeros.
    let levels = Levels { prefixes: &[5], bits: Some(3.5) };
    let zeros = Gptq::default().fit(&vec![0.0; rows * columns], (rows, columns), Metric::of(&hessian), levels, &|_| ());
    assert!(zeros.unwrap().dequantize(5).iter().all(|&weight| weight == 0.0));
    let error = RoundToNearest::default()
        .fit(&weights, (rows, columns), Metric::of(&hessian), Levels { prefixes: &[5], bits: Some(3.5) }, &|_| ())
        .unwrap_err();
    assert_eq!(error.code, Code::Unsupported);
}

#[test]
fn the_error_is_that_of_the_dequantised_matrix() {
    let (rows, columns) = (33, 41);
    let weights = matrix(2, rows, columns);
    let hessian = correlated(3, columns);
    for by in [&Gptq::default() as &dyn FitPlanes, &RoundToNearest::default()] {
        for prefixes in [&[1][..], &[2], &[1, 3], &[2, 3, 4], &[2, 5]] {
            let fitted = fit_prefixes(by, &weights, rows, &hessian, prefixes);
            assert_eq!((fitted.prefixes.as_slice(), fitted.errors.len()), (prefixes, prefixes.len()));
            for (error, &prefix) in fitted.errors.iter().zip(prefixes) {
                let exact = error_of(&weights, &fitted.dequantize(prefix), rows, &hessian);
                assert!((error / exact - 1.0).abs() < 1e-3, "{prefix} of {prefixes:?}: {error}, in truth {exact}");
            }
        }
    }
}

#[test]
fn dequantised_is_the_formula() {
    let (rows, columns, planes) = (18, 11, 3);
    let weights = matrix(4, rows, columns);
    let fitted = fit_prefixes(&Gptq::default(), &weights, rows, &correlated(5, columns), &[2, planes]);
    assert!(fitted.planes.iter().all(|p| p.len() == plane::bytes(rows, columns).unwrap()));
    for prefix in 2..=planes {
        let scales = fitted.scales(prefix).unwrap();
        let found = fitted.dequantize(prefix);
        for n in 0..rows {
            for k in 0..columns {
                let signed = (0..prefix).map(|b| {
                    let sign = if plane::is_positive(&fitted.planes[b], columns, n, k) { 1.0 } else { -1.0 };
                    sign * scales[b][k].value()
                });
                let formula = fitted.row_scales[n].value() * signed.sum::<f32>();
                assert!((found[n * columns + k] - formula).abs() <= 1e-6 * formula.abs().max(0.1));
            }
        }
    }
    assert_eq!(fitted.scales(1), None);
    assert_eq!(fitted.dequantize(4), vec![0.0; rows * columns]);
}

#[test]
fn feedback_sweeps_and_row_scales_each_help() {
    let (rows, columns, planes) = (96, 64, 3);
    let mut weights = matrix(6, rows, columns);
    for (n, row) in weights.chunks_exact_mut(columns).enumerate() {
        row.iter_mut().for_each(|w| *w *= 1.0 + (n % 5) as f32);
    }
    let hessian = correlated(7, columns);
    let with = |settings: Settings| fit(&Gptq(settings), &weights, rows, &hessian, planes).error();
    let plain = with(Settings { sweeps: 0, ..Default::default() });
    let best = with(Settings::default());
    assert!(plain < 0.6 * fit(&RoundToNearest::default(), &weights, rows, &hessian, planes).error());
    assert!(best < 0.98 * plain, "{best} after {plain}");
    assert!(best < 0.9 * with(Settings { row_scales: false, ..Default::default() }));
    assert!(with(Settings { terms: 1, ..Default::default() }) > best);
}

#[test]
fn every_plane_makes_a_prefix_better() {
    let (rows, columns) = (64, 48);
    let weights = matrix(8, rows, columns);
    let hessian = correlated(9, columns);
    for prefixes in [&[2, 3][..], &[2, 3, 4, 5], &[3, 5, 8]] {
        let with = |prefix_sweeps, base_share| {
            let by = Gptq(Settings { prefix_sweeps, base_share, ..Default::default() });
            fit_prefixes(&by, &weights, rows, &hessian, prefixes).errors
        };
        let errors = with(1, Settings::default().base_share);
        assert!(errors.is_sorted_by(|a, b| a > b), "{errors:?}");
        assert!(with(1, 0.0)[0] <= with(0, 0.0)[0]);
    }
}

#[test]
fn a_base_that_counts_is_nearly_as_good_as_alone() {
    let (rows, columns) = (96, 64);
    let weights = matrix(27, rows, columns);
    let hessian = correlated(28, columns);
    let with = |base_share, prefixes: &[usize]| {
        let by = Gptq(Settings { base_share, ..Default::default() });
        fit_prefixes(&by, &weights, rows, &hessian, prefixes)
    };
    for (base, planes) in [(2, 3), (2, 4), (3, 4), (3, 5), (4, 6)] {
        let alone = [with(0.0, &[base]).error(), with(0.0, &[planes]).error()];
        let plain = with(0.0, &[base, planes]);
        let shared = with(Settings::default().base_share, &[base, planes]);
        let times = |fitted: &FittedMatrix| [fitted.errors[0] / alone[0], fitted.errors[1] / alone[1]];
        let (without, with) = (times(&plain), times(&shared));
        assert!(without[0] > 2.0 && without[1] == 1.0, "{base} of {planes}: {without:?}");
        assert!(with[0] < 0.5 * without[0], "{base} of {planes}: {with:?}, without {without:?}");
        assert!(with[0] < 2.0 && with[1] < 2.0, "{base} of {planes}: {with:?}");
        let exact = error_of(&weights, &shared.dequantize(planes), rows, &hessian);
        assert!((shared.error() / exact - 1.0).abs() < 1e-2);
    }
}

#[test]
fn odd_matrices_are_fitted() {
    let (rows, columns) = (20, 16);
    let hessian = correlated(10, columns);
    for planes in [1, 2, 4, 8] {
        let zero = fit(&Gptq::default(), &vec![0.0; rows * columns], rows, &hessian, planes);
        assert_eq!((zero.error(), zero.dequantize(planes)), (0.0, vec![0.0; rows * columns]));

        // Each row a constant: one plane and the row scales say it all, up to the rounding of scales.
        let constant: Vec<f32> = (0..rows * columns).map(|i| (i / columns) as f32 - 7.5).collect();
        let fitted = fit(&Gptq::default(), &constant, rows, &hessian, planes);
        assert!(fitted.error() < 2e-3, "{planes} planes: {}", fitted.error());

        // A row and a column of zeros, among others.
        let mut holes = matrix(11, rows, columns);
        holes[3 * columns..4 * columns].fill(0.0);
        holes.iter_mut().skip(5).step_by(columns).for_each(|w| *w = 0.0);
        let fitted = fit(&Gptq::default(), &holes, rows, &hessian, planes);
        let found = fitted.dequantize(planes);
        assert!(found[3 * columns..4 * columns].iter().all(|&w| w == 0.0));
        assert!(fitted.error() < 0.5 && found.iter().all(|w| w.is_finite()));

        for (rows, columns) in [(1, 1), (1, 9), (9, 1)] {
            let weights = matrix(12, rows, columns);
            let fitted = fit(&Gptq::default(), &weights, rows, &correlated(13, columns), planes);
            assert!(fitted.error() < 0.5, "{rows}x{columns}: {}", fitted.error());
        }
    }
    let large: Vec<f32> = matrix(14, rows, columns).iter().map(|w| w * 1e5).collect();
    assert!(fit(&Gptq::default(), &large, rows, &hessian, 4).error() < 0.02);
}

#[test]
fn unseen_inputs_and_singular_hessians_are_fitted() {
    let (rows, columns, planes) = (32, 24, 4);
    let weights = matrix(15, rows, columns);
    let mut normal = normals(16);
    // Fewer tokens than columns, and input 5 always zero.
    let x: Vec<f32> = (0..7 * columns).map(|i| if i % columns == 5 { 0.0 } else { normal() }).collect();
    let mut hessian = Hessian::new(columns).unwrap();
    hessian.accumulate(&x).unwrap();
    for damping in [0.0, 0.05] {
        let by = Gptq(Settings { damping, ..Default::default() });
        let fitted = fit(&by, &weights, rows, &hessian, planes);
        assert!(fitted.error() < 0.01, "{}", fitted.error());
        // What is not seen is still kept: nobody knows what comes.
        let found = fitted.dequantize(planes);
        let lost: f32 = (0..rows).map(|n| (weights[n * columns + 5] - found[n * columns + 5]).powi(2)).sum();
        let whole: f32 = (0..rows).map(|n| weights[n * columns + 5].powi(2)).sum();
        assert!(lost < 0.05 * whole, "{lost} of {whole}");
    }
    let nothing = Hessian::new(columns).unwrap();
    let found = fit(&Gptq::default(), &weights, rows, &nothing, planes).dequantize(planes);
    let identity = Hessian::identity(columns).unwrap();
    assert!(error_of(&weights, &found, rows, &identity) < 0.015);
}

#[test]
fn bad_input_is_an_error() {
    let (rows, columns) = (4, 6);
    let weights = matrix(17, rows, columns);
    let hessian = correlated(18, columns);
    let code = |weights: &[f32], rows: usize, columns: usize, hessian: &Hessian, planes: usize| {
        let codes = [&Gptq::default() as &dyn FitPlanes, &RoundToNearest::default()].map(|by| {
            by.fit(weights, (rows, columns), Metric::of(hessian), (&[planes]).into(), &|_| ()).unwrap_err().code
        });
        assert_eq!(codes[0], codes[1]);
        codes[0]
    };
    for bad in [f32::NAN, f32::INFINITY] {
        let mut weights = weights.clone();
        weights[9] = bad;
        let error =
            Gptq::default().fit(&weights, (rows, columns), Metric::of(&hessian), (&[3]).into(), &|_| ()).unwrap_err();
        assert_eq!((error.code, error.message.contains("(1, 3)")), (Code::Value, true), "{error}");
        assert_eq!(code(&weights, rows, columns, &hessian, 3), Code::Value);
    }
    assert_eq!(code(&weights, rows, columns, &hessian, 0), Code::Input);
    assert_eq!(code(&weights, rows, columns, &hessian, 9), Code::Input);
    for prefixes in [&[][..], &[3, 2], &[2, 2], &[0, 2]] {
        let error =
            Gptq::default().fit(&weights, (rows, columns), Metric::of(&hessian), prefixes.into(), &|_| ()).unwrap_err();
        assert_eq!(error.code, Code::Input, "{prefixes:?}");
    }
    assert_eq!(code(&weights, rows, columns + 1, &hessian, 3), Code::Shape);
    assert_eq!(code(&weights, rows, columns, &correlated(19, 5), 3), Code::Shape);
    assert_eq!(code(&[], 0, columns, &hessian, 3), Code::Shape);
    assert_eq!(code(&[1e38; 24], rows, columns, &hessian, 3), Code::Value);
}

#[test]
fn hessians_add_up_and_refuse_nonsense() {
    let columns = 130;
    let x = matrix(20, 1500, columns);
    let mut whole = Hessian::new(columns).unwrap();
    whole.accumulate(&x).unwrap();
    let (mut first, mut second) = (Hessian::new(columns).unwrap(), Hessian::new(columns).unwrap());
    first.accumulate(&x[..700 * columns]).unwrap();
    second.accumulate(&x[700 * columns..]).unwrap();
    first.merge(&second).unwrap();
    assert_eq!((whole.tokens(), first.tokens(), whole.columns()), (1500, 1500, columns));
    for (i, j) in [(0, 0), (3, 129), (129, 3), (97, 95), (128, 129)] {
        let exact: f64 = x.chunks_exact(columns).map(|x| x[i] as f64 * x[j] as f64).sum::<f64>() / 1500.0;
        assert!((whole.mean(i, j) - exact).abs() < 1e-5, "({i}, {j})");
        assert!((first.mean(i, j) - exact).abs() < 1e-5, "({i}, {j})");
    }
    let before = whole.mean(1, 1);
    for bad in [f32::NAN, f32::NEG_INFINITY, 1e30] {
        let error = whole.accumulate(&[vec![0.0; columns + 2], vec![bad; columns - 2]].concat()).unwrap_err();
        assert_eq!((error.code, error.message.contains("input 2 of token 1")), (Code::Value, true), "{error}");
    }
    assert_eq!(whole.mean(1, 1), before);
    assert_eq!(whole.accumulate(&[1.0]).unwrap_err().code, Code::Shape);
    assert_eq!(whole.merge(&Hessian::new(3).unwrap()).unwrap_err().code, Code::Shape);
    assert_eq!(Hessian::new(0).unwrap_err().code, Code::Input);
    assert_eq!(Hessian::new(usize::MAX / 2).unwrap_err().code, Code::Capacity);
    assert_eq!(Hessian::from_sum(2, 1, vec![1.0; 3]).unwrap_err().code, Code::Shape);
    assert_eq!(Hessian::from_sum(1, 1, vec![f64::NAN]).unwrap_err().code, Code::Value);
    assert_eq!(Hessian::from_sum(1, 1, vec![-1.0]).unwrap_err().code, Code::Value);
    assert!(!first.is_diagonal() && Hessian::identity(3).unwrap().is_diagonal());
}

#[test]
fn the_number_of_threads_does_not_show() {
    // Large enough that work is shared.
    let (rows, columns, planes) = (1600, 200, 3);
    let weights = matrix(21, rows, columns);
    let x = matrix(22, 600, columns);
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut hessian = Hessian::new(columns).unwrap();
            hessian.accumulate(&x).unwrap();
            let settings = Settings { sweeps: 1, block: 128, ..Default::default() };
            let nearest = fit(&RoundToNearest::default(), &weights, rows, &hessian, planes);
            (fit_prefixes(&Gptq(settings), &weights, rows, &hessian, &[2, planes]), nearest)
        })
    };
    let one = with(1);
    assert_eq!(one, with(2));
    assert_eq!(one, with(3));
}

#[test]
fn progress_grows_to_all_columns() {
    let columns = 150;
    let weights = matrix(23, 8, columns);
    for hessian in [correlated(24, columns), Hessian::identity(columns).unwrap()] {
        for by in [&Gptq::default() as &dyn FitPlanes, &RoundToNearest::default()] {
            let seen = std::cell::RefCell::new(Vec::new());
            by.fit(&weights, (8, columns), Metric::of(&hessian), (&[2]).into(), &|done| seen.borrow_mut().push(done))
                .unwrap();
            let seen = seen.into_inner();
            assert!(seen.is_sorted() && seen.len() > 2 && seen.last() == Some(&columns), "{seen:?}");
        }
    }
}

#[test]
fn predictions_are_near_to_what_is_found() {
    let (rows, columns) = (256, 96);
    let weights = matrix(25, rows, columns);
    let hessian = correlated(26, columns);
    let plain = predict(&weights, rows, columns);
    let calibrated = predict_calibrated(&weights, rows, columns, &hessian).unwrap();
    assert!(plain.is_sorted_by(|a, b| a > b) && calibrated.error_at.is_sorted_by(|a, b| a >= b));
    let identity = Hessian::identity(columns).unwrap();
    for (planes, (plain, calibrated)) in plain.iter().zip(&calibrated.error_at).enumerate().take(7).skip(1) {
        let ratio = plain / fit(&RoundToNearest::default(), &weights, rows, &identity, planes).error();
        assert!((0.8..1.6).contains(&ratio), "{planes} planes: {ratio}");
        let ratio = calibrated / fit(&Gptq::default(), &weights, rows, &hessian, planes).error();
        assert!((0.4..3.5).contains(&ratio), "{planes} planes, calibrated: {ratio}");
    }
    assert_eq!(predict(&[f32::NAN; 4], 2, 2)[0], 1.0);
    assert_eq!(predict(&[0.0; 4], 2, 2)[1], 0.0);
}

fn stats(rows: usize, sensitivity: f64) -> MatrixStats {
    let error_at = std::array::from_fn(|planes| 0.3f64.powi(planes as i32));
    MatrixStats {
        id: MatrixId { layer: 0, kind: Kind::Query },
        rows,
        columns: 64,
        rows_read: rows,
        error_at,
        sensitivity: Some(sensitivity),
    }
}

#[test]
fn uniform_spends_a_fraction_where_it_helps_most() {
    let matrices = [stats(64, 1.0), stats(64, 9.0), stats(128, 2.0), stats(64, 3.0)];
    let planes = |bits| -> Vec<usize> {
        Uniform.choose(&matrices, Budget::BitsPerWeight(bits)).unwrap().iter().map(|c| c.planes).collect()
    };
    assert_eq!(planes(3.0), [3, 3, 3, 3]);
    assert_eq!(planes(3.2), [3, 4, 3, 3]);
    assert_eq!(planes(3.4), [3, 4, 3, 4]);
    assert_eq!(planes(8.0), [8, 8, 8, 8]);
    assert!(!Uniform.needs_errors(&Budget::BitsPerWeight(3.0)) && Uniform.needs_errors(&Budget::BitsPerWeight(3.1)));
    let bytes: u64 = matrices.iter().map(|m| m.bytes(2)).sum();
    let chosen = Uniform.choose(&matrices, Budget::Bytes(bytes + matrices[1].bytes(3) - matrices[1].bytes(2))).unwrap();
    assert_eq!(chosen.iter().map(|c| c.planes).collect::<Vec<_>>(), [2, 3, 2, 2]);
    assert_ne!(chosen[0].reason, chosen[1].reason);
}

#[test]
fn impossible_budgets_name_the_nearest() {
    let matrices = [stats(64, 1.0), stats(128, 1.0)];
    let least: u64 = matrices.iter().map(|m| m.bytes(1)).sum();
    for by in [&Uniform as &dyn ChooseBits, &Greedy] {
        for (budget, nearest) in [
            (Budget::BitsPerWeight(0.5), "1".to_string()),
            (Budget::BitsPerWeight(f64::NAN), "1".to_string()),
            (Budget::BitsPerWeight(8.5), "8".to_string()),
            (Budget::Bytes(least - 1), least.to_string()),
            (Budget::Milliseconds { most: 1.0, signs_per_millisecond: 1e4 }, "1.229".to_string()),
        ] {
            let error = by.choose(&matrices, budget.clone()).unwrap_err();
            assert_eq!(error.code, Code::Input);
            assert!(error.message.contains(&format!("nearest that can is {nearest}")), "{error}");
        }
        assert!(by.choose(&matrices, Budget::Bytes(least)).unwrap().iter().all(|c| c.planes == 1));
        assert!(by.choose(&matrices, Budget::Bytes(u64::MAX)).unwrap().iter().all(|c| c.planes == 8));
        assert_eq!(by.choose(&[], Budget::Bytes(0)).unwrap(), []);
        // A token reads all rows of the one and one row of the other.
        let looked_up = MatrixStats { rows_read: 1, ..stats(64, 1.0) };
        let matrices = [stats(64, 1.0), looked_up];
        let budget = Budget::Milliseconds { most: 0.6, signs_per_millisecond: 64.0 * 65.0 * 4.0 };
        let planes: Vec<usize> = by.choose(&matrices, budget).unwrap().iter().map(|c| c.planes).collect();
        assert!(planes[0] == 2 && planes[1] >= 2, "{planes:?}");
    }
}

proptest! {
    #[test]
    fn budgets_are_kept_and_used(
        shapes in prop::collection::vec((1usize..40, 0.1f64..10.0), 1..20),
        bits in 1.0f64..=8.0,
        by_bytes: bool,
    ) {
        let matrices: Vec<MatrixStats> = shapes.iter().map(|&(rows, s)| stats(rows * 16, s)).collect();
        let share = |planes: f64| matrices.iter().map(|m| m.bytes(planes as usize)).sum::<u64>();
        for (by, is_uniform) in [(&Uniform as &dyn ChooseBits, true), (&Greedy, false)] {
            let budget = if by_bytes { Budget::Bytes(share(bits)) } else { Budget::BitsPerWeight(bits) };
            let chosen = by.choose(&matrices, budget).unwrap();
            let price = |m: &MatrixStats, planes| if by_bytes { m.bytes(planes) } else { (m.rows * 64 * planes) as u64 };
            let spent: u64 = matrices.iter().zip(&chosen).map(|(m, c)| price(m, c.planes)).sum();
            let weights: usize = matrices.iter().map(|m| m.rows * 64).sum();
            let limit = if by_bytes { share(bits) as f64 } else { bits * weights as f64 + 0.5 };
            prop_assert!(spent as f64 <= limit);
            // No matrix that may have one more plane could still pay for it.
            let lowest = chosen.iter().map(|c| c.planes).min().unwrap();
            for (m, c) in matrices.iter().zip(&chosen) {
                if c.planes < 8 && (!is_uniform || c.planes == lowest) {
                    prop_assert!((spent + price(m, c.planes + 1) - price(m, c.planes)) as f64 > limit);
                } else if is_uniform {
                    prop_assert!(c.planes <= lowest + 1);
                }
            }
        }
    }
}
