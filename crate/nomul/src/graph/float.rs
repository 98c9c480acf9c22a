//! The same in floats, as the paper's code and as Neo4j's: the oracle of tests, and an option.
//!
//! It starts from the same signs as the version without multiplications, and everything after that is as in the text: degrees to a
//! power, means over neighbours, Euclidean lengths, means and standard deviations of columns.

use alloc::{vec, vec::Vec};

use super::{
    build::Graph,
    memory,
    options::{Finish, Options},
    project::{Stream, signs},
    propagate::Step,
    start::{Given, property_signs},
};
use crate::Result;

/// The vectors: (node, column).
pub fn embed(graph: &Graph, given: Given, options: &Options) -> Result<Vec<f32>> {
    options.check()?;
    given.check(graph.nodes(), options)?;
    let (nodes, dimensions) = (graph.nodes(), options.dimensions);
    let what = "vectors";
    let mut rows = start(graph, given, options)?;
    let mut sum: Vec<f32> = memory::zeroed(nodes * dimensions, what)?;
    for (power, &weight) in options.weights.iter().enumerate() {
        if power > 0 {
            rows = propagate(graph, &rows, dimensions, options.step)?;
        }
        if weight > 0.0 {
            let mut power = rows.clone();
            if options.unit_powers {
                power.chunks_mut(dimensions).for_each(unit);
                if options.is_centred() {
                    centre(&mut power, dimensions);
                    power.chunks_mut(dimensions).for_each(unit);
                }
            }
            sum.iter_mut().zip(&power).for_each(|(sum, entry)| *sum += weight * entry);
        }
    }
    if options.finish != Finish::Sum {
        zscore(&mut sum, dimensions);
    }
    if options.finish == Finish::Sphere {
        let length = libm::sqrtf(dimensions.div_ceil(2) as f32);
        for row in sum.chunks_mut(dimensions) {
            unit(row);
            row.iter_mut().for_each(|entry| *entry *= length);
        }
    }
    Ok(sum)
}

/// Power 0.
fn start(graph: &Graph, given: Given, options: &Options) -> Result<Vec<f32>> {
    let (nodes, dimensions) = (graph.nodes(), options.dimensions);
    let threshold = options.sparsity.threshold(nodes);
    let properties = options.property_columns();
    let projected = dimensions - properties;
    let mut rows: Vec<f32> = memory::zeroed(nodes * dimensions, "vectors")?;
    let mut row_signs = vec![0i8; dimensions];
    for (node, row) in rows.chunks_mut(dimensions).enumerate() {
        if let Some(initial) = given.initial {
            row.copy_from_slice(initial.row(node));
            continue;
        }
        let degree: f32 = graph.csr().edges(node).map(|(_, weight)| weight).sum();
        let scale = if degree > 0.0 { libm::powf(degree, options.beta) } else { 1.0 };
        signs(&mut Stream::of(graph.keys().get(node), options.seed, 0), threshold, &mut row_signs[..projected]);
        for (entry, &sign) in row.iter_mut().zip(&row_signs[..projected]) {
            *entry = f32::from(sign) * scale;
        }
        if let Some(table) = given.properties {
            // Both parts have entries of the same expected length, however many columns they have.
            let balance = libm::sqrtf(projected.max(1) as f32 / properties.max(1) as f32);
            let unit = -libm::ilogbf(table.largest());
            for (property, &value) in table.row(node).iter().enumerate() {
                property_signs(property, options.seed, threshold, &mut row_signs[projected..]);
                for (entry, &sign) in row[projected..].iter_mut().zip(&row_signs[projected..]) {
                    *entry += f32::from(sign) * libm::ldexpf(value, unit) * balance;
                }
            }
        }
    }
    Ok(rows)
}

/// The mean or the sum over neighbours.
fn propagate(graph: &Graph, from: &[f32], dimensions: usize, step: Step) -> Result<Vec<f32>> {
    let mut rows: Vec<f32> = memory::zeroed(from.len(), "vectors")?;
    for (node, row) in rows.chunks_mut(dimensions).enumerate() {
        let mut degree = 0.0;
        for (neighbour, weight) in graph.csr().edges(node) {
            let other = &from[neighbour as usize * dimensions..][..dimensions];
            row.iter_mut().zip(other).for_each(|(sum, entry)| *sum += weight * entry);
            degree += weight;
        }
        match step {
            Step::Mean if degree > 0.0 => row.iter_mut().for_each(|entry| *entry /= degree),
            Step::Unit => unit(row),
            Step::Mean | Step::Sum => {}
        }
    }
    Ok(rows)
}

/// A row to length 1.
fn unit(row: &mut [f32]) {
    let length = libm::sqrt(row.iter().map(|&entry| f64::from(entry) * f64::from(entry)).sum());
    if length > 0.0 {
        row.iter_mut().for_each(|entry| *entry = (f64::from(*entry) / length) as f32);
    }
}

/// Columns to mean 0; rows of zeros stay.
fn centre(rows: &mut [f32], dimensions: usize) {
    let nodes = (rows.len() / dimensions) as f64;
    let mut means = vec![0f64; dimensions];
    for row in rows.chunks(dimensions) {
        means.iter_mut().zip(row).for_each(|(mean, &entry)| *mean += f64::from(entry) / nodes);
    }
    for row in rows.chunks_mut(dimensions).filter(|row| row.iter().any(|&entry| entry != 0.0)) {
        row.iter_mut().zip(&means).for_each(|(entry, &mean)| *entry -= mean as f32);
    }
}

/// Columns to mean 0 and standard deviation 1.
fn zscore(rows: &mut [f32], dimensions: usize) {
    let nodes = (rows.len() / dimensions) as f64;
    for column in 0..dimensions {
        let entries = || rows.iter().skip(column).step_by(dimensions).map(|&entry| f64::from(entry));
        let mean = entries().sum::<f64>() / nodes;
        let variance = entries().map(|entry| (entry - mean) * (entry - mean)).sum::<f64>() / nodes;
        let scale = if variance > 1e-20 { 1.0 / libm::sqrt(variance) } else { 1.0 };
        for entry in rows.iter_mut().skip(column).step_by(dimensions) {
            *entry = ((f64::from(*entry) - mean) * scale) as f32;
        }
    }
}
