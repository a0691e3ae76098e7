//! The replicated log of one replica, in memory.
//!
//! An entry is kept in the form in which the disk and the wire carry it, so that a follower writes the very bytes that it
//! received and a command is copied once per node at most, whatever the number of replicas. Entries that came together stay together:
//! the log, the disk and the messages to all followers share one batch, at the price of one count each.

use std::collections::VecDeque;
use std::hash::{Hash, Hasher};

use base::Bytes;
use proto::{Malformed, Records};

use crate::members::Members;

/// What an entry is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum EntryKind {
    /// Marks the start of a term; changes nothing (dissertation §6.4).
    Noop = 0,
    /// A command for the state machine.
    Command = 1,
    /// New members: see [`Members`].
    Members = 2,
}

/// Bytes of a record before the command: `term: u64` (little endian), `kind: u8`.
pub const RECORD_HEADER: usize = 9;

/// One entry of the log: what its record says.
///
/// Invariant: `record` starts with `term` and a known kind, and members follow where the kind says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Entry<'a> {
    /// The term in which a leader made the entry.
    pub term: u64,
    /// Term, kind and command, as on disk and wire.
    pub record: &'a Bytes,
}

impl<'a> Entry<'a> {
    /// Reads a record back.
    pub fn decode(record: &'a Bytes) -> Result<Self, Malformed> {
        let known = match record.get(8) {
            Some(0 | 1) => true,
            Some(2) => Members::decode(&record[RECORD_HEADER..]).is_some(),
            _ => false,
        };
        if known { Ok(Entry::of(record)) } else { Err(Malformed(format!("log record of {} bytes", record.len()))) }
    }

    /// The entry of a record that was decoded before.
    #[inline]
    pub(crate) fn of(record: &'a Bytes) -> Self {
        let term = record.first_chunk().expect("a record begins with a term");
        Entry { term: u64::from_le_bytes(*term), record }
    }

    /// Appends the record of an entry to `buffer`.
    pub fn encode(buffer: &mut Vec<u8>, term: u64, kind: EntryKind, command: &[u8]) {
        buffer.extend_from_slice(&term.to_le_bytes());
        buffer.push(kind as u8);
        buffer.extend_from_slice(command);
    }

    /// What the entry is for.
    #[inline]
    pub fn kind(&self) -> EntryKind {
        match self.record[8] {
            0 => EntryKind::Noop,
            1 => EntryKind::Command,
            _ => EntryKind::Members,
        }
    }

    /// The members that the entry sets, if it is one that does.
    pub fn members(&self) -> Option<Members> {
        if self.kind() == EntryKind::Members { Members::decode(&self.record[RECORD_HEADER..]) } else { None }
    }

    /// The command.
    pub fn command(&self) -> &'a [u8] {
        &self.record[RECORD_HEADER..]
    }
}

/// The log: entries counted from 1, as in the paper; those at the front are gone when a snapshot has them.
///
/// Record `i` of the disk's log (counted from 0) holds entry `i + 1`.
///
/// It also knows who the members are, because the latest entry about them counts from the moment it is in the log, committed or
/// not, and no longer when it is overwritten (dissertation §4.1).
#[derive(Clone, Debug)]
pub struct Log {
    /// Entries up to this index are no longer here.
    base: u64,
    /// The term of entry `base`.
    base_term: u64,
    /// Index and term of the last entry.
    last: (u64, u64),
    /// The entries after `base`, without gaps.
    batches: VecDeque<Batch>,
    bytes: u64,
    truncations: u64,
    /// Members by the index from which they count. Never empty.
    members: Vec<(u64, Members)>,
}

/// Entries that came together. Invariant: there is at least one.
#[derive(Clone, Debug)]
struct Batch {
    /// Index of the first.
    first: u64,
    records: Records,
}

impl Batch {
    /// Index of the last entry.
    fn last(&self) -> u64 {
        self.first + self.records.len() as u64 - 1
    }
}

/// By what is in it, however it came.
impl Hash for Log {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.base, self.base_term, self.last).hash(state);
        self.batches.iter().flat_map(|batch| batch.records.iter()).for_each(|record| record.hash(state));
        (self.truncations, &self.members).hash(state);
    }
}

impl Log {
    /// A log without entries that goes on after entry `base` of term `base_term`, where `members` count since `since`.
    pub fn new((base, base_term): (u64, u64), since: u64, members: Members) -> Self {
        let members = vec![(since, members)];
        let last = (base, base_term);
        Log { base, base_term, last, batches: VecDeque::new(), bytes: 0, truncations: 0, members }
    }

    /// Index of the last entry that is no longer here; 0 if none is gone.
    #[inline]
    pub fn base(&self) -> u64 {
        self.base
    }

