//! The proposer's half: one operation of a key at a time, through query, prepare and accept to its answer.
//!
//! ```text
//!            nothing in flight                      nothing accepted, nothing to write
//! read ──► query ───────────────► answer   prepare ───────────────────────────────────► answer
//!            │ in flight, 3 times             ▲ │ promises                                ▲
//!            └────────────────────────────────┘ └──► accept ──► chosen: learn ── mine ────┘
//! write, cas ─────────────────────────────────►         │          │ another's
//!                      ▲────────── pause ◄── refused ───┘◄─────────┘
//! ```

use std::collections::VecDeque;
use std::time::Duration;

use base::{Bytes, NodeId, NodeSet, Time};
use history::{Function, Request};
use proto::{Address, TimerId};

use crate::acceptor::Register;
use crate::ballot::{Ballot, Value};
use crate::bugs::Planted;
use crate::marks::Mark;
use crate::message::{Answer, Message};
use crate::server::{Ctx, Event, Server};
use crate::settings::Settings;

/// A read that meets a proposal in flight looks so often whether it has been chosen before it completes the instance itself.
const LOOKS: u32 = 3;

/// A key with so many operations waiting refuses more.
const WAITING: usize = 4_096;

/// One key at one server: what the acceptor has, and what the proposer works on.
#[derive(Clone, Debug, Default, Hash)]
pub(crate) struct Key {
    pub register: Register,
    /// The highest round that this server has used or heard of.
    round: u64,
    waiting: VecDeque<Job>,
    task: Option<Task>,
}

/// An operation of a client.
#[derive(Clone, Debug, Hash)]
struct Job {
    client: u32,
    id: u64,
    request: Request,
    since: Time,
    /// What was proposed for it last, and for which version. Neither chosen nor certainly dead as far as is known.
    mine: Option<(u64, Value)>,
    /// A read that met a proposal in flight: the version that has to be decided first.
    needs: Option<u64>,
    /// How often a read has looked.
    looks: u32,
}

/// An attempt at an operation.
#[derive(Clone, Debug, Hash)]
struct Task {
    job: Job,
    /// The instance that is prepared or proposed.
    version: u64,
    ballot: Ballot,
    phase: Phase,
    /// How often it was refused in a row: sets the pause.
    refusals: u32,
    /// Acceptors that were told what they lack since all were asked last.
    told: NodeSet,
}

#[derive(Clone, Debug, Hash)]
enum Phase {
    Query {
        id: u64,
        answers: Tally,
        /// The highest version for which something was accepted.
        in_flight: u64,
    },
    Prepare {
        promises: Tally,
        accepted: Option<(Ballot, Value)>,
    },
    Accept {
        acceptances: Tally,
        value: Value,
    },
    Pause,
}

/// Who has answered.
#[derive(Clone, Copy, Debug, Default, Hash)]
struct Tally {
    nodes: u64,
    messages: usize,
}

impl Tally {
    fn add(&mut self, node: NodeId) {
        self.nodes |= 1 << node.index();
        self.messages += 1;
    }

    fn has(self, node: NodeId) -> bool {
        self.nodes & 1 << node.index() != 0
    }

    fn count(self, settings: &Settings) -> usize {
        if settings.has(Planted::AcksCountedTwice) { self.messages } else { self.nodes.count_ones() as usize }
    }
}

/// What a newly decided version means for the operation under way.
enum Meaning {
    Answer(Answer),
    /// It has to be tried for the next version.
    Again,
    /// Nothing.
    GoOn,
}

impl Task {
    /// What is to be done now that the register is at a higher version.
    fn meaning(&mut self, register: &Register) -> Meaning {
        let job = &mut self.job;
        if job.needs.is_some_and(|version| register.version >= version) {
            return Meaning::Answer(Answer::Holds(register.value.payload.clone()));
        }
        if let Some((version, value)) = &job.mine
            && *version <= register.version
        {
            match register.value.author(register.version - version) {
                Some(author) if author == value.author => return Meaning::Answer(Answer::Done),
                // Another value was chosen there, for ever: this one is dead and can be proposed anew.
                Some(_) => job.mine = None,
                None => return Meaning::Answer(Answer::Unknown),
            }
        }
        match self.phase {
            Phase::Prepare { .. } | Phase::Accept { .. } => Meaning::Again,
            Phase::Query { .. } | Phase::Pause => Meaning::GoOn,
        }
    }

