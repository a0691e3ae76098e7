use std::fmt;
use std::io;

/// Why a testbed could not do what it was asked to. Says what to do next.
#[derive(Debug)]
pub enum Error {
    /// A program is not installed.
    MissingProgram {
        /// The program, as it would be called: `nft`.
        program: String,
        /// The Debian package that has it, if known.
        package: Option<String>,
        /// What it is needed for.
        purpose: String,
    },
    /// The process lacks a privilege.
    Privilege {
        /// What was refused.
        what: String,
        /// How to get it.
        way_out: &'static str,
    },
    /// This testbed cannot do that at all.
    Unsupported {
        /// What was asked.
        what: String,
        /// The testbed that can, or the setting to change.
        way_out: &'static str,
    },
    /// A call that does not fit the state of the testbed: a node that was never started, a run id in use.
    State(String),
    /// The operating system refused.
    Io {
        /// What was being done.
        what: String,
        /// Its answer.
        source: io::Error,
    },
}

/// The result of a change on a testbed.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Whether a program, privilege or testbed is missing: nothing is wrong with plan or bench (exit code 69 of sysexits).
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Error::MissingProgram { .. } | Error::Privilege { .. } | Error::Unsupported { .. })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::MissingProgram { program, package: Some(package), purpose } => {
                write!(f, "`{program}` is missing, {purpose}; install it with `apt-get install {package}`")
            }
            Error::MissingProgram { program, package: None, purpose } => write!(f, "`{program}` is missing, {purpose}"),
            Error::Privilege { what, way_out } | Error::Unsupported { what, way_out } => write!(f, "{what}; {way_out}"),
            Error::State(message) => f.write_str(message),
            Error::Io { what, source } => write!(f, "{what}: {source}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// Says what was being done when the operating system refused.
pub(crate) trait Context<T> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Into<io::Error>> Context<T> for std::result::Result<T, E> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|source| Error::Io { what: what(), source: source.into() })
    }
}
