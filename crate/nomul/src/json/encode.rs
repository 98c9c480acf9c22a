//! The encoder: a walk over a value that adds up its leaves.

use alloc::{collections::BTreeMap, format, string::String, sync::Arc, vec::Vec};

use super::{
    leaf::Leaves,
    path::{self, Path, Step},
    schema::{ArrayMode, Balance, Hint, Schema, StringMode},
    value::Value,
};
use crate::{
    Result, bail,
    vsa::{Bits, Bundle, Role, levels::Line},
};

/// The weight of a leaf that no hint changes: weights are whole numbers of sixteenths, at least one.
pub const UNIT: u32 = 16;
// Adding up shifts by it.
const _: () = assert!(UNIT.is_power_of_two());

/// Memory, in bytes, up to which paths are kept for the next document.
const KEPT: usize = 32 << 20;

/// Turns values into vectors. It keeps the roles of paths that it has met, up to some memory, and nothing else: what it
/// gives depends on the schema alone.
pub struct Encoder {
    schema: Schema,
    identity: String,
    pub(super) symbols: Leaves,
    symbol: Bits,
    /// Memory for [`Adding`].
    bound: Vec<Bits>,
    positions: Line,
    root: Arc<Node>,
    branches: Vec<Branches>,
    /// How many more nodes may be kept.
    room: usize,
}

/// A place in documents: the end of a path.
pub(super) struct Node {
    /// Where its branches are kept; none if it is not kept itself.
    id: Option<usize>,
    pub role: Role,
    pub pattern: String,
    pub hint: Hint,
    pub ignored: bool,
    /// What a leaf here weighs, in units of [`UNIT`], before levels are balanced.
    pub weight: f64,
}

/// The nodes that follow a node.
#[derive(Default)]
struct Branches {
    keys: BTreeMap<String, Arc<Node>>,
    positions: Vec<Arc<Node>>,
    item: Option<Arc<Node>>,
}

/// Who wants to know of the leaves of a value.
pub(super) trait Visitor {
    /// A step down; every one is followed by a [`Visitor::leave`].
    fn enter(&mut self, _step: &dyn Fn() -> Step) {}
    /// A step up.
    fn leave(&mut self) {}
    /// A leaf, with its symbol and its weight.
    fn leaf(&mut self, node: &Node, value: &Value, symbol: &Bits, weight: u32) -> Result<()>;
}

/// Leaves of [`UNIT`] that are added in one go: so many make the fewest additions.
const TOGETHER: usize = 8;

/// Adds leaves up.
struct Adding<'a> {
    bundle: &'a mut Bundle,
    /// Bound leaves of [`UNIT`]; the first `waiting` are not in the bundle yet.
    bound: &'a mut [Bits],
    waiting: usize,
}

impl Adding<'_> {
    fn flush(&mut self) {
        self.bundle.add_shifted(&self.bound[..self.waiting], UNIT.trailing_zeros());
        self.waiting = 0;
    }
}

impl Visitor for Adding<'_> {
    fn leaf(&mut self, node: &Node, _: &Value, symbol: &Bits, weight: u32) -> Result<()> {
        if weight > crate::vsa::MAX_TOTAL - self.bundle.total() - self.waiting as u32 * UNIT {
            bail!(
                Capacity,
                "a document holds weights of {} together: it has more leaves",
                crate::vsa::MAX_TOTAL / UNIT
            );
        }
        if weight != UNIT {
            self.bundle.add_bound(&node.role, symbol, weight);
            return Ok(());
        }
        node.role.bind_into(symbol, &mut self.bound[self.waiting]);
        self.waiting += 1;
        if self.waiting == self.bound.len() {
            self.flush();
        }
        Ok(())
    }
}

impl Encoder {
    /// The encoder of a schema.
    pub fn new(schema: Schema) -> Result<Encoder> {
        schema.check()?;
        let dimension = schema.dimension;
        let hint = schema.paths.get("").cloned().unwrap_or_default();
        let root = Node {
            id: Some(0),
            role: Role::identity(dimension),
            pattern: String::new(),
            ignored: hint.ignore,
            weight: hint.weight.unwrap_or(1.0),
            hint,
        };
        Ok(Encoder {
            identity: schema.identity(),
            symbols: Leaves::new(&schema),
            symbol: Bits::identity(dimension),
            bound: alloc::vec![Bits::identity(dimension); TOGETHER],
            positions: Line::new(dimension, schema.seed, b"position"),
            root: Arc::new(root),
            branches: alloc::vec![Branches::default()],
            room: KEPT / (dimension / 8 + 256),
            schema,
        })
    }

    /// What it was made from.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// See [`Schema::identity`].
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// What decides ties when the signs of a vector are taken.
    pub fn ties(&self) -> &Bits {
        self.symbols.ties()
    }

