//! Edges from bytes, which may be cut anywhere.
//!
//! An edge list has a line for each edge: two ids and perhaps a weight, between them tabs, commas, semicolons or blanks (the first line
//! decides). Lines that begin with `#` or `%` are comments; a first line whose ids are called source and target is a header.
//! Matrix Market files and the JSON that graphology exports are told by their first characters.

use alloc::{string::String, vec::Vec};
use core::str;

use super::{
    build::{Builder, Graph, GraphOptions},
    csr::Direction,
    json,
    keys::Key,
    memory,
};
use crate::{Code, Error, Result, bail};

/// How edges are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A line for each edge: TSV, CSV, SNAP.
    Edges,
    /// Matrix Market, coordinates.
    Matrix,
    /// What graphology exports.
    Json,
}

/// Takes bytes, then makes the graph.
pub struct Reader {
    builder: Builder,
    format: Option<Format>,
    /// The bytes of a line, or of a JSON text, that has not ended yet.
    begun: Vec<u8>,
    /// Lines that have ended.
    lines: u64,
    separator: Option<Separator>,
    header: bool,
    matrix: Option<Matrix>,
}

/// What stands between fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Separator {
    Byte(u8),
    /// Any number of blanks and tabs.
    Blanks,
}

/// What the first lines of a Matrix Market file say.
#[derive(Clone, Copy, Debug)]
struct Matrix {
    pattern: bool,
    /// Nodes, and entries that are still to come, once their line has been read.
    size: Option<(u64, u64)>,
}

/// The longest line.
const LONGEST: usize = 1 << 20;

impl Reader {
    /// Nothing read yet; without a format the first bytes tell it.
    pub fn new(options: GraphOptions, format: Option<Format>) -> Reader {
        Reader {
            builder: Builder::new(options),
            format,
            begun: Vec::new(),
            lines: 0,
            separator: None,
            header: false,
            matrix: None,
        }
    }

