//! How the log is copied, when an entry is committed, and what happens then.

use base::{Bytes, NodeId};
use proto::{Address, Records, StateMachine};

use crate::bugs::Planted;
use crate::log::{Entry, EntryKind, RECORD_HEADER};
use crate::marks::Mark;
use crate::message::{Answer, Message};
use crate::progress::{Progress, Sending};
use crate::replica::{Ctx, HEARTBEAT, Leadership, Replica, Role, answer};

/// The leader's part.
impl<S: StateMachine> Replica<S> {
    /// Adds entries to the leader's own log. `bytes` is the total size of the commands.
    ///
    /// The records of a batch are slices of one buffer: one allocation and one copy for all of them.
    pub(crate) fn append<'a>(
        &mut self,
        ctx: Ctx,
        bytes: usize,
        commands: impl ExactSizeIterator<Item = (EntryKind, &'a [u8])> + Clone,
    ) {
        let Role::Leader(leader) = &mut self.role else { return };
        let mut buffer = Vec::with_capacity(bytes + commands.len() * RECORD_HEADER);
        for (kind, command) in commands.clone() {
            Entry::encode(&mut buffer, self.term, kind, command);
        }
        leader.uncommitted_bytes += buffer.len() as u64;
        let mut rest = Bytes::from(buffer);
        let records: Records = commands.map(|(_, command)| rest.split_to(RECORD_HEADER + command.len())).collect();
        self.log.push(records.clone());
        ctx.out.append_all(records);
        leader.unsynced.push_back((ctx.out.barrier(), self.log.last_index()));
        // A leader counts itself when its disk has the entries, not before (dissertation §10.2.1).
        let early = [Planted::Forgets, Planted::LostWrite, Planted::LeaderCountsUnsynced];
        if early.iter().any(|bug| self.settings.has(*bug)) || self.disk_ignored {
            leader.progress[self.me.index()].matched = self.log.last_index();
            self.advance_commit(ctx);
        }
    }

    /// Sends every follower what it lacks, as far as its window allows.
    ///
    /// At once, while the own disk still writes (dissertation §10.2.1): an entry counts only where it is durable, and the
    /// leader's term was durable before it could be elected.
    pub(crate) fn replicate(&mut self, ctx: Ctx) {
        let Role::Leader(leader) = &mut self.role else { return };
        let last_index = self.log.last_index();
        for node in self.log.members().all().iter().filter(|&node| node != self.me) {
            let peer = &mut leader.progress[node.index()];
            while peer.next <= last_index && peer.has_room(self.settings.in_flight, self.settings.in_flight_bytes) {
                let prev_index = peer.next - 1;
                let Some(prev_term) = self.log.term(prev_index) else {
                    peer.send_snapshot(self.snapshots.latest.as_ref().map_or(0, |snapshot| snapshot.index));
                    break;
                };
                let (entries, bytes) = self.log.take(peer.next, self.settings.append_bytes);
                peer.sent(prev_index + entries.len() as u64, bytes);
                peer.told_commit = self.commit;
                let (term, commit, session) = (self.term, self.commit, peer.session);
                let message = Message::Append { term, prev_index, prev_term, commit, entries, session };
                ctx.out.send_now(Address::Node(node), message);
            }
        }
        self.send_chunks(ctx);
    }

    /// Lets every follower hear that the leader is there, and asks whether it still is one in the latest read round.
    /// At once: nothing that it says has to be on this node's disk.
    pub(crate) fn send_heartbeats(&mut self, ctx: Ctx) {
        let me = self.me;
        for node in self.log.members().all().iter().filter(|&node| node != me) {
            self.send_heartbeat(ctx, node);
        }
    }

    pub(crate) fn send_heartbeat(&mut self, ctx: Ctx, node: NodeId) {
        let Role::Leader(leader) = &mut self.role else { return };
        let peer = &mut leader.progress[node.index()];
        // Not above what the follower is known to have: what it has beyond may be another leader's.
        let commit = self.commit.min(peer.matched);
        peer.told_commit = peer.told_commit.max(commit);
        let message = Message::Heartbeat { term: self.term, commit, context: leader.rounds.context() };
        ctx.out.send_now(Address::Node(node), message);
    }

