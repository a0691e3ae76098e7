//! The disk of one participant: a durable log and named blobs, and the writes that no sync has covered yet.
//!
//! Syncs are group commits, as in the real runtime: one at a time, each covering every write that was there when it began.
//! A crash keeps what was synced and, by [`Unsynced`], some of the rest.
//!
//! **Checksums.** Every record and blob is under one, so what a crash tore or mangled is found at the next boot. Nothing that waited
//! for it was said, so it is cut and the actor hears nothing of it: for the log, it and all that follows; for a blob, the new
//! content. What had been *synced* and fails its checksum (bit rot) is another matter: the actor has promised things on the strength of it.
//! Then the server does not boot at all, as a node of the real runtime does not: see [`proto::Recovered`].

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use base::Bytes;
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
    /// Any of them: the cache wrote back what it liked, in any order, torn or mangled. The log ends before the first record that is
    /// not whole; each blob has its old content or a new one, whatever became of writes before and after it.
    Any,
}

/// What a disk holds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Platter {
    first_index: u64,
    log: VecDeque<Bytes>,
    blobs: BTreeMap<String, Bytes>,
    unsynced: VecDeque<DiskWrite>,
    /// Writes of this life that are durable.
    durable: u64,
    /// How many of `unsynced` the sync that is under way covers. Invariant: at most one sync is under way.
    syncing: Option<usize>,
    health: Health,
}

/// What is wrong with a disk.
#[derive(Clone, Debug, Default)]
struct Health {
    /// So many times slower; 0 is usual.
    slower: u32,
    /// The next sync fails.
    fails_next: bool,
    /// There is no room.
    full: bool,
    /// A sync failed in this life. What it covered is neither durable nor will a later sync make it so (the kernel may have
    /// dropped the pages: "Can Applications Recover from fsync Failures?", Rebello et al., USENIX ATC 2020).
    failed: Option<&'static str>,
    /// It stands where another was in service.
    replaced: bool,
    /// Records, by index, and blobs that were durable and fail their checksum now.
    rotten: (BTreeSet<u64>, BTreeSet<String>),
}

impl Platter {
    /// Queues a write of this life.
    pub(crate) fn write(&mut self, write: DiskWrite) {
        self.unsynced.push_back(write);
    }

    /// Starts a sync of everything written so far, unless one is under way or there is nothing to do.
    pub(crate) fn start_sync(&mut self) -> bool {
        let start = self.syncing.is_none() && !self.unsynced.is_empty() && self.health.failed.is_none();
        if start {
            self.syncing = Some(self.unsynced.len());
        }
        start
    }

    /// Ends the sync that is under way, and says up to where writes are durable now; an error if it failed.
    pub(crate) fn finish_sync(&mut self) -> Result<Barrier, ()> {
        let covered = self.syncing.take().unwrap_or(0);
        if std::mem::take(&mut self.health.fails_next) {
            self.health.failed = Some("input/output error");
        } else if self.health.full {
            self.health.failed = Some("no space left on device");
        }
        if self.health.failed.is_some() {
            return Err(());
        }
        (0..covered).for_each(|_| self.persist_first());
        Ok(Barrier(self.durable))
    }

    /// Whether its next sync will fail.
    pub(crate) fn is_about_to_fail(&self) -> bool {
        self.health.fails_next
    }

    /// Whether a sync is under way.
    pub(crate) fn is_syncing(&self) -> bool {
        self.syncing.is_some()
    }

    /// The first of the unsynced writes reach the disk, and nobody is told.
    pub(crate) fn persist(&mut self, writes: usize) {
        (0..writes).for_each(|_| self.persist_first());
    }

    /// The writes that no sync has covered.
    pub(crate) fn unsynced(&self) -> usize {
        self.unsynced.len()
    }

    /// Power is lost: what was synced stays, of the rest what the choices say. Returns how many writes were lost.
    pub(crate) fn crash(&mut self, unsynced: Unsynced, choices: &mut Choices, stream: Stream) -> usize {
        let before = self.unsynced.len();
        let kept = match unsynced {
            // A uniform choice alone would spare a single write every other time.
            Unsynced::Prefix if choices.choose(stream, 2) == 1 => {
                let kept = choices.choose(stream, before as u32 + 1) as usize;
                (0..kept).for_each(|_| self.persist_first());
                kept
            }
            Unsynced::Any if choices.choose(stream, 2) == 1 => self.scatter(choices, stream),
            _ => 0,
        };
        self.unsynced.clear();
        self.syncing = None;
        self.durable = 0;
        self.health.failed = None;
        before - kept
    }

