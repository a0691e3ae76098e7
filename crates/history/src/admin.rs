use std::fmt;

use base::{NodeId, NodeSet, Time};

use crate::operation::{Completion, ErrorKind, Outcome};

/// What an operator asks of a replicated system, beside its clients: operations of a kind of their own, of which no object knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// These servers, and no others, are to be the members.
    Members(NodeSet),
    /// This server is to lead.
    Transfer(NodeId),
    /// The server that is asked is to put its state in a snapshot and forget the log before it.
    Compact,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Action::Members(nodes) => write!(f, "members {nodes}"),
            Action::Transfer(node) => write!(f, "transfer {node}"),
            Action::Compact => f.write_str("compact"),
        }
    }
}

impl std::str::FromStr for Action {
    type Err = String;

    /// Reads `members n1 n2 n3`, `transfer n2` or `compact`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (verb, rest) = text.trim().split_once(char::is_whitespace).unwrap_or((text.trim(), ""));
        match verb {
            "members" if !rest.trim().is_empty() => Ok(Action::Members(rest.parse()?)),
            "transfer" => Ok(Action::Transfer(rest.trim().parse()?)),
            "compact" if rest.is_empty() => Ok(Action::Compact),
            _ => Err(format!("`{text}` is no action")),
        }
    }
}

/// One action of an operator, from invocation to completion. Checkers of objects never see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdminOperation {
    /// What was asked.
    pub action: Action,
    /// When it was invoked.
    pub sent: Time,
    /// When it completed; [`Time::MAX`] for `info`, which stays open for ever.
    pub done: Time,
    /// What came of it.
    pub completion: Completion,
}

impl AdminOperation {
    /// An action that is under way.
    pub fn begun(action: Action, sent: Time) -> Self {
        AdminOperation { action, sent, done: Time::MAX, completion: Completion::info(ErrorKind::Abandoned) }
    }

    /// Writes down what came of it.
    pub fn complete(&mut self, completion: Completion, now: Time) {
        self.completion = completion;
        if completion.outcome != Outcome::Info {
            self.done = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_is_read_as_it_is_shown() {
        for text in ["members n1 n3", "transfer n2", "compact"] {
            assert_eq!(text.parse::<Action>().unwrap().to_string(), text);
        }
        for wrong in ["members", "transfer", "grow", "compact n1", "members n99"] {
            assert!(wrong.parse::<Action>().is_err(), "{wrong}");
        }
    }
}