    /// The message of the present phase, for whoever has not answered it.
    fn message(&self, key: u32, known: u64) -> Option<(Message, Tally)> {
        let (version, ballot) = (self.version, self.ballot);
        Some(match &self.phase {
            Phase::Query { id, answers, .. } => (Message::Query { key, id: *id, version: known }, *answers),
            Phase::Prepare { promises, .. } => (Message::Prepare { key, version, ballot }, *promises),
            Phase::Accept { acceptances, value } => {
                (Message::Accept { key, version, ballot, value: value.clone() }, *acceptances)
            }
            Phase::Pause => return None,
        })
    }
}

impl Server {
    pub(crate) fn on_request(&mut self, ctx: Ctx<'_, '_>, client: u32, id: u64, request: Request) {
        if !self.serving {
            return reply(ctx, client, id, Answer::Unavailable);
        }
        let since = ctx.now.monotonic;
        let key = self.keys.entry(request.key).or_default();
        if key.waiting.len() >= WAITING {
            return reply(ctx, client, id, Answer::Overloaded);
        }
        key.waiting.push_back(Job { client, id, request, since, mine: None, needs: None, looks: 0 });
        if key.task.is_none() {
            self.next(ctx, request.key);
        }
    }

    /// Begins the operation that has waited longest.
    fn next(&mut self, ctx: Ctx<'_, '_>, key: u32) {
        let Some(job) = self.keys.get_mut(&key).and_then(|key| key.waiting.pop_front()) else {
            ctx.out.cancel_timer(TimerId(key));
            return;
        };
        match job.request.function {
            Function::Read => self.query(ctx, key, job),
            Function::Write | Function::Cas => self.prepare(ctx, key, job, 0),
        }
    }

    /// Asks what is decided.
    fn query(&mut self, ctx: Ctx<'_, '_>, key: u32, job: Job) {
        self.questions += 1;
        let (id, me, forgot) = (self.questions, self.me, self.forgot);
        let Some(entry) = self.keys.get_mut(&key) else { return };
        let known = entry.register.version;
        let mut answers = Tally::default();
        if !forgot {
            answers.add(me);
        }
        let in_flight = if entry.register.accepted.is_some() { known + 1 } else { 0 };
        let phase = Phase::Query { id, answers, in_flight };
        entry.task = Some(Task { job, version: 0, ballot: Ballot::ZERO, phase, refusals: 0, told: NodeSet::EMPTY });
        self.ask(ctx, key);
        self.answer_query(ctx, key);
    }

    pub(crate) fn on_current(&mut self, ctx: Ctx<'_, '_>, from: NodeId, answer: Message) {
        let Message::Current { key, id, version, value, in_flight } = answer else { return };
        let Some(Task { phase: Phase::Query { id: asked, answers, in_flight: highest }, .. }) = self.task(key) else {
            return;
        };
        if *asked != id {
            return;
        }
        answers.add(from);
        if in_flight {
            *highest = (*highest).max(version + 1);
        }
        if let Some(value) = value {
            self.learn(ctx, key, version, &value);
        }
        self.answer_query(ctx, key);
    }

