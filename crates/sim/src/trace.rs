//! What happened: a rolling hash of every event, and on request a transcript for people.

use std::fmt;

use base::{Fingerprint, Time};

/// The record of a run.
#[derive(Debug)]
pub(crate) struct Trace {
    hash: Fingerprint,
    pub(crate) events: u64,
    level: Transcript,
    lines: Vec<Line>,
}

/// How much of a run is told in words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Transcript {
    /// Nothing: the fast way.
    #[default]
    Off,
    /// Faults, changes of role, labels, lost messages, operations.
    Story,
    /// Deliveries too, by kind of message.
    Kinds,
    /// Deliveries too, with the whole message, timers and syncs.
    Full,
}

/// One line of a transcript.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When, in simulated time.
    pub at: Time,
    /// What happened.
    pub text: String,
}

impl fmt::Display for Line {
    /// Milliseconds with microsecond digits, then what happened: `1204.017  n1 crashed`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>10.3}  {}", self.at.0 as f64 / 1e6, self.text)
    }
}

impl Trace {
    pub(crate) fn new(level: Transcript) -> Self {
        Trace { hash: Fingerprint::new(), events: 0, level, lines: Vec::new() }
    }

    #[inline]
    pub(crate) fn event(&mut self, at: Time, words: (u64, u64)) {
        self.events += 1;
        self.hash.word(at.0 ^ words.1.rotate_left(40));
        self.hash.word(words.0);
    }

    pub(crate) fn word(&mut self, word: u64) {
        self.hash.word(word);
    }

    pub(crate) fn hash(&self) -> u64 {
        std::hash::Hasher::finish(&self.hash)
    }

    pub(crate) fn set_level(&mut self, level: Transcript) {
        self.level = level;
    }

    #[inline]
    pub(crate) fn tells(&self, level: Transcript) -> bool {
        self.level >= level
    }

    pub(crate) fn say(&mut self, at: Time, text: String) {
        self.lines.push(Line { at, text });
    }

    pub(crate) fn take_lines(&mut self) -> Vec<Line> {
        std::mem::take(&mut self.lines)
    }
}