    pub(crate) fn on_heartbeat_timer(&mut self, ctx: Ctx) {
        if self.has_lost_quorum(ctx) {
            ctx.out.mark(Mark::LostQuorum);
            ctx.out.label(format!("lost its quorum at term {}", self.term));
            return self.follow(ctx, self.term);
        }
        let Role::Leader(leader) = &mut self.role else { return };
        leader.ticks += 1;
        ctx.out.set_timer(HEARTBEAT, self.settings.heartbeat);
        self.begin_beat(ctx);
        self.send_heartbeats(ctx);
        self.probe_stalled(ctx);
        self.drive_change(ctx);
        self.drive_transfer(ctx);
    }

    /// Appends may get lost, and a follower complains only when the next one comes: where nothing moved for a heartbeat, an
    /// empty append provokes the answer.
    fn probe_stalled(&mut self, ctx: Ctx) {
        let Role::Leader(leader) = &mut self.role else { return };
        for node in self.log.members().all().iter() {
            let peer = &mut leader.progress[node.index()];
            if peer.is_stalled() {
                let prev_index = peer.next - 1;
                let Some(prev_term) = self.log.term(prev_index) else {
                    peer.probe(peer.matched + 1, false); // the entry is gone: a snapshot is due
                    continue;
                };
                let (term, commit, session) = (self.term, self.commit, peer.session);
                let entries = Records::default();
                let message = Message::Append { term, prev_index, prev_term, commit, entries, session };
                ctx.out.send_now(Address::Node(node), message);
            }
        }
    }

    /// What this node knows of a follower, if it leads and `session` is that of the follower's present membership.
    pub(crate) fn peer(&mut self, from: NodeId, session: u64) -> Option<&mut Progress> {
        let Role::Leader(leader) = &mut self.role else { return None };
        Some(&mut leader.progress[from.index()]).filter(|peer| peer.session == session)
    }

    fn note_old_session(&self, ctx: Ctx) {
        if self.is_leader() {
            ctx.out.mark(Mark::OldSession);
        }
    }

    pub(crate) fn on_accepted(&mut self, ctx: Ctx, from: NodeId, index: u64, session: u64) {
        let (last_index, goes_back) = (self.log.last_index(), self.settings.has(Planted::MatchGoesBack));
        let Some(peer) = self.peer(from, session) else { return self.note_old_session(ctx) };
        peer.heard = ctx.now.monotonic;
        // Nobody has more of this term's log than its leader.
        let index = index.min(last_index);
        peer.accepted(index);
        if goes_back {
            peer.matched = index;
        }
        self.note_progress(from);
        self.advance_commit(ctx);
        self.drive_change(ctx);
        self.drive_transfer(ctx);
    }

    /// The planted bug of keeping the voters in order, but not moving one that is above the quorum's place already.
    pub(crate) fn note_progress(&mut self, node: NodeId) {
        let Role::Leader(leader) = &mut self.role else { return };
        if !self.settings.has(Planted::StaleOrder) {
            return;
        }
        let Leadership { order, progress, .. } = &mut **leader;
        let matched = |node: NodeId| progress[node.index()].matched;
        let Some(mut place) = order.iter().position(|other| *other == node) else { return };
        if place < order.len() / 2 {
            return;
        }
        while place > 0 && matched(order[place - 1]) < matched(node) {
            order.swap(place - 1, place);
            place -= 1;
        }
    }

    /// The logs differ at `index` or the follower's ends before it: back off to where they may agree.
    pub(crate) fn on_rejected(&mut self, ctx: Ctx, from: NodeId, index: u64, hint: (u64, u64), session: u64) {
        let (agree, _) = self.log.back_off(hint.0.min(index.saturating_sub(1)), hint.1);
        let Some(peer) = self.peer(from, session) else { return };
        peer.heard = ctx.now.monotonic;
        match peer.sending {
            Sending::Snapshot { .. } => return, // what is sent now makes up for it
            // Delayed: the follower has acknowledged the entry since. (If it is not delayed, the disk of the follower lost
            // what it had acknowledged. Nothing here can mend that, and probing on at once would not end.)
            _ if index <= peer.matched => return ctx.out.mark(Mark::LateRejection),
            Sending::Probe { .. } if index + 1 != peer.next => return, // the answer to an earlier probe
            _ => {}
        }
        peer.probe(agree + 1, false);
    }

    /// A channel broke, and what was under way on it may be gone.
    pub(crate) fn on_lost(&mut self, peer: NodeId) {
        if let Role::Leader(leader) = &mut self.role
            && let Some(progress) = leader.progress.get_mut(peer.index())
        {
            progress.probe(progress.matched + 1, true);
        }
    }

