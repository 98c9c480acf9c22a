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

    /// Cuts across the direction `towards`: a piece of area `area`, from the side that it comes from, and the rest.
    ///
    /// As the cut moves on, its width changes evenly between two corners, so the area is a quadratic there and is solved
    /// for, not searched.
    pub fn cut(&self, towards: Point, area: f64) -> (Polygon, Polygon) {
        let height = |p: &Point| p[0] * towards[0] + p[1] * towards[1];
        let mut heights: Vec<f64> = self.corners.iter().map(height).collect();
        heights.sort_by(f64::total_cmp);
        let (mut below, mut low) = (0.0, heights[0]);
        let mut width = self.width(towards, low);
        for &high in &heights[1..] {
            let wide = self.width(towards, high);
            let step = (width + wide) / 2.0 * (high - low);
            if below + step >= area || high == heights[heights.len() - 1] {
                // width * t + (wide - width) / (2 (high - low)) * t² = area - below
                let wanted = (area - below).clamp(0.0, step);
                let slope = if high > low { (wide - width) / (high - low) } else { 0.0 };
                let root = (width * width + 2.0 * slope * wanted).max(0.0).sqrt();
                let t = if width + root > 0.0 { 2.0 * wanted / (width + root) } else { 0.0 };
                return self.split(towards, low + t);
            }
            (below, low, width) = (below + step, high, wide);
        }
        (Polygon::default(), self.clone())
    }

    /// How wide it is across a direction at a height.
    fn width(&self, towards: Point, at: f64) -> f64 {
        let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
        self.crossings(towards, at, |p| {
            let along = p[1] * towards[0] - p[0] * towards[1];
            least = least.min(along);
            most = most.max(along);
        });
        (most - least).max(0.0)
    }

    /// Where its border meets a height.
    fn crossings(&self, towards: Point, at: f64, mut take: impl FnMut(Point)) {
        let height = |p: &Point| p[0] * towards[0] + p[1] * towards[1] - at;
        for (place, a) in self.corners.iter().enumerate() {
            let b = &self.corners[(place + 1) % self.corners.len()];
            let (from, to) = (height(a), height(b));
            if from == 0.0 {
                take(*a);
            }
            if from * to < 0.0 {
                take(between(a, b, from / (from - to)));
            }
        }
    }

    /// What lies below a height, and what lies above it.
    fn split(&self, towards: Point, at: f64) -> (Polygon, Polygon) {
        let height = |p: &Point| p[0] * towards[0] + p[1] * towards[1] - at;
        let room = || Polygon { corners: Vec::with_capacity(self.corners.len() + 2) };
        let (mut below, mut above) = (room(), room());
        for (place, a) in self.corners.iter().enumerate() {
            let b = &self.corners[(place + 1) % self.corners.len()];
            let (from, to) = (height(a), height(b));
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
        (below, above)
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
