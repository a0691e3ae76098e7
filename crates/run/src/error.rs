use std::fmt;
use std::io;

use plan::Diagnostics;

/// Why a run did not come to a verdict. Verdicts are not errors.
#[derive(Debug)]
pub enum RunError {
    /// The plan is wrong.
    Plan(Diagnostics),
    /// There is no such plan, run or file.
    NotFound(String),
    /// A program, a privilege or a part of the testbed is missing, or the system did not start.
    Unavailable(String),
    /// A history cannot be read.
    History(String),
    /// The user (or the system) asked to stop. Everything is healed; the run folder is kept.
    Interrupted {
        /// The run folder.
        folder: String,
    },
    /// A file could not be read or written.
    Io(io::Error),
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RunError::Plan(diagnostics) => diagnostics.fmt(f),
            RunError::NotFound(text) | RunError::Unavailable(text) | RunError::History(text) => f.write_str(text),
            RunError::Interrupted { folder } => {
                write!(f, "interrupted; everything was healed and stopped, what was recorded is in {folder}")
            }
            RunError::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for RunError {}

impl From<io::Error> for RunError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => RunError::NotFound(error.to_string()),
            _ => RunError::Io(error),
        }
    }
}

impl From<testbed::Error> for RunError {
    fn from(error: testbed::Error) -> Self {
        RunError::Unavailable(error.to_string())
    }
}

impl From<Diagnostics> for RunError {
    fn from(diagnostics: Diagnostics) -> Self {
        RunError::Plan(diagnostics)
    }
}
