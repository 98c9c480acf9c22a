//! What went wrong, in OpenAI's shape.

use nomul::{Code, Error};
use serde_json::{Value, json};

/// An error that is told to the client.
#[derive(Debug)]
pub struct Problem {
    pub status: u16,
    code: &'static str,
    message: String,
}

impl Problem {
    pub fn new(status: u16, code: &'static str, message: impl Into<String>) -> Problem {
        Problem { status, code, message: message.into() }
    }

    /// What a client asked for cannot be done.
    pub fn of_request(error: Error) -> Problem {
        let code = match error.code {
            Code::Capacity => "context_length_exceeded",
            code => code.as_str(),
        };
        Problem::new(400, code, error.message)
    }

    /// The model cannot be made ready.
    pub fn unready(error: Error) -> Problem {
        Problem::new(503, error.code.as_str(), error.message)
    }

    pub fn json(&self) -> Value {
        let kind = if self.status < 500 { "invalid_request_error" } else { "server_error" };
        json!({ "error": { "message": self.message, "type": kind, "param": null, "code": self.code } })
    }
}
