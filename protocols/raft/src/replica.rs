//! One server: its state, its roles, and what it does with each input.
//!
//! The rules live beside this file: [`election`](super::election) says who leads, [`replication`](super::replication) how
//! the log is copied and committed, [`read`](super::read) how questions are answered without the log.

use std::collections::VecDeque;
use std::hash::{Hash, Hasher};
use std::time::Duration;

use base::{Bytes, NodeId, NodeSet, Time};
use proto::{Access, Actor, Address, Barrier, Context, Input, Observation, Recovered, StateMachine, TimerId};

use crate::admin::{Change, Transfer, dismiss_operators};
use crate::bugs::Planted;
use crate::log::{Entry, EntryKind, Log};
use crate::marks::Mark;
use crate::members::Members;
use crate::message::{Answer, Message};
use crate::progress::{Progress, Sending};
use crate::read::{Questions, Reader, Rounds};
use crate::settings::Settings;
use crate::snapshot::{Chunk, SNAPSHOT, Snapshot, Snapshots};

/// Always set, whatever the role: fires when it may be time for an election.
pub(crate) const ELECTION: TimerId = TimerId(0);
/// Set while leading.
pub(crate) const HEARTBEAT: TimerId = TimerId(1);

/// The blob that holds term and vote. They are one blob, written in one piece: a crash between two writes would
/// leave a new term with an old vote.
const VOTE: &str = "vote";
/// The blob in which a planted bug keeps the commit index.
const COMMIT: &str = "commit";

/// What a step may use.
pub(crate) type Ctx<'a, 'b> = &'a mut Context<'b, Message>;

/// One server of a cluster.
#[derive(Clone, Debug)]
pub struct Replica<S> {
    pub(crate) me: NodeId,
    pub(crate) settings: Settings,

    // On disk (paper figure 2, "persistent state"), with the log.
    pub(crate) term: u64,
    /// Whom the node voted for in `term`.
    pub(crate) vote: Option<NodeId>,
    pub(crate) log: Log,
    /// `term` or `vote` changed and are not handed to the disk yet. False at the end of each step.
    pub(crate) unsaved: bool,
    /// Of term and vote only the term was handed to the disk: a planted bug.
    half_saved: bool,

    // In memory.
    pub(crate) role: Role,
    /// Who leads in `term`, as far as the node knows.
    pub(crate) leader: Option<NodeId>,
    /// When the node last heard from `leader`.
    pub(crate) heard: Time,
    /// How long the node waits for a leader. Drawn anew at every change of role, and not at every heartbeat, so that the
    /// deadline only moves later and the timer need not be set again for each.
    timeout: Duration,
    /// When the node will look for another leader.
    deadline: Time,
    /// Entries up to here are committed.
    pub(crate) commit: u64,
    /// Entries up to here are in `state`. Invariant: equals `commit` between steps.
    pub(crate) applied: u64,
    pub(crate) state: S,
    /// The state as the disk has it, and one that is on its way.
    pub(crate) snapshots: Snapshots,
    /// Commands that came since the last end of a batch.
    proposals: Vec<Proposal>,
    proposed_bytes: usize,
    /// Reads that this node serves itself although it does not lead.
    pub(crate) questions: Questions,
    /// The office is being handed over, whoever has it: a planted bug.
    pub(crate) transferring: bool,
    /// The disk failed and the node went on: a planted bug.
    pub(crate) disk_ignored: bool,
    disk_failed: bool,
    /// Why the node does nothing any more, if it does not.
    halted: Option<String>,
}

/// What a server is at the moment.
#[derive(Clone, Debug, Hash)]
pub(crate) enum Role {
    Follower,
    /// Asks whether it would be elected (dissertation §9.6).
    PreCandidate {
        votes: NodeSet,
    },
    Candidate {
        votes: NodeSet,
        /// When this is durable, so is the node's vote for itself.
        own_vote: Barrier,
    },
    Leader(Box<Leadership>),
}

/// What only a leader has.
#[derive(Clone, Debug, Hash)]
pub(crate) struct Leadership {
    /// By node; a leader's own says what its disk has.
    pub progress: Vec<Progress>,
    /// Own writes under way: the barrier, and the last index before it.
    pub unsynced: VecDeque<(Barrier, u64)>,
    /// Clients that wait for an entry, in order of its index.
    pub waiters: VecDeque<Waiter>,
    /// The no-op that opened the term.
    pub term_start: u64,
    /// Size of the entries above the commit index.
    pub uncommitted_bytes: u64,
    pub rounds: Rounds,
    pub change: Option<Change>,
    pub transfer: Option<Transfer>,
    /// Somebody was told to campaign in spite of this leader.
    pub lease_void: bool,
    /// Heartbeats so far.
    pub ticks: u64,
    /// The voters in the order of what they have, as a planted bug keeps it.
    pub order: Vec<NodeId>,
}

