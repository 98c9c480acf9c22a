//! How well vectors tell labels: one-vs-rest logistic regression, with the number of labels of a node given, as DeepWalk and those after
//! it are measured (Perozzi et al. 2014, section 5). It multiplies: it is no part of an embedding.

use alloc::{vec, vec::Vec};

use spin::Mutex;

use super::{keys::Key, project::Stream};
use crate::{Result, bail, team::Team};

/// Vectors of nodes with their labels.
pub struct Labelled<'a> {
    /// Columns of a vector.
    pub dimensions: usize,
    /// (node, column).
    pub vectors: &'a [f32],
    /// Labels of each node, numbered from 0; nodes without any are left out.
    pub labels: &'a [Vec<u32>],
}

/// F1 in the usual two averages, 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct F1 {
    /// Over all labels of all nodes.
    pub micro: f64,
    /// The mean over labels.
    pub macro_: f64,
}

impl Labelled<'_> {
    /// One split: learns on the part `train` of the nodes, in an order given by `seed`, and predicts for the others as many labels as
    /// they have. `c` is the weight of errors against that of coefficients, as in liblinear; the constant is a coefficient too.
    pub fn split(&self, team: &dyn Team, train: f64, c: f64, seed: u64) -> Result<F1> {
        let mut nodes: Vec<usize> = (0..self.labels.len()).filter(|&node| !self.labels[node].is_empty()).collect();
        let mut stream = Stream::of(Key::Number(seed), 0, 2);
        for place in (1..nodes.len()).rev() {
            nodes.swap(place, (((stream.draw() >> 32) * (place as u64 + 1)) >> 32) as usize);
        }
        let count = libm::round(nodes.len() as f64 * train) as usize;
        if count == 0 || count >= nodes.len() {
            bail!(Input, "a part of {train} of {} nodes leaves nothing to learn from or to predict", nodes.len());
        }
        let (train, test) = nodes.split_at(count);
        let classes = self.labels.iter().flatten().max().map_or(0, |&label| label as usize + 1);
        let scores: Vec<Mutex<Vec<f32>>> = (0..classes).map(|_| Mutex::new(Vec::new())).collect();
        let next = Mutex::new(0..classes);
        team.run_all(&|_| {
            loop {
                let Some(class) = next.lock().next() else { break };
                let coefficients = self.learn(train, class as u32, c);
                *scores[class].lock() = test.iter().map(|&node| self.score(node, &coefficients)).collect();
            }
        });
        let scores: Vec<Vec<f32>> = scores.into_iter().map(Mutex::into_inner).collect();
        let (mut right, mut wrong, mut missed) = (vec![0f64; classes], vec![0f64; classes], vec![0f64; classes]);
        let mut order: Vec<usize> = Vec::new();
        for (place, &node) in test.iter().enumerate() {
            order.clear();
            order.extend(0..classes);
            order.sort_by(|&a, &b| scores[b][place].total_cmp(&scores[a][place]));
            let (said, others) = order.split_at(self.labels[node].len().min(classes));
            let has = |class: usize| self.labels[node].contains(&(class as u32));
            said.iter().for_each(|&class| if has(class) { right[class] += 1.0 } else { wrong[class] += 1.0 });
            others.iter().filter(|&&class| has(class)).for_each(|&class| missed[class] += 1.0);
        }
        let f1 = |right: f64, wrong: f64, missed: f64| {
            if right > 0.0 { 2.0 * right / (2.0 * right + wrong + missed) } else { 0.0 }
        };
        let sum = |counts: &[f64]| counts.iter().sum::<f64>();
        let each = (0..classes).map(|class| f1(right[class], wrong[class], missed[class]));
        Ok(F1 { micro: f1(sum(&right), sum(&wrong), sum(&missed)), macro_: each.sum::<f64>() / classes.max(1) as f64 })
    }

    fn row(&self, node: usize) -> &[f32] {
        &self.vectors[node * self.dimensions..(node + 1) * self.dimensions]
    }

    /// The last coefficient is the constant.
    fn score(&self, node: usize, coefficients: &[f32]) -> f32 {
        dot(self.row(node), coefficients) + coefficients[self.dimensions]
    }

    /// The coefficients that least `|w|^2 / 2 + c * sum of log(1 + exp(-y * score))`, by Newton's method, each step by conjugate gradients.
    fn learn(&self, nodes: &[usize], class: u32, c: f64) -> Vec<f32> {
        let signs: Vec<f32> =
            nodes.iter().map(|&node| if self.labels[node].contains(&class) { 1.0 } else { -1.0 }).collect();
        let mut w = vec![0f32; self.dimensions + 1];
        let mut value = f64::INFINITY;
        for _ in 0..NEWTON {
            let mut gradient = w.clone();
            let mut curvature = Vec::with_capacity(nodes.len());
            for (&node, &sign) in nodes.iter().zip(&signs) {
                let p = 1.0 / (1.0 + libm::expf(sign * self.score(node, &w)));
                self.add(node, -(c as f32) * sign * p, &mut gradient);
                curvature.push(c as f32 * p * (1.0 - p));
            }
            let size = dot(&gradient, &gradient);
            if f64::from(size) < 1e-6 * nodes.len() as f64 * c {
                break;
            }
            // Solves (1 + X' D X) step = -gradient.
            let mut step = vec![0f32; w.len()];
            let mut left: Vec<f32> = gradient.iter().map(|x| -x).collect();
            let (mut along, mut squared) = (left.clone(), size);
            for _ in 0..CONJUGATE {
                let mut product = along.clone();
                for (&node, &curvature) in nodes.iter().zip(&curvature) {
                    self.add(node, curvature * self.score(node, &along), &mut product);
                }
                let length = squared / dot(&along, &product);
                add(&mut step, length, &along);
                add(&mut left, -length, &product);
                let next = dot(&left, &left);
                if next < 0.01 * size {
                    break;
                }
                let ratio = next / squared;
                along.iter_mut().zip(&left).for_each(|(along, left)| *along = left + ratio * *along);
                squared = next;
            }
            // Half as far until it is downhill.
            let mut length = 1.0;
            for _ in 0..10 {
                let mut tried = w.clone();
                add(&mut tried, length, &step);
                let now = self.value(nodes, &signs, &tried, c);
                if now <= value {
                    (w, value) = (tried, now);
                    break;
                }
                length /= 2.0;
            }
        }
        w
    }

    fn value(&self, nodes: &[usize], signs: &[f32], w: &[f32], c: f64) -> f64 {
        let loss = |margin: f64| if margin < -30.0 { -margin } else { libm::log1p(libm::exp(-margin)) };
        let losses = nodes.iter().zip(signs).map(|(&node, &sign)| loss(f64::from(sign * self.score(node, w))));
        f64::from(dot(w, w)) / 2.0 + c * losses.sum::<f64>()
    }

    /// `sum += factor * row`, with a 1 at the row's end.
    fn add(&self, node: usize, factor: f32, sum: &mut [f32]) {
        add(sum, factor, self.row(node));
        sum[self.dimensions] += factor;
    }
}

/// Rounds of Newton's method, and of conjugate gradients in each.
const NEWTON: usize = 12;
const CONJUGATE: usize = 30;

fn add(sum: &mut [f32], factor: f32, row: &[f32]) {
    sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += factor * x);
}

/// Over the shorter of the two, in eight sums.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let length = a.len().min(b.len());
    let (a, b) = (a[..length].as_chunks::<8>(), b[..length].as_chunks::<8>());
    let mut sums = [0f32; 8];
    for (a, b) in a.0.iter().zip(b.0) {
        for i in 0..8 {
            sums[i] += a[i] * b[i];
        }
    }
    sums.iter().sum::<f32>() + a.1.iter().zip(b.1).map(|(a, b)| a * b).sum::<f32>()
}

/// Numbers as integers of 16 bits under one scale, a power of two, for an index.
pub fn quantized(values: &[f32]) -> Vec<i16> {
    let largest = values.iter().fold(f32::MIN_POSITIVE, |most, value| most.max(value.abs()));
    let unit = 14 - libm::ilogbf(largest);
    values.iter().map(|&value| libm::roundf(libm::ldexpf(value, unit)).clamp(-32_767.0, 32_767.0) as i16).collect()
}
