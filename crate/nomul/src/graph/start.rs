//! Rows of power 0: the signed projection, with properties or vectors of the caller's own.

use alloc::{vec, vec::Vec};

use spin::Mutex;

use super::{
    build::Graph,
    factor::{Tables, product256},
    keys::Key,
    memory,
    options::Options,
    project::{Stream, signs},
    propagate::{DEGREE_UNIT, degree},
    rows::{Rows, Scaling, ZERO, write_row},
};
use crate::{Result, bail, team::Team};

/// Rows of numbers, one for each node, zeros for nodes that have none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    columns: usize,
    /// (node, column).
    values: Vec<f32>,
}

impl Table {
    /// So many columns; `values` is (node, column).
    pub fn new(columns: usize, values: Vec<f32>, nodes: usize) -> Result<Table> {
        if columns.checked_mul(nodes) != Some(values.len()) {
            bail!(Shape, "{} values for {nodes} nodes and {columns} columns", values.len());
        }
        if columns > 0
            && let Some(place) = values.iter().position(|&value| !is_value(value))
        {
            bail!(Value, "value {} of node {}: {}", place % columns, place / columns, values[place]);
        }
        Ok(Table { columns, values })
    }

    /// Zeros.
    pub fn zeros(columns: usize, nodes: usize) -> Result<Table> {
        let Some(size) = columns.checked_mul(nodes) else { return Err(memory::refused(u64::MAX, "values of nodes")) };
        Ok(Table { columns, values: memory::zeroed(size, "values of nodes")? })
    }

    /// Columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// A node's values.
    pub fn row(&self, node: usize) -> &[f32] {
        &self.values[node * self.columns..(node + 1) * self.columns]
    }

    /// The largest size of a value, above 0.
    pub fn largest(&self) -> f32 {
        self.values.iter().fold(f32::MIN_POSITIVE, |most, value| most.max(value.abs()))
    }

    /// Sets a node's values.
    pub fn set(&mut self, node: usize, values: &[f32]) -> Result<()> {
        if values.len() != self.columns {
            bail!(Shape, "{} values, the first node has {}", values.len(), self.columns);
        }
        if let Some(value) = values.iter().find(|&&value| !is_value(value)) {
            bail!(Value, "value {value}: values have to be finite, up to 1e18");
        }
        self.values[node * self.columns..(node + 1) * self.columns].copy_from_slice(values);
        Ok(())
    }
}

/// The direction of a property: as [`signs`] for a node.
pub(super) fn property_signs(property: usize, seed: u64, threshold: u16, row: &mut [i8]) {
    signs(&mut Stream::of(Key::Number(property as u64), seed, PROPERTIES), threshold, row);
}

/// The largest value of a property.
const LARGEST: f32 = 1e18;

fn is_value(value: f32) -> bool {
    value.abs() <= LARGEST
}

/// What a node starts with beside its projection.
#[derive(Clone, Copy, Default)]
pub struct Given<'a> {
    /// Properties: the last columns are their signed sums.
    pub properties: Option<&'a Table>,
    /// Vectors of the caller's own, in place of the projection; as many columns as dimensions.
    pub initial: Option<&'a Table>,
}

impl Given<'_> {
    /// Refuses tables that do not fit.
    pub fn check(&self, nodes: usize, options: &Options) -> Result<()> {
        for (table, what) in [(self.properties, "properties"), (self.initial, "initial vectors")] {
            if let Some(table) = table
                && table.columns * nodes != table.values.len()
            {
                bail!(Shape, "{what}: {} values for {nodes} nodes", table.values.len());
            }
        }
        if let Some(initial) = self.initial
            && initial.columns != options.dimensions
        {
            bail!(Shape, "initial vectors: {} columns, {} dimensions", initial.columns, options.dimensions);
        }
        if (self.properties.is_none() || self.initial.is_some()) && options.property_ratio > 0.0 {
            bail!(Input, "property ratio: {} without properties to use", options.property_ratio);
        }
        if self.properties.is_some() && options.property_ratio == 0.0 {
            bail!(Input, "properties need a property ratio above 0");
        }
        Ok(())
    }
}

/// What power 0 of any node is made of.
pub struct Start<'a> {
    graph: &'a Graph,
    given: Given<'a>,
    tables: &'a Tables,
    threshold: u16,
    /// Columns of the projection; those of properties follow.
    projected: usize,
    seed: u64,
    /// In units of 1/256.
    beta: i32,
    /// For each property a sign for each of the columns of properties.
    directions: Vec<i8>,
    /// The power of two by which sums of properties are scaled: their largest value becomes about 1.
    unit: i32,
    /// What evens out that both parts have their own number of columns.
    balance: i32,
}

/// Nodes that a worker takes at a time.
const PART: usize = 512;
/// Streams of the same seed that are not a node's.
const PROPERTIES: u64 = 1;

