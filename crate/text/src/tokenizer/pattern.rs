//! The corner of regular expressions that tokenizers are written in, matched by backtracking.
//!
//! What there is: alternatives, groups (plain, `(?:`, `(?i:`; repeated at most once, by `?`), look-ahead `(?=` and `(?!`,
//! classes with `\p{..}`, `\s`, `\w`, `\d`, single characters, `.`, and `? * + {m} {m,} {m,n}` after a single-character
//! item, greedy or (`+` behind them) possessive. Everything else is refused by name. Meaning follows Oniguruma with
//! Unicode, the engine behind the Python tokenizers.
//!
//! Out of scope on purpose: back-references, look-behind, lazy repetition, captures, scripts.

use std::ops::Range;

use nomul::{Result, bail};

use super::unicode::{Mask, category_mask, is_word, mask_of};

/// Tries of one search before it is given up; a pattern of a published tokenizer needs a few a character.
const STEPS_PER_BYTE: usize = 10_000;

/// The longest pattern that is read; it bounds the depth of the search too.
const LONGEST: usize = 1024;

/// A compiled pattern.
#[derive(Clone, Debug)]
pub enum Pattern {
    /// This text, and nothing is special in it.
    Literal(String),
    /// A regular expression.
    Expression(Expression),
}

/// A compiled regular expression.
#[derive(Clone, Debug)]
pub struct Expression {
    alternatives: Vec<Vec<Node>>,
}

#[derive(Clone, Debug)]
enum Node {
    /// `min..=max` characters of a set.
    Run { set: Set, min: usize, max: usize, possessive: bool },
    /// One of the alternatives, or nothing if it is optional.
    Group { alternatives: Vec<Vec<Node>>, optional: bool },
    /// What follows must (not) match.
    Look { alternatives: Vec<Vec<Node>>, expected: bool },
    /// Start (or end) of the text.
    Edge { end: bool },
}

/// A set of characters.
#[derive(Clone, Debug)]
struct Set {
    items: Vec<Item>,
    negated: bool,
    ignore_case: bool,
    /// Whether each ASCII character is in, worked out once.
    ascii: [u64; 2],
}

#[derive(Clone, Copy, Debug)]
enum Item {
    Span(char, char),
    Category(Mask, bool),
    Space(bool),
    Word(bool),
    Any,
}

impl Set {
    fn new(items: Vec<Item>, negated: bool, ignore_case: bool) -> Set {
        let mut set = Set { items, negated, ignore_case, ascii: [0; 2] };
        let inside = (0..128u8).filter(|&c| set.slow_contains(c as char));
        let ascii = inside.fold([0; 2], |mut ascii: [u64; 2], c| {
            ascii[c as usize / 64] |= 1 << (c % 64);
            ascii
        });
        set.ascii = ascii;
        set
    }

    fn contains(&self, c: char) -> bool {
        match c as u32 {
            c @ 0..128 => self.ascii[c as usize / 64] >> (c % 64) & 1 == 1,
            _ => self.slow_contains(c),
        }
    }

    fn slow_contains(&self, c: char) -> bool {
        let has = |c: char| {
            self.items.iter().any(|item| match *item {
                Item::Span(first, last) => (first..=last).contains(&c),
                Item::Category(mask, expected) => (mask_of(c) & mask != 0) == expected,
                Item::Space(expected) => c.is_whitespace() == expected,
                Item::Word(expected) => is_word(c) == expected,
                Item::Any => c != '\n',
            })
        };
        let folded = || {
            let upper = only(c.to_uppercase());
            let lower = only(upper.unwrap_or(c).to_lowercase());
            upper.is_some_and(has) || lower.is_some_and(has)
        };
        (has(c) || self.ignore_case && folded()) != self.negated
    }
}

/// The only character of an iterator; a change of case that gives several is none for one character.
fn only(mut chars: impl Iterator<Item = char>) -> Option<char> {
    chars.next().filter(|_| chars.next().is_none())
}

