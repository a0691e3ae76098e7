//! What happened: a rolling hash of every event, and on request a transcript for people.

use std::fmt;

use base::{Fingerprint, Time};

/// The record of a run.
#[derive(Clone, Debug)]
pub(crate) struct Trace {
    hash: Fingerprint,
    pub(crate) events: u64,
    level: Transcript,
    lines: Vec<Line>,
    covered: Option<Box<Covered>>,
    /// Rare paths that were taken, a bit each.
    marks: u64,
}

/// Which of 2^16 edges were seen, each once.
#[derive(Clone, Debug)]
struct Covered {
    bits: [u64; 1024],
    /// With the time of the first time (ns).
    edges: Vec<(u16, u64)>,
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
    pub(crate) fn new(level: Transcript, coverage: bool) -> Self {
        let covered = coverage.then(|| Box::new(Covered { bits: [0; 1024], edges: Vec::new() }));
        Trace { hash: Fingerprint::new(), events: 0, level, lines: Vec::new(), covered, marks: 0 }
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

    /// A server went over an edge between two abstract states.
    #[inline]
    pub(crate) fn covers(&mut self, edge: u64, at: Time) {
        let (edge, Some(covered)) = (edge as u16, &mut self.covered) else { return };
        let word = &mut covered.bits[usize::from(edge >> 6)];
        let bit = 1 << (edge & 63);
        if *word & bit == 0 {
            *word |= bit;
            covered.edges.push((edge, at.0));
        }
    }

    /// An actor took a rare path: that is an edge, too.
    pub(crate) fn mark(&mut self, mark: u8, at: Time) {
        let bit = 1 << (mark & 63);
        if self.marks & bit == 0 {
            self.marks |= bit;
            self.covers(base::mix(u64::from(mark), 0x3a4b), at);
        }
    }

    /// The rare paths that were taken, a bit each.
    pub(crate) fn marks(&self) -> u64 {
        self.marks
    }

    /// The edges that were gone over, in order of the first time.
    pub(crate) fn edges(&self) -> &[(u16, u64)] {
        self.covered.as_ref().map_or(&[], |covered| &covered.edges)
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
