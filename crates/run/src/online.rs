//! Checks what clients see while they see it, on a thread of its own: the load engine does nothing for it.
//!
//! It reads the records while they are written and tells them to the checkers of [`check::stream`]. What it finds is certain, but
//! the verdict of a run is always that of the whole history.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use base::Time;
use check::stream::{Alarm, Registers, Ticket};
use history::{Tail, Told};

/// How often new records are looked at. A violation is known so much later, at most.
const PERIOD: Duration = Duration::from_millis(20);

/// What is known so far, for whoever shows it.
#[derive(Debug, Default)]
pub struct Standing {
    checked: AtomicU64,
    broken: AtomicU64,
}

impl Standing {
    /// Operations checked so far, and keys whose promise is broken.
    pub fn get(&self) -> (u64, u64) {
        (self.checked.load(Ordering::Relaxed), self.broken.load(Ordering::Relaxed))
    }
}

/// What the checker tells.
pub enum Finding {
    /// A promise was broken.
    Violation(Violation),
    /// It cannot go on; the history is checked afterwards all the same.
    GaveUp(String),
}

/// A broken promise, found while the load ran.
#[derive(Clone, Debug)]
pub struct Violation {
    /// When it was certain, on the run's clock.
    pub at: Time,
    /// Which key's.
    pub key: u32,
    /// What: `stale read`.
    pub title: &'static str,
    /// The reason, in a sentence.
    pub because: String,
}

/// Checks until `over` or until the recorder has ended.
pub fn watch(mut tail: Tail, standing: &Standing, over: &AtomicBool, told: &mut dyn FnMut(Finding)) {
    let mut checker = Checker::default();
    while !over.load(Ordering::Relaxed) {
        let poll = AssertUnwindSafe(|| tail.poll(&mut |event| checker.take(event, told)));
        let reason = match catch_unwind(poll) {
            Ok(Ok(true)) => {
                let progress = checker.registers.progress();
                standing.checked.store(progress.checked, Ordering::Relaxed);
                standing.broken.store(progress.broken, Ordering::Relaxed);
                std::thread::sleep(PERIOD);
                continue;
            }
            Ok(Ok(false)) => return,
            Ok(Err(error)) => format!("the records cannot be read: {error}"),
            Err(_) => "it failed, which is a bug in assize".to_string(),
        };
        return told(Finding::GaveUp(reason));
    }
}

#[derive(Default)]
struct Checker {
    registers: Registers,
    /// By the tail's slots.
    tickets: BTreeMap<u32, Ticket>,
}

impl Checker {
    fn take(&mut self, event: Told, told: &mut dyn FnMut(Finding)) {
        match event {
            Told::Invoked { slot, process, request, .. } => {
                self.tickets.insert(slot, self.registers.invoke(process.0, &request));
            }
            Told::Ended { slot, completion, at } => {
                let ticket = self.tickets.remove(&slot);
                let alarm = ticket.and_then(|ticket| self.registers.complete(ticket, &completion, at.nanos()));
                if let Some(Alarm { at, key, title, because }) = alarm {
                    told(Finding::Violation(Violation { at: Time(at), key, title, because }));
                }
            }
        }
    }
}