    /// The vector of a value. Its [`Bundle::sums`] can be changed afterwards, its [`Bundle::majority`] is the smallest
    /// form.
    pub fn encode(&mut self, value: &Value) -> Result<Bundle> {
        let mut bundle = Bundle::new(self.schema.dimension);
        self.encode_into(value, &mut bundle)?;
        Ok(bundle)
    }

    /// [`Encoder::encode`] into memory that is there already.
    pub fn encode_into(&mut self, value: &Value, bundle: &mut Bundle) -> Result<()> {
        bundle.clear();
        let root = self.root.clone();
        self.add_up(&root, value, bundle)
    }

    /// Adds the leaves at and below a node to a bundle.
    pub(super) fn add_up(&mut self, node: &Arc<Node>, value: &Value, bundle: &mut Bundle) -> Result<()> {
        let mut bound = core::mem::take(&mut self.bound);
        let mut adding = Adding { bundle, bound: &mut bound, waiting: 0 };
        let added = self.walk(node, value, 1.0, &mut adding);
        adding.flush();
        self.bound = bound;
        added
    }

    /// The signs of the vector of a value.
    pub fn signs(&mut self, value: &Value) -> Result<Bits> {
        Ok(self.encode(value)?.majority(self.symbols.ties()))
    }

    /// How many leaves a value has, and the sum of their squared weights, a leaf that no hint changes being 1: what
    /// [`crate::vsa::capacity`] needs to know how well they are found again.
    pub fn leaves(&mut self, value: &Value) -> Result<(usize, f64)> {
        struct Count(usize, f64);
        impl Visitor for Count {
            fn leaf(&mut self, _: &Node, _: &Value, _: &Bits, weight: u32) -> Result<()> {
                let weight = weight as f64 / UNIT as f64;
                (self.0, self.1) = (self.0 + 1, self.1 + weight * weight);
                Ok(())
            }
        }
        let mut count = Count(0, 0.0);
        let root = self.root.clone();
        self.walk(&root, value, 1.0, &mut count)?;
        Ok((count.0, count.1))
    }

    /// Gives a text the vector that a text encoder made of it, for paths whose strings are embeddings. All vectors are of
    /// one length.
    pub fn attach(&mut self, text: &str, vector: &[f32]) -> Result<()> {
        self.symbols
            .attach(text, vector)
            .map_err(|error| error.at(format!("the vector of {}", super::value::quoted(text))))
    }

    /// The texts of a value that [`Encoder::attach`] still has to be given.
    pub fn missing_texts(&mut self, value: &Value) -> Result<Vec<String>> {
        struct Texts(Vec<String>);
        let mut texts = Texts(Vec::new());
        let root = self.root.clone();
        self.strings(&root, value, &mut |node, text| {
            if node.hint.string == Some(StringMode::Embedding) {
                texts.0.push(text.into());
            }
        });
        texts.0.sort();
        texts.0.dedup();
        texts.0.retain(|text| !self.symbols.is_attached(text));
        Ok(texts.0)
    }

    fn strings(&mut self, node: &Arc<Node>, value: &Value, found: &mut dyn FnMut(&Node, &str)) {
        match value {
            Value::String(text) if !node.ignored => found(node, text),
            Value::Array(items) => {
                let node = self.item(node);
                items.iter().for_each(|item| self.strings(&node, item, found));
            }
            Value::Object(fields) => {
                for (key, value) in fields {
                    let node = self.key(node, key);
                    self.strings(&node, value, found);
                }
            }
            _ => {}
        }
    }

    /// Tells the visitor of every leaf at and below a node; `share` is what levels above left of the weight.
    pub(super) fn walk<V: Visitor>(
        &mut self,
        node: &Arc<Node>,
        value: &Value,
        share: f64,
        visitor: &mut V,
    ) -> Result<()> {
        if node.ignored {
            return Ok(());
        }
        match value {
            Value::Object(fields) if !fields.is_empty() => {
                let share = self.share(share, fields.len());
                for (key, value) in fields {
                    let next = self.key(node, key);
                    visitor.enter(&|| Step::Key(key.clone()));
                    self.walk(&next, value, share, visitor)?;
                    visitor.leave();
                }
                Ok(())
            }
            Value::Array(items) if !items.is_empty() => {
                let mode = node.hint.array.unwrap_or_default();
                let mut seen = alloc::collections::BTreeSet::new();
                let chosen: Vec<(usize, &Value)> = items
                    .iter()
                    .enumerate()
                    .filter(|(_, item)| mode != ArrayMode::Set || seen.insert(item.canonical()))
                    .collect();
                let share = self.share(share, chosen.len());
                for (i, item) in chosen {
                    let (next, step) = match mode {
                        ArrayMode::Ordered | ArrayMode::Near { .. } => (self.position(node, i), Step::Index(i)),
                        ArrayMode::Bag | ArrayMode::Set => (self.item(node), Step::Item),
                    };
                    visitor.enter(&|| step.clone());
                    self.walk(&next, item, share, visitor)?;
                    visitor.leave();
                }
                Ok(())
            }
            leaf => {
                // The symbol is taken out meanwhile, so that its memory serves every leaf.
                let mut symbol = core::mem::replace(&mut self.symbol, Bits::placeholder());
                let made = self.symbols.symbol(leaf, &node.hint, &mut symbol);
                let weight = (node.weight * share * UNIT as f64 + 0.5) as u32;
                let told = made
                    .map_err(|error| error.at(if node.pattern.is_empty() { "the document" } else { &node.pattern }))
                    .and_then(|()| visitor.leaf(node, leaf, &symbol, weight.max(1)));
                self.symbol = symbol;
                told
            }
        }
    }

