//! The replicated log of one replica, in memory.
//!
//! An entry is kept in the form in which the disk and the wire carry it, so that a follower writes the very bytes that it
//! received and a command is copied once per node at most, whatever the number of replicas.

use std::collections::VecDeque;

use base::Bytes;
use proto::Malformed;

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

/// One entry of the log.
///
/// Invariant: `record` starts with `term` and a known kind, and members follow where the kind says so.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    /// The term in which a leader made the entry.
    pub term: u64,
    /// Term, kind and command, as on disk and wire.
    pub record: Bytes,
}

impl Entry {
    /// Reads a record back.
    pub fn decode(record: Bytes) -> Result<Self, Malformed> {
        let known = match record.get(8) {
            Some(0 | 1) => true,
            Some(2) => Members::decode(&record[RECORD_HEADER..]).is_some(),
            _ => false,
        };
        match record.first_chunk::<8>() {
            Some(term) if known => Ok(Entry { term: u64::from_le_bytes(*term), record }),
            _ => Err(Malformed(format!("log record of {} bytes", record.len()))),
        }
    }

    /// Appends the record of an entry to `buffer`.
    pub fn encode(buffer: &mut Vec<u8>, term: u64, kind: EntryKind, command: &[u8]) {
        buffer.extend_from_slice(&term.to_le_bytes());
        buffer.push(kind as u8);
        buffer.extend_from_slice(command);
    }

    /// What the entry is for.
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

    /// The command, sharing the record's bytes.
    pub fn command(&self) -> Bytes {
        self.record.slice(RECORD_HEADER..)
    }
}

/// The log: entries counted from 1, as in the paper; those at the front are gone when a snapshot has them.
///
/// Record `i` of the disk's log (counted from 0) holds entry `i + 1`.
///
/// It also knows who the members are, because the latest entry about them counts from the moment it is in the log, committed or
/// not, and no longer when it is overwritten (dissertation §4.1).
#[derive(Clone, Debug, Hash)]
pub struct Log {
    /// Entries up to this index are no longer here.
    base: u64,
    /// The term of entry `base`.
    base_term: u64,
    entries: VecDeque<Entry>,
    bytes: u64,
    truncations: u64,
    /// Members by the index from which they count. Never empty.
    members: Vec<(u64, Members)>,
}

impl Log {
    /// A log without entries that goes on after entry `base` of term `base_term`, where `members` count since `since`.
    pub fn new((base, base_term): (u64, u64), since: u64, members: Members) -> Self {
        let members = vec![(since, members)];
        Log { base, base_term, entries: VecDeque::new(), bytes: 0, truncations: 0, members }
    }

    /// Index of the last entry that is no longer here; 0 if none is gone.
    pub fn base(&self) -> u64 {
        self.base
    }

    /// Index of the last entry; 0 if there is none.
    pub fn last_index(&self) -> u64 {
        self.base + self.entries.len() as u64
    }

    /// Term of the last entry; 0 if there is none.
    pub fn last_term(&self) -> u64 {
        self.entries.back().map_or(self.base_term, |entry| entry.term)
    }

    /// Term of the entry at `index`; 0 before the first, `None` after the last and where it is no longer known.
    pub fn term(&self, index: u64) -> Option<u64> {
        if index == self.base { Some(self.base_term) } else { self.entry(index).map(|entry| entry.term) }
    }

    /// The entry at `index`.
    pub fn entry(&self, index: u64) -> Option<&Entry> {
        let place = index.checked_sub(self.base + 1)?;
        self.entries.get(place as usize)
    }

    /// Who the members are.
    pub fn members(&self) -> Members {
        self.members.last().expect("never empty").1
    }

    /// Index of the entry that made them members; 0 for those of the first start.
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
    pub fn truncations(&self) -> u64 {
        self.truncations
    }

