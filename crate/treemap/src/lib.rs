//! A tree of weights as nested convex polygons whose areas are the weights, none of them thin.
//!
//! Rectangles cannot do this: whatever their order, a small weight beside a large one becomes a strip. Convex pieces can,
//! because a small one is cut off at a corner: de Berg, Onak and Sidiropoulos ("Fat polygonal partitions with applications
//! to visualization and embeddings", arXiv 1009.1866) show that aspect ratios then stay bounded whatever the weights. As
//! there, a node's children are split in two, again and again, and each split is one straight cut of a convex polygon; of
//! a few directions that is taken which leaves the thinner of the two pieces fattest.
//!
//! Only additions, products, quotients and square roots of doubles are used, in a fixed order: the same weights give the
//! same polygons on every machine.

mod polygon;
#[cfg(target_arch = "wasm32")]
mod wasm;

pub use polygon::{Point, Polygon};

use polygon::Knife;

/// Cuts that leave no piece thinner are not improved on: a corner cut off a square is as fat. Looking for better ones takes
/// longer, up to twice, and makes the mean aspect of leaves 2.8 instead of 2.9.
const GOOD: f64 = 4.0;
/// Half the size from which a piece is worth cutting off at a corner.
const SMALL: f64 = 0.25;
/// Directions that are tried beside those of the polygon itself: multiples of an eighth of a half turn. With twice as many
/// pieces are no fatter.
const DIRECTIONS: [Point; 8] = {
    // Cosines of multiples of 22.5 degrees.
    const C: [f64; 5] = [1.0, 0.923_879_532_511_286_7, std::f64::consts::FRAC_1_SQRT_2, 0.382_683_432_365_089_8, 0.0];
    let mut all = [[0.0; 2]; 8];
    let mut i = 0;
    while i < 8 {
        all[i] = if i <= 4 { [C[i], C[4 - i]] } else { [-C[8 - i], C[i - 4]] };
        i += 1;
    }
    all
};

/// Polygons for the nodes of a tree, in the order of the nodes; the root's is `outline`.
///
/// `parents[node]` is the node's parent, which comes before it; the first node is the root and its own parent. A leaf has
/// the weight in `weights`, other nodes that of their leaves, whatever stands there. Weights are finite and not negative.
/// A node without weight gets a polygon without corners.
///
/// # Errors
/// Where the lists do not describe such a tree.
pub fn partition(parents: &[u32], weights: &[f64], outline: Polygon) -> Result<Vec<Polygon>, String> {
    if parents.len() != weights.len() {
        return Err(format!("{} parents for {} weights", parents.len(), weights.len()));
    }
    let mut children: Vec<Vec<u32>> = vec![Vec::new(); parents.len()];
    for (node, &parent) in parents.iter().enumerate().skip(1) {
        if parent as usize >= node {
            return Err(format!("node {node} comes before its parent {parent}"));
        }
        children[parent as usize].push(node as u32);
    }
    let mut sums = weights.to_vec();
    for node in (0..sums.len()).rev() {
        if !children[node].is_empty() {
            sums[node] = children[node].iter().map(|&child| sums[child as usize]).sum();
        }
        if !(sums[node] >= 0.0 && sums[node].is_finite()) {
            return Err(format!("the weight of node {node} is {}", sums[node]));
        }
    }
    let mut polygons = vec![Polygon::default(); parents.len()];
    if let (Some(first), Some(&sum)) = (polygons.first_mut(), sums.first())
        && sum > 0.0
    {
        *first = outline;
    }
    let mut cutter = Cutter::default();
    for node in 0..children.len() {
        children[node].retain(|&child| sums[child as usize] > 0.0);
        if !children[node].is_empty() {
            let whole = polygons[node].clone();
            share_out(whole, &mut children[node], &sums, &mut polygons, &mut cutter);
        }
    }
    Ok(polygons)
}

/// Cuts a polygon into pieces for some nodes, one after the other in their order, or the heaviest first where it has half
/// of the weight.
fn share_out(whole: Polygon, nodes: &mut [u32], sums: &[f64], polygons: &mut [Polygon], cutter: &mut Cutter) {
    let weight = |nodes: &[u32]| nodes.iter().map(|&node| sums[node as usize]).sum::<f64>();
    let mut open = vec![(whole, nodes)];
    while let Some((whole, nodes)) = open.pop() {
        if let [node] = nodes {
            polygons[*node as usize] = whole;
            continue;
        }
        let total = weight(nodes);
        let (heaviest, most) = nodes
            .iter()
            .map(|&node| sums[node as usize])
            .enumerate()
            .fold((0, 0.0), |best, (place, weight)| if weight > best.1 { (place, weight) } else { best });
        let first = if most * 2.0 >= total {
            nodes[..=heaviest].rotate_right(1);
            1
        } else {
            halfway(nodes, sums, total)
        };
        let (ones, others) = nodes.split_at_mut(first);
        let part = weight(ones) / total;
        let (one, other) = cutter.best_cut(&whole, part);
        open.push((other, others));
        open.push((one, ones));
    }
}

/// How many of the first nodes come nearest to half of the weight.
fn halfway(nodes: &[u32], sums: &[f64], total: f64) -> usize {
    let (mut before, mut best, mut distance) = (0.0, 1, f64::INFINITY);
    for (place, &node) in nodes[..nodes.len() - 1].iter().enumerate() {
        before += sums[node as usize];
        let off = (before * 2.0 - total).abs();
        if off < distance {
            (best, distance) = (place + 1, off);
        }
    }
    best
}

/// Finds cuts: room that is used again for each.
#[derive(Default)]
struct Cutter {
    knife: Knife,
    /// The best pieces so far.
    best: [Polygon; 2],
    /// The aspect of the thinner of these.
    thinnest: f64,
}

impl Cutter {
    /// A piece with a part of the area, and the rest: of all cuts that are tried, the one whose thinner piece is fattest.
    fn best_cut(&mut self, whole: &Polygon, part: f64) -> (Polygon, Polygon) {
        let smaller = part.min(1.0 - part);
        let area = whole.area();
        self.thinnest = f64::INFINITY;
        self.best.iter_mut().for_each(|piece| piece.corners.clear());
        let mut is_good = |towards: Point| self.try_out(whole, towards, smaller * area, area);
        // Small pieces at the corners first, then across the longest way, then around.
        if smaller >= SMALL || !whole.bisectors().any(&mut is_good) {
            let mut all = [whole.axis()].into_iter().chain(DIRECTIONS).flat_map(|[x, y]| [[x, y], [-x, -y]]);
            all.any(is_good);
        }
        let [piece, rest] = self.best.clone();
        if part <= 0.5 { (piece, rest) } else { (rest, piece) }
    }

    /// Cuts, and keeps the pieces where both are fatter than the thinner one so far. Answers whether that will do.
    fn try_out(&mut self, whole: &Polygon, towards: Point, area: f64, total: f64) -> bool {
        if self.knife.cut(whole, towards, area, total - area, self.thinnest) {
            let [piece, rest] = &self.knife.pieces;
            let thinner = piece.aspect().max(rest.aspect());
            if thinner < self.thinnest {
                self.thinnest = thinner;
                std::mem::swap(&mut self.best, &mut self.knife.pieces);
            }
        }
        self.thinnest < GOOD
    }
}

#[cfg(test)]
mod tests;