    /// With the answers of a quorum: nothing that was chosen before the read began is unknown, or in flight.
    fn answer_query(&mut self, ctx: Ctx<'_, '_>, key: u32) {
        let local = self.settings.has(Planted::ReadLocal);
        let (quorum, skips) = (self.settings.promises(), self.settings.has(Planted::ReadSkipsInFlight));
        let Some(entry) = self.keys.get_mut(&key) else { return };
        let Some(Task { phase: Phase::Query { answers, in_flight, .. }, .. }) = &entry.task else { return };
        if answers.count(&self.settings) < quorum && !local {
            return;
        }
        let open = entry.register.version + 1;
        if *in_flight < open || skips || local {
            let payload = entry.register.value.payload.clone();
            return self.finish(ctx, key, Answer::Holds(payload));
        }
        if let Some(task) = &mut entry.task {
            task.job.needs = Some(open);
            task.job.looks += 1;
            ctx.out.mark(Mark::ReadWaits);
        }
        self.pause(ctx, key);
    }

    /// Phase 1 for the open instance, at a ballot above all that were heard of.
    fn prepare(&mut self, ctx: Ctx<'_, '_>, key: u32, job: Job, refusals: u32) {
        let (node, life) = (self.me, self.life);
        let Some(entry) = self.keys.get_mut(&key) else { return };
        entry.round = entry.round.max(entry.register.promised.round) + 1;
        let ballot = Ballot { round: entry.round, node, life };
        let version = entry.register.version + 1;
        let phase = Phase::Prepare { promises: Tally::default(), accepted: None };
        entry.task = Some(Task { job, version, ballot, phase, refusals, told: NodeSet::EMPTY });
        self.ask(ctx, key);
        self.on_prepare(ctx, node, key, version, ballot);
    }

    pub(crate) fn on_promise(&mut self, ctx: Ctx<'_, '_>, from: NodeId, promise: Message) {
        let Message::Promise { key, ballot, accepted: told, .. } = promise else { return };
        let first = self.settings.has(Planted::FirstAcceptedWins);
        let quorum = self.settings.promises();
        let Some(Task { ballot: mine, phase: Phase::Prepare { promises, accepted }, .. }) = self.task(key) else {
            return;
        };
        if *mine != ballot {
            return;
        }
        promises.add(from);
        let mut several = false;
        let higher = |(at, _): &(Ballot, Value)| match accepted {
            None => true,
            Some((highest, _)) => !first && at > highest,
        };
        if told.as_ref().is_some_and(higher) {
            several = accepted.is_some();
            *accepted = told;
        }
        let enough = promises.nodes.count_ones() as usize >= quorum;
        if several {
            ctx.out.mark(Mark::SeveralAccepted);
        }
        if enough {
            self.propose(ctx, key);
        }
    }

    /// Phase 2: the value of the highest ballot that was told, or else the operation's own.
    fn propose(&mut self, ctx: Ctx<'_, '_>, key: u32) {
        let own_first = self.settings.has(Planted::OwnValueFirst);
        let Some(Key { register, task: Some(task), .. }) = self.keys.get_mut(&key) else { return };
        let Phase::Prepare { accepted, .. } = &mut task.phase else { return };
        let told = accepted.take().map(|(_, value)| value);
        let value = match told {
            Some(value) if !own_first || task.job.request.function == Function::Read => {
                ctx.out.mark(Mark::TakenOver);
                value
            }
            _ => match own_value(&mut task.job, register, task.version, task.ballot) {
                Ok(value) => value,
                Err(answer) => return self.finish(ctx, key, answer),
            },
        };
        let (version, ballot) = (task.version, task.ballot);
        task.phase = Phase::Accept { acceptances: Tally::default(), value: value.clone() };
        self.events.push(Event::proposed(key, version, ballot, &value));
        self.ask(ctx, key);
        self.on_accept(ctx, self.me, key, version, ballot, &value);
    }

    pub(crate) fn on_accepted(&mut self, ctx: Ctx<'_, '_>, from: NodeId, key: u32, version: u64, ballot: Ballot) {
        let Some(Key { task: Some(task), .. }) = self.keys.get_mut(&key) else { return };
        let Phase::Accept { acceptances, value } = &mut task.phase else { return };
        if (task.ballot, task.version) != (ballot, version) && !self.settings.has(Planted::AcksOfAnyInstance) {
            return ctx.out.mark(Mark::LateAnswer);
        }
        acceptances.add(from);
        if acceptances.count(&self.settings) < self.settings.acceptances() {
            return;
        }
        let (value, ballot, version) = (value.clone(), task.ballot, task.version);
        // Tells what is so already and promises nothing: no need to wait for the disk.
        self.to_peers(ctx, &Message::Chosen { key, version, ballot }, Tally::default());
        self.learn(ctx, key, version, &value);
    }

