//! What a request may take, from the environment that the host gives.

use wasip2::{cli::environment, clocks::monotonic_clock};

/// What is allowed.
pub struct Limits {
    /// Bytes of a request's body: `NOMUL_MAX_BODY`.
    pub body: usize,
    /// Tokens of an answer; one that asks for more gets these: `NOMUL_MAX_TOKENS`.
    pub tokens: usize,
    /// Texts of one request for embeddings: `NOMUL_MAX_INPUTS`.
    pub inputs: usize,
    /// Tokens of prompt and answer together: `NOMUL_CONTEXT`. An image brings its own.
    pub context: Option<usize>,
    /// What the model is called: `NOMUL_MODEL_NAME`.
    pub name: String,
    /// When an answer ends, as if it were long enough: `NOMUL_MAX_SECONDS` after its request came.
    ends: u64,
}

impl Limits {
    pub fn from_environment() -> Limits {
        let variables = environment::get_environment();
        let text = |name: &str| variables.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let number = |name: &str| text(name).and_then(|value| value.parse::<u64>().ok());
        let size = |name: &str| number(name).and_then(|value| usize::try_from(value).ok());
        let seconds = number("NOMUL_MAX_SECONDS").unwrap_or(60);
        Limits {
            body: size("NOMUL_MAX_BODY").unwrap_or(1 << 20),
            tokens: size("NOMUL_MAX_TOKENS").unwrap_or(1024),
            inputs: size("NOMUL_MAX_INPUTS").unwrap_or(256),
            context: size("NOMUL_CONTEXT"),
            name: text("NOMUL_MODEL_NAME").unwrap_or("nomul").into(),
            ends: monotonic_clock::now().saturating_add(seconds.saturating_mul(1_000_000_000)),
        }
    }

    /// Whether the time is up.
    pub fn are_over(&self) -> bool {
        monotonic_clock::now() >= self.ends
    }
}
