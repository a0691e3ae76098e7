//! Reads without the log (ReadIndex, dissertation §6.4).
//!
//! A leader that answered from its own state could be deposed without knowing, and miss what its successor
//! acknowledged. So it notes its commit index, asks a quorum whether it still leads, and answers when a quorum has said so
//! *since*: no later leader can have committed anything before the read was asked. Reads that come together share one
//! round of heartbeats, and a later round's answer confirms the earlier ones.
//!
//! A follower that must answer itself asks the leader for such an index and waits until it has applied it.

use std::collections::VecDeque;

use base::{Bytes, NodeId, NodeSet, Rng, Time};
use proto::{Address, StateMachine};

use crate::bugs::Planted;
use crate::marks::Mark;
use crate::message::{Answer, Message};
use crate::replica::{Ctx, Replica, Role, answer};

/// Who waits for a read round.
#[derive(Clone, Debug, Hash)]
pub(crate) enum Reader {
    /// A client, for the answer to its question.
    Client { client: u32, id: u64, question: Bytes },
    /// A follower, for an index.
    Node { node: NodeId, context: u64 },
}

/// The read rounds of a leader.
#[derive(Clone, Debug, Default, Hash)]
pub(crate) struct Rounds {
    /// Numbers the rounds of this term: an acknowledgement carries it, so that a late one of an earlier round does not
    /// confirm a later one (etcd-io/etcd #20418).
    context: u64,
    /// Came since the last round was started.
    gathered: Vec<Reader>,
    /// Not yet confirmed, in order.
    open: VecDeque<Round>,
    /// Readers in `open`.
    waiting: usize,
    /// When each of the last rounds was started: what the answers to it say of the lease.
    beats: VecDeque<(u64, Time)>,
}

/// Rounds whose start is remembered. Answers to older ones come too late for a lease.
const BEATS: usize = 64;

#[derive(Clone, Debug, Hash)]
struct Round {
    context: u64,
    /// The commit index when the round started.
    index: u64,
    acks: NodeSet,
    readers: Vec<Reader>,
}

impl Rounds {
    /// The latest round: heartbeats ask about it.
    pub fn context(&self) -> u64 {
        self.context
    }

    pub fn is_busy(&self) -> bool {
        self.len() > 0
    }

    /// A follower confirms every round that was started before the heartbeat left.
    pub fn acknowledged(&mut self, from: NodeId, context: u64) {
        for round in self.open.iter_mut().take_while(|round| round.context <= context) {
            round.acks.insert(from);
        }
    }

    /// Begins the next round, whoever waits for it.
    fn next(&mut self, now: Time) {
        self.context += 1;
        self.beats.push_back((self.context, now));
        if self.beats.len() > BEATS {
            self.beats.pop_front();
        }
    }

    /// Everybody who still waits.
    pub fn into_readers(self) -> impl Iterator<Item = Reader> {
        self.open.into_iter().flat_map(|round| round.readers).chain(self.gathered)
    }

    fn len(&self) -> usize {
        self.waiting + self.gathered.len()
    }

    fn start(&mut self, index: u64, me: NodeId) {
        let readers = std::mem::take(&mut self.gathered);
        self.waiting += readers.len();
        self.open.push_back(Round { context: self.context, index, acks: NodeSet::only(me), readers });
    }

    fn pop_confirmed(&mut self, is_quorum: impl Fn(NodeSet) -> bool) -> Option<Round> {
        self.open.front().filter(|round| is_quorum(round.acks))?;
        let round = self.open.pop_front()?;
        self.waiting -= round.readers.len();
        Some(round)
    }
}

/// The reads that a follower serves itself.
#[derive(Clone, Debug, Hash)]
pub(crate) struct Questions {
    /// Numbers the questions to the leader. Starts at random, so that an answer to an earlier life of this node is not
    /// taken for one to this.
    context: u64,
    gathered: Vec<Question>,
    /// Sent to the leader, in order.
    asked: VecDeque<Asked>,
    /// The leader named an index; not applied so far.
    ready: Vec<Asked>,
    waiting: usize,
}

#[derive(Clone, Debug, Hash)]
struct Question {
    client: u32,
    id: u64,
    question: Bytes,
}

#[derive(Clone, Debug, Hash)]
struct Asked {
    context: u64,
    since: Time,
    /// What must be applied first; known when the leader has answered.
    index: u64,
    questions: Vec<Question>,
}

