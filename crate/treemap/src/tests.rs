use std::time::Instant;

use super::*;

/// Numbers in 0..1 without a pattern: xorshift.
struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// A tree of `leaves` leaves in groups of at most `most`, with weights from 1 down to `least`, evenly in their logarithm.
fn tree(leaves: usize, most: usize, least: f64, seed: u64) -> (Vec<u32>, Vec<f64>) {
    let mut random = Random(seed);
    let (mut parents, mut weights) = (vec![0], vec![0.0]);
    let mut open = vec![(0u32, leaves)];
    while let Some((parent, leaves)) = open.pop() {
        let mut left = leaves;
        while left > 0 {
            let count = if leaves <= most { 1 } else { (leaves / most + 1).min(left) };
            parents.push(parent);
            weights.push(least.powf(random.next()));
            if count > 1 {
                open.push((parents.len() as u32 - 1, count));
            }
            left -= count;
        }
    }
    (parents, weights)
}

fn is_leaf(parents: &[u32]) -> Vec<bool> {
    let mut leaf = vec![true; parents.len()];
    parents.iter().skip(1).for_each(|&parent| leaf[parent as usize] = false);
    leaf
}

/// The worst aspect ratio of the leaves, after checking that every polygon is convex, has its share and lies in its parent.
fn checked(parents: &[u32], weights: &[f64]) -> f64 {
    let outline = Polygon::rectangle(16.0, 10.0);
    let polygons = partition(parents, weights, outline.clone()).unwrap();
    let leaf = is_leaf(parents);
    let mut sums: Vec<f64> =
        weights.iter().zip(&leaf).map(|(&weight, &leaf)| if leaf { weight } else { 0.0 }).collect();
    for node in (1..sums.len()).rev() {
        sums[parents[node] as usize] += sums[node];
    }
    let mut worst = 0f64;
    for (node, polygon) in polygons.iter().enumerate() {
        let share = sums[node] / sums[0];
        let area = polygon.area() / outline.area();
        assert!((area - share).abs() <= 1e-9 * share, "node {node}: {area}, not {share}");
        let count = polygon.corners.len();
        for place in 0..count {
            let [a, b, c] = [0, 1, 2].map(|step| polygon.corners[(place + step) % count]);
            let turn = (b[0] - a[0]) * (c[1] - b[1]) - (b[1] - a[1]) * (c[0] - b[0]);
            assert!(turn >= -1e-12 * polygon.area().max(1e-12), "node {node} is not convex: {turn}");
        }
        if leaf[node] {
            worst = worst.max(polygon.aspect());
        }
    }
    worst
}

/// The worst aspect ratio of a squarified treemap (Bruls, Huizing, van Wijk 2000) of weights without groups, for comparison.
fn squarified(weights: &[f64], mut width: f64, mut height: f64) -> f64 {
    let mut weights = weights.to_vec();
    weights.sort_by(|a, b| b.total_cmp(a));
    let scale = width * height / weights.iter().sum::<f64>();
    let areas: Vec<f64> = weights.iter().map(|weight| weight * scale).collect();
    let ratio = |row: &[f64], side: f64| {
        let depth = row.iter().sum::<f64>() / side;
        row.iter().map(|area| area / depth).map(|length| (depth / length).max(length / depth)).fold(0.0, f64::max)
    };
    let (mut worst, mut place) = (0f64, 0);
    while place < areas.len() {
        let side = f64::min(width, height);
        let mut end = place + 1;
        while end < areas.len() && ratio(&areas[place..=end], side) <= ratio(&areas[place..end], side) {
            end += 1;
        }
        // The square of the diagonal over the area.
        let longest = ratio(&areas[place..end], side);
        worst = worst.max(longest + 1.0 / longest);
        let depth = areas[place..end].iter().sum::<f64>() / side;
        if width < height {
            height -= depth
        } else {
            width -= depth
        }
        place = end;
    }
    worst
}

