use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why a history could not be read.
#[derive(Debug)]
pub enum OpenError {
    /// There is no such file, or it cannot be read.
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not what it should be.
    Malformed {
        /// Which file.
        path: PathBuf,
        /// Line, from 1; 0 in a file of records.
        line: usize,
        /// Column in bytes, from 1; in a file of records the byte offset.
        column: usize,
        /// What was expected, and what is there.
        message: String,
    },
    /// There is nothing that looks like a history.
    Unrecognised {
        /// Which file or folder.
        path: PathBuf,
        /// What was looked for.
        message: String,
    },
}

impl OpenError {
    /// Whether the file is missing (rather than wrong).
    pub fn is_missing(&self) -> bool {
        matches!(self, OpenError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Io { path, source } => write!(f, "cannot read `{}`: {source}", path.display()),
            OpenError::Malformed { path, line: 0, column, message } => {
                write!(f, "{}: at byte {column}: {message}", path.display())
            }
            OpenError::Malformed { path, line, column, message } => {
                write!(f, "{}:{line}:{column}: {message}", path.display())
            }
            OpenError::Unrecognised { path, message } => {
                write!(f, "`{}` is not a history: {message}", path.display())
            }
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            OpenError::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// Line and column (in bytes) of a byte, both from 1.
pub(crate) fn place(text: &[u8], at: usize) -> (usize, usize) {
    let before = &text[..at.min(text.len())];
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let column = before.len() - before.iter().rposition(|byte| *byte == b'\n').map_or(0, |i| i + 1) + 1;
    (line, column)
}

impl TextError {
    /// The mistake at its line and column.
    pub(crate) fn of(text: &[u8], wrong: crate::event::Wrong) -> TextError {
        let (line, column) = place(text, wrong.at);
        TextError { line, column, message: wrong.message }
    }
}

/// A place in a text and what is wrong there; becomes [`OpenError::Malformed`] once the file is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextError {
    /// Line, from 1.
    pub line: usize,
    /// Column in bytes, from 1.
    pub column: usize,
    /// What was expected, and what is there.
    pub message: String,
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.message)
    }
}