    /// Index of the last entry; 0 if there is none.
    #[inline]
    pub fn last_index(&self) -> u64 {
        self.last.0
    }

    /// Term of the last entry; 0 if there is none.
    #[inline]
    pub fn last_term(&self) -> u64 {
        self.last.1
    }

    /// Term of the entry at `index`; 0 before the first, `None` after the last and where it is no longer known.
    #[inline]
    pub fn term(&self, index: u64) -> Option<u64> {
        match index {
            _ if index == self.last.0 => Some(self.last.1),
            _ if index == self.base => Some(self.base_term),
            _ => self.entry(index).map(|entry| entry.term),
        }
    }

    /// The entry at `index`.
    #[inline]
    pub fn entry(&self, index: u64) -> Option<Entry<'_>> {
        let batch = &self.batches[self.place(index)?];
        Some(Entry::of(&batch.records[(index - batch.first) as usize]))
    }

    /// The entry at `index` and those behind it that came with it.
    pub fn batch(&self, index: u64) -> Option<&[Bytes]> {
        let batch = &self.batches[self.place(index)?];
        Some(&batch.records[(index - batch.first) as usize..])
    }

    /// Where the batch is that holds the entry at `index`.
    ///
    /// No batch is empty, so it is not further from the end than the entry is; and mostly, as what is asked for is at the end, or each of the
    /// entries behind it came alone, just as far.
    #[inline]
    fn place(&self, index: u64) -> Option<usize> {
        if index <= self.base || index > self.last.0 {
            return None;
        }
        let end = self.batches.len() - 1;
        let low = end.saturating_sub((self.last.0 - index) as usize);
        if low == end || self.batches[low + 1].first > index { Some(low) } else { Some(self.place_after(low, index)) }
    }

    /// The same, if it is one after `low`: by halves, among as many as there are entries before it at most.
    fn place_after(&self, low: usize, index: u64) -> usize {
        let (mut low, mut high) = (low + 1, (self.batches.len() - 1).min((index - self.base - 1) as usize));
        while low < high {
            let middle = (low + high).div_ceil(2);
            if self.batches[middle].first <= index { low = middle } else { high = middle - 1 }
        }
        low
    }

    /// Who the members are.
    #[inline]
    pub fn members(&self) -> Members {
        self.members.last().expect("never empty").1
    }

    /// Index of the entry that made them members; 0 for those of the first start.
    #[inline]
    pub fn members_since(&self) -> u64 {
        self.members.last().expect("never empty").0
    }

    /// How many entries after `index` set the members.
    pub fn members_after(&self, index: u64) -> usize {
        self.members.iter().filter(|(since, _)| *since > index).count()
    }

    /// Who the members were at `index`, which is not before the first that is known.
    pub fn members_at(&self, index: u64) -> Members {
        let known = self.members.iter().rev().find(|(since, _)| *since <= index);
        known.unwrap_or(&self.members[0]).1
    }

    /// Total size of the records in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How often entries were removed from the end in this life.
    #[inline]
    pub fn truncations(&self) -> u64 {
        self.truncations
    }

    /// Adds entries at the end. Each record must have been decoded before.
    pub fn push(&mut self, records: Records) {
        let Some(last) = records.last() else { return };
        let first = self.last.0 + 1;
        for (index, record) in (first..).zip(&records[..]) {
            self.bytes += record.len() as u64;
            if let Some(members) = Entry::of(record).members()
                && index > self.members[0].0
            {
                self.members.push((index, members));
            }
        }
        self.last = (self.last.0 + records.len() as u64, Entry::of(last).term);
        self.batches.push_back(Batch { first, records });
    }

    /// Removes the entries from `index` on.
    pub fn truncate(&mut self, index: u64) {
        let keep = index.saturating_sub(1).max(self.base);
        if keep >= self.last.0 {
            return;
        }
        self.bytes -= self.bytes_after(keep);
        self.last = (keep, self.term(keep).expect("it is here"));
        self.truncations += 1;
        while self.batches.back().is_some_and(|batch| batch.first > keep) {
            self.batches.pop_back();
        }
        if let Some(batch) = self.batches.back_mut() {
            batch.records = batch.records.clone().first((keep - batch.first + 1) as usize);
        }
        while self.members.len() > 1 && self.members_since() >= index {
            self.members.pop();
        }
    }

    /// Forgets the entries up to `index`, which a snapshot has.
    pub fn discard(&mut self, index: u64) {
        let Some(term) = self.term(index).filter(|_| index > self.base) else { return };
        self.bytes = self.bytes_after(index);
        (self.base, self.base_term) = (index, term);
        while self.batches.front().is_some_and(|batch| batch.last() <= index) {
            self.batches.pop_front();
        }
        if let Some(batch) = self.batches.front_mut().filter(|batch| batch.first <= index) {
            batch.records = batch.records.clone().after((index + 1 - batch.first) as usize);
            batch.first = index + 1;
        }
        let old = self.members.iter().rposition(|(since, _)| *since <= index).unwrap_or(0);
        self.members.drain(..old);
    }

    /// Forgets everything and goes on after entry `index` of `term`, of whose time `members` are.
    pub fn reset(&mut self, index: u64, term: u64, members: Members) {
        *self = Log { truncations: self.truncations + 1, ..Log::new((index, term), index, members) };
    }

    /// Size in bytes of the records after `index`.
    pub fn bytes_after(&self, index: u64) -> u64 {
        self.records_from(index + 1).map(|record| record.len() as u64).sum()
    }

    /// The entries from `from` on, up to `limit` bytes but at least one if there is one, and their size in bytes.
    ///
    /// What came together goes on together; only a follower that lags behind gets batches put together for it.
    pub fn take(&self, from: u64, limit: usize) -> (Records, usize) {
        let Some(place) = self.place(from) else { return (Records::default(), 0) };
        let Batch { first, records } = &self.batches[place];
        let batch = records.clone().after((from - first) as usize);
        let (count, bytes) = fitting(batch.iter(), limit);
        if count < batch.len() || place + 1 == self.batches.len() {
            return (batch.first(count), bytes);
        }
        let (count, bytes) = fitting(self.records_from(from), limit);
        (self.records_from(from).take(count).cloned().collect(), bytes)
    }

    fn records_from(&self, from: u64) -> impl Iterator<Item = &Bytes> {
        let from = from.max(self.base + 1);
        let place = self.place(from).unwrap_or(self.batches.len());
        self.batches.range(place..).flat_map(move |batch| &batch.records[from.saturating_sub(batch.first) as usize..])
    }

    /// Whether a log that ends in (`term`, `index`) is at least as up-to-date as this one (paper §5.4.1).
    pub fn is_behind_or_equal(&self, term: u64, index: u64) -> bool {
        (term, index) >= (self.last_term(), self.last_index())
    }

    /// The last index at or below `index` whose entry's term is at most `term`, and that term.
    ///
    /// Both sides of a conflict use it to skip a whole term per exchange instead of one entry: everything above cannot
    /// match (the end of paper §5.3; as `findConflictByTerm` of etcd-io/raft).
    pub fn back_off(&self, index: u64, term: u64) -> (u64, u64) {
        let mut at = index.min(self.last_index());
        while at > self.base {
            match self.term(at) {
                Some(found) if found > term => at -= 1,
                Some(found) => return (at, found),
                None => break,
            }
        }
        // What is no longer here is committed: everybody who has it has the same.
        (at.min(self.base), self.base_term)
    }
}

