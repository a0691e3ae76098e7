//! Snapshots: the state machine in place of the log that made it (paper §7, dissertation §5).
//!
//! **Taken** when enough entries were applied since the last one. The log behind it is forgotten when the snapshot is
//! durable, not before, and a tail stays for followers that are only a little behind: entries are cheaper to send than state.
//!
//! **Sent** to a follower that needs entries which are gone, in chunks, one at a time: a chunk is answered with where the next one
//! belongs, so that what was lost is sent again and what arrived is not.
//!
//! **Installed** when it is complete and durable. It replaces the whole log of the follower, unless that has the snapshot's last entry: then
//! the log has all of it and more.

use base::{Bytes, NodeId};
use proto::{Address, Barrier, Records, StateMachine};

use crate::bugs::Planted;
use crate::log::{Entry, EntryKind, Log};
use crate::marks::Mark;
use crate::members::{ENCODED, Members};
use crate::message::Message;
use crate::progress::Sending;
use crate::replica::{Ctx, Replica, Role};

/// The blob that holds the snapshot, head and all: one write, so that no crash leaves a state with another's index.
pub(crate) const SNAPSHOT: &str = "snapshot";

/// Bytes before the state: index, term, members.
const HEAD: usize = 16 + ENCODED;

/// The state machine after entry `index`, and what the log would have told beside it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Snapshot {
    /// The last entry in it.
    pub index: u64,
    /// The term of that entry.
    pub term: u64,
    /// Who the members were.
    pub members: Members,
    /// All of it, as on disk and wire.
    pub blob: Bytes,
}

impl Snapshot {
    /// A snapshot of a state.
    pub fn new((index, term): (u64, u64), members: Members, state: &[u8]) -> Self {
        let blob = [&index.to_le_bytes()[..], &term.to_le_bytes(), &members.encode(), state].concat().into();
        Snapshot { index, term, members, blob }
    }

    /// Reads a snapshot back; `None` if it is none.
    pub fn decode(blob: Bytes) -> Option<Self> {
        let index = u64::from_le_bytes(*blob.first_chunk::<8>()?);
        let term = u64::from_le_bytes(blob.get(8..16)?.try_into().ok()?);
        let members = Members::decode(blob.get(16..HEAD)?)?;
        Some(Snapshot { index, term, members, blob })
    }

    /// The state, sharing the blob's bytes.
    pub fn state(&self) -> Bytes {
        self.blob.slice(HEAD..)
    }
}

/// The snapshots of a server.
#[derive(Clone, Debug, Default, Hash)]
pub(crate) struct Snapshots {
    /// The latest; a leader sends it.
    pub latest: Option<Snapshot>,
    /// When this is durable, so is `latest`, and the log before it may go.
    written: Option<Barrier>,
    /// What has arrived of a leader's.
    incoming: Option<Incoming>,
    /// Complete, and to be installed when it is durable.
    arrived: Option<(Barrier, Arrived)>,
}

#[derive(Clone, Debug, Hash)]
struct Incoming {
    /// The leader's term and the snapshot's last index: bytes of another snapshot must not be mixed in.
    of: (u64, u64),
    bytes: Vec<u8>,
}

#[derive(Clone, Debug, Hash)]
struct Arrived {
    from: NodeId,
    term: u64,
    session: u64,
    snapshot: Snapshot,
}

/// A chunk of a snapshot, as it comes.
pub(crate) struct Chunk<'a> {
    pub session: u64,
    pub index: u64,
    pub last_term: u64,
    pub size: u64,
    pub offset: u64,
    pub bytes: &'a [u8],
}

/// Taking and keeping.
impl<S: StateMachine> Replica<S> {
    /// Index of the last entry in the latest snapshot; 0 if there is none.
    pub(crate) fn snapshot_index(&self) -> u64 {
        self.snapshots.latest.as_ref().map_or(0, |snapshot| snapshot.index)
    }

    /// Takes a snapshot if enough was applied since the last one.
    pub(crate) fn snapshot_if_due(&mut self, ctx: Ctx) {
        if self.applied - self.snapshot_index() >= self.settings.snapshot_entries {
            self.take_snapshot(ctx);
        }
    }

    /// Puts the present state in a snapshot. Nothing to do if there is one of it, or if a leader's is on its way to the disk: an older one
    /// would be written over it, and the log cut for the one that is gone.
    pub(crate) fn take_snapshot(&mut self, ctx: Ctx) {
        if self.applied <= self.snapshot_index() || self.is_installing() {
            return;
        }
        let (index, state) = match self.settings.has(Planted::FlushesUncommitted) {
            true => self.state_at_end(),
            false => (self.applied, self.state.snapshot()),
        };
        let Some(term) = self.log.term(index) else { return };
        let snapshot = Snapshot::new((index, term), self.log.members_at(index), &state);
        let blob = snapshot.blob.clone();
        self.snapshots.latest = Some(snapshot);
        self.save(ctx);
        if self.settings.has(Planted::CompactsBeforeSnapshot) {
            self.compact(ctx);
        }
        ctx.out.put(SNAPSHOT, blob);
        self.snapshots.written = Some(ctx.out.barrier());
    }