#[derive(Clone, Debug, Hash)]
pub(crate) struct Waiter {
    pub index: u64,
    pub client: u32,
    pub id: u64,
}

#[derive(Clone, Debug, Hash)]
struct Proposal {
    client: u32,
    id: u64,
    command: Bytes,
}

impl<S: StateMachine> Actor for Replica<S> {
    type Message = Message;

    fn step(&mut self, ctx: &mut Context<'_, Message>, input: Input<Message>) {
        if self.halted.is_some() {
            return;
        }
        match input {
            Input::Message { from: Address::Node(from), ref message } => self.on_peer(ctx, from, message),
            Input::Message { from: Address::Client(client), message } => self.on_client(ctx, client, message),
            Input::Lost { peer: Address::Node(peer), .. } => self.on_lost(peer),
            Input::Timer(ELECTION) => self.on_election_timer(ctx),
            Input::Timer(HEARTBEAT) => self.on_heartbeat_timer(ctx),
            Input::Durable(barrier) => self.on_durable(ctx, barrier),
            Input::DiskFailed { error } => self.on_disk_failed(ctx, &error),
            Input::BatchEnd => self.on_batch_end(ctx),
            // A client that is gone needs no care: its number may be given to another, but that one's ids are others.
            Input::Lost { .. }
            | Input::Timer(_)
            | Input::Invoke { .. }
            | Input::Administer { .. }
            | Input::Abandon(_) => {}
        }
        self.save(ctx);
    }

    fn standing(&self) -> (&'static str, u64) {
        (self.role(), self.term)
    }

    fn observe(&self) -> Observation {
        Observation {
            role: self.role(),
            epoch: self.term,
            gauges: vec![
                ("commit", self.commit),
                ("applied", self.applied),
                ("last_index", self.log.last_index()),
                ("log_bytes", self.log.bytes()),
                ("snapshot", self.snapshot_index()),
                ("voters", self.log.members().voters.count() as u64),
                ("member", u64::from(self.log.members().all().contains(self.me))),
            ],
        }
    }

    fn features(&self) -> u64 {
        let (role, busy) = match &self.role {
            Role::Follower => (0, self.questions.is_busy()),
            Role::PreCandidate { votes } => (1, votes.count() > 1),
            Role::Candidate { votes, .. } => (2, votes.count() > 1),
            Role::Leader(leader) => (3, leader.rounds.is_busy()),
        };
        let (mut probing, mut behind, mut copying, mut leaving) = (false, false, false, false);
        if let Role::Leader(leader) = &self.role {
            probing = leader.progress.iter().any(|peer| matches!(peer.sending, Sending::Probe { .. }));
            copying = leader.progress.iter().any(|peer| matches!(peer.sending, Sending::Snapshot { .. }));
            behind = self.commit < leader.term_start;
            leaving = leader.transfer.is_some();
        }
        let members = self.log.members();
        let changing = self.log.members_since() > self.commit;
        let (joint, learning) = (members.is_joint(), !members.learners.is_empty());
        let (stranger, installing) = (!members.is_voter(self.me), self.is_installing());
        let cut = self.log.base() > 0;
        let uncommitted = self.log.last_index() > self.commit;
        let old_tail = uncommitted && self.log.last_term() < self.term;
        let flags = [self.leader.is_some(), self.vote.is_some(), busy, probing, behind, uncommitted, old_tail];
        let further = [copying, leaving, changing, joint, learning, stranger, installing, cut];
        flags.iter().chain(&further).fold(role, |word, &flag| word << 1 | u64::from(flag))
    }

    #[rustfmt::skip]
    fn fingerprint(&self, mut state: &mut dyn Hasher) -> bool {
        // All of it: a field that is added has to be thought of here.
        let Replica {
            me: _, settings: _, state: machine,
            term, vote, log, unsaved, half_saved, role, leader, heard, timeout, deadline, commit, applied, snapshots, proposals,
            proposed_bytes, questions, transferring, disk_ignored, disk_failed, halted,
        } = self;
        (term, vote, log, unsaved, half_saved, role, leader, heard, timeout, deadline).hash(&mut state);
        (commit, applied, machine.digest(), snapshots, proposals, proposed_bytes, questions).hash(&mut state);
        (transferring, disk_ignored, disk_failed, halted).hash(&mut state);
        true
    }