/// How many of the first `records`, at least one, take at most `limit` bytes, and how many they take.
fn fitting<'a>(records: impl Iterator<Item = &'a Bytes>, limit: usize) -> (usize, usize) {
    let (mut count, mut bytes) = (0, 0);
    for record in records {
        if count > 0 && bytes + record.len() > limit {
            break;
        }
        bytes += record.len();
        count += 1;
    }
    (count, bytes)
}

#[cfg(test)]
mod tests {
    use base::{Fingerprint, NodeSet};

    use super::*;

    fn log(terms: &[u64]) -> Log {
        let mut log = Log::new((0, 0), 0, Members::of(NodeSet::first(3)));
        // The last two come together.
        let (alone, together) = terms.split_at(terms.len().saturating_sub(2));
        alone.chunks(1).chain([together]).for_each(|terms| log.push(records(terms)));
        log
    }

    fn records(terms: &[u64]) -> Records {
        terms.iter().map(|term| record(*term, b"x")).collect()
    }

    fn record(term: u64, command: &[u8]) -> Bytes {
        let mut buffer = Vec::new();
        Entry::encode(&mut buffer, term, EntryKind::Command, command);
        buffer.into()
    }

    #[test]
    fn a_log_counts_from_one_and_knows_its_size() {
        let mut log = log(&[1, 1, 2]);
        assert_eq!((log.last_index(), log.last_term(), log.bytes()), (3, 2, 30));
        assert_eq!([0, 1, 3, 4].map(|index| log.term(index)), [Some(0), Some(1), Some(2), None]);
        assert_eq!(log.bytes_after(1), 20);
        log.truncate(2);
        assert_eq!((log.last_index(), log.bytes(), log.truncations()), (1, 10, 1));
        log.truncate(2);
        assert_eq!(log.truncations(), 1, "nothing was there to remove");
    }

