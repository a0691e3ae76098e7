//! How a check is stopped from outside, and how its progress is seen from there.
//!
//! This crate reads no clock and no memory counters. Whoever does (a watchdog thread) holds a clone of the [`Limit`] and calls
//! [`Limit::stop`]; a search that can take long asks [`Limit::exceeded`] every thousand steps or so, and answers `unknown` with what
//! it knows by then. Linear passes (tens of nanoseconds an operation) are not interrupted.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

/// A handle that is cheap to clone and to ask. The default one never stops anything.
#[derive(Clone, Debug, Default)]
pub struct Limit {
    shared: Option<Arc<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Why the check must stop. Set once.
    reason: OnceLock<&'static str>,
    done: AtomicU64,
    total: AtomicU64,
    /// Bytes in use, as the watchdog saw them last.
    used: AtomicU64,
    /// Most bytes, and what is said when they are not enough.
    memory: Option<(u64, &'static str)>,
}

impl Limit {
    /// One that a watchdog can set.
    pub fn new() -> Limit {
        Limit { shared: Some(Arc::default()) }
    }

    /// One that a watchdog can set, and that also refuses to [`reserve`](Limit::reserve) what would take the process beyond `most` bytes:
    /// then it stops the check because of `reason`.
    pub fn with_memory(most: u64, reason: &'static str) -> Limit {
        Limit { shared: Some(Arc::new(Shared { memory: Some((most, reason)), ..Shared::default() })) }
    }

    /// Asks everyone who holds a clone to stop, because of `reason`: `the time limit of 10 s was reached`. The first reason stays.
    pub fn stop(&self, reason: &'static str) {
        if let Some(shared) = &self.shared {
            let _ = shared.reason.set(reason);
        }
    }

    /// Why to stop, if so. One load of memory that hardly ever changes.
    #[inline]
    pub fn exceeded(&self) -> Option<&'static str> {
        self.shared.as_ref()?.reason.get().copied()
    }

    /// Tells how far the check is: so many of so many operations (or what else is counted).
    #[inline]
    pub fn progress(&self, done: u64, total: u64) {
        if let Some(shared) = &self.shared {
            shared.total.store(total, Relaxed);
            shared.done.store(done, Relaxed);
        }
    }

    /// Tells that so many more are to be done: for work that is found out as it goes.
    #[inline]
    pub fn expect(&self, more: u64) {
        if let Some(shared) = &self.shared {
            shared.total.fetch_add(more, Relaxed);
        }
    }

    /// Tells that so many more are done: for threads that share the work.
    #[inline]
    pub fn advance(&self, more: u64) {
        if let Some(shared) = &self.shared {
            shared.done.fetch_add(more, Relaxed);
        }
    }

    /// What [`progress`](Limit::progress) was told last: done, total.
    pub fn done(&self) -> (u64, u64) {
        self.shared.as_ref().map_or((0, 0), |shared| (shared.done.load(Relaxed), shared.total.load(Relaxed)))
    }

    /// Tells how many bytes the process uses.
    pub fn note_used(&self, bytes: u64) {
        if let Some(shared) = &self.shared {
            shared.used.store(bytes, Relaxed);
        }
    }

    /// To be asked before a big allocation: false, and the check is stopped, if there is no room for so many bytes more.
    #[must_use]
    pub fn reserve(&self, bytes: u64) -> bool {
        let Some(shared) = &self.shared else { return true };
        if let Some((most, reason)) = shared.memory
            && shared.used.load(Relaxed).saturating_add(bytes) > most
        {
            self.stop(reason);
        }
        self.exceeded().is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_is_stopped_with_the_first_reason() {
        let (limit, clone) = (Limit::new(), Limit::new());
        assert_eq!(limit.exceeded(), None);
        let held = limit.clone();
        limit.stop("the time limit was reached");
        limit.stop("another");
        assert_eq!(held.exceeded(), Some("the time limit was reached"));
        assert_eq!(clone.exceeded(), None);
    }

    #[test]
    fn the_default_never_stops() {
        let limit = Limit::default();
        limit.stop("nobody hears it");
        assert!(limit.reserve(u64::MAX) && limit.exceeded().is_none());
    }

    #[test]
    fn what_does_not_fit_is_refused_before_it_is_taken() {
        let limit = Limit::with_memory(1000, "1000 bytes are not enough");
        limit.note_used(600);
        assert!(limit.reserve(400));
        assert!(!limit.reserve(401));
        assert_eq!(limit.exceeded(), Some("1000 bytes are not enough"));
    }

    #[test]
    fn progress_is_seen_from_outside() {
        let limit = Limit::new();
        limit.progress(0, 4);
        limit.expect(6);
        std::thread::scope(|scope| (0..2).for_each(|_| drop(scope.spawn(|| limit.clone().advance(3)))));
        assert_eq!(limit.done(), (6, 10));
    }
}