    fn fork(&self) -> Option<Self> {
        Some(self.clone())
    }
}

impl<S: StateMachine> Replica<S> {
    /// Starts or restarts with what the disk kept. What was committed is not remembered: the leader will say.
    pub fn boot(me: NodeId, settings: Settings, disk: Recovered, ctx: &mut Context<'_, Message>) -> Self {
        let mut replica = Replica {
            me,
            settings,
            term: 0,
            vote: None,
            log: Log::new((0, 0), 0, Members::default()),
            unsaved: false,
            half_saved: false,
            role: Role::Follower,
            leader: None,
            heard: ctx.now.monotonic,
            timeout: Duration::ZERO,
            deadline: ctx.now.monotonic,
            commit: 0,
            applied: 0,
            state: S::default(),
            snapshots: Snapshots::default(),
            proposals: Vec::new(),
            proposed_bytes: 0,
            questions: Questions::new(ctx.rng),
            transferring: false,
            disk_ignored: false,
            disk_failed: false,
            halted: None,
        };
        match replica.recover(ctx, disk) {
            Ok(()) => {
                replica.save(ctx);
                replica.restart_election_timer(ctx);
            }
            Err(reason) => replica.halt(ctx, reason),
        }
        replica
    }

    fn recover(&mut self, ctx: Ctx, mut disk: Recovered) -> Result<(), String> {
        disk.log.iter().try_for_each(|record| Entry::decode(record).map(drop)).map_err(|wrong| wrong.to_string())?;
        self.recover_log(ctx, disk.first_index, disk.log.into(), disk.blobs.remove(SNAPSHOT))?;
        if let Some(bytes) = disk.blobs.get(VOTE) {
            (self.term, self.vote) = decode_vote(bytes).ok_or("term and vote on disk are malformed")?;
        }
        if self.settings.has(Planted::CommitNotSynced) && !disk.blobs.is_empty() {
            let saved = disk.blobs.get(COMMIT).and_then(|bytes| Some(u64::from_le_bytes(*bytes.first_chunk::<8>()?)));
            if saved.unwrap_or(0) < self.commit {
                return Err(format!("entry {} is applied, and committed is {}", self.commit, saved.unwrap_or(0)));
            }
        }
        // A crash may keep an entry that was not synced and lose the write of its term before it. Nothing that waited for
        // either was said, no vote in that term either: going on in it is as safe as hearing of it.
        if self.log.last_term() > self.term {
            ctx.out.mark(Mark::TermOfEntry);
            (self.term, self.vote, self.unsaved) = (self.log.last_term(), None, true);
        }
        Ok(())
    }

    fn on_peer(&mut self, ctx: Ctx, from: NodeId, message: &Message) {
        let Some(term) = message.term() else { return };
        if from.index() >= self.settings.nodes || from == self.me {
            return;
        }
        match *message {
            Message::PreVote { last_index, last_term, .. } => {
                return self.on_pre_vote(ctx, from, term, (last_term, last_index));
            }
            Message::PreVoteReply { granted, .. } => return self.on_pre_vote_reply(ctx, from, term, granted),
            // Who hears from a leader does not let others depose it (dissertation §4.2.3).
            Message::Vote { asked: false, .. } if term > self.term && self.hears_a_leader(ctx) => return,
            _ => {}
        }
        if term < self.term {
            return self.on_old_term(ctx, from, message);
        }
        if term > self.term {
            self.follow_after(ctx, term, Some(from));
        }
        self.on_current_term(ctx, from, message);
    }

    /// Somebody is behind: tell it the term, so that a deposed leader steps down (paper §5.1).
    fn on_old_term(&mut self, ctx: Ctx, from: NodeId, message: &Message) {
        let term = self.term;
        match *message {
            Message::Append { .. } | Message::Heartbeat { .. } | Message::Snapshot { .. } => {
                self.say(ctx, from, Message::HeartbeatReply { term, context: 0 });
            }
            Message::Vote { .. } => self.say(ctx, from, Message::VoteReply { term, granted: false }),
            Message::VoteReply { granted, .. } if self.settings.has(Planted::StaleVoteReply) => {
                self.on_vote_reply(ctx, from, granted);
            }
            _ => {}
        }
    }