    #[test]
    fn what_is_taken_respects_its_limit_but_always_moves() {
        let log = log(&[1; 5]);
        assert_eq!(log.take(2, 20), (records(&[1, 1]), 20), "of two batches");
        assert_eq!(log.take(4, 100), (records(&[1, 1]), 20));
        assert_eq!((log.take(2, 1).0.len(), log.take(4, 1).0.len()), (1, 1));
        assert_eq!(log.take(6, 100), (records(&[]), 0));
    }

    #[test]
    fn up_to_date_compares_the_term_first() {
        let log = log(&[1, 1, 3]);
        assert!(log.is_behind_or_equal(3, 3));
        assert!(log.is_behind_or_equal(4, 1), "a later term beats a longer log");
        assert!(!log.is_behind_or_equal(2, 9));
        assert!(!log.is_behind_or_equal(3, 2));
    }

    #[test]
    fn backing_off_skips_terms_that_cannot_match() {
        let log = log(&[1, 1, 4, 4, 4, 6]);
        assert_eq!(log.back_off(6, 5), (5, 4));
        assert_eq!(log.back_off(9, 3), (2, 1));
        assert_eq!(log.back_off(4, 0), (0, 0));
    }

    #[test]
    fn what_a_snapshot_has_is_forgotten_and_the_rest_keeps_its_indices() {
        let mut log = log(&[1, 1, 2, 3]);
        log.discard(3);
        assert_eq!((log.base(), log.last_index(), log.last_term(), log.bytes()), (3, 4, 3, 10));
        assert_eq!([2, 3, 4, 5].map(|index| log.term(index)), [None, Some(2), Some(3), None]);
        log.discard(2);
        assert_eq!(log.base(), 3, "nothing comes back");
        assert_eq!(log.back_off(4, 2), (3, 2));
        assert_eq!(log.back_off(1, 0), (1, 2));
        log.reset(9, 5, Members::of(NodeSet::first(1)));
        assert_eq!((log.last_index(), log.last_term(), log.term(9)), (9, 5, Some(5)));
        assert_eq!(log.members(), Members::of(NodeSet::first(1)));
    }

    #[test]
    fn a_batch_is_cut_where_the_log_is() {
        let of_three = || {
            let mut log = log(&[]);
            log.push(records(&[1, 1, 2]));
            log
        };
        let (mut cut, mut gone, mut same) = (of_three(), of_three(), log(&[1, 1, 2]));
        assert_eq!(Fingerprint::of(&cut), Fingerprint::of(&same), "however it came");
        cut.truncate(2);
        cut.push(records(&[3]));
        assert_eq!((cut.last_index(), cut.last_term(), cut.bytes()), (2, 3, 20));
        assert_eq!([1, 2, 3].map(|index| cut.term(index)), [Some(1), Some(3), None]);
        gone.discard(2);
        same.discard(2);
        assert_eq!((gone.batch(2), gone.batch(3)), (None, Some(&records(&[2])[..])));
        assert_eq!(Fingerprint::of(&gone), Fingerprint::of(&same));
        gone.truncate(3);
        assert_eq!((gone.last_index(), gone.last_term(), gone.bytes()), (2, 1, 0));
    }

    #[test]
    fn members_count_from_their_entry_on_until_it_is_overwritten() {
        let of = |count| Members::of(NodeSet::first(count));
        let mut log = log(&[1, 1]);
        let mut buffer = Vec::new();
        Entry::encode(&mut buffer, 2, EntryKind::Members, &of(5).encode());
        log.push(Records::from(vec![buffer.into()]));
        assert_eq!((log.members(), log.members_since(), log.members_at(2)), (of(5), 3, of(3)));
        let mut other = log.clone();
        other.truncate(3);
        assert_eq!((other.members(), other.members_since()), (of(3), 0));
        log.discard(3);
        log.truncate(3);
        assert_eq!((log.members(), log.members_since()), (of(5), 3), "what is committed is not overwritten");
    }

    #[test]
    fn malformed_records_are_refused() {
        assert!(Entry::decode(&Bytes::from_static(b"short")).is_err());
        assert!(Entry::decode(&Bytes::from_static(b"termterm\x09")).is_err(), "kind 9");
        assert!(Entry::decode(&Bytes::from_static(b"termterm\x02short")).is_err(), "members of 5 bytes");
        let record = record(7, b"set");
        let entry = Entry::decode(&record).unwrap();
        assert_eq!((entry.term, entry.kind(), entry.command()), (7, EntryKind::Command, &b"set"[..]));
    }
}