impl Pattern {
    /// Compiles a regular expression; anything unknown in it is an `Unsupported` error that quotes it.
    pub fn new(source: &str) -> Result<Pattern> {
        if source.len() > LONGEST {
            bail!(Unsupported, "a pattern of {} bytes: {LONGEST} are supported", source.len());
        }
        let mut parser = Parser { source, at: 0, ignore_case: false, depth: 0 };
        let alternatives = parser.alternatives()?;
        if parser.at < source.len() {
            return parser.refuse("an unopened )");
        }
        Ok(Pattern::Expression(Expression { alternatives }))
    }

    /// Every match from left to right, none overlapping, each the first alternative that matches at the leftmost place.
    /// Matches of nothing are left out: there is nothing in them to cut or replace.
    pub fn matches(&self, text: &str) -> Result<Vec<Range<usize>>> {
        let expression = match self {
            Pattern::Literal(literal) if literal.is_empty() => return Ok(Vec::new()),
            Pattern::Literal(literal) => {
                return Ok(text.match_indices(literal.as_str()).map(|(at, found)| at..at + found.len()).collect());
            }
            Pattern::Expression(expression) => expression,
        };
        let mut matches = Vec::new();
        let mut search = Search { text, steps: STEPS_PER_BYTE.saturating_mul(text.len() + 1) };
        let mut at = 0;
        while at < text.len() {
            match search.any(&expression.alternatives, &Rest::End, at) {
                _ if search.steps == 0 => bail!(Value, "a pattern of the tokenizer backtracks without end"),
                Some(end) if end > at => {
                    matches.push(at..end);
                    at = end;
                }
                _ => at += search.next(at).map_or(1, char::len_utf8),
            }
        }
        Ok(matches)
    }
}

/// What has to match after the node at hand.
enum Rest<'a> {
    End,
    Then(&'a [Node], &'a Rest<'a>),
}

struct Search<'t> {
    text: &'t str,
    steps: usize,
}

impl Search<'_> {
    fn next(&self, at: usize) -> Option<char> {
        self.text[at..].chars().next()
    }

    /// The end of the match of the first alternative that, with everything after it, matches at `at`.
    fn any(&mut self, alternatives: &[Vec<Node>], rest: &Rest<'_>, at: usize) -> Option<usize> {
        alternatives.iter().find_map(|nodes| self.sequence(nodes, rest, at))
    }

    fn sequence(&mut self, nodes: &[Node], rest: &Rest<'_>, at: usize) -> Option<usize> {
        self.steps = self.steps.saturating_sub(1);
        if self.steps == 0 {
            return None;
        }
        let Some((node, after)) = nodes.split_first() else {
            return match rest {
                Rest::End => Some(at),
                Rest::Then(nodes, rest) => self.sequence(nodes, rest, at),
            };
        };
        match node {
            Node::Run { set, min, max, possessive } => {
                let (mut end, mut count) = (at, 0);
                while count < *max
                    && let Some(c) = self.next(end)
                    && set.contains(c)
                {
                    end += c.len_utf8();
                    count += 1;
                }
                loop {
                    if count < *min {
                        return None;
                    }
                    let found = self.sequence(after, rest, end);
                    if found.is_some() || *possessive || count == *min {
                        return found;
                    }
                    end -= self.text[..end].chars().next_back().map_or(1, char::len_utf8);
                    count -= 1;
                }
            }
            Node::Group { alternatives, optional } => {
                let found = self.any(alternatives, &Rest::Then(after, rest), at);
                if found.is_none() && *optional { self.sequence(after, rest, at) } else { found }
            }
            Node::Look { alternatives, expected } => {
                let found = self.any(alternatives, &Rest::End, at).is_some();
                if found == *expected { self.sequence(after, rest, at) } else { None }
            }
            Node::Edge { end } => {
                let there = if *end { at == self.text.len() } else { at == 0 };
                if there { self.sequence(after, rest, at) } else { None }
            }
        }
    }
}

/// Groups within groups that are followed.
const DEEPEST: usize = 16;