    fn on_current_term(&mut self, ctx: Ctx, from: NodeId, message: &Message) {
        match *message {
            Message::Vote { last_index, last_term, .. } => self.on_vote(ctx, from, (last_term, last_index)),
            Message::VoteReply { granted, .. } => self.on_vote_reply(ctx, from, granted),
            Message::Append { prev_index, prev_term, commit, ref entries, session, .. } => {
                if self.hear(ctx, from) && !self.is_installing() {
                    self.on_append(ctx, from, (prev_index, prev_term), commit, entries, session);
                }
            }
            Message::Snapshot { session, index, last_term, size, offset, chunk: ref bytes, .. } => {
                if self.hear(ctx, from) {
                    self.on_chunk(ctx, from, Chunk { session, index, last_term, size, offset, bytes });
                }
            }
            Message::SnapshotReply { session, index, offset, .. } => {
                self.on_snapshot_reply(ctx, from, session, index, offset);
            }
            Message::TimeoutNow { .. } => self.on_timeout_now(ctx, from),
            Message::Heartbeat { commit, context, .. } => {
                if self.hear(ctx, from) {
                    self.on_heartbeat(ctx, from, commit, context);
                }
            }
            Message::Accepted { index, session, .. } => self.on_accepted(ctx, from, index, session),
            Message::Rejected { index, hint_index, hint_term, session, .. } => {
                self.on_rejected(ctx, from, index, (hint_index, hint_term), session);
            }
            Message::HeartbeatReply { context, .. } => self.on_heartbeat_reply(ctx, from, context),
            Message::ReadIndex { context, .. } => self.on_read_index(from, context),
            Message::ReadIndexReply { context, index, .. } => self.on_read_index_reply(ctx, from, context, index),
            Message::Request { .. }
            | Message::Admin { .. }
            | Message::Reply { .. }
            | Message::PreVote { .. }
            | Message::PreVoteReply { .. } => {}
        }
    }

    fn on_client(&mut self, ctx: Ctx, client: u32, message: Message) {
        match message {
            Message::Request { id, access: Access::Command(command), .. } => {
                self.on_command(ctx, Proposal { client, id, command });
            }
            Message::Request { id, access: Access::Query(question), here } => {
                self.on_question(ctx, Reader::Client { client, id, question }, here);
            }
            Message::Admin { id, action } => self.on_admin(ctx, client, id, action),
            _ => {}
        }
    }

    fn on_command(&mut self, ctx: Ctx, proposal: Proposal) {
        let Role::Leader(leader) = &self.role else {
            return answer(ctx, proposal.client, proposal.id, Answer::NotLeader(self.leader));
        };
        if leader.transfer.is_some() || self.transferring {
            // The log must stand still for its heir to have all of it.
            return answer(ctx, proposal.client, proposal.id, Answer::Unavailable);
        }
        let entries = self.log.last_index() - self.commit + self.proposals.len() as u64;
        let bytes = leader.uncommitted_bytes as usize + self.proposed_bytes;
        if entries >= self.settings.uncommitted as u64 || bytes >= self.settings.uncommitted_bytes {
            return answer(ctx, proposal.client, proposal.id, Answer::Overloaded);
        }
        self.proposed_bytes += proposal.command.len();
        self.proposals.push(proposal);
    }

    fn on_durable(&mut self, ctx: Ctx, barrier: Barrier) {
        self.unsaved |= std::mem::take(&mut self.half_saved);
        self.on_snapshot_durable(ctx, barrier);
        match &mut self.role {
            Role::Candidate { votes, own_vote } if barrier >= *own_vote => {
                votes.insert(self.me);
                self.count_votes(ctx);
            }
            Role::Leader(leader) => {
                while let Some(&(write, index)) = leader.unsynced.front()
                    && write <= barrier
                {
                    leader.unsynced.pop_front();
                    let own = &mut leader.progress[self.me.index()].matched;
                    *own = index.max(*own);
                }
                self.note_progress(self.me);
                self.advance_commit(ctx);
            }
            _ => {}
        }
    }

    /// What the disk did not take may be anything: the node must not go on, or it would be counted for what it does not have.
    fn on_disk_failed(&mut self, ctx: Ctx, error: &str) {
        if self.settings.has(Planted::IgnoresDiskErrors) {
            self.disk_ignored = true;
            return self.on_durable(ctx, Barrier(u64::MAX));
        }
        self.disk_failed = true;
        ctx.out.mark(Mark::DiskRefused);
        self.halt(ctx, format!("disk failed: {error}"));
    }

