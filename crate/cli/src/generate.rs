//! `nomul run` and `nomul chat`.

use std::{
    io::{BufRead, IsTerminal, Write, stdin, stdout},
    path::PathBuf,
    time::Instant,
};

use nomul::{Result, sample::SampleOptions};
use nomul_text::{Finish, GenerateOptions, Message, Session, Step, Usage};
use serde_json::json;

use crate::{folder, threads::Threads};

#[derive(clap::Args)]
pub struct Sampling {
    /// Randomness: 0 always takes the likeliest token
    #[arg(short, long, default_value_t = 0.0)]
    temperature: f32,
    /// Only the k likeliest tokens; 0: all
    #[arg(long, default_value_t = 0)]
    top_k: usize,
    /// Only the likeliest tokens that together have this probability
    #[arg(long, default_value_t = 1.0)]
    top_p: f32,
    /// Only tokens at least this likely, relative to the likeliest
    #[arg(long, default_value_t = 0.0)]
    min_p: f32,
    /// Divides the scores of tokens that were used
    #[arg(long, default_value_t = 1.0)]
    repetition_penalty: f32,
    /// Seed of the sampling
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Stop before this text; may be given several times
    #[arg(long)]
    stop: Vec<String>,
}

impl Sampling {
    fn options(&self) -> SampleOptions {
        SampleOptions {
            temperature: self.temperature,
            top_k: self.top_k,
            top_p: self.top_p,
            min_p: self.min_p,
            repetition_penalty: self.repetition_penalty,
            seed: self.seed,
            ..SampleOptions::default()
        }
    }
}

#[derive(clap::Args)]
pub struct RunArguments {
    /// A model folder
    folder: PathBuf,
    /// The text to continue
    #[arg(short, long)]
    prompt: String,
    /// Put the prompt to the model as a message, in its chat template
    #[arg(long)]
    chat: bool,
    /// The most tokens to make
    #[arg(short = 'n', long, default_value_t = 256)]
    tokens: usize,
    /// Use only the first planes
    #[arg(long)]
    planes: Option<usize>,
    /// Tokens of context; without it what the model was made for, up to a limit
    #[arg(long)]
    context: Option<usize>,
    #[command(flatten)]
    sampling: Sampling,
    #[command(flatten)]
    threads: Threads,
    /// One JSON object on the last line of standard output, no text before it
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: RunArguments) -> Result<()> {
    let team = arguments.threads.team()?;
    let mut session = folder::session(&arguments.folder, arguments.planes, arguments.context)?;
    session.set_team(team);
    let prompt = if arguments.chat {
        let message = Message { role: "user".into(), content: arguments.prompt };
        let text = folder::template(&arguments.folder)?.render(&[message], true, None)?;
        session.tokenize(&text, false)?
    } else {
        session.tokenize(&arguments.prompt, true)?
    };
    let options = GenerateOptions {
        max_tokens: Some(arguments.tokens),
        sample: arguments.sampling.options(),
        stop: arguments.sampling.stop,
        ..GenerateOptions::default()
    };
    let answer = generate(&mut session, prompt.clone(), options, &mut |text| {
        if !arguments.json {
            print!("{text}");
            // A reader that has gone away ends the program at the next print.
            stdout().flush().ok();
        }
    })?;
    if arguments.json {
        println!(
            "{}",
            json!({
                "prompt_tokens": prompt,
                "tokens": answer.tokens,
                "text": answer.text,
                "finish_reason": answer.reason,
                "usage": answer.usage,
                "timings": answer.timings,
            })
        );
    } else {
        println!();
        eprintln!("{}", answer.timings.line());
    }
    Ok(())
}

#[derive(clap::Args)]
pub struct ChatArguments {
    /// A model folder
    folder: PathBuf,
    /// What the model is told first
    #[arg(long)]
    system: Option<String>,
    /// The most tokens of an answer
    #[arg(short = 'n', long, default_value_t = 512)]
    tokens: usize,
    /// Use only the first planes
    #[arg(long)]
    planes: Option<usize>,
    /// Tokens of context; without it what the model was made for, up to a limit
    #[arg(long)]
    context: Option<usize>,
    #[command(flatten)]
    sampling: Sampling,
    #[command(flatten)]
    threads: Threads,
    /// One JSON object a line for each answer
    #[arg(long)]
    json: bool,
}

