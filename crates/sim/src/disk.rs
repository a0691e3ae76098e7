//! The disk of one participant: a durable log and named blobs, and the writes that no sync has covered yet.
//!
//! Syncs are group commits, as in the real runtime: one at a time, each covering every write that was there when it began.
//! A crash keeps what was synced and, by [`Unsynced`], some of the rest.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use base::{Bytes, Time};
use proto::{Barrier, DiskWrite, Recovered};

use crate::choices::{Choices, Stream};

/// How disks behave.
#[derive(Clone, Debug)]
pub struct Disk {
    /// How long a sync takes: uniform between the two.
    pub sync: (Duration, Duration),
    /// What a crash leaves of the writes that were not synced.
    pub unsynced: Unsynced,
}

impl Default for Disk {
    /// A solid-state disk: syncs of 0.2 to 2 ms; a crash leaves any prefix of what was not synced.
    fn default() -> Self {
        Disk { sync: (Duration::from_micros(200), Duration::from_millis(2)), unsynced: Unsynced::Prefix }
    }
}

/// What a crash leaves of the writes that were not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsynced {
    /// Nothing: they were all in a cache that lost power.
    Lost,
    /// A random prefix in the order of writing (file systems may have written back some of it). The last record may
    /// be torn; a torn record fails its checksum at the next boot and is cut, so it counts as not written.
    Prefix,
}

/// What a disk holds.
#[derive(Debug, Default)]
pub(crate) struct Platter {
    first_index: u64,
    log: VecDeque<Bytes>,
    blobs: BTreeMap<String, Bytes>,
    unsynced: VecDeque<DiskWrite>,
    /// Writes of this life that are durable.
    durable: u64,
    /// How many of `unsynced` the sync that is under way covers. Invariant: at most one sync is under way.
    syncing: Option<usize>,
}

impl Platter {
    /// Queues a write of this life.
    pub(crate) fn write(&mut self, write: DiskWrite) {
        self.unsynced.push_back(write);
    }

    /// Starts a sync of everything written so far, unless one is under way or there is nothing to do.
    pub(crate) fn start_sync(&mut self) -> bool {
        let start = self.syncing.is_none() && !self.unsynced.is_empty();
        if start {
            self.syncing = Some(self.unsynced.len());
        }
        start
    }

    /// Ends the sync that is under way, and says up to where writes are durable now.
    pub(crate) fn finish_sync(&mut self) -> Barrier {
        for _ in 0..self.syncing.take().unwrap_or(0) {
            self.persist_first();
        }
        Barrier(self.durable)
    }

    /// The writes that no sync has covered.
    pub(crate) fn unsynced(&self) -> usize {
        self.unsynced.len()
    }

    /// Power is lost: what was synced stays, of the rest what the choices say. Returns how many writes were lost.
    pub(crate) fn crash(&mut self, unsynced: Unsynced, choices: &mut Choices, stream: Stream) -> usize {
        let kept = match unsynced {
            Unsynced::Lost => 0,
            Unsynced::Prefix => match choices.choose(stream, 2) {
                0 => 0, // a uniform choice alone would spare a single write every other time
                _ => choices.choose(stream, self.unsynced.len() as u32 + 1),
            },
        };
        for _ in 0..kept {
            self.persist_first();
        }
        let lost = self.unsynced.len();
        self.unsynced.clear();
        self.syncing = None;
        self.durable = 0;
        lost
    }

    /// Everything is gone, as on a replaced disk.
    pub(crate) fn wipe(&mut self) {
        *self = Platter::default();
    }

    /// What a boot finds.
    pub(crate) fn recovered(&self) -> Recovered {
        Recovered { first_index: self.first_index, log: self.log.iter().cloned().collect(), blobs: self.blobs.clone() }
    }

    fn persist_first(&mut self) {
        let Some(write) = self.unsynced.pop_front() else { return };
        self.durable += 1;
        match write {
            DiskWrite::Append(record) => self.log.push_back(record),
            DiskWrite::Truncate { from } => self.log.truncate(from.saturating_sub(self.first_index) as usize),
            DiskWrite::Discard { before } => {
                let gone = (before.saturating_sub(self.first_index) as usize).min(self.log.len());
                self.log.drain(..gone);
                self.first_index = self.first_index.max(before);
            }
            DiskWrite::Put { name, bytes } => match self.blobs.get_mut(name.as_ref()) {
                Some(blob) => *blob = bytes,
                None => drop(self.blobs.insert(name.into_owned(), bytes)),
            },
        }
    }
}

impl Disk {
    /// When a sync that begins now is over.
    pub(crate) fn sync_ends(&self, now: Time, choices: &mut Choices, stream: Stream) -> Time {
        let (least, most) = (self.sync.0.as_nanos() as u64, self.sync.1.as_nanos() as u64);
        now + Duration::from_nanos(crate::network::between(choices, stream, least, most))
    }
}

#[cfg(test)]
mod tests {
    use base::Seed;

    use super::*;

    fn append(platter: &mut Platter, text: &'static str) {
        platter.write(DiskWrite::Append(Bytes::from_static(text.as_bytes())));
    }

    #[test]
    fn a_sync_covers_what_was_written_before_it_began() {
        let mut platter = Platter::default();
        append(&mut platter, "a");
        assert!(platter.start_sync());
        append(&mut platter, "b");
        assert!(!platter.start_sync(), "one sync at a time");
        assert_eq!(platter.finish_sync(), Barrier(1));
        platter.crash(Unsynced::Lost, &mut Choices::new(Seed(0), false), Stream::disk(0));
        assert_eq!(platter.recovered().log, vec![Bytes::from_static(b"a")]);
    }

    #[test]
    fn a_crash_leaves_every_prefix_by_some_seed() {
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..50 {
            let mut platter = Platter::default();
            ["a", "b", "c"].into_iter().for_each(|text| append(&mut platter, text));
            let lost = platter.crash(Unsynced::Prefix, &mut Choices::new(Seed(seed), false), Stream::disk(0));
            let log = platter.recovered().log;
            assert_eq!(log.len() + lost, 3);
            assert_eq!(log, [b"a", b"b", b"c"][..log.len()].iter().map(|b| Bytes::from_static(*b)).collect::<Vec<_>>());
            seen.insert(log.len());
        }
        assert_eq!(seen.len(), 4);
    }

    #[test]
    fn truncate_and_discard_keep_indices() {
        let mut platter = Platter::default();
        ["0", "1", "2", "3"].into_iter().for_each(|text| append(&mut platter, text));
        platter.write(DiskWrite::Discard { before: 2 });
        platter.write(DiskWrite::Truncate { from: 3 });
        platter.write(DiskWrite::Put { name: "term".into(), bytes: Bytes::from_static(b"7") });
        platter.start_sync();
        assert_eq!(platter.finish_sync(), Barrier(7));
        let disk = platter.recovered();
        assert_eq!((disk.first_index, disk.log), (2, vec![Bytes::from_static(b"2")]));
        assert_eq!(disk.blobs["term"], Bytes::from_static(b"7"));
    }
}