    pub(crate) fn on_heartbeat_reply(&mut self, ctx: Ctx, from: NodeId, context: u64) {
        let Role::Leader(leader) = &mut self.role else { return };
        let peer = &mut leader.progress[from.index()];
        peer.heard = ctx.now.monotonic;
        peer.unpause();
        peer.beat = peer.beat.max(context);
        peer.heard_tick = leader.ticks;
        leader.rounds.acknowledged(from, context);
        self.confirm_rounds(ctx);
    }

    /// Commits what a quorum has on disk, if it is of this term: an older entry can be on a majority and still be
    /// overwritten (paper §5.4.2 and figure 8).
    pub(crate) fn advance_commit(&mut self, ctx: Ctx) {
        let Role::Leader(leader) = &self.role else { return };
        if self.commit == self.log.last_index() {
            return;
        }
        let own = leader.progress[self.me.index()].matched;
        let index = match self.settings.has(Planted::LostWrite) {
            true => own,
            false if self.settings.has(Planted::StaleOrder) => {
                leader.progress[leader.order[leader.order.len() / 2].index()].matched
            }
            false => self.log.members().quorum_value(|node| leader.progress[node.index()].matched),
        };
        if index <= self.commit {
            return;
        }
        if self.log.term(index) == Some(self.term) || self.settings.has(Planted::OldTermCommit) {
            self.commit_to(ctx, index);
        } else {
            ctx.out.mark(Mark::OldTermNotCounted);
        }
    }
}

/// The follower's part.
impl<S: StateMachine> Replica<S> {
    /// Takes over the leader's entries if the log agrees with its log just before them: then, by induction, it agrees in all
    /// that comes before (the Log Matching Property, paper §5.3).
    pub(crate) fn on_append(
        &mut self,
        ctx: Ctx,
        from: NodeId,
        (prev_index, prev_term): (u64, u64),
        commit: u64,
        entries: &Records,
        session: u64,
    ) {
        self.save(ctx); // the term, before entries of it
        let vouched = prev_index + entries.len() as u64;
        let gone = self.log.base().saturating_sub(prev_index);
        if self.settings.has(Planted::AppendsBlindlyAtZero) && prev_index == 0 && gone > 0 {
            return self.append_blindly(ctx, from, entries, session);
        }
        let off_by_one = self.settings.has(Planted::BoundaryOffByOne) && prev_index == self.log.base() + 1;
        if gone == 0 && self.log.term(prev_index) != Some(prev_term) && !off_by_one {
            return self.reject(ctx, from, (prev_index, prev_term), session);
        }
        if vouched < self.log.last_index() {
            ctx.out.mark(Mark::LateAppend);
        }
        self.take_over(ctx, prev_index, entries);
        if self.settings.has(Planted::TruncatesAlways) && self.log.last_index() > vouched {
            self.truncate(ctx, vouched + 1);
        }
        self.learn_commit(ctx, commit, vouched);
        self.accept(ctx, from, vouched, session);
    }

    /// The planted bug of taking "after entry 0" for a match, whatever the log begins with.
    fn append_blindly(&mut self, ctx: Ctx, from: NodeId, entries: &Records, session: u64) {
        let vouched = self.log.last_index() + entries.len() as u64;
        ctx.out.append_all(entries.clone());
        self.log.push(entries.clone());
        self.accept(ctx, from, vouched, session);
    }

    /// Adds the entries after `prev_index` that are not there already. An append can arrive late or twice: only an entry that really
    /// conflicts, by its term, may cost those behind it (paper figure 2, AppendEntries 3).
    fn take_over(&mut self, ctx: Ctx, prev_index: u64, entries: &Records) {
        // What is no longer in the log is committed, hence the same at every leader since.
        let is_known = |(index, record): &(u64, &Bytes)| {
            *index <= self.log.base() || self.log.term(*index) == Some(Entry::of(record).term)
        };
        let known = (prev_index + 1..).zip(&entries[..]).take_while(is_known).count();
        let first = prev_index + 1 + known as u64;
        if known == entries.len() {
            return;
        }
        if first <= self.log.last_index() {
            self.truncate(ctx, first);
        }
        let new = entries.clone().after(known);
        ctx.out.append_all(new.clone());
        self.log.push(new);
    }

    fn truncate(&mut self, ctx: Ctx, index: u64) {
        ctx.out.mark(Mark::ConflictCut);
        if index <= self.commit {
            self.uncommit(ctx, index);
        }
        self.log.truncate(index);
        ctx.out.truncate(index - 1);
    }

