use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use history::{Phase, Request};
use proto::Target;
use workload::{Generator, Profile};

/// One part of a run: what is asked, and for how long.
pub struct Stage<'a> {
    /// The part of the run, as the history records it.
    pub phase: Phase,
    /// What is asked.
    pub work: Work<'a>,
    /// How long answers are waited for after the last operation was asked. What is then under way ends as `info`.
    pub drain: Duration,
}

/// What a stage asks.
pub enum Work<'a> {
    /// A workload at a load profile.
    Load {
        /// When.
        profile: &'a Profile,
        /// What. Indices go on over all stages of an engine, so that values stay unique.
        generator: &'a mut dyn Generator,
        /// Until when.
        limit: Limit,
    },
    /// These, once each, as soon as a process is free.
    List {
        /// What is asked of whom.
        requests: &'a [(Request, Target)],
        /// Until when, at the latest; what was not asked by then has no answer in the report.
        within: Duration,
    },
}

/// When a stage stops asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// After this time.
    Time(Duration),
    /// After this many operations.
    Operations(u64),
}

/// Stops a stage from another thread. Takes effect within 50 ms.
#[derive(Debug, Default)]
pub struct Control {
    state: AtomicU8,
}

/// The longest that the engine sleeps, and so the longest that it takes to notice a [`Control`].
pub(crate) const REACTION: Duration = Duration::from_millis(50);

const STOP: u8 = 1;
const ABORT: u8 = 2;

impl Control {
    /// Nothing is to be stopped.
    pub const fn new() -> Self {
        Control { state: AtomicU8::new(0) }
    }

    /// Ask nothing more, but wait for the answers that are due.
    pub fn stop(&self) {
        self.state.fetch_max(STOP, Ordering::Relaxed);
    }

    /// Leave at once: what is queued is never sent, what is under way ends as `info`.
    pub fn abort(&self) {
        self.state.fetch_max(ABORT, Ordering::Relaxed);
    }

    /// Whether [`stop`](Control::stop) or [`abort`](Control::abort) was called.
    pub fn is_stopped(&self) -> bool {
        self.state.load(Ordering::Relaxed) >= STOP
    }

    /// Whether [`abort`](Control::abort) was called.
    pub fn is_aborted(&self) -> bool {
        self.state.load(Ordering::Relaxed) >= ABORT
    }
}