    /// The next bytes.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<()> {
        if self.format.is_none() {
            let Some(&first) = bytes.iter().find(|byte| !byte.is_ascii_whitespace()) else {
                self.begun.extend_from_slice(bytes);
                return Ok(());
            };
            self.format = Some(match first {
                b'{' => Format::Json,
                // A comment of an edge list may begin so too: its first line tells.
                _ => Format::Edges,
            });
        }
        if self.format == Some(Format::Json) {
            self.begun.try_reserve(bytes.len()).map_err(|_| memory::refused(bytes.len() as u64, "JSON"))?;
            self.begun.extend_from_slice(bytes);
            return Ok(());
        }
        if !self.begun.is_empty() {
            let end = bytes.iter().position(|&byte| byte == b'\n');
            self.begun.extend_from_slice(&bytes[..end.unwrap_or(bytes.len())]);
            let Some(end) = end else { return self.check_length(self.begun.len()) };
            bytes = &bytes[end + 1..];
            let mut lines = core::mem::take(&mut self.begun);
            // Blank lines may have been kept before the format was known.
            for line in lines.split(|&byte| byte == b'\n') {
                self.line(line)?;
            }
            lines.clear();
            self.begun = lines;
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            if let Some((from, to, after)) = self.plain(rest) {
                self.lines += 1;
                self.edge(Key::Number(from), Key::Number(to), 1.0)?;
                rest = after;
                continue;
            }
            let Some(end) = rest.iter().position(|&byte| byte == b'\n') else {
                self.begun.extend_from_slice(rest);
                return self.check_length(rest.len());
            };
            self.line(&rest[..end])?;
            rest = &rest[end + 1..];
        }
        Ok(())
    }

    /// The graph, when all bytes have come.
    pub fn finish(mut self) -> Result<Graph> {
        if self.format == Some(Format::Json) {
            json::read(&self.begun, &mut self.builder)?;
            return self.builder.build();
        }
        let lines = core::mem::take(&mut self.begun);
        if !lines.is_empty() {
            for line in lines.split(|&byte| byte == b'\n') {
                self.line(line)?;
            }
        }
        if let Some(matrix) = self.matrix {
            match matrix.size {
                None => bail!(Format, "the line with the size of the matrix is missing"),
                Some((_, 0)) => {}
                Some((_, left)) => bail!(Format, "{left} entries are missing at the end"),
            }
        }
        self.builder.build()
    }

    /// What has come so far.
    pub fn builder(&self) -> &Builder {
        &self.builder
    }

    fn check_length(&self, length: usize) -> Result<()> {
        if length > LONGEST {
            bail!(Format, "line {}: more than {LONGEST} bytes", self.lines + 1);
        }
        Ok(())
    }

    /// The quick way for what most lines are: two numbers, the separator between them, the end of the line.
    #[inline]
    fn plain<'a>(&self, bytes: &'a [u8]) -> Option<(u64, u64, &'a [u8])> {
        let separator = match self.separator? {
            Separator::Byte(byte) => byte,
            Separator::Blanks => b' ',
        };
        if self.matrix.is_some() {
            return None;
        }
        let (from, rest) = digits(bytes)?;
        let (&between, rest) = rest.split_first()?;
        let (to, rest) = digits(rest)?;
        let (&end, rest) = rest.split_first()?;
        (between == separator && end == b'\n').then_some((from, to, rest))
    }

    /// One line, without its end.
    fn line(&mut self, line: &[u8]) -> Result<()> {
        self.lines += 1;
        let number = self.lines;
        self.try_line(line).map_err(|error| error.at(format_args!("line {number}")))
    }

    fn try_line(&mut self, line: &[u8]) -> Result<()> {
        let Ok(line) = str::from_utf8(line) else { bail!(Format, "the line is not UTF-8") };
        let line = line.strip_prefix('\u{feff}').unwrap_or(line);
        let line = line.strip_suffix('\r').unwrap_or(line);
        if self.lines == 1 && line.starts_with("%%MatrixMarket") {
            self.matrix = Some(matrix(line, self.builder.options_mut())?);
            self.format = Some(Format::Matrix);
            return Ok(());
        }
        if self.lines == 1 && self.format == Some(Format::Matrix) {
            bail!(Format, "a Matrix Market file begins with %%MatrixMarket");
        }
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', '%']) {
            return Ok(());
        }
        if self.matrix.is_some() {
            return self.matrix_line(trimmed);
        }
        let separator = *self.separator.get_or_insert_with(|| separator(line));
        let mut fields = Fields { rest: Some(if separator == Separator::Blanks { trimmed } else { line }), separator };
        let mut texts = [String::new(), String::new(), String::new()];
        let mut count = 0;
        while let Some(field) = fields.next()? {
            // What ends a line that ends in its separator.
            if count >= 2 && field.is_empty() {
                continue;
            }
            match texts.get_mut(count) {
                Some(text) => *text = field,
                None => bail!(Format, "\"{}\" has more than two ids and a weight", shown(line)),
            }
            count += 1;
        }
        if count < 2 || texts[0].is_empty() || texts[1].is_empty() {
            bail!(Format, "\"{}\" is no edge: two ids and perhaps a weight were expected", shown(line));
        }
        let [from, to, weight] = texts.each_ref().map(|text| text.as_str());
        if self.builder.edges() == 0 && !self.header && is_header(from, to) {
            self.header = true;
            return Ok(());
        }
        let weight = match count {
            2 => 1.0,
            _ if self.builder.options_mut().ignore_weights => 1.0,
            _ => parse_weight(weight)?,
        };
        self.builder.edge(Key::from(from), Key::from(to), weight)
    }

    fn matrix_line(&mut self, line: &str) -> Result<()> {
        let Some(matrix) = &mut self.matrix else { return Ok(()) };
        let mut fields = line.split_ascii_whitespace();
        let mut whole = |what: &str| match fields.next().map(str::parse::<u64>) {
            Some(Ok(number)) => Ok(number),
            _ => Err(Error::new(Code::Format, crate::format!("\"{}\": {what} was expected", shown(line)))),
        };
        let Some((nodes, left)) = &mut matrix.size else {
            let (rows, columns, entries) = (whole("rows")?, whole("columns")?, whole("entries")?);
            if rows != columns {
                bail!(Format, "the matrix has {rows} rows and {columns} columns: a graph's is square");
            }
            self.builder.expect(rows, entries, !matrix.pattern)?;
            matrix.size = Some((rows, entries));
            for node in 1..=rows {
                self.builder.node(Key::Number(node))?;
            }
            return Ok(());
        };
        let (row, column) = (whole("a row")?, whole("a column")?);
        if !(1..=*nodes).contains(&row) || !(1..=*nodes).contains(&column) {
            bail!(Format, "entry ({row}, {column}) of a matrix of {nodes} rows");
        }
        *left = match left.checked_sub(1) {
            Some(left) => left,
            None => bail!(Format, "more entries than the size line says"),
        };
        let weight = match (matrix.pattern, fields.next()) {
            (true, _) => 1.0,
            (false, Some(field)) => parse_weight(field)?,
            (false, None) => bail!(Format, "\"{}\": a value was expected", shown(line)),
        };
        self.builder.edge(Key::Number(row), Key::Number(column), weight)
    }

    fn edge(&mut self, from: Key, to: Key, weight: f32) -> Result<()> {
        let number = self.lines;
        self.builder.edge(from, to, weight).map_err(|error| error.at(format_args!("line {number}")))
    }
}