    /// Each write reaches the disk whole, or it does not. Returns how many count.
    fn scatter(&mut self, choices: &mut Choices, stream: Stream) -> usize {
        let (mut kept, mut log_ends) = (0, false);
        for write in std::mem::take(&mut self.unsynced) {
            let whole = choices.choose(stream, 4) != 0;
            let blob = matches!(write, DiskWrite::Put { .. });
            log_ends |= !blob && !whole;
            if whole && (blob || !log_ends) {
                self.unsynced.push_front(write);
                self.persist_first();
                kept += 1;
            }
        }
        kept
    }

    /// Everything is gone, as on a new disk.
    pub(crate) fn wipe(&mut self) {
        let (slower, full) = (self.health.slower, self.health.full);
        *self = Platter { health: Health { slower, full, replaced: true, ..Health::default() }, ..Platter::default() };
    }

    /// What a boot finds.
    ///
    /// # Errors
    /// What had been durable and fails its checksum.
    pub(crate) fn recovered(&self) -> Result<Recovered, String> {
        let (records, blobs) = &self.health.rotten;
        if let Some(index) = records.first() {
            return Err(format!("record {index} of its log fails its checksum"));
        }
        if let Some(name) = blobs.first() {
            return Err(format!("blob `{name}` fails its checksum"));
        }
        let log = self.log.iter().cloned().collect();
        let recovered = Recovered { first_index: self.first_index, log, blobs: self.blobs.clone(), replaced: false };
        Ok(Recovered { replaced: self.health.replaced && recovered.is_empty(), ..recovered })
    }

    // What is wrong with it.

    /// The next sync fails.
    pub(crate) fn fail_next(&mut self) {
        self.health.fails_next = true;
    }

    /// It does not, after all.
    pub(crate) fn spare_next(&mut self) {
        self.health.fails_next = false;
    }

    /// There is no room, or there is again. Says whether that is news.
    pub(crate) fn set_full(&mut self, full: bool) -> bool {
        std::mem::replace(&mut self.health.full, full) != full
    }

    /// Syncs take so many times as long. Says whether that is news.
    pub(crate) fn set_slowness(&mut self, times: u32) -> bool {
        let times = times.max(1);
        std::mem::replace(&mut self.health.slower, times).max(1) != times
    }

    /// How many times as long a sync takes.
    pub(crate) fn slowness(&self) -> u32 {
        self.health.slower.max(1)
    }

    /// Why the last sync failed.
    pub(crate) fn error(&self) -> &'static str {
        self.health.failed.unwrap_or_default()
    }

    /// Something durable goes bad: a record, or after the last of them a blob, counted round. Says what; nothing can on an empty disk.
    pub(crate) fn rot(&mut self, place: u32) -> Option<String> {
        let place = place as usize % (self.log.len() + self.blobs.len()).max(1);
        if place < self.log.len() {
            let index = self.first_index + place as u64;
            self.health.rotten.0.insert(index);
            return Some(format!("record {index}"));
        }
        let name = self.blobs.keys().nth(place - self.log.len())?;
        self.health.rotten.1.insert(name.clone());
        Some(format!("blob `{name}`"))
    }

    /// Whether something that was durable is bad.
    pub(crate) fn is_rotten(&self) -> bool {
        !self.health.rotten.0.is_empty() || !self.health.rotten.1.is_empty()
    }

    fn persist_first(&mut self) {
        let Some(write) = self.unsynced.pop_front() else { return };
        self.durable += 1;
        if self.is_rotten() {
            self.bury(&write);
        }
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

    /// What is written over or thrown away is not missed.
    fn bury(&mut self, write: &DiskWrite) {
        let (records, blobs) = &mut self.health.rotten;
        match write {
            DiskWrite::Append(_) => {}
            DiskWrite::Truncate { from } => records.retain(|index| index < from),
            DiskWrite::Discard { before } => records.retain(|index| index >= before),
            DiskWrite::Put { name, .. } => drop(blobs.remove(name.as_ref())),
        }
    }
}

impl Disk {
    /// How long a sync takes.
    pub(crate) fn sync_time(&self, choices: &mut Choices, stream: Stream) -> Duration {
        let (least, most) = (self.sync.0.as_nanos() as u64, self.sync.1.as_nanos() as u64);
        Duration::from_nanos(crate::network::between(choices, stream, least, most))
    }
}

#[cfg(test)]
mod tests {
    use base::Seed;

    use super::*;

    fn append(platter: &mut Platter, text: &'static str) {
        platter.write(DiskWrite::Append(Bytes::from_static(text.as_bytes())));
    }