    /// The planted bug of writing what is not committed to the place of what is.
    fn state_at_end(&self) -> (u64, Bytes) {
        let mut state = self.state.clone();
        for index in self.applied + 1..=self.log.last_index() {
            let command = self.log.entry(index).filter(|entry| entry.kind() == EntryKind::Command);
            command.map(|entry| state.apply(entry.command()));
        }
        (self.log.last_index(), state.snapshot())
    }

    /// Whatever waited for the disk: a snapshot of this server's own lets the log behind it go, a leader's is installed.
    pub(crate) fn on_snapshot_durable(&mut self, ctx: Ctx, barrier: Barrier) {
        if self.snapshots.written.is_some_and(|written| written <= barrier) {
            self.snapshots.written = None;
            self.compact(ctx);
        }
        if self.snapshots.arrived.as_ref().is_some_and(|(written, _)| *written <= barrier)
            && let Some((_, arrived)) = self.snapshots.arrived.take()
        {
            self.install(ctx, arrived);
        }
    }

    /// Forgets the log that the latest snapshot has, but for a tail.
    fn compact(&mut self, ctx: Ctx) {
        let to = self.snapshot_index().saturating_sub(self.settings.snapshot_keep);
        if to > self.log.base() {
            self.log.discard(to);
            ctx.out.discard(to);
        }
    }

    /// What the disk kept: a snapshot, and the log from somewhere before it on.
    pub(crate) fn recover_log(
        &mut self,
        ctx: Ctx,
        first_index: u64,
        mut entries: Records,
        blob: Option<Bytes>,
    ) -> Result<(), String> {
        let start = Members::of(self.settings.first_voters());
        let snapshot = match blob {
            Some(blob) => Snapshot::decode(blob).ok_or("the snapshot on disk is malformed")?,
            None => Snapshot::new((0, 0), start, &[]),
        };
        if first_index > snapshot.index {
            return Err(format!("entries after {} are gone from the log, up to {first_index}", snapshot.index));
        }
        // The term before the first record is known if the snapshot ends there. Else the first record, which the snapshot has
        // too, serves for its term alone.
        let mut base = (first_index, snapshot.term);
        if first_index < snapshot.index && first_index > 0 && !entries.is_empty() {
            base = (first_index + 1, Entry::of(&entries[0]).term);
            entries = entries.after(1);
        } else if first_index == 0 {
            base = (0, 0);
        }
        self.log = Log::new(base, snapshot.index, snapshot.members);
        self.log.push(entries);
        if snapshot.index == 0 {
            return Ok(());
        }
        self.state = S::restore(&snapshot.state()).map_err(|wrong| wrong.to_string())?;
        (self.commit, self.applied) = (snapshot.index, snapshot.index);
        if self.log.term(snapshot.index) != Some(snapshot.term) {
            // The crash came between the snapshot and the log that goes on after it, or took entries that the snapshot has.
            ctx.out.mark(Mark::SnapshotWithoutLog);
            self.replace_log(ctx, &snapshot);
        }
        self.snapshots.latest = Some(snapshot);
        Ok(())
    }

    /// The log goes on after the snapshot, and what it had is gone.
    fn replace_log(&mut self, ctx: Ctx, snapshot: &Snapshot) {
        self.log.reset(snapshot.index, snapshot.term, snapshot.members);
        ctx.out.truncate(0);
        ctx.out.discard(snapshot.index);
    }
}

/// The leader's part.
impl<S: StateMachine> Replica<S> {
    /// Sends the next chunk to every follower that gets a snapshot and has answered the last one.
    pub(crate) fn send_chunks(&mut self, ctx: Ctx) {
        let Role::Leader(leader) = &mut self.role else { return };
        let Some(snapshot) = &self.snapshots.latest else { return };
        for node in self.log.members().all().iter().filter(|node| *node != self.me) {
            let peer = &mut leader.progress[node.index()];
            let Sending::Snapshot { index, offset, paused: false } = &mut peer.sending else { continue };
            if *index != snapshot.index {
                // There is a newer one by now: the follower starts over with that.
                (*index, *offset) = (snapshot.index, 0);
                ctx.out.mark(Mark::SnapshotOvertaken);
            }
            let start = (*offset).min(snapshot.blob.len() as u64);
            let end = (start as usize + self.settings.chunk_bytes).min(snapshot.blob.len());
            let message = Message::Snapshot {
                term: self.term,
                session: peer.session,
                index: snapshot.index,
                last_term: snapshot.term,
                size: snapshot.blob.len() as u64,
                offset: start,
                chunk: snapshot.blob.slice(start as usize..end),
            };
            peer.sending = Sending::Snapshot { index: snapshot.index, offset: start, paused: true };
            // At once: everything in a snapshot is committed.
            ctx.out.send_now(Address::Node(node), message);
        }
    }