/// The textbook twins of what cuts: every width at every corner, every piece of every cut, and no room used again.
mod textbook {
    use super::super::*;

    fn height(p: &Point, towards: Point) -> f64 {
        p[0] * towards[0] + p[1] * towards[1]
    }

    fn between(a: &Point, b: &Point, part: f64) -> Point {
        [a[0] + (b[0] - a[0]) * part, a[1] + (b[1] - a[1]) * part]
    }

    /// Both ends of each side.
    fn sides(whole: &Polygon) -> impl Iterator<Item = (&Point, &Point)> {
        whole.corners.iter().zip(whole.corners.iter().cycle().skip(1))
    }

    fn width(whole: &Polygon, towards: Point, at: f64) -> f64 {
        let mut met = Vec::new();
        for (a, b) in sides(whole) {
            let (from, to) = (height(a, towards) - at, height(b, towards) - at);
            if from == 0.0 {
                met.push(*a);
            }
            if from * to < 0.0 {
                met.push(between(a, b, from / (from - to)));
            }
        }
        let along = met.iter().map(|p| p[1] * towards[0] - p[0] * towards[1]);
        (along.clone().fold(f64::NEG_INFINITY, f64::max) - along.fold(f64::INFINITY, f64::min)).max(0.0)
    }

    fn split(whole: &Polygon, towards: Point, at: f64) -> [Polygon; 2] {
        let (mut below, mut above) = (Polygon::default(), Polygon::default());
        for (a, b) in sides(whole) {
            let (from, to) = (height(a, towards) - at, height(b, towards) - at);
            if from <= 0.0 {
                below.corners.push(*a);
            }
            if from >= 0.0 {
                above.corners.push(*a);
            }
            if from * to < 0.0 {
                let crossing = between(a, b, from / (from - to));
                below.corners.push(crossing);
                above.corners.push(crossing);
            }
        }
        [below, above]
    }

    pub fn cut(whole: &Polygon, towards: Point, area: f64) -> [Polygon; 2] {
        let mut heights: Vec<f64> = whole.corners.iter().map(|p| height(p, towards)).collect();
        heights.sort_by(f64::total_cmp);
        let mut below = 0.0;
        for pair in heights.windows(2) {
            let [low, high] = [pair[0], pair[1]];
            let [narrow, wide] = [low, high].map(|at| width(whole, towards, at));
            let step = (narrow + wide) / 2.0 * (high - low);
            if below + step >= area || high == heights[heights.len() - 1] {
                let wanted = (area - below).clamp(0.0, step);
                let slope = if high > low { (wide - narrow) / (high - low) } else { 0.0 };
                let root = (narrow * narrow + 2.0 * slope * wanted).max(0.0).sqrt();
                let t = if narrow + root > 0.0 { 2.0 * wanted / (narrow + root) } else { 0.0 };
                return split(whole, towards, low + t);
            }
            below += step;
        }
        panic!("no corners")
    }

    pub fn best_cut(whole: &Polygon, part: f64) -> (Polygon, Polygon) {
        let smaller = part.min(1.0 - part);
        let axis = whole.axis();
        let corners = whole.bisectors().filter(|_| smaller < SMALL);
        let around = [axis].into_iter().chain(DIRECTIONS).flat_map(|[x, y]| [[x, y], [-x, -y]]);
        let mut best = (f64::INFINITY, [Polygon::default(), Polygon::default()]);
        for towards in corners.chain(around) {
            let pieces = cut(whole, towards, smaller * whole.area());
            let thinner = pieces[0].aspect().max(pieces[1].aspect());
            if thinner < best.0 {
                best = (thinner, pieces);
            }
            if best.0 < GOOD {
                break;
            }
        }
        let [piece, rest] = best.1;
        if part <= 0.5 { (piece, rest) } else { (rest, piece) }
    }
}