    fn recovered(platter: &Platter) -> Recovered {
        platter.recovered().expect("nothing is rotten")
    }

    /// A disk that has synced these records and a blob.
    fn synced(records: &[&'static str]) -> Platter {
        let mut platter = Platter::default();
        records.iter().for_each(|text| append(&mut platter, text));
        platter.write(DiskWrite::Put { name: "vote".into(), bytes: Bytes::from_static(b"n1") });
        platter.start_sync();
        platter.finish_sync().expect("a healthy disk");
        platter
    }

    #[test]
    fn a_sync_covers_what_was_written_before_it_began() {
        let mut platter = Platter::default();
        append(&mut platter, "a");
        assert!(platter.start_sync());
        append(&mut platter, "b");
        assert!(!platter.start_sync(), "one sync at a time");
        assert_eq!(platter.finish_sync(), Ok(Barrier(1)));
        platter.crash(Unsynced::Lost, &mut Choices::new(Seed(0), false), Stream::disk(0));
        assert_eq!(recovered(&platter).log, vec![Bytes::from_static(b"a")]);
    }

    #[test]
    fn a_crash_leaves_every_prefix_by_some_seed() {
        let mut seen = BTreeSet::new();
        for seed in 0..50 {
            let mut platter = Platter::default();
            ["a", "b", "c"].into_iter().for_each(|text| append(&mut platter, text));
            let lost = platter.crash(Unsynced::Prefix, &mut Choices::new(Seed(seed), false), Stream::disk(0));
            let log = recovered(&platter).log;
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
        assert_eq!(platter.finish_sync(), Ok(Barrier(7)));
        let disk = recovered(&platter);
        assert_eq!((disk.first_index, disk.log), (2, vec![Bytes::from_static(b"2")]));
        assert_eq!(disk.blobs["term"], Bytes::from_static(b"7"));
    }

    #[test]
    fn a_cache_in_disorder_keeps_any_blob_and_a_prefix_of_the_log() {
        let mut seen = BTreeSet::new();
        for seed in 0..200 {
            let mut platter = Platter::default();
            append(&mut platter, "a");
            platter.write(DiskWrite::Put { name: "vote".into(), bytes: Bytes::from_static(b"n1") });
            append(&mut platter, "b");
            let lost = platter.crash(Unsynced::Any, &mut Choices::new(Seed(seed), false), Stream::disk(0));
            let disk = recovered(&platter);
            assert_eq!(disk.log.len() + disk.blobs.len() + lost, 3);
            assert_eq!(
                disk.log,
                [b"a", b"b"][..disk.log.len()].iter().map(|b| Bytes::from_static(*b)).collect::<Vec<_>>()
            );
            seen.insert((disk.log.len(), disk.blobs.len()));
        }
        assert_eq!(seen.len(), 6, "each length of the log, with and without the blob: {seen:?}");
    }

    #[test]
    fn after_a_failed_sync_nothing_is_durable_in_this_life() {
        for full in [false, true] {
            let mut platter = synced(&["a"]);
            append(&mut platter, "b");
            if full {
                _ = platter.set_full(true)
            } else {
                platter.fail_next()
            }
            assert!(platter.start_sync());
            assert_eq!(platter.finish_sync(), Err(()));
            assert_eq!(platter.error(), if full { "no space left on device" } else { "input/output error" });
            append(&mut platter, "c");
            assert!(!platter.start_sync());
            platter.crash(Unsynced::Lost, &mut Choices::new(Seed(0), false), Stream::disk(0));
            assert_eq!(recovered(&platter).log, vec![Bytes::from_static(b"a")]);
            append(&mut platter, "d");
            assert!(platter.start_sync());
            assert_eq!(platter.finish_sync().is_err(), full, "a full disk stays full");
        }
    }

    #[test]
    fn rot_of_what_was_synced_is_found_at_the_next_boot_unless_it_is_gone_by_then() {
        let mut platter = synced(&["a", "b"]);
        assert_eq!(platter.rot(1), Some("record 1".into()));
        assert_eq!(platter.recovered(), Err("record 1 of its log fails its checksum".into()));
        platter.write(DiskWrite::Truncate { from: 1 });
        platter.start_sync();
        platter.finish_sync().expect("rot does not hinder writes");
        assert_eq!(recovered(&platter).log.len(), 1);
        assert_eq!(platter.rot(1), Some("blob `vote`".into()));
        assert!(platter.recovered().is_err() && platter.is_rotten());
        platter.wipe();
        assert!(recovered(&platter).is_empty() && recovered(&platter).replaced);
        assert_eq!(platter.rot(3), None, "there is nothing");
    }
}