impl<'a> Start<'a> {
    /// Prepares it.
    pub fn new(graph: &'a Graph, given: Given<'a>, tables: &'a Tables, options: &Options) -> Result<Start<'a>> {
        given.check(graph.nodes(), options)?;
        let columns = options.property_columns();
        let threshold = options.sparsity.threshold(graph.nodes());
        let mut directions = Vec::new();
        let mut unit = 0;
        if let Some(properties) = given.properties {
            directions = memory::zeroed(properties.columns * columns, "directions of properties")?;
            for (property, row) in directions.chunks_mut(columns.max(1)).enumerate() {
                property_signs(property, options.seed, threshold, row);
            }
            unit = -libm::ilogbf(properties.largest());
        }
        let projected = options.dimensions - columns;
        // log2 of the root of the ratio, in units of 1/256.
        let logarithm = |x: usize| if x == 0 { 0 } else { tables.logarithm(x as u128, 0) };
        Ok(Start {
            graph,
            given,
            tables,
            threshold,
            projected,
            seed: options.seed,
            beta: libm::roundf(options.beta * 256.0) as i32,
            directions,
            unit,
            balance: (logarithm(projected) - logarithm(columns)) / 2,
        })
    }

    /// Writes the rows of these nodes.
    pub fn write(&self, team: &dyn Team, rows: &mut Rows, nodes: core::ops::Range<usize>) {
        let parts = Mutex::new(rows.parts_mut(nodes, PART));
        team.run_all(&|_| {
            loop {
                let Some((first, mantissas, exponents)) = parts.lock().next() else { break };
                let stride = mantissas.len() / exponents.len();
                let rows = mantissas.chunks_exact_mut(stride).zip(exponents);
                for (node, (row, exponent)) in (first..).zip(rows) {
                    self.write_one(node, row, exponent);
                }
            }
        });
    }

    /// Writes a node's row.
    pub fn write_one(&self, node: usize, row: &mut [i8], exponent: &mut i16) {
        if let Some(initial) = self.given.initial {
            return from_floats(initial.row(node), row, exponent);
        }
        let degree = degree(self.graph.csr(), node);
        // A node without neighbours counts as one with one of them.
        let logarithm = if degree == 0 { 0 } else { self.tables.logarithm(degree, DEGREE_UNIT) };
        let scale = product256(logarithm, self.beta);
        let (mantissa, power) = self.tables.power(scale);
        let mut stream = Stream::of(self.graph.keys().get(node), self.seed, 0);
        signs(&mut stream, self.threshold, &mut row[..self.projected]);
        for entry in &mut row[..self.projected] {
            // 1 and -1 are masks of themselves: no branch, many at once.
            let sign = *entry >> 7;
            *entry = ((mantissa & -(*entry & 1)) ^ sign) - sign;
        }
        *exponent = power as i16;
        if let Some(properties) = self.given.properties {
            self.add_properties(properties.row(node), scale, row, exponent);
        } else if row[..self.projected].iter().all(|&entry| entry == 0) {
            *exponent = ZERO;
        }
    }

    /// Puts signed sums of properties into the last columns, and all columns under one exponent.
    fn add_properties(&self, values: &[f32], scale: i32, row: &mut [i8], exponent: &mut i16) {
        // In units of 2^-16.
        let mut sums = vec![0i32; row.len()];
        let (mantissa, power) = self.tables.power(scale);
        let one = i32::from(mantissa) << 10;
        for (sum, &entry) in sums.iter_mut().zip(&row[..self.projected]) {
            *sum = match entry {
                1.. => one,
                0 => 0,
                ..0 => -one,
            };
        }
        let columns = self.directions.len() / values.len().max(1);
        let (balance, extra) = self.tables.power(self.balance);
        for (&value, signs) in values.iter().zip(self.directions.chunks(columns.max(1))) {
            // Below 2^17, times at most as many properties as 2^13.
            let value = libm::roundf(libm::ldexpf(value, self.unit + 10)) as i32;
            let value = (0..7).filter(|bit| balance >> bit & 1 == 1).fold(0, |sum, bit| sum + (value << bit));
            for (sum, &sign) in sums[self.projected..].iter_mut().zip(signs) {
                *sum = match sign {
                    1.. => sum.saturating_add(value),
                    0 => *sum,
                    ..0 => sum.saturating_sub(value),
                };
            }
        }
        // The projection's unit is 2^(power - 10), that of properties 2^(extra - 10).
        let least = power.min(extra);
        for (column, sum) in sums.iter_mut().enumerate() {
            let up = if column < self.projected { power } else { extra } - least;
            *sum = (i64::from(*sum) << up.min(24)).clamp((-i32::MAX).into(), i32::MAX.into()) as i32;
        }
        write_row(&mut sums, least - 10, Scaling::By(super::factor::Factor::ONE), row, exponent);
    }
}

/// A row of floats as mantissas with an exponent.
fn from_floats(values: &[f32], row: &mut [i8], exponent: &mut i16) {
    row.fill(0);
    let largest = values.iter().fold(0f32, |most, value| most.max(value.abs()));
    if largest == 0.0 {
        *exponent = ZERO;
        return;
    }
    let mut power = libm::ilogbf(largest) - 6;
    if libm::roundf(libm::ldexpf(largest, -power)) > 127.0 {
        power += 1;
    }
    for (entry, &value) in row.iter_mut().zip(values) {
        *entry = libm::roundf(libm::ldexpf(value, -power)) as i8;
    }
    *exponent = power as i16;
}