#[test]
fn the_best_cut_is_that_of_the_textbook() {
    let mut random = Random(11);
    let mut cutter = Cutter::default();
    for _ in 0..200 {
        let mut whole = Polygon::rectangle(random.next() + 0.1, random.next() + 0.1);
        for _ in 0..8 {
            let part = if random.next() < 0.5 { 1e-6f64.powf(random.next()) / 2.0 } else { random.next() };
            let found = cutter.best_cut(&whole, part);
            assert_eq!(found, textbook::best_cut(&whole, part), "{part} of {whole:?}");
            // Thin pieces come too: no cut is the best one for long.
            let [x, y] = [random.next() - 0.5, random.next() - 0.5];
            let [piece, rest] = textbook::cut(&found.1, [x, y], found.1.area() * random.next());
            whole = if random.next() < 0.5 { piece } else { rest };
            if whole.corners.len() < 3 || whole.area() <= 0.0 {
                break;
            }
        }
    }
}

#[test]
fn areas_are_exact_and_no_piece_is_thin() {
    let mut worst = 0f64;
    for (leaves, most, least) in
        [(1, 2, 1.0), (2, 2, 1e-6), (7, 7, 1.0), (40, 40, 1e-6), (200, 8, 1e-6), (1000, 12, 1e-3)]
    {
        for seed in 1..30 {
            let (parents, weights) = tree(leaves, most, least, seed * 7919);
            worst = worst.max(checked(&parents, &weights));
        }
    }
    println!("worst aspect ratio {worst:.2}");
    assert!(worst < 20.0, "{worst}");
}

#[test]
fn weights_that_fall_by_halves_or_by_tens_stay_fat() {
    for (factor, count) in [(0.5f64, 20), (0.1, 7), (0.9, 60), (1e-6, 2)] {
        let weights: Vec<f64> = (0..count).map(|power| factor.powi(power)).collect();
        let parents = vec![0; weights.len() + 1];
        let all: Vec<f64> = [0.0].into_iter().chain(weights.iter().copied()).collect();
        let (ours, theirs) = (checked(&parents, &all), squarified(&weights, 16.0, 10.0));
        println!("falling by {factor}: {ours:.2}, squarified {theirs:.2}");
        assert!(ours < 20.0, "{ours}");
    }
}

#[test]
fn ten_thousand_leaves() {
    let (parents, weights) = tree(10_000, 10, 1e-6, 5);
    let started = Instant::now();
    let polygons = partition(&parents, &weights, Polygon::rectangle(16.0, 10.0)).unwrap();
    println!("{:.1} ms", started.elapsed().as_secs_f64() * 1e3);
    assert_eq!(polygons.len(), parents.len());
    assert!(checked(&parents, &weights) < 20.0);
}

#[test]
fn what_weighs_nothing_has_no_corners() {
    let polygons = partition(&[0, 0, 0, 1], &[0.0, 0.0, 5.0, 0.0], Polygon::rectangle(2.0, 1.0)).unwrap();
    let corners: Vec<usize> = polygons.iter().map(|polygon| polygon.corners.len()).collect();
    assert_eq!(corners, [4, 0, 4, 0]);
    assert_eq!(partition(&[], &[], Polygon::rectangle(1.0, 1.0)).unwrap(), []);
}

#[test]
fn what_is_no_tree_is_refused() {
    let refused =
        |parents: &[u32], weights: &[f64]| partition(parents, weights, Polygon::rectangle(1.0, 1.0)).unwrap_err();
    assert!(refused(&[0, 2, 0], &[1.0; 3]).contains("node 1 comes before its parent 2"));
    assert!(refused(&[0, 0], &[1.0]).contains("2 parents for 1 weights"));
    assert!(refused(&[0, 0], &[1.0, -1.0]).contains("the weight of node 1 is -1"));
    assert!(refused(&[0, 0], &[1.0, f64::NAN]).contains("NaN"));
}