struct Parser<'s> {
    source: &'s str,
    at: usize,
    ignore_case: bool,
    depth: usize,
}

impl Parser<'_> {
    fn refuse<T>(&self, what: &str) -> Result<T> {
        bail!(Unsupported, "pattern {:?}: {what} at byte {} is not supported", self.source, self.at)
    }

    fn peek(&self) -> Option<char> {
        self.source[self.at..].chars().next()
    }

    fn take(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn eat(&mut self, prefix: &str) -> bool {
        let found = self.source[self.at..].starts_with(prefix);
        if found {
            self.at += prefix.len();
        }
        found
    }

    /// Alternatives up to the end or an unopened `)`.
    fn alternatives(&mut self) -> Result<Vec<Vec<Node>>> {
        let mut alternatives = vec![Vec::new()];
        loop {
            match self.peek() {
                None | Some(')') => return Ok(alternatives),
                Some('|') => {
                    self.at += 1;
                    alternatives.push(Vec::new());
                }
                Some(_) => {
                    let node = self.node()?;
                    alternatives.last_mut().expect("it starts with one").push(node);
                }
            }
        }
    }

    fn node(&mut self) -> Result<Node> {
        if self.peek() == Some('(') {
            return self.group();
        }
        let mut items = Vec::new();
        let mut negated = false;
        match self.take() {
            Some('^') => return Ok(Node::Edge { end: false }),
            Some('$') => return Ok(Node::Edge { end: true }),
            Some('[') => negated = self.class(&mut items)?,
            Some('.') => items.push(Item::Any),
            Some('\\') => items.push(self.escape()?),
            Some('*' | '+' | '?' | '{') => {
                self.at -= 1;
                return self.refuse("a repetition of nothing");
            }
            Some(c) => items.push(Item::Span(c, c)),
            None => return self.refuse("the end"),
        }
        let set = Set::new(items, negated, self.ignore_case);
        let (min, max) = self.repetition()?;
        let possessive = (min, max) != (1, 1) && self.eat("+");
        if (min, max) != (1, 1) && self.peek() == Some('?') {
            return self.refuse("lazy repetition");
        }
        Ok(Node::Run { set, min, max, possessive })
    }

    fn group(&mut self) -> Result<Node> {
        let outside = self.ignore_case;
        let look = if self.eat("(?=") {
            Some(true)
        } else if self.eat("(?!") {
            Some(false)
        } else {
            if self.eat("(?i:") {
                self.ignore_case = true;
            } else if !self.eat("(?:") {
                if self.source[self.at..].starts_with("(?") {
                    return self.refuse("this kind of group");
                }
                self.at += 1;
            }
            None
        };
        self.depth += 1;
        if self.depth > DEEPEST {
            return self.refuse("deeper nesting");
        }
        let alternatives = self.alternatives()?;
        self.depth -= 1;
        if !self.eat(")") {
            return self.refuse("an unclosed (");
        }
        self.ignore_case = outside;
        let (min, max) = self.repetition()?;
        match (look, (min, max)) {
            (Some(expected), (1, 1)) => Ok(Node::Look { alternatives, expected }),
            (None, (1, 1) | (0, 1)) if self.peek() != Some('+') => Ok(Node::Group { alternatives, optional: min == 0 }),
            _ => self.refuse("a repeated group"),
        }
    }

    /// `(min, max)` of the repetition that stands here, `(1, 1)` if there is none.
    fn repetition(&mut self) -> Result<(usize, usize)> {
        if self.eat("?") {
            return Ok((0, 1));
        }
        if self.eat("*") {
            return Ok((0, usize::MAX));
        }
        if self.eat("+") {
            return Ok((1, usize::MAX));
        }
        if !self.eat("{") {
            return Ok((1, 1));
        }
        let Some(length) = self.source[self.at..].find('}') else { return self.refuse("an unclosed {") };
        let inside = &self.source[self.at..self.at + length];
        let bounds = match inside.split_once(',') {
            None => inside.parse().ok().map(|n| (n, n)),
            Some((min, "")) => min.parse().ok().map(|min| (min, usize::MAX)),
            Some((min, max)) => min.parse().ok().zip(max.parse().ok()),
        };
        match bounds {
            Some((min, max)) if min <= max && max > 0 => {
                self.at += length + 1;
                Ok((min, max))
            }
            _ => self.refuse("this repetition"),
        }
    }

    /// What a backslash, already read, and the following mean.
    fn escape(&mut self) -> Result<Item> {
        let span = |c| Item::Span(c, c);
        Ok(match self.take() {
            Some('s') => Item::Space(true),
            Some('S') => Item::Space(false),
            Some('w') => Item::Word(true),
            Some('W') => Item::Word(false),
            Some('d') => Item::Category(category_mask("Nd").unwrap_or(0), true),
            Some('D') => Item::Category(category_mask("Nd").unwrap_or(0), false),
            Some('n') => span('\n'),
            Some('r') => span('\r'),
            Some('t') => span('\t'),
            Some('f') => span('\u{c}'),
            Some('v') => span('\u{b}'),
            Some('x') if self.peek() != Some('{') => self.code_point(2)?,
            Some('x') => self.braced_code_point()?,
            Some('u') => self.code_point(4)?,
            Some(p @ ('p' | 'P')) => {
                let name = match self.take() {
                    Some('{') => {
                        let Some(length) = self.source[self.at..].find('}') else {
                            return self.refuse("an unclosed {");
                        };
                        let name = &self.source[self.at..self.at + length];
                        self.at += length + 1;
                        name
                    }
                    Some(c) => &self.source[self.at - c.len_utf8()..self.at],
                    None => return self.refuse("the end"),
                };
                let (name, negated) = match name.strip_prefix('^') {
                    Some(name) => (name, true),
                    None => (name, false),
                };
                match category_mask(name) {
                    Some(mask) => Item::Category(mask, (p == 'p') != negated),
                    None => return self.refuse(&format!("the property {name} before it")),
                }
            }
            Some(c) if !c.is_alphanumeric() => span(c),
            Some(c) => return self.refuse(&format!("\\{c} before it")),
            None => return self.refuse("the end"),
        })
    }

    fn code_point(&mut self, digits: usize) -> Result<Item> {
        let number = self.source.get(self.at..self.at + digits).and_then(|digits| u32::from_str_radix(digits, 16).ok());
        match number.and_then(char::from_u32) {
            Some(c) => {
                self.at += digits;
                Ok(Item::Span(c, c))
            }
            None => self.refuse("this code point"),
        }
    }

    fn braced_code_point(&mut self) -> Result<Item> {
        self.at += 1;
        let Some(length) = self.source[self.at..].find('}') else { return self.refuse("an unclosed {") };
        let item = self.code_point(length)?;
        self.at += 1;
        Ok(item)
    }

    /// The inside of `[..]`, its `[` already read. True if it starts with `^`.
    fn class(&mut self, items: &mut Vec<Item>) -> Result<bool> {
        let negated = self.eat("^");
        loop {
            let item = match self.take() {
                Some(']') if !items.is_empty() => return Ok(negated),
                Some('[') => return self.refuse("a class in a class"),
                Some('&') if self.peek() == Some('&') => return self.refuse("an intersection"),
                Some('\\') => self.escape()?,
                Some(c) => Item::Span(c, c),
                None => return self.refuse("an unclosed ["),
            };
            let ranged = self.source[self.at..].starts_with('-') && !self.source[self.at..].starts_with("-]");
            items.push(match item {
                Item::Span(first, _) if ranged => {
                    self.at += 1;
                    let last = match self.take() {
                        Some('\\') => self.escape()?,
                        Some(c) => Item::Span(c, c),
                        None => return self.refuse("an unclosed ["),
                    };
                    match last {
                        Item::Span(last, _) if first <= last => Item::Span(first, last),
                        _ => return self.refuse("this range"),
                    }
                }
                item => item,
            });
        }
    }
}