/// A number at the beginning, of at most 19 digits and without leading zeros.
#[inline]
fn digits(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (mut number, mut length) = (0u64, 0);
    while let Some(digit) = bytes.get(length).map(|byte| byte.wrapping_sub(b'0')).filter(|&digit| digit < 10) {
        number = number.wrapping_mul(10).wrapping_add(digit.into());
        length += 1;
    }
    ((1..=19).contains(&length) && (bytes[0] != b'0' || length == 1)).then(|| (number, &bytes[length..]))
}

/// What separates the fields of this line.
fn separator(line: &str) -> Separator {
    // A quoted field may hold anything.
    let outside: String = line.split('"').step_by(2).collect();
    match [b'\t', b',', b';'].into_iter().find(|&byte| outside.as_bytes().contains(&byte)) {
        Some(byte) => Separator::Byte(byte),
        None => Separator::Blanks,
    }
}

/// Takes a line apart. A field may stand in double quotes, and holds a double quote where there are two.
struct Fields<'a> {
    rest: Option<&'a str>,
    separator: Separator,
}

impl Fields<'_> {
    fn next(&mut self) -> Result<Option<String>> {
        let Some(rest) = self.rest else { return Ok(None) };
        let between = |c: char| match self.separator {
            Separator::Byte(byte) => c == byte as char,
            Separator::Blanks => c == ' ' || c == '\t',
        };
        let start = rest.trim_start_matches(|c| c == ' ' && !between(c));
        if let Some(quoted) = start.strip_prefix('"') {
            let (mut field, mut rest) = (String::new(), quoted);
            loop {
                let Some((text, after)) = rest.split_once('"') else { bail!(Format, "a quoted field does not end") };
                field.push_str(text);
                match after.strip_prefix('"') {
                    Some(after) => (field.push('"'), rest = after).1,
                    None => {
                        rest = after;
                        break;
                    }
                }
            }
            let after = rest.trim_start_matches(|c| c == ' ' && !between(c));
            self.rest = match after.chars().next() {
                None => None,
                Some(c) if between(c) => Some(self.skip(&after[c.len_utf8()..])),
                Some(_) => bail!(Format, "something follows a quoted field"),
            };
            return Ok(Some(field));
        }
        let (field, after) = match start.split_once(between) {
            Some((field, after)) => (field, Some(self.skip(after))),
            None => (start, None),
        };
        self.rest = after;
        Ok(Some(field.trim().into()))
    }

    fn skip<'a>(&self, text: &'a str) -> &'a str {
        if self.separator == Separator::Blanks { text.trim_start_matches([' ', '\t']) } else { text }
    }
}

/// Names that columns of edge lists have.
const SOURCES: [&str; 10] =
    ["source", "src", "from", "from_node_id", "fromnodeid", "node_1", "node1", "id_1", "id1", "u"];
const TARGETS: [&str; 12] =
    ["target", "dst", "dest", "to", "to_node_id", "tonodeid", "node_2", "node2", "id_2", "id2", "destination", "v"];

fn is_header(from: &str, to: &str) -> bool {
    let (from, to) = (from.to_ascii_lowercase(), to.to_ascii_lowercase());
    SOURCES.contains(&from.as_str()) && TARGETS.contains(&to.as_str())
}

fn parse_weight(text: &str) -> Result<f32> {
    match text.parse() {
        Ok(weight) => Ok(weight),
        Err(_) => bail!(Format, "weight \"{}\" is no number", shown(text)),
    }
}

/// The first line of a Matrix Market file.
fn matrix(line: &str, options: &mut GraphOptions) -> Result<Matrix> {
    let words: Vec<String> = line.split_ascii_whitespace().skip(1).map(str::to_ascii_lowercase).collect();
    let [object, layout, field, symmetry] = [0, 1, 2, 3].map(|i| words.get(i).map_or("", String::as_str));
    if object != "matrix" || layout != "coordinate" {
        bail!(Unsupported, "Matrix Market \"{object} {layout}\": only \"matrix coordinate\" is a graph");
    }
    if !["real", "double", "integer", "pattern"].contains(&field) {
        bail!(Unsupported, "Matrix Market field \"{field}\"");
    }
    match symmetry {
        // Only one half is written down.
        "symmetric" => options.direction = Direction::Undirected,
        "general" => {}
        _ => bail!(Unsupported, "Matrix Market symmetry \"{symmetry}\""),
    }
    Ok(Matrix { pattern: field == "pattern" || options.ignore_weights, size: None })
}

/// The beginning of a line, for an error.
pub(super) fn shown(line: &str) -> &str {
    let end = line.char_indices().nth(60).map_or(line.len(), |(end, _)| end);
    &line[..end]
}