    /// Everything that waited is handled: send what was gathered, one message per follower.
    fn on_batch_end(&mut self, ctx: Ctx) {
        self.save(ctx);
        self.propose(ctx);
        self.start_round(ctx);
        self.replicate(ctx);
        self.ask_leader(ctx);
    }

    /// Turns the commands that came into entries of the log.
    fn propose(&mut self, ctx: Ctx) {
        if self.proposals.is_empty() {
            return;
        }
        let mut proposals = std::mem::take(&mut self.proposals);
        let bytes = std::mem::take(&mut self.proposed_bytes);
        if let Role::Leader(leader) = &mut self.role {
            let waiters = (self.log.last_index() + 1..).zip(&proposals);
            leader.waiters.extend(waiters.map(|(index, &Proposal { client, id, .. })| Waiter { index, client, id }));
            self.append(ctx, bytes, proposals.iter().map(|proposal| (EntryKind::Command, &proposal.command[..])));
        } else {
            for &Proposal { client, id, .. } in &proposals {
                answer(ctx, client, id, Answer::NotLeader(self.leader));
            }
        }
        proposals.clear();
        self.proposals = proposals;
    }

    /// Becomes a follower in `term`, which is the node's own or a later one.
    pub(crate) fn follow(&mut self, ctx: Ctx, term: u64) {
        self.follow_after(ctx, term, None);
    }

    /// The same, because `heir` has a later term.
    fn follow_after(&mut self, ctx: Ctx, term: u64, heir: Option<NodeId>) {
        if term > self.term {
            self.term = term;
            self.vote = None;
            self.unsaved = true;
        }
        self.leader = None;
        self.drop_questions(ctx);
        match std::mem::replace(&mut self.role, Role::Follower) {
            Role::Follower => {}
            Role::PreCandidate { .. } | Role::Candidate { .. } => self.restart_election_timer(ctx),
            Role::Leader(leader) => {
                ctx.out.label(format!("stepped down at term {term}"));
                ctx.out.cancel_timer(HEARTBEAT);
                self.restart_election_timer(ctx);
                dismiss_operators(ctx, &leader, heir);
                dismiss(ctx, *leader);
            }
        }
    }

    /// A leader of this term was heard. False if that is this node: then somebody is lying, or a bug is planted.
    fn hear(&mut self, ctx: Ctx, from: NodeId) -> bool {
        match self.role {
            Role::Leader(_) => return false,
            Role::Follower => {}
            Role::PreCandidate { .. } | Role::Candidate { .. } => self.follow(ctx, self.term),
        }
        self.leader = Some(from);
        self.heard = ctx.now.monotonic;
        self.deadline = ctx.now.monotonic + self.timeout;
        true
    }

    /// Whether a leader is heard: the node leads, or heard one within the shortest election timeout.
    pub(crate) fn hears_a_leader(&self, ctx: Ctx) -> bool {
        let recently = ctx.now.monotonic.since(self.heard) < *self.settings.election_timeout.start();
        matches!(self.role, Role::Leader(_)) || (self.leader.is_some() && recently)
    }

    /// Draws a new election timeout and starts it.
    pub(crate) fn restart_election_timer(&mut self, ctx: Ctx) {
        self.timeout = ctx.rng.duration(self.settings.election_timeout.clone());
        self.deadline = ctx.now.monotonic + self.timeout;
        ctx.out.set_timer(ELECTION, self.timeout);
    }

    /// Gives the present timeout its full length again.
    pub(crate) fn postpone_election(&mut self, ctx: Ctx) {
        self.deadline = ctx.now.monotonic + self.timeout;
    }

    fn on_election_timer(&mut self, ctx: Ctx) {
        if let Role::Leader(_) = self.role {
            ctx.out.set_timer(ELECTION, self.timeout);
        } else if ctx.now.monotonic < self.deadline {
            // Never in no time at all: a timer that fires a little early must not fire for ever.
            let rest = self.deadline.since(ctx.now.monotonic);
            ctx.out.set_timer(ELECTION, rest.max(Duration::from_millis(1)));
        } else {
            self.ask_for_pre_votes(ctx);
        }
    }

    /// Sends to another server once every write so far, term and vote included, is durable.
    pub(crate) fn say(&mut self, ctx: Ctx, to: NodeId, message: Message) {
        self.save(ctx);
        if self.disk_ignored {
            return ctx.out.send_now(Address::Node(to), message);
        }
        ctx.out.send(Address::Node(to), message);
    }

