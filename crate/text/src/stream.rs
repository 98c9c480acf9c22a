//! Ids one by one, text in pieces: never half a character, and never the beginning of a text to stop at.

use crate::tokenizer::Tokenizer;

/// Turns ids into text as they come.
///
/// All pieces together are the text of all ids, up to the first stop text. (One exception: a tokenizer with tokens for
/// bytes makes of a run of them that is no text as many U+FFFD as it has bytes; what was whole characters when it was
/// told stays so.)
#[derive(Clone, Debug, Default)]
pub struct TextStream {
    stop: Vec<String>,
    /// The ids that the next text depends on: first those of the piece before, for context, then those that came since.
    ids: Vec<u32>,
    /// How many of them are context.
    context: usize,
    /// The text of `ids` as far as it was told.
    told: String,
    /// Text that may be the beginning of a stop text.
    held: String,
    is_stopped: bool,
}

/// Ids without a whole character at their end after which they are told as they are.
const LONGEST_WAIT: usize = 64;

impl TextStream {
    /// A stream that ends before any of these texts. Empty ones are ignored.
    pub fn new(stop: Vec<String>) -> TextStream {
        let stop = stop.into_iter().filter(|text| !text.is_empty()).collect();
        TextStream { stop, ..TextStream::default() }
    }

    /// True once a stop text has come. Nothing is told any more.
    pub fn is_stopped(&self) -> bool {
        self.is_stopped
    }

    /// The text that can be told after this id, often none. Special tokens have no text.
    pub fn push(&mut self, tokenizer: &Tokenizer, id: u32) -> String {
        if self.is_stopped {
            return String::new();
        }
        self.ids.push(id);
        let text = tokenizer.decode(&self.ids, true);
        let waits = self.ids.len() - self.context < LONGEST_WAIT;
        let finished = if waits { finished(&text) } else { &text };
        let new = after(&self.told, finished).to_string();
        if new.is_empty() {
            return new;
        }
        if finished.len() == text.len() {
            // Some tokenizers decode the first id in its own way, so the ids of one piece stay.
            self.ids.drain(..self.context);
            self.context = self.ids.len();
            self.told = tokenizer.decode(&self.ids, true);
        } else {
            self.told = finished.into();
        }
        self.tell(&new)
    }

    /// The rest, when no more ids come. The stream is as new afterwards.
    pub fn finish(&mut self, tokenizer: &Tokenizer) -> String {
        let mut rest = String::new();
        if !self.is_stopped {
            let text = tokenizer.decode(&self.ids, true);
            rest = self.tell(after(&self.told, &text));
        }
        if !self.is_stopped {
            rest.push_str(&self.held);
        }
        *self =
            TextStream { stop: std::mem::take(&mut self.stop), is_stopped: self.is_stopped, ..TextStream::default() };
        rest
    }

    /// What of the new text, and of the text held before, may go out.
    fn tell(&mut self, new: &str) -> String {
        self.held.push_str(new);
        if let Some(at) = self.stop.iter().filter_map(|stop| self.held.find(stop.as_str())).min() {
            self.is_stopped = true;
            self.held.truncate(at);
            return std::mem::take(&mut self.held);
        }
        let rest = self.held.split_off(self.held.len() - self.beginning());
        std::mem::replace(&mut self.held, rest)
    }

    /// Bytes at the end of the held text that are the beginning of a stop text. They start where a character does,
    /// because stop texts do.
    fn beginning(&self) -> usize {
        let held = self.held.as_bytes();
        let of = |stop: &String| {
            let longest = held.len().min(stop.len() - 1);
            (1..=longest).rev().find(|&length| held.ends_with(&stop.as_bytes()[..length])).unwrap_or(0)
        };
        self.stop.iter().map(of).max().unwrap_or(0)
    }
}

/// The text without what may become characters: one byte too few can make many U+FFFD of a text that is whole with it.
fn finished(text: &str) -> &str {
    text.trim_end_matches('\u{fffd}')
}

/// What comes after the part that was told; if that reads differently now, after as many characters.
fn after<'t>(told: &str, text: &'t str) -> &'t str {
    let skip = |told: &str| text.char_indices().nth(told.chars().count()).map_or("", |(at, _)| &text[at..]);
    text.strip_prefix(told).unwrap_or_else(|| skip(told))
}

#[cfg(test)]
mod tests;