impl Questions {
    pub fn new(rng: &mut Rng) -> Self {
        Questions {
            context: rng.next_u64(),
            gathered: Vec::new(),
            asked: VecDeque::new(),
            ready: Vec::new(),
            waiting: 0,
        }
    }

    pub fn is_busy(&self) -> bool {
        self.len() > 0
    }

    fn len(&self) -> usize {
        self.waiting + self.gathered.len()
    }
}

/// The leader's part.
impl<S: StateMachine> Replica<S> {
    /// A client asks a question.
    pub(crate) fn on_question(&mut self, ctx: Ctx, reader: Reader, here: bool) {
        let Reader::Client { client, id, question } = reader else { return };
        let limit = self.settings.reads;
        match &mut self.role {
            Role::Leader(leader) if leader.rounds.len() >= limit => answer(ctx, client, id, Answer::Overloaded),
            Role::Leader(leader) => leader.rounds.gathered.push(Reader::Client { client, id, question }),
            _ if self.settings.has(Planted::StaleRead) => {
                answer(ctx, client, id, Answer::Done(self.state.query(&question)));
            }
            _ if !here => answer(ctx, client, id, Answer::NotLeader(self.leader)),
            _ if self.questions.len() >= limit => answer(ctx, client, id, Answer::Overloaded),
            _ => self.questions.gathered.push(Question { client, id, question }),
        }
    }

    /// A follower asks at which index it may read.
    pub(crate) fn on_read_index(&mut self, node: NodeId, context: u64) {
        let limit = self.settings.reads;
        if let Role::Leader(leader) = &mut self.role
            && leader.rounds.len() < limit
        {
            leader.rounds.gathered.push(Reader::Node { node, context });
        }
    }

    /// Starts a round for the reads that came, unless the commit index may still be behind what an earlier leader
    /// acknowledged: it is up to date once an entry of this term is committed (dissertation §6.4, step 1).
    pub(crate) fn start_round(&mut self, ctx: Ctx) {
        let Role::Leader(leader) = &mut self.role else { return };
        let current = self.commit >= leader.term_start || self.settings.has(Planted::ReadBeforeNoop);
        if leader.rounds.gathered.is_empty() {
            return;
        }
        if !current {
            return ctx.out.mark(Mark::HeldUntilNoop);
        }
        if self.holds_lease(ctx) {
            ctx.out.mark(Mark::LeaseRead);
            return self.answer_gathered(ctx);
        }
        let Role::Leader(leader) = &mut self.role else { return };
        if !self.settings.has(Planted::ReadContextReused) {
            leader.rounds.next(ctx.now.monotonic);
        }
        leader.rounds.start(self.commit, self.me);
        self.send_heartbeats(ctx);
        self.confirm_rounds(ctx);
    }

    /// With leases, every round of heartbeats asks the question of a read round.
    pub(crate) fn begin_beat(&mut self, ctx: Ctx) {
        if let Role::Leader(leader) = &mut self.role
            && self.settings.lease().is_some()
        {
            leader.rounds.next(ctx.now.monotonic);
        }
    }

    /// Whether nobody else can have been elected yet (dissertation §6.4.1): a quorum answered a heartbeat that left so short a while ago
    /// that each of them still refuses to elect another, whichever clock runs faster. Not if somebody was told to campaign in spite of it.
    fn holds_lease(&self, ctx: Ctx) -> bool {
        let Role::Leader(leader) = &self.role else { return false };
        let Some(lease) = self.settings.lease() else { return false };
        if leader.lease_void && !self.settings.has(Planted::LeaseOutlivesTransfer) {
            return false;
        }
        if self.settings.has(Planted::LeaseByTicks) {
            let heard =
                |node: NodeId| if node == self.me { leader.ticks } else { leader.progress[node.index()].heard_tick };
            let ticks = lease.as_nanos() / self.settings.heartbeat.as_nanos().max(1);
            let last = self.log.members().quorum_value(heard);
            return last > 0 && u128::from(leader.ticks - last) < ticks;
        }
        let answered = |node: NodeId| if node == self.me { u64::MAX } else { leader.progress[node.index()].beat };
        let beat = self.log.members().quorum_value(answered);
        let started = match leader.rounds.beats.iter().find(|(context, _)| *context == beat) {
            Some((_, started)) => *started,
            None => return beat == u64::MAX,
        };
        ctx.now.monotonic.since(started) < lease
    }

