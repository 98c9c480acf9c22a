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

/// Cuts that leave no piece thinner are not improved on.
const GOOD: f64 = 3.6;
/// Half the size from which a piece is worth cutting off at a corner.
const SMALL: f64 = 0.25;
/// Directions that are tried beside those of the polygon itself: multiples of a sixteenth of a half turn.
const DIRECTIONS: [Point; 16] = {
    // Cosines of multiples of 11.25 degrees.
    const C: [f64; 9] = [
        1.0,
        0.980_785_280_403_230_4,
        0.923_879_532_511_286_7,
        0.831_469_612_302_545_2,
        std::f64::consts::FRAC_1_SQRT_2,
        0.555_570_233_019_602_2,
        0.382_683_432_365_089_8,
        0.195_090_322_016_128_3,
        0.0,
    ];
    let mut all = [[0.0; 2]; 16];
    let mut i = 0;
    while i < 16 {
        all[i] = if i <= 8 { [C[i], C[8 - i]] } else { [-C[16 - i], C[i - 8]] };
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
    for node in 0..children.len() {
        children[node].retain(|&child| sums[child as usize] > 0.0);
        if !children[node].is_empty() {
            let whole = polygons[node].clone();
            share_out(whole, &mut children[node], &sums, &mut polygons);
        }
    }
    Ok(polygons)
}

/// Cuts a polygon into pieces for some nodes, one after the other in their order, or the heaviest first where it has half
/// of the weight.
fn share_out(whole: Polygon, nodes: &mut [u32], sums: &[f64], polygons: &mut [Polygon]) {
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
        let (one, other) = best_cut(&whole, part);
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

/// A piece with a part of the area, and the rest: of all cuts that are tried, the one whose thinner piece is fattest.
fn best_cut(whole: &Polygon, part: f64) -> (Polygon, Polygon) {
    let area = whole.area();
    let smaller = part.min(1.0 - part);
    let mut best = (f64::INFINITY, Polygon::default(), Polygon::default());
    let mut try_out = |towards: Point| {
        let (piece, rest) = whole.cut(towards, smaller * area);
        let worst = piece.aspect().max(rest.aspect());
        if worst < best.0 {
            best = (worst, piece, rest);
        }
        best.0 < GOOD
    };
    // Across the longest way, then around; small pieces at the corners first.
    let axis = whole.axis();
    let corners = whole.bisectors().filter(|_| smaller < SMALL);
    let around = DIRECTIONS.into_iter().flat_map(|[x, y]| [[x, y], [-x, -y]]);
    let mut all = corners.chain([axis, [-axis[0], -axis[1]]]).chain(around);
    all.any(&mut try_out);
    let (_, piece, rest) = best;
    if part <= 0.5 { (piece, rest) } else { (rest, piece) }
}

#[cfg(test)]
mod tests;
