//! Text that a checkpoint writes itself: what it computes on, whatever it was trained for. To calibrate on such text instead
//! of on data is proposed by LLM-QAT (arXiv 2305.17888).

use std::collections::VecDeque;

use nomul::{
    Result, bail,
    sample::{SampleOptions, Sampler},
};
use rayon::prelude::*;

use crate::{
    checkpoint::Checkpoint,
    dense::Dense,
    gradient::{Block, Head, Past},
};

/// Windows that are written side by side: more take more memory, fewer more time for each.
const TOGETHER: usize = 32;

/// What is to be written.
#[derive(Clone, Debug)]
pub struct Writing {
    /// How many windows.
    pub windows: usize,
    /// Tokens of each.
    pub tokens: usize,
    /// What is given of documents, which take turns: what each begins with, and what follows where the model has come to an end for
    /// the first time, the second time and so on. None is empty.
    pub documents: Vec<Vec<Vec<u32>>>,
    /// The tokens by which the model says that it has come to an end. After the last given part another document follows.
    pub ends: Vec<u32>,
    /// How tokens are drawn; each window has a seed of its own.
    pub sampling: SampleOptions,
}

/// One window in the making.
struct Page {
    tokens: Vec<u32>,
    /// What is yet to be said of a given part.
    pending: VecDeque<u32>,
    document: usize,
    /// The next part of it.
    part: usize,
    sampler: Sampler,
}

impl Page {
    fn new(writing: &Writing, window: usize, vocab: usize) -> Result<Page> {
        let mut sampling = writing.sampling.clone();
        sampling.seed = sampling.seed.wrapping_add(window as u64);
        let (tokens, pending) = (Vec::with_capacity(writing.tokens), VecDeque::new());
        Ok(Page { tokens, pending, document: window, part: 0, sampler: Sampler::new(sampling, vocab)? })
    }

    /// One more token, given the scores of all where the last one was read.
    fn go_on(&mut self, writing: &Writing, scores: Option<&mut [f32]>) {
        let last = self.tokens.last();
        if self.pending.is_empty() && last.is_none_or(|last| writing.ends.contains(last)) {
            let of = |document: usize| &writing.documents[document % writing.documents.len()];
            if self.part == of(self.document).len() {
                (self.document, self.part) = (self.document + 1, 0);
            }
            let given = &of(self.document)[self.part];
            // The end that was drawn may be what a part begins with.
            let said = usize::from(self.part > 0 && given.first() == last);
            self.pending.extend(&given[said..]);
            self.part += 1;
        }
        let drawn = || scores.map(|scores| self.sampler.sample(scores));
        let next = self.pending.pop_front().or_else(drawn).unwrap_or_default();
        self.tokens.push(next);
    }
}

/// Writes windows of tokens. `progress` is told how many tokens of how many there are. Memory: the model in single precision,
/// and of some windows at a time keys and values in single precision too.
///
/// Errors: [`nomul::Code::Unsupported`] for a sentence encoder, [`nomul::Code::Input`] for documents of which nothing is given,
/// more tokens than the model reads and impossible sampling options, [`nomul::Code::Capacity`], those of the checkpoint's files.
/// The result does not depend on the number of threads.
pub fn write(checkpoint: &Checkpoint, writing: &Writing, progress: &dyn Fn(u64, u64)) -> Result<Vec<Vec<u32>>> {
    let (config, tokens) = (checkpoint.config(), writing.tokens);
    if config.encoder.is_some() {
        bail!(Unsupported, "a sentence encoder writes no text");
    }
    if config.quantization.is_some() {
        bail!(Unsupported, "config.json: this is a model folder; a checkpoint is needed");
    }
    if !(1..=config.max_position_embeddings).contains(&tokens) {
        bail!(Input, "windows of {tokens} tokens: 1 to {} are possible", config.max_position_embeddings);
    }
    let is_given = |part: &Vec<u32>| !part.is_empty() && part.iter().all(|&token| (token as usize) < config.vocab_size);
    let is_begun = |document: &Vec<Vec<u32>>| !document.is_empty() && document.iter().all(is_given);
    if writing.documents.is_empty() || !writing.documents.iter().all(is_begun) {
        bail!(Input, "documents need beginnings, and these tokens of the vocabulary");
    }
    let weights = Dense::load(checkpoint)?;
    let blocks: Vec<Block> =
        (0..config.num_hidden_layers).map(|layer| Block::new(config, &weights, layer, tokens)).collect();
    let head = Head::new(config, &weights);
    let mut written: Vec<Vec<u32>> = Vec::with_capacity(writing.windows);
    while written.len() < writing.windows {
        let own = written.len()..(written.len() + TOGETHER).min(writing.windows);
        let mut pages = own.map(|i| Page::new(writing, i, config.vocab_size)).collect::<Result<Vec<_>>>()?;
        let mut pasts = Vec::with_capacity(blocks.len());
        for block in &blocks {
            pasts.push(pages.iter().map(|_| Past::new(block, tokens)).collect::<Result<Vec<_>>>()?);
        }
        pages.iter_mut().for_each(|page| page.go_on(writing, None));
        for place in 0..tokens - 1 {
            let last: Vec<u32> = pages.iter().filter_map(|page| page.tokens.last().copied()).collect();
            let mut stream = weights.embed(&last);
            for (block, past) in blocks.iter().zip(&mut pasts) {
                stream = block.next(&stream, place, past);
            }
            let mut scores = head.scores(&stream);
            if scores.iter().any(|score| score.is_nan()) {
                bail!(Value, "the scores of token {} are not numbers", place + 1);
            }
            let scores = scores.par_chunks_exact_mut(config.vocab_size);
            pages.par_iter_mut().zip(scores).for_each(|(page, scores)| page.go_on(writing, Some(scores)));
            let before = written.len() * tokens;
            progress((before + pages.len() * (place + 2)) as u64, (writing.windows * tokens) as u64);
        }
        written.extend(pages.into_iter().map(|page| page.tokens));
    }
    Ok(written)
}