    /// Hands term and vote to the disk if they changed, which is rare.
    #[inline]
    pub(crate) fn save(&mut self, ctx: Ctx) {
        if self.unsaved {
            self.put_vote(ctx);
        }
    }

    /// Both in one write.
    fn put_vote(&mut self, ctx: Ctx) {
        self.unsaved = false;
        let vote = if self.settings.has(Planted::VoteNotSaved) { None } else { self.vote };
        ctx.out.put(VOTE, encode_vote(self.term, vote));
        if self.settings.has(Planted::CommitNotSynced) {
            ctx.out.put(COMMIT, Bytes::copy_from_slice(&self.commit.to_le_bytes()));
        }
    }

    /// The planted bug of two writes: the answer waits for the first, of the term; the vote is written after it.
    pub(crate) fn say_between_two_writes(&mut self, ctx: Ctx, to: NodeId, message: Message) {
        ctx.out.put(VOTE, encode_vote(self.term, None));
        ctx.out.send(Address::Node(to), message);
        (self.unsaved, self.half_saved) = (false, true);
    }

    pub(crate) fn halt(&mut self, ctx: Ctx, reason: String) {
        ctx.out.halt(reason.clone());
        self.halted = Some(reason);
    }

    fn role(&self) -> &'static str {
        match self.role {
            Role::Follower => "follower",
            Role::PreCandidate { .. } | Role::Candidate { .. } => "candidate",
            Role::Leader(_) => "leader",
        }
    }
}

/// What oracles and tests look at.
impl<S> Replica<S> {
    /// The settings of the cluster.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The latest term that the node knows.
    pub fn term(&self) -> u64 {
        self.term
    }

    /// Whom the node voted for in its term.
    pub fn vote(&self) -> Option<NodeId> {
        self.vote
    }

    /// The log.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Index up to which entries are committed, as far as the node knows.
    pub fn commit(&self) -> u64 {
        self.commit
    }

    /// Index up to which entries are in the state machine.
    pub fn applied(&self) -> u64 {
        self.applied
    }

    /// The state machine.
    pub fn state(&self) -> &S {
        &self.state
    }

    /// Who takes part, as far as this node knows.
    pub fn members(&self) -> Members {
        self.log.members()
    }

    /// The latest snapshot.
    pub fn snapshot(&self) -> Option<&Snapshot> {
        self.snapshots.latest.as_ref()
    }

    /// Why the node does nothing any more, if it stopped.
    pub fn halted(&self) -> Option<&str> {
        self.halted.as_deref()
    }

    /// Whether it stopped because its disk refused a write.
    pub fn disk_failed(&self) -> bool {
        self.disk_failed
    }

    /// What the node knows of each follower, if it leads.
    pub fn progress(&self) -> Option<&[Progress]> {
        match &self.role {
            Role::Leader(leader) => Some(&leader.progress),
            _ => None,
        }
    }

    /// Whether the node leads in its term.
    pub fn is_leader(&self) -> bool {
        matches!(self.role, Role::Leader(_))
    }
}

/// Answers a client at once. What is told is either committed, hence durable at a quorum, or changed nothing:
/// there is nothing for this node's own disk to wait for.
pub(crate) fn answer(ctx: Ctx, client: u32, id: u64, answer: Answer) {
    ctx.out.send_now(Address::Client(client), Message::Reply { id, answer });
}

/// Tells the clients of a deposed leader what is known: an entry may yet be committed by the next leader, a question
/// that was not answered changed nothing.
fn dismiss(ctx: Ctx, leader: Leadership) {
    for Waiter { client, id, .. } in leader.waiters {
        answer(ctx, client, id, Answer::LeaderChanged);
    }
    for reader in leader.rounds.into_readers() {
        if let Reader::Client { client, id, .. } = reader {
            answer(ctx, client, id, Answer::NotLeader(None));
        }
    }
}

fn encode_vote(term: u64, vote: Option<NodeId>) -> Bytes {
    let vote = vote.map_or(0, |node| u32::from(node.0) + 1);
    [&term.to_le_bytes()[..], &vote.to_le_bytes()].concat().into()
}

fn decode_vote(bytes: &Bytes) -> Option<(u64, Option<NodeId>)> {
    let term = u64::from_le_bytes(*bytes.first_chunk::<8>()?);
    let vote = u32::from_le_bytes(bytes.get(8..)?.try_into().ok()?);
    let vote = vote.checked_sub(1).map(u16::try_from).transpose().ok()?;
    Some((term, vote.map(NodeId)))
}