pub fn chat(arguments: ChatArguments) -> Result<()> {
    let team = arguments.threads.team()?;
    let mut session = folder::session(&arguments.folder, arguments.planes, arguments.context)?;
    session.set_team(team);
    let template = folder::template(&arguments.folder)?;
    let mut messages: Vec<Message> = Vec::new();
    messages.extend(arguments.system.map(|content| Message { role: "system".into(), content }));
    let asks = stdin().is_terminal();
    if asks {
        eprintln!("Say something; an empty line or Ctrl-D ends.");
    }
    loop {
        if asks {
            eprint!("> ");
        }
        let mut line = String::new();
        let count = stdin().lock().read_line(&mut line).map_err(|e| folder::io("standard input".as_ref(), e))?;
        let line = line.trim();
        if count == 0 || line.is_empty() {
            return Ok(());
        }
        messages.push(Message { role: "user".into(), content: line.into() });
        // The template writes its special tokens itself.
        let prompt = session.tokenize(&template.render(&messages, true, None)?, false)?;
        let options = GenerateOptions {
            max_tokens: Some(arguments.tokens),
            sample: arguments.sampling.options(),
            stop: arguments.sampling.stop.clone(),
            ..GenerateOptions::default()
        };
        let answer = generate(&mut session, prompt, options, &mut |text| {
            if !arguments.json {
                print!("{text}");
                stdout().flush().ok();
            }
        })?;
        if arguments.json {
            println!("{}", json!({ "text": answer.text, "usage": answer.usage, "timings": answer.timings }));
        } else {
            println!();
            eprintln!("{}", answer.timings.line());
        }
        messages.push(Message { role: "assistant".into(), content: answer.text });
    }
}

/// How long an answer took.
#[derive(serde::Serialize)]
pub struct Timings {
    /// From the prompt to the first token.
    pub time_to_first_token_s: f64,
    /// Prompt tokens that were read, per second.
    pub prefill_tokens_per_s: f64,
    /// Tokens after the first, per second.
    pub decode_tokens_per_s: f64,
}

impl Timings {
    fn line(&self) -> String {
        format!(
            "{:.2} s to the first token, prefill {:.1} tokens/s, decode {:.1} tokens/s",
            self.time_to_first_token_s, self.prefill_tokens_per_s, self.decode_tokens_per_s
        )
    }
}

/// An answer.
pub struct Answer {
    pub tokens: Vec<u32>,
    pub text: String,
    pub reason: Finish,
    pub usage: Usage,
    pub timings: Timings,
}

/// Runs a session to the end of its answer; `tell` gets the text in pieces.
pub fn generate(
    session: &mut Session,
    prompt: Vec<u32>,
    options: GenerateOptions,
    tell: &mut dyn FnMut(&str),
) -> Result<Answer> {
    let started = Instant::now();
    let mut first = None;
    let mut tokens = Vec::new();
    let mut text = String::new();
    session.start(prompt, options)?;
    loop {
        match session.step()? {
            Step::Prefill { .. } => {}
            Step::Token { id, text: piece, .. } => {
                first.get_or_insert_with(|| started.elapsed());
                tokens.push(id);
                tell(&piece);
                text.push_str(&piece);
            }
            Step::End { text: piece, reason, usage } => {
                tell(&piece);
                text.push_str(&piece);
                let all = started.elapsed().as_secs_f64();
                let first = first.map_or(all, |first| first.as_secs_f64());
                let rate = |count: usize, seconds: f64| if seconds > 0.0 { count as f64 / seconds } else { 0.0 };
                let timings = Timings {
                    time_to_first_token_s: first,
                    prefill_tokens_per_s: rate(usage.prompt_tokens - usage.cached_tokens, first),
                    decode_tokens_per_s: rate(tokens.len().saturating_sub(1), all - first),
                };
                return Ok(Answer { tokens, text, reason, usage, timings });
            }
        }
    }
}
