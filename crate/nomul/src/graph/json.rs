//! The JSON that graphology exports: `{ options, nodes: [{ key }], edges: [{ source, target, attributes: { weight } }] }`.

use alloc::{borrow::Cow, vec::Vec};

use serde::Deserialize;

use super::{build::Builder, csr::Direction, keys::Key};
use crate::{Code, Error, Result, bail};

#[derive(Deserialize)]
struct File<'a> {
    #[serde(default)]
    options: Options<'a>,
    #[serde(borrow, default)]
    nodes: Vec<Node<'a>>,
    #[serde(borrow)]
    edges: Vec<Edge<'a>>,
}

#[derive(Default, Deserialize)]
struct Options<'a> {
    #[serde(borrow, rename = "type", default)]
    kind: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Node<'a> {
    #[serde(borrow)]
    key: Id<'a>,
}

#[derive(Deserialize)]
struct Edge<'a> {
    #[serde(borrow)]
    source: Id<'a>,
    #[serde(borrow)]
    target: Id<'a>,
    #[serde(default)]
    attributes: Attributes,
}

#[derive(Default, Deserialize)]
struct Attributes {
    #[serde(default)]
    weight: Option<f32>,
}

/// A number or a text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Id<'a> {
    Number(u64),
    #[serde(borrow)]
    Text(Cow<'a, str>),
}

impl Id<'_> {
    fn key(&self) -> Key<'_> {
        match self {
            Id::Number(number) => Key::Number(*number),
            Id::Text(text) => Key::from(&**text),
        }
    }
}

/// Enters nodes and edges. A directed graph stays as the options want it; an undirected one is that.
pub fn read(bytes: &[u8], builder: &mut Builder) -> Result<()> {
    let file: File =
        serde_json::from_slice(bytes).map_err(|error| Error::new(Code::Format, crate::format!("{error}")))?;
    if file.options.kind == "undirected" {
        builder.options_mut().direction = Direction::Undirected;
    }
    builder.expect(file.nodes.len() as u64, file.edges.len() as u64, false)?;
    for node in &file.nodes {
        builder.node(node.key.key())?;
    }
    let nodes = builder.nodes();
    for (i, edge) in file.edges.iter().enumerate() {
        let (source, target) = (edge.source.key(), edge.target.key());
        let weight = edge.attributes.weight.unwrap_or(1.0);
        builder.edge(source, target, weight).map_err(|error| error.at(format_args!("edge {i}")))?;
        if !file.nodes.is_empty() && builder.nodes() > nodes {
            bail!(Format, "edge {i}: {source} or {target} is not among the nodes");
        }
    }
    Ok(())
}