    pub(crate) fn on_snapshot_reply(&mut self, ctx: Ctx, from: NodeId, session: u64, index: u64, at: u64) {
        let Some(peer) = self.peer(from, session) else { return };
        peer.heard = ctx.now.monotonic;
        if let Sending::Snapshot { index: sending, offset, paused } = &mut peer.sending
            && *sending == index
        {
            (*offset, *paused) = (at, false);
        }
    }
}

/// The follower's part.
impl<S: StateMachine> Replica<S> {
    pub(crate) fn on_chunk(&mut self, ctx: Ctx, from: NodeId, chunk: Chunk<'_>) {
        let Chunk { session, index, last_term, size, offset, bytes } = chunk;
        if self.snapshots.arrived.is_some() {
            return; // about to install one
        }
        let known = index <= self.commit || self.log.term(index) == Some(last_term);
        if known && !self.settings.has(Planted::OldSnapshotTruncates) {
            // The log has all that the snapshot has: what is committed is committed for ever, and an entry that matches vouches for all
            // before it.
            ctx.out.mark(Mark::SnapshotInVain);
            self.learn_commit(ctx, index, index);
            return self.say(ctx, from, Message::Accepted { term: self.term, index, session });
        }
        let of = (self.term, index);
        let incoming = match self.snapshots.incoming.take() {
            Some(incoming) if incoming.of == of => incoming,
            _ => Incoming { of, bytes: Vec::new() },
        };
        let incoming = self.snapshots.incoming.insert(incoming);
        if incoming.bytes.len() as u64 == offset {
            incoming.bytes.extend_from_slice(bytes);
        }
        let offset = incoming.bytes.len() as u64;
        if offset < size {
            // At once: what is only in memory may be asked for again.
            ctx.out.mark(Mark::SnapshotInChunks);
            let reply = Message::SnapshotReply { term: self.term, session, index, offset };
            return ctx.out.send_now(Address::Node(from), reply);
        }
        let blob = Bytes::from(std::mem::take(&mut incoming.bytes));
        self.snapshots.incoming = None;
        let Some(snapshot) = Snapshot::decode(blob).filter(|snapshot| snapshot.index == index) else { return };
        self.save(ctx);
        ctx.out.put(SNAPSHOT, snapshot.blob.clone());
        let arrived = Arrived { from, term: self.term, session, snapshot };
        self.snapshots.arrived = Some((ctx.out.barrier(), arrived));
    }

    /// A complete snapshot is waiting for the disk: what comes meanwhile would have to be put on a log that is about to go.
    pub(crate) fn is_installing(&self) -> bool {
        self.snapshots.arrived.is_some()
    }

    fn install(&mut self, ctx: Ctx, arrived: Arrived) {
        let Arrived { from, term, session, snapshot } = arrived;
        let index = snapshot.index;
        if index <= self.commit && !self.settings.has(Planted::OldSnapshotTruncates) {
            return; // the log has caught up meanwhile
        }
        let state = match S::restore(&snapshot.state()) {
            Ok(state) => state,
            Err(wrong) => return self.halt(ctx, format!("the snapshot from {from} is {wrong}")),
        };
        self.drop_questions(ctx);
        if self.settings.has(Planted::SnapshotKeepsConflict) && self.log.last_index() >= index {
            self.log.discard(index);
            ctx.out.discard(index);
        } else {
            self.replace_log(ctx, &snapshot);
        }
        if self.settings.has(Planted::SnapshotSetsTerm) {
            (self.term, self.unsaved) = (snapshot.term, true);
        }
        ctx.out.mark(Mark::SnapshotInstalled);
        ctx.out.label(format!("installed a snapshot up to entry {index} of term {}", snapshot.term));
        self.state = state;
        (self.commit, self.applied) = (index, index);
        self.snapshots.latest = Some(snapshot);
        if term == self.term {
            self.say(ctx, from, Message::Accepted { term, index, session });
        }
    }
}

#[cfg(test)]
mod tests {
    use base::NodeSet;

    use super::*;

    #[test]
    fn a_snapshot_is_read_as_it_was_written() {
        let snapshot = Snapshot::new((7, 3), Members::of(NodeSet::first(3)), b"state");
        assert_eq!(snapshot.state().as_ref(), b"state");
        assert_eq!(Snapshot::decode(snapshot.blob.clone()), Some(snapshot.clone()));
        for end in 0..HEAD {
            assert_eq!(Snapshot::decode(snapshot.blob.slice(..end)), None);
        }
    }
}
