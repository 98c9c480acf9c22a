//! How far two orders agree.

/// Kendall's tau-b of pairs: by how much more of them agree with each other in order than disagree. `None` for pairs that are all
/// alike in one of the two.
pub(super) fn kendall_tau(pairs: impl Iterator<Item = (f64, f64)>) -> Option<f64> {
    let pairs: Vec<(f64, f64)> = pairs.collect();
    let (mut agree, mut first, mut second) = (0.0, 0.0, 0.0);
    for (at, &(a, b)) in pairs.iter().enumerate() {
        for &(c, d) in &pairs[..at] {
            let sign = |x: f64, y: f64| f64::from(x.total_cmp(&y) as i8);
            agree += sign(a, c) * sign(b, d);
            first += sign(a, c).abs();
            second += sign(b, d).abs();
        }
    }
    let both = f64::sqrt(first * second);
    (both > 0.0).then(|| agree / both)
}

#[cfg(test)]
mod tests {
    use super::kendall_tau;

    /// Against scipy.stats.kendalltau.
    #[test]
    fn tau_tells_how_far_two_orders_agree() {
        let tau = |a: &[f64], b: &[f64]| kendall_tau(a.iter().copied().zip(b.iter().copied()));
        assert_eq!(tau(&[1.0, 2.0, 3.0, 4.0], &[10.0, 20.0, 30.0, 40.0]), Some(1.0));
        assert_eq!(tau(&[1.0, 2.0, 3.0], &[3.0, 2.0, 1.0]), Some(-1.0));
        assert_eq!(tau(&[1.0, 1.0], &[1.0, 2.0]), None);
        let found = tau(&[12.0, 2.0, 1.0, 12.0, 2.0], &[1.0, 4.0, 7.0, 1.0, 0.0]).expect("a number");
        assert!((found + 0.471_404_520_791_031_7).abs() < 1e-12, "{found}");
    }
}
