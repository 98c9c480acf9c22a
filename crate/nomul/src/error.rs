//! One error type for the whole engine: a stable code for programs and one clear line for people.

use alloc::string::String;
use core::fmt;

/// What kind of thing went wrong. The names are part of the public interface: shells pass
/// [`Code::as_str`] on to JavaScript and to `--json` output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// A file does not follow its format: truncated, overlapping, misaligned or lying about itself.
    Format,
    /// Bytes arrived but their SHA-256 is not the one promised.
    Checksum,
    /// A file or a tensor that must be there is not.
    Missing,
    /// Well formed, but of a kind this version does not know (architecture, type, tokenizer).
    Unsupported,
    /// A tensor has another shape than the configuration asks for.
    Shape,
    /// A number is not finite or lies outside its allowed range.
    Value,
    /// More than the model can hold: a prompt longer than the context, too little memory.
    Capacity,
    /// The caller asked for something impossible (an empty prompt, a negative temperature).
    Input,
    /// The model is not ready: weights are still missing.
    NotReady,
    /// The operating system or the network refused.
    Io,
}

impl Code {
    /// The stable spelling, for example `"checksum"`.
    pub fn as_str(self) -> &'static str {
        match self {
            Code::Format => "format",
            Code::Checksum => "checksum",
            Code::Missing => "missing",
            Code::Unsupported => "unsupported",
            Code::Shape => "shape",
            Code::Value => "value",
            Code::Capacity => "capacity",
            Code::Input => "input",
            Code::NotReady => "not_ready",
            Code::Io => "io",
        }
    }
}

/// An error: its code, and one line that names what is wrong and where (file, tensor, offset, field).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The kind, for programs.
    pub code: Code,
    /// One line, for people.
    pub message: String,
}

impl Error {
    /// Makes an error from its kind and its line.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Error { code, message: message.into() }
    }

    /// The same error with `place: ` put before its line, for callers that know the file.
    pub fn at(self, place: impl fmt::Display) -> Self {
        Error { code: self.code, message: alloc::format!("{place}: {}", self.message) }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl core::error::Error for Error {}

/// The result of everything that can fail here.
pub type Result<T> = core::result::Result<T, Error>;

/// `bail!(Format, "{name}: {n} bytes missing")` returns early with that error.
#[macro_export]
macro_rules! bail {
    ($code:ident, $($line:tt)*) => {
        return Err($crate::Error::new($crate::Code::$code, $crate::format!($($line)*)))
    };
}
