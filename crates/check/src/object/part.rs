//! A history, key by key, on several threads.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;

use history::object::{Call, Objects};

use super::Findings;
use crate::model::Options;

/// Some operations on one key.
#[derive(Clone, Copy)]
pub(crate) struct Part<'a> {
    pub(crate) history: &'a Objects,
    pub(crate) key: u32,
    /// Where they are in the history, in order of invocation.
    pub(crate) places: &'a [u32],
}

impl<'a> Part<'a> {
    /// The operations that may have happened, with their places.
    pub(crate) fn happened(self) -> impl Iterator<Item = (usize, &'a Call)> {
        let calls = self.places.iter().map(move |&i| (i as usize, &self.history.calls[i as usize]));
        calls.filter(|(_, call)| call.may_have_happened())
    }

    /// The same, as long as `see` gives something. Where keys are many, every operation is a wait for memory: they are fetched a few at a
    /// time, so that the waits overlap.
    #[inline]
    pub(crate) fn each_that_happened(self, mut see: impl FnMut(usize, &Call) -> Option<()>) -> Option<()> {
        let calls = &self.history.calls;
        if self.places.len() == calls.len() {
            return self.happened().try_for_each(|(i, call)| see(i, call));
        }
        let Some(&first) = self.places.first() else { return Some(()) };
        let mut fetched = [calls[first as usize]; 32];
        for places in self.places.chunks(fetched.len()) {
            places.iter().zip(&mut fetched).for_each(|(&i, call)| *call = calls[i as usize]);
            let mut happened = places.iter().zip(&fetched).filter(|(_, call)| call.may_have_happened());
            happened.try_for_each(|(&i, call)| see(i as usize, call))?;
        }
        Some(())
    }

    /// Where it is, for people.
    pub(crate) fn name(self) -> String {
        format!("key {}", self.history.key_name(self.key))
    }
}

/// What judges a key: called by reference, so that the threads' code is compiled once and not for each object.
type Judge<'a> = &'a (dyn Fn(Part<'_>) -> Findings + Sync);

/// Judges each key by itself, on `options.threads` threads, until the limit stops it.
pub(crate) fn each_key(history: &Objects, options: &Options, judge: Judge<'_>) -> Findings {
    let keys = Keys::of(history);
    let next = AtomicUsize::new(0);
    let work = || {
        let mut found: Vec<(usize, Findings)> = Vec::new();
        loop {
            let at = next.fetch_add(1, Relaxed);
            let Some(part) = keys.part(history, at) else { return found };
            if let Some(reason) = options.limit.exceeded() {
                let mut rest = Findings::default();
                rest.undecided(format!("{reason}; {at} of {} keys are decided", keys.count()));
                found.push((at, rest));
                return found;
            }
            let of_key = judge(part);
            if !of_key.is_clean() {
                found.push((at, of_key));
            }
        }
    };
    let mut found = match options.threads.clamp(1, 64).min(keys.count()) {
        0 | 1 => work(),
        threads => thread::scope(|scope| {
            let handles: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            let joined = handles.into_iter().map(|handle| handle.join());
            joined.flat_map(|found| found.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
        }),
    };
    found.sort_unstable_by_key(|(at, _)| *at);
    let mut findings = Findings::default();
    found.into_iter().for_each(|(_, of_key)| findings.extend(of_key));
    findings
}

/// The places of each key's operations, key after key.
struct Keys {
    places: Vec<u32>,
    /// Where each key's places begin, and where the last end.
    starts: Vec<u32>,
}

impl Keys {
    /// Linear where keys are dense.
    fn of(history: &Objects) -> Keys {
        let (calls, count) = (&history.calls, history.calls.len() as u32);
        let greatest = calls.iter().map(|call| call.key).max().unwrap_or(0);
        let least = calls.iter().map(|call| call.key).min().unwrap_or(0);
        let mut places: Vec<u32> = (0..count).collect();
        if least == greatest {
            return Keys { places, starts: if count == 0 { vec![0] } else { vec![0, count] } };
        }
        if greatest as usize > 4 * calls.len() + 1024 {
            places.sort_unstable_by_key(|&i| (calls[i as usize].key, i));
        } else {
            let mut at = vec![0u32; greatest as usize + 2];
            calls.iter().for_each(|call| at[call.key as usize + 1] += 1);
            (0..=greatest as usize).for_each(|key| at[key + 1] += at[key]);
            for (i, call) in calls.iter().enumerate() {
                places[at[call.key as usize] as usize] = i as u32;
                at[call.key as usize] += 1;
            }
        }
        let key = |at: u32| calls[places[at as usize] as usize].key;
        let mut starts = vec![0];
        starts.extend((1..count).filter(|&at| key(at) != key(at - 1)));
        starts.push(count);
        Keys { places, starts }
    }

    fn count(&self) -> usize {
        self.starts.len() - 1
    }

    fn part<'a>(&'a self, history: &'a Objects, at: usize) -> Option<Part<'a>> {
        let (begin, end) = (*self.starts.get(at)?, *self.starts.get(at + 1)?);
        let places = &self.places[begin as usize..end as usize];
        Some(Part { history, key: history.calls[*places.first()? as usize].key, places })
    }
}
