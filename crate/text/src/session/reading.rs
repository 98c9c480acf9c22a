//! Texts that are read and get no answer: how well the model foresees them, and what it makes of them.

use nomul::{
    Result, bail,
    forward::{hidden, score},
};

use super::{CHUNK, Level, Session, logprobs::log_sum};

/// Tokens whose scores are computed at once: each has one for every token of the vocabulary.
const SCORED: usize = 8;

/// What is wanted of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// For each token but the first the natural logarithm of its probability after those before: `(tokens - 1)`.
    Logprobs,
    /// The mean over all tokens of what the head gets, the last norm's output: `(hidden_size)`.
    Mean,
}

/// A text that is being read.
pub(super) struct Reading {
    ids: Vec<u32>,
    wanted: Wanted,
    read: usize,
    result: Vec<f32>,
    /// Of several tokens: `(SCORED, vocab_size)`.
    logits: Vec<f32>,
}

impl Session {
    /// Begins to read a text, from its first token on; [`Session::read_on`] then reads it. What was said before is forgotten.
    pub fn read(&mut self, ids: impl Into<Vec<u32>>, wanted: Wanted) -> Result<()> {
        (self.answer, self.reading) = (None, None);
        let ids = ids.into();
        self.reuse(&ids, false)?;
        self.state.truncate(0);
        self.cached.clear();
        let config = self.model.config();
        let (result, logits) = match wanted {
            Wanted::Logprobs if ids.len() < 2 => bail!(Input, "a text of one token: there is none to foresee"),
            Wanted::Logprobs => (Vec::with_capacity(ids.len()), vec![0.0; SCORED * config.vocab_size]),
            Wanted::Mean => (vec![0.0; config.hidden_size], Vec::new()),
        };
        self.reading = Some(Reading { ids, wanted, read: 0, result, logits });
        Ok(())
    }

    /// Reads some more; answers with how many tokens were read so far, and how many there are.
    pub fn read_on(&mut self) -> Result<(usize, usize)> {
        let Some(mut reading) = self.reading.take() else { bail!(NotReady, "no text is being read") };
        let Reading { ids, wanted, read, result, logits } = &mut reading;
        let level = Level::One(self.model.level());
        let most = if *wanted == Wanted::Mean { CHUNK } else { SCORED };
        let chunk = &ids[*read..ids.len().min(*read + most)];
        let (config, weights) = self.model.parts();
        match wanted {
            _ if chunk.is_empty() => {}
            Wanted::Logprobs => {
                score(config, weights, &mut self.state, chunk, logits)?;
                for (scores, next) in logits.chunks(config.vocab_size).zip(&ids[*read + 1..]).take(chunk.len()) {
                    result.push((f64::from(scores[*next as usize]) - log_sum(scores)) as f32);
                }
            }
            Wanted::Mean => {
                for row in hidden(config, weights, &mut self.state, chunk)?.chunks(config.hidden_size) {
                    result.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
                }
            }
        }
        let chunk = chunk.to_vec();
        *read += chunk.len();
        let told = (*read, ids.len());
        if !chunk.is_empty() {
            self.note(&chunk, level);
        }
        self.reading = Some(reading);
        Ok(told)
    }

    /// What was wanted, once all is read.
    pub fn end_reading(&mut self) -> Result<Vec<f32>> {
        let Some(Reading { ids, wanted, read, mut result, .. }) = self.reading.take() else {
            bail!(NotReady, "no text is being read");
        };
        if read < ids.len() {
            bail!(NotReady, "{read} of {} tokens were read", ids.len());
        }
        if wanted == Wanted::Mean {
            result.iter_mut().for_each(|x| *x /= ids.len() as f32);
        }
        Ok(result)
    }

    /// The vector of a text: the mean of its tokens' hidden states, of length one. What was said before is forgotten.
    pub fn embed(&mut self, ids: impl Into<Vec<u32>>) -> Result<Vec<f32>> {
        self.read(ids, Wanted::Mean)?;
        while let (read, tokens) = self.read_on()?
            && read < tokens
        {}
        let mut vector = self.end_reading()?;
        let length = vector.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>().sqrt();
        if length > 0.0 {
            vector.iter_mut().for_each(|x| *x = (f64::from(*x) / length) as f32);
        }
        Ok(vector)
    }
}
