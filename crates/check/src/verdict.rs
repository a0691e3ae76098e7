use std::fmt;

use serde::{Deserialize, Serialize};

/// Stands in the reason of a verdict that a bug of ours has made `unknown`.
pub(crate) const BUG: &str = "(a bug in assize)";

/// What a checker, an objective or a whole run found. `Unknown` is never rounded up to `Valid`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "lowercase")]
pub enum Verdict {
    /// The promise was kept.
    Valid,
    /// Undecided: out of budget, or nothing to judge.
    Unknown {
        /// Why it could not be decided, and where.
        reason: String,
    },
    /// The promise was broken.
    Invalid,
}

impl Verdict {
    /// An undecided verdict and why it is.
    pub fn unknown(reason: impl Into<String>) -> Verdict {
        Verdict::Unknown { reason: reason.into() }
    }

    /// `valid`, `unknown` or `invalid`.
    pub fn name(&self) -> &'static str {
        match self {
            Verdict::Valid => "valid",
            Verdict::Unknown { .. } => "unknown",
            Verdict::Invalid => "invalid",
        }
    }

    /// An undecided verdict because a checker contradicts itself.
    pub fn bug(what: impl fmt::Display) -> Verdict {
        Verdict::unknown(format!("{what} {BUG}"))
    }

    /// Whether it is undecided because of a bug of ours, rather than for want of time or memory.
    pub fn is_bug(&self) -> bool {
        matches!(self, Verdict::Unknown { reason } if reason.contains(BUG))
    }

    /// The worse of two: `invalid` before `unknown` before `valid` (Jepsen's `merge-valid`). Of two `unknown`, both reasons.
    pub fn merge(self, other: Verdict) -> Verdict {
        match (self, other) {
            (Verdict::Invalid, _) | (_, Verdict::Invalid) => Verdict::Invalid,
            (Verdict::Unknown { reason: a }, Verdict::Unknown { reason: b }) if a != b => {
                Verdict::Unknown { reason: format!("{a}; {b}") }
            }
            (unknown @ Verdict::Unknown { .. }, _) | (_, unknown @ Verdict::Unknown { .. }) => unknown,
            (Verdict::Valid, Verdict::Valid) => Verdict::Valid,
        }
    }

    /// The exit code of a command that ends with this verdict.
    pub fn exit_code(&self) -> u8 {
        match self {
            Verdict::Valid => 0,
            Verdict::Invalid => 1,
            Verdict::Unknown { .. } => 2,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Unknown { reason } => write!(f, "unknown: {reason}"),
            _ => f.write_str(self.name()),
        }
    }
}