    fn share(&self, share: f64, children: usize) -> f64 {
        match self.schema.balance {
            Balance::Leaves => share,
            // Squares of weights add up: √n children of 1/√n each are one.
            Balance::Levels => share / libm::sqrt(children as f64),
        }
    }

    pub(super) fn root(&self) -> Arc<Node> {
        self.root.clone()
    }

    /// The node of a path. Fails where the path takes a position that its array has not, or an ignored place.
    pub(super) fn node(&mut self, path: &Path) -> Result<Arc<Node>> {
        let mut node = self.root.clone();
        for step in &path.0 {
            let positions = matches!(node.hint.array.unwrap_or_default(), ArrayMode::Ordered | ArrayMode::Near { .. });
            node = match step {
                Step::Key(key) => self.key(&node, key),
                Step::Index(i) if positions => self.position(&node, *i),
                Step::Index(_) => self.item(&node),
                Step::Item if positions => {
                    bail!(Input, "path {path}: items of {:?} have positions: name one", node.pattern)
                }
                Step::Item => self.item(&node),
            };
        }
        if node.ignored {
            bail!(Input, "path {path}: the schema ignores it");
        }
        Ok(node)
    }

    /// A node below another one; `role` is made only if it is a new one.
    fn below(&mut self, parent: &Node, step: &Step, role: impl FnOnce(&Self) -> Role) -> Arc<Node> {
        let mut pattern = parent.pattern.clone();
        path::push(&mut pattern, step);
        let hint = self.schema.paths.get(&pattern).cloned().unwrap_or_default();
        let id = (parent.id.is_some() && self.room > 0).then(|| {
            self.room -= 1;
            self.branches.push(Branches::default());
            self.branches.len() - 1
        });
        Arc::new(Node {
            id,
            role: parent.role.compose(&role(self)),
            pattern,
            ignored: parent.ignored || hint.ignore,
            weight: parent.weight * self.schema.depth * hint.weight.unwrap_or(1.0),
            hint,
        })
    }

    fn named(&self, kind: u8, name: &[u8]) -> Role {
        let mut full = Vec::with_capacity(1 + name.len());
        full.push(kind);
        full.extend_from_slice(name);
        Role::new(self.schema.dimension, self.schema.seed, &full)
    }

    fn key(&mut self, parent: &Node, key: &str) -> Arc<Node> {
        if let Some(node) = parent.id.and_then(|id| self.branches[id].keys.get(key)) {
            return node.clone();
        }
        let node = self.below(parent, &Step::Key(key.into()), |encoder| encoder.named(b'k', key.as_bytes()));
        if let (Some(id), Some(_)) = (parent.id, node.id) {
            self.branches[id].keys.insert(key.into(), node.clone());
        }
        node
    }

    fn position(&mut self, parent: &Node, i: usize) -> Arc<Node> {
        if let Some(node) = parent.id.and_then(|id| self.branches[id].positions.get(i)) {
            return node.clone();
        }
        let mode = parent.hint.array.unwrap_or_default();
        let node = self.below(parent, &Step::Item, |encoder| match mode {
            ArrayMode::Near { reach } => Role::from_signs(encoder.positions.at(i as f64 / reach)),
            _ => encoder.named(b'i', &(i as u64).to_le_bytes()),
        });
        if let (Some(id), Some(_)) = (parent.id, node.id)
            && self.branches[id].positions.len() == i
        {
            self.branches[id].positions.push(node.clone());
        }
        node
    }

    fn item(&mut self, parent: &Node) -> Arc<Node> {
        if let Some(node) = parent.id.and_then(|id| self.branches[id].item.as_ref()) {
            return node.clone();
        }
        let node = self.below(parent, &Step::Item, |encoder| encoder.named(b'*', b""));
        if let (Some(id), Some(_)) = (parent.id, node.id) {
            self.branches[id].item = Some(node.clone());
        }
        node
    }
}