    /// Acknowledges what this append vouched for, when it is durable. What the log holds beyond may be another leader's.
    fn accept(&mut self, ctx: Ctx, from: NodeId, vouched: u64, session: u64) {
        let index = if self.settings.has(Planted::AcksUnchecked) { self.log.last_index() } else { vouched };
        let message = Message::Accepted { term: self.term, index, session };
        if self.settings.has(Planted::Forgets) {
            return ctx.out.send_now(Address::Node(from), message);
        }
        self.say(ctx, from, message);
    }

    fn reject(&mut self, ctx: Ctx, from: NodeId, (index, term): (u64, u64), session: u64) {
        let (hint_index, hint_term) = self.log.back_off(index, term);
        self.say(ctx, from, Message::Rejected { term: self.term, index, hint_index, hint_term, session });
    }

    /// At once, although the term may not be saved yet: "no later leader that I know of" is about the past, and stays
    /// true if this node forgets it.
    pub(crate) fn on_heartbeat(&mut self, ctx: Ctx, from: NodeId, commit: u64, context: u64) {
        self.learn_commit(ctx, commit, self.log.last_index());
        ctx.out.send_now(Address::Node(from), Message::HeartbeatReply { term: self.term, context });
    }

    /// The leader has committed up to `commit`, and this log agrees with the leader's up to `vouched`.
    pub(crate) fn learn_commit(&mut self, ctx: Ctx, commit: u64, vouched: u64) {
        let vouched = if self.settings.has(Planted::CommitUnchecked) { self.log.last_index() } else { vouched };
        let commit = commit.min(vouched);
        if self.settings.has(Planted::CommitGoesBack) {
            self.commit = self.commit.min(commit);
        }
        if commit > self.commit {
            self.commit_to(ctx, commit);
        }
    }
}

/// Both parts.
impl<S: StateMachine> Replica<S> {
    /// Commits up to `index` and applies it: answers the clients that waited, and the reads that can now be served.
    fn commit_to(&mut self, ctx: Ctx, index: u64) {
        self.commit = index;
        self.apply_committed(ctx);
        self.serve_questions(ctx);
        self.snapshot_if_due(ctx);
        self.drive_change(ctx);
    }

    fn apply_committed(&mut self, ctx: Ctx) {
        while self.applied < self.commit && self.halted().is_none() {
            let mut count = self.commit - self.applied;
            if self.settings.has(Planted::IndexBeforeApply) {
                count = 1;
                self.applied += 1;
                self.snapshot_if_due(ctx);
                self.applied -= 1;
            }
            self.apply(ctx, count as usize);
        }
    }

    /// Applies the next entries that came together, `count` at most.
    fn apply(&mut self, ctx: Ctx, count: usize) {
        let Some(batch) = self.log.batch(self.applied + 1) else {
            return self.halt(ctx, format!("committed entry {} is not in the log", self.applied + 1));
        };
        for entry in batch.iter().take(count).map(Entry::of) {
            self.applied += 1;
            let reply = match entry.kind() {
                EntryKind::Command => self.state.apply(entry.command()),
                EntryKind::Noop | EntryKind::Members => Bytes::new(),
            };
            if let Role::Leader(leader) = &mut self.role {
                leader.uncommitted_bytes = leader.uncommitted_bytes.saturating_sub(entry.record.len() as u64);
                if leader.waiters.front().is_some_and(|waiter| waiter.index == self.applied)
                    && let Some(waiter) = leader.waiters.pop_front()
                {
                    answer(ctx, waiter.client, waiter.id, Answer::Done(reply));
                }
            }
        }
    }

    /// The leader overrules an entry that this node holds for committed. It cannot be, so a node must not go on; one with
    /// a planted bug does, for the bench to see what comes of it.
    fn uncommit(&mut self, ctx: Ctx, index: u64) {
        if self.settings.bug.is_none() {
            return self.halt(ctx, format!("committed entry {index} is overruled at term {}", self.term));
        }
        let base = self.snapshots.latest.as_ref().filter(|snapshot| snapshot.index < index);
        let restored = base.and_then(|snapshot| Some((snapshot.index, S::restore(&snapshot.state()).ok()?)));
        if restored.is_none() && self.log.base() > 0 {
            return self.halt(ctx, format!("committed entry {index} is overruled, and the log before it is gone"));
        }
        self.commit = index - 1;
        (self.applied, self.state) = restored.unwrap_or_default();
        self.apply_committed(ctx);
    }
}