    /// Adds an entry at the end.
    pub fn push(&mut self, entry: Entry) {
        self.bytes += entry.record.len() as u64;
        let members = entry.members();
        self.entries.push_back(entry);
        if let Some(members) = members
            && self.last_index() > self.members[0].0
        {
            self.members.push((self.last_index(), members));
        }
    }

    /// Removes the entries from `index` on.
    pub fn truncate(&mut self, index: u64) {
        let keep = index.saturating_sub(self.base + 1) as usize;
        if keep < self.entries.len() {
            self.bytes -= self.entries.range(keep..).map(|entry| entry.record.len() as u64).sum::<u64>();
            self.entries.truncate(keep);
            self.truncations += 1;
            while self.members.len() > 1 && self.members_since() >= index {
                self.members.pop();
            }
        }
    }

    /// Forgets the entries up to `index`, which a snapshot has.
    pub fn discard(&mut self, index: u64) {
        let Some(term) = self.term(index).filter(|_| index > self.base) else { return };
        for entry in self.entries.drain(..(index - self.base) as usize) {
            self.bytes -= entry.record.len() as u64;
        }
        (self.base, self.base_term) = (index, term);
        let old = self.members.iter().rposition(|(since, _)| *since <= index).unwrap_or(0);
        self.members.drain(..old);
    }

    /// Forgets everything and goes on after entry `index` of `term`, of whose time `members` are.
    pub fn reset(&mut self, index: u64, term: u64, members: Members) {
        *self = Log { truncations: self.truncations + 1, ..Log::new((index, term), index, members) };
    }

    /// Size in bytes of the records after `index`.
    pub fn bytes_after(&self, index: u64) -> u64 {
        let from = (index.saturating_sub(self.base) as usize).min(self.entries.len());
        self.entries.range(from..).map(|entry| entry.record.len() as u64).sum()
    }

    /// Copies of the entries from `from` on (their bytes are shared), up to `limit` bytes but at least one if there is one,
    /// and their size in bytes.
    pub fn batch(&self, from: u64, limit: usize) -> (Vec<Entry>, usize) {
        let start = (from.saturating_sub(self.base + 1) as usize).min(self.entries.len());
        let mut bytes = 0;
        let mut count = 0;
        for entry in self.entries.range(start..) {
            if count > 0 && bytes + entry.record.len() > limit {
                break;
            }
            bytes += entry.record.len();
            count += 1;
        }
        (self.entries.range(start..start + count).cloned().collect(), bytes)
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

#[cfg(test)]
mod tests {
    use base::NodeSet;

    use super::*;

    fn log(terms: &[u64]) -> Log {
        let mut log = Log::new((0, 0), 0, Members::of(NodeSet::first(3)));
        terms.iter().for_each(|&term| log.push(Entry::decode(record(term, b"x")).expect("well-formed")));
        log
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
    fn a_batch_respects_its_limit_but_always_moves() {
        let log = log(&[1; 5]);
        assert_eq!(log.batch(2, 20).0.len(), 2);
        assert_eq!(log.batch(2, 1).0.len(), 1);
        assert_eq!(log.batch(6, 100), (vec![], 0));
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
    fn members_count_from_their_entry_on_until_it_is_overwritten() {
        let of = |count| Members::of(NodeSet::first(count));
        let mut log = log(&[1, 1]);
        let mut buffer = Vec::new();
        Entry::encode(&mut buffer, 2, EntryKind::Members, &of(5).encode());
        log.push(Entry::decode(buffer.into()).expect("well-formed"));
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
        assert!(Entry::decode(Bytes::from_static(b"short")).is_err());
        assert!(Entry::decode(Bytes::from_static(b"termterm\x09")).is_err(), "kind 9");
        assert!(Entry::decode(Bytes::from_static(b"termterm\x02short")).is_err(), "members of 5 bytes");
        let entry = Entry::decode(record(7, b"set")).unwrap();
        assert_eq!((entry.term, entry.kind(), entry.command().as_ref()), (7, EntryKind::Command, b"set".as_ref()));
    }
}