    /// Somebody was promised more: waits, and tries again with a higher ballot.
    pub(crate) fn on_refused(&mut self, ctx: Ctx<'_, '_>, key: u32, ballot: Ballot, promised: Ballot) {
        let blind = self.settings.has(Planted::RetriesBlindly);
        let Some(entry) = self.keys.get_mut(&key) else { return };
        entry.round = entry.round.max(promised.round);
        let Some(task) = entry.task.as_mut().filter(|task| task.ballot == ballot) else { return };
        match task.phase {
            Phase::Accept { .. } if blind => task.job.mine = None,
            Phase::Query { .. } | Phase::Pause => return,
            Phase::Prepare { .. } => ctx.out.mark(Mark::PromiseRefused),
            Phase::Accept { .. } => ctx.out.mark(Mark::AcceptRefused),
        }
        self.pause(ctx, key);
    }

    /// An acceptor lacks what was decided before: tells it, and asks again. Once until all are asked anew: were every such answer
    /// answered, a network that repeats messages would multiply them without end while what is told is under way.
    pub(crate) fn on_behind(&mut self, ctx: Ctx<'_, '_>, from: NodeId, key: u32, ballot: Ballot) {
        let Some(Key { register, task: Some(task), .. }) = self.keys.get_mut(&key) else { return };
        let known = register.version;
        if task.ballot != ballot || task.told.contains(from) {
            return;
        }
        task.told.insert(from);
        let Some((again, _)) = task.message(key, known) else { return };
        ctx.out.mark(Mark::Behind);
        let decided = Message::Decided { key, version: known, value: register.value.clone() };
        ctx.out.send_now(Address::Node(from), decided);
        ctx.out.send_now(Address::Node(from), again);
    }

    /// A version was decided, here or elsewhere.
    pub(crate) fn settle(&mut self, ctx: Ctx<'_, '_>, key: u32) {
        let Some(Key { register, task: Some(task), .. }) = self.keys.get_mut(&key) else { return };
        let mine = task.job.mine.is_some();
        let meaning = task.meaning(register);
        if mine && task.job.mine.is_none() {
            ctx.out.mark(Mark::OwnValueLost);
        }
        match meaning {
            Meaning::Answer(Answer::Unknown) => {
                ctx.out.mark(Mark::TooLongAgo);
                self.finish(ctx, key, Answer::Unknown);
            }
            Meaning::Answer(answer) => self.finish(ctx, key, answer),
            Meaning::Again => self.pause(ctx, key),
            Meaning::GoOn => {}
        }
    }

    /// A pause is over, or an answer is overdue.
    pub(crate) fn on_timer(&mut self, ctx: Ctx<'_, '_>, key: u32) {
        let patience = self.settings.patience;
        let Some(task) = self.task(key) else { return };
        if ctx.now.monotonic.since(task.job.since) > patience {
            let answer = if task.job.mine.is_some() { Answer::Unknown } else { Answer::Unavailable };
            return self.finish(ctx, key, answer);
        }
        if !matches!(task.phase, Phase::Pause) {
            return self.ask(ctx, key);
        }
        let (refusals, looks) = (task.refusals, task.job.looks);
        let Some(Task { job, .. }) = self.keys.get_mut(&key).and_then(|entry| entry.task.take()) else { return };
        if job.request.function == Function::Read && looks < LOOKS {
            self.query(ctx, key, job);
        } else {
            if job.request.function == Function::Read {
                ctx.out.mark(Mark::ReadProposes);
            }
            self.prepare(ctx, key, job, refusals);
        }
    }