    /// Answers at once what would have waited for a round.
    fn answer_gathered(&mut self, ctx: Ctx) {
        let index = self.commit;
        let Role::Leader(leader) = &mut self.role else { return };
        for reader in std::mem::take(&mut leader.rounds.gathered) {
            self.answer_reader(ctx, reader, index);
        }
    }

    /// Answers the reads of every round that a quorum has confirmed.
    pub(crate) fn confirm_rounds(&mut self, ctx: Ctx) {
        let (members, unconfirmed) = (self.log.members(), self.settings.has(Planted::ReadUnconfirmed));
        while let Role::Leader(leader) = &mut self.role
            && let Some(round) = leader.rounds.pop_confirmed(|acks| unconfirmed || members.has_quorum(acks))
        {
            for reader in round.readers {
                self.answer_reader(ctx, reader, round.index);
            }
        }
    }

    fn answer_reader(&mut self, ctx: Ctx, reader: Reader, index: u64) {
        match reader {
            Reader::Client { client, id, question } => {
                debug_assert!(index <= self.applied, "committed entries are applied at once");
                answer(ctx, client, id, Answer::Done(self.state.query(&question)));
            }
            Reader::Node { node, context } => {
                let Role::Leader(leader) = &self.role else { return };
                // The follower waits for the index: let it know that it is committed.
                if leader.progress[node.index()].told_commit < index {
                    self.send_heartbeat(ctx, node);
                }
                let message = Message::ReadIndexReply { term: self.term, context, index };
                // At once: the index is committed, and this node's disk has no part in that.
                ctx.out.send_now(Address::Node(node), message);
            }
        }
    }
}

/// The follower's part.
impl<S: StateMachine> Replica<S> {
    /// Asks the leader for an index for the questions that came, and gives up those that waited too long.
    pub(crate) fn ask_leader(&mut self, ctx: Ctx) {
        self.expire_questions(ctx);
        if self.questions.gathered.is_empty() {
            return;
        }
        let Some(leader) = self.leader.filter(|&leader| leader != self.me) else { return self.drop_questions(ctx) };
        let questions = std::mem::take(&mut self.questions.gathered);
        self.questions.context = self.questions.context.wrapping_add(1);
        self.questions.waiting += questions.len();
        let context = self.questions.context;
        self.questions.asked.push_back(Asked { context, since: ctx.now.monotonic, index: 0, questions });
        // At once: a question promises nothing.
        ctx.out.send_now(Address::Node(leader), Message::ReadIndex { term: self.term, context });
    }

    pub(crate) fn on_read_index_reply(&mut self, ctx: Ctx, from: NodeId, context: u64, index: u64) {
        let Some(place) = self.questions.asked.iter().position(|asked| asked.context == context) else { return };
        if self.leader != Some(from) {
            return;
        }
        let asked = self.questions.asked.remove(place).expect("just found");
        self.questions.ready.push(Asked { index, ..asked });
        self.serve_questions(ctx);
    }

    /// Answers the questions whose index is applied.
    pub(crate) fn serve_questions(&mut self, ctx: Ctx) {
        let mut place = 0;
        while let Some(asked) = self.questions.ready.get(place) {
            if asked.index > self.applied {
                place += 1;
                continue;
            }
            let asked = self.questions.ready.swap_remove(place);
            self.questions.waiting -= asked.questions.len();
            for Question { client, id, question } in asked.questions {
                answer(ctx, client, id, Answer::Done(self.state.query(&question)));
            }
        }
    }

    /// Refuses every question that waits: the leader that was asked is no longer followed.
    pub(crate) fn drop_questions(&mut self, ctx: Ctx) {
        if !self.questions.is_busy() {
            return;
        }
        ctx.out.mark(Mark::ReadInVain);
        let waiting =
            self.questions.asked.drain(..).chain(self.questions.ready.drain(..)).flat_map(|asked| asked.questions);
        for Question { client, id, .. } in waiting.chain(self.questions.gathered.drain(..)) {
            answer(ctx, client, id, Answer::Unavailable);
        }
        self.questions.waiting = 0;
    }

    /// A question or its answer may get lost.
    fn expire_questions(&mut self, ctx: Ctx) {
        let timeout = *self.settings.election_timeout.start();
        let late = |asked: &Asked| ctx.now.monotonic.since(asked.since) >= timeout;
        if self.questions.asked.front().is_some_and(late) || self.questions.ready.iter().any(late) {
            self.drop_questions(ctx);
        }
    }
}
