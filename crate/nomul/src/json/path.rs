//! Paths: `a.b[2].c`, with `["a.b"]` for keys that hold points or brackets, and `[]` for any item in a schema.

use alloc::{
    string::{String, ToString},
    vec::Vec,
};
use core::fmt;

use super::{value::MAX_DEPTH, value::quoted};
use crate::{Result, bail};

/// A step of a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Into an object.
    Key(String),
    /// Into an array, counted from 0.
    Index(usize),
    /// Into an array whose items have no position, or into any item.
    Item,
}

/// The way from a document to a value in it; of no steps, the document itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path(pub Vec<Step>);

impl Path {
    /// Reads a path; `""` and `"$"` are the document itself. Errors say at which byte.
    pub fn parse(text: &str) -> Result<Path> {
        let mut steps = Vec::new();
        let mut rest = text.strip_prefix('$').unwrap_or(text);
        let at = |rest: &str| text.len() - rest.len();
        while !rest.is_empty() {
            if steps.len() == MAX_DEPTH {
                bail!(Input, "path: more than {MAX_DEPTH} steps");
            }
            if let Some(inside) = rest.strip_prefix('[') {
                if inside.starts_with('"') {
                    let mut strings = serde_json::Deserializer::from_str(inside).into_iter::<String>();
                    let Some(Ok(key)) = strings.next() else {
                        bail!(Input, "path: no string at byte {} of {}", at(inside), quoted(text));
                    };
                    let after = &inside[strings.byte_offset()..];
                    let Some(after) = after.strip_prefix(']') else {
                        bail!(Input, "path: no ] at byte {} of {}", at(after), quoted(text));
                    };
                    (rest, _) = (after, steps.push(Step::Key(key)));
                    continue;
                }
                let Some(end) = inside.find(']') else {
                    bail!(Input, "path: no ] after byte {} of {}", at(rest), quoted(text));
                };
                match &inside[..end] {
                    "" | "*" => steps.push(Step::Item),
                    digits => match digits.parse() {
                        Ok(index) if digits.bytes().all(|c| c.is_ascii_digit()) => steps.push(Step::Index(index)),
                        _ => bail!(Input, "path: {} at byte {} is not an index", quoted(digits), at(inside)),
                    },
                }
                rest = &inside[end + 1..];
                continue;
            }
            // A key: after a point, or at the very beginning.
            let key = match rest.strip_prefix('.') {
                Some(key) => key,
                None if steps.is_empty() => rest,
                None => bail!(Input, "path: no . or [ at byte {} of {}", at(rest), quoted(text)),
            };
            let end = key.find(['.', '[']).unwrap_or(key.len());
            if end == 0 {
                bail!(Input, "path: no key at byte {} of {}", at(key), quoted(text));
            }
            steps.push(Step::Key(key[..end].to_string()));
            rest = &key[end..];
        }
        Ok(Path(steps))
    }

    /// The path with every index left open: what schemas speak of.
    pub fn pattern(&self) -> String {
        let open = |step: &Step| if let Step::Index(_) = step { Step::Item } else { step.clone() };
        Path(self.0.iter().map(open).collect()).to_string()
    }
}

/// Appends a step to a written path.
pub(super) fn push(text: &mut String, step: &Step) {
    use fmt::Write;
    // Writing to a string does not fail.
    let _ = match step {
        Step::Index(index) => write!(text, "[{index}]"),
        Step::Item => write!(text, "[]"),
        Step::Key(key) => {
            let plain = !key.is_empty() && !key.contains(['.', '[', ']', '"']) && !key.starts_with('$');
            match (plain, text.is_empty()) {
                (true, true) => write!(text, "{key}"),
                (true, false) => write!(text, ".{key}"),
                (false, _) => write!(text, "[{}]", quoted(key)),
            }
        }
    };
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        self.0.iter().for_each(|step| push(&mut text, step));
        f.write_str(&text)
    }
}
