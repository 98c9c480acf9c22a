//! Convex polygons, and cutting off a piece of a given area.

/// A corner.
pub type Point = [f64; 2];

/// A convex polygon: its corners in order, counter-clockwise where y points up.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Polygon {
    /// The corners.
    pub corners: Vec<Point>,
}

impl Polygon {
    /// The rectangle from the origin.
    pub fn rectangle(width: f64, height: f64) -> Polygon {
        Polygon { corners: vec![[0.0, 0.0], [width, 0.0], [width, height], [0.0, height]] }
    }

    /// Its area: half the sum of the corners' cross products, taken around the first so that small ones stay exact.
    pub fn area(&self) -> f64 {
        let Some(origin) = self.corners.first() else { return 0.0 };
        let from = |p: &Point| [p[0] - origin[0], p[1] - origin[1]];
        self.corners.windows(2).map(|pair| cross(from(&pair[0]), from(&pair[1]))).sum::<f64>() / 2.0
    }

    /// The square of its diameter over its area: 2 for a square, 4 for a corner cut off a square, without bound for a strip.
    pub fn aspect(&self) -> f64 {
        let mut longest = 0f64;
        for (place, a) in self.corners.iter().enumerate() {
            for b in &self.corners[place + 1..] {
                longest = longest.max(square_length([a[0] - b[0], a[1] - b[1]]));
            }
        }
        longest / self.area()
    }

    /// The direction of its diameter, of length one.
    pub fn axis(&self) -> Point {
        let (mut longest, mut axis) = (0.0, [1.0, 0.0]);
        for (place, a) in self.corners.iter().enumerate() {
            for b in &self.corners[place + 1..] {
                let between = [b[0] - a[0], b[1] - a[1]];
                if square_length(between) > longest {
                    (longest, axis) = (square_length(between), between);
                }
            }
        }
        unit(axis)
    }

    /// At each corner, the direction towards the inside that halves its angle.
    pub fn bisectors(&self) -> impl Iterator<Item = Point> {
        let count = self.corners.len();
        (0..count).map(move |place| {
            let at = self.corners[place];
            let to = |other: Point| unit([other[0] - at[0], other[1] - at[1]]);
            let (before, after) =
                (to(self.corners[(place + count - 1) % count]), to(self.corners[(place + 1) % count]));
            unit([before[0] + after[0], before[1] + after[1]])
        })
    }
}

/// More than what rounding does to a few numbers that follow from each other.
const SURELY: f64 = 1.0 + 1e-6;

/// Cuts polygons: room for the two pieces and what leads to them, used again for each cut.
#[derive(Default)]
pub struct Knife {
    /// How far each corner lies in the direction of the last cut.
    heights: Vec<f64>,
    /// The same from the least to the greatest.
    levels: Vec<f64>,
    /// The pieces of the last cut: what it came from, and the rest.
    pub pieces: [Polygon; 2],
}

impl Knife {
    /// Cuts across the direction `towards`: a piece of area `area`, from the side that it comes from, and the rest, which has
    /// the area `others`. Answers whether it did: where it is soon seen that the aspect of one would be over `most`, it does
    /// not.
    ///
    /// As the cut moves on, its width changes evenly between two corners, so the area is a quadratic there and is solved
    /// for, not searched.
    pub fn cut(&mut self, whole: &Polygon, towards: Point, area: f64, others: f64, most: f64) -> bool {
        self.heights.clear();
        self.heights.extend(whole.corners.iter().map(|p| p[0] * towards[0] + p[1] * towards[1]));
        self.levels.clone_from(&self.heights);
        self.levels.sort_unstable_by(f64::total_cmp);
        let [lowest, second, .., highest] = self.levels[..] else { return false };
        let (mut below, mut low) = (0.0, lowest);
        // At a corner that is alone at its height it has no width there: most cuts begin at one and end at one.
        let mut width = if second > lowest { 0.0 } else { self.width(whole, towards, low) };
        let alone = self.levels[self.levels.len() - 2] < highest;
        for &high in &self.levels[1..] {
            let wide = if high == highest && alone { 0.0 } else { self.width(whole, towards, high) };
            let step = (width + wide) / 2.0 * (high - low);
            if below + step >= area || high == highest {
                // width * t + (wide - width) / (2 (high - low)) * t² = area - below
                let wanted = (area - below).clamp(0.0, step);
                let slope = if high > low { (wide - width) / (high - low) } else { 0.0 };
                let root = (width * width + 2.0 * slope * wanted).max(0.0).sqrt();
                let t = if width + root > 0.0 { 2.0 * wanted / (width + root) } else { 0.0 };
                let at = low + t;
                // A piece is as long as its side along the cut, and as its way up to there.
                let is_thin = |way: f64, area: f64| f64::max(way * way, root * root) > most * area * SURELY;
                if is_thin(at - lowest, area) || is_thin(highest - at, others) {
                    return false;
                }
                self.split(whole, at);
                return true;
            }
            (below, low, width) = (below + step, high, wide);
        }
        false
    }

    /// The borders, one after the other: their ends and how far these lie above a height.
    fn borders<'a>(&'a self, whole: &'a Polygon, at: f64) -> impl Iterator<Item = (&'a Point, &'a Point, f64, f64)> {
        let next = |place: usize| if place + 1 < self.heights.len() { place + 1 } else { 0 };
        whole.corners.iter().zip(&self.heights).enumerate().map(move |(place, (corner, height))| {
            (corner, &whole.corners[next(place)], height - at, self.heights[next(place)] - at)
        })
    }

    /// How wide it is across the direction at a height.
    fn width(&self, whole: &Polygon, towards: Point, at: f64) -> f64 {
        let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
        let mut take = |p: &Point| {
            let along = p[1] * towards[0] - p[0] * towards[1];
            least = least.min(along);
            most = most.max(along);
        };
        for (a, b, from, to) in self.borders(whole, at) {
            if from == 0.0 {
                take(a);
            }
            if from * to < 0.0 {
                take(&between(a, b, from / (from - to)));
            }
        }
        (most - least).max(0.0)
    }

    /// What lies below a height, and what lies above it.
    fn split(&mut self, whole: &Polygon, at: f64) {
        let [mut below, mut above] = std::mem::take(&mut self.pieces);
        below.corners.clear();
        above.corners.clear();
        for (a, b, from, to) in self.borders(whole, at) {
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
        self.pieces = [below, above];
    }
}

fn between(a: &Point, b: &Point, part: f64) -> Point {
    [a[0] + (b[0] - a[0]) * part, a[1] + (b[1] - a[1]) * part]
}

fn cross(a: Point, b: Point) -> f64 {
    a[0] * b[1] - a[1] * b[0]
}

fn square_length(p: Point) -> f64 {
    p[0] * p[0] + p[1] * p[1]
}

fn unit(p: Point) -> Point {
    let length = square_length(p).sqrt();
    if length > 0.0 { [p[0] / length, p[1] / length] } else { [1.0, 0.0] }
}