    /// Leaves the field to others for a random time, which grows with each refusal.
    fn pause(&mut self, ctx: Ctx<'_, '_>, key: u32) {
        let Settings { back_off, longest_back_off, .. } = self.settings;
        let Some(task) = self.task(key) else { return };
        task.phase = Phase::Pause;
        task.refusals += 1;
        let limit = (back_off * 2u32.saturating_pow(task.refusals.min(10) - 1)).min(longest_back_off);
        ctx.out.set_timer(TimerId(key), ctx.rng.duration(Duration::from_micros(1)..=limit));
    }

    /// Sends the message of the present phase to all who have not answered it, and looks again later.
    ///
    /// At once, whatever the disk does: questions and proposals promise nothing. (The server's life is durable.)
    fn ask(&mut self, ctx: Ctx<'_, '_>, key: u32) {
        let Some(Key { register, task: Some(task), .. }) = self.keys.get_mut(&key) else { return };
        task.told = NodeSet::EMPTY;
        let Some((message, answered)) = task.message(key, register.version) else { return };
        self.to_peers(ctx, &message, answered);
        ctx.out.set_timer(TimerId(key), self.settings.repeat);
    }

    fn to_peers(&self, ctx: Ctx<'_, '_>, message: &Message, but: Tally) {
        for peer in NodeId::all(self.settings.nodes).filter(|peer| *peer != self.me && !but.has(*peer)) {
            ctx.out.send_now(Address::Node(peer), message.clone());
        }
    }

    fn finish(&mut self, ctx: Ctx<'_, '_>, key: u32, answer: Answer) {
        let Some(task) = self.keys.get_mut(&key).and_then(|entry| entry.task.take()) else { return };
        reply(ctx, task.job.client, task.job.id, answer);
        self.next(ctx, key);
    }

    fn task(&mut self, key: u32) -> Option<&mut Task> {
        self.keys.get_mut(&key)?.task.as_mut()
    }

    /// How many operations are under way.
    pub(crate) fn tasks(&self) -> usize {
        self.keys.values().filter(|entry| entry.task.is_some()).count()
    }

    /// What the proposers are doing, for coverage.
    pub(crate) fn phases(&self) -> u64 {
        let phase = |entry: &Key| match entry.task.as_ref().map(|task| &task.phase) {
            None => 0,
            Some(Phase::Query { in_flight, .. }) => 1 << u64::from(*in_flight > 0),
            Some(Phase::Prepare { accepted, .. }) => 4 << u64::from(accepted.is_some()),
            Some(Phase::Accept { .. }) => 16,
            Some(Phase::Pause) => 32,
        };
        self.keys.values().fold(0, |phases, entry| phases | phase(entry))
    }
}

/// What the operation wants the open instance to hold, or its answer if it wants nothing: a read, or a compare-and-set that does
/// not match.
fn own_value(job: &mut Job, register: &Register, version: u64, ballot: Ballot) -> Result<Value, Answer> {
    if let Some((_, value)) = job.mine.as_ref().filter(|(of, _)| *of == version) {
        return Ok(value.clone());
    }
    match job.request.function {
        Function::Read => return Err(Answer::Holds(register.value.payload.clone())),
        Function::Cas if register.value.number() != job.request.expected => return Err(Answer::Precondition),
        Function::Write | Function::Cas => {}
    }
    let value = Value::after(&register.value, ballot, payload(&job.request));
    job.mine = Some((version, value.clone()));
    Ok(value)
}

fn payload(request: &Request) -> Bytes {
    let mut bytes = request.argument.to_le_bytes().to_vec();
    bytes.resize(bytes.len().max(request.size as usize), b'.');
    bytes.into()
}

/// What is answered is chosen, that is durable at a quorum: this server's own disk has no say in it.
fn reply(ctx: Ctx<'_, '_>, client: u32, id: u64, answer: Answer) {
    ctx.out.send_now(Address::Client(client), Message::Reply { id, answer });
}
