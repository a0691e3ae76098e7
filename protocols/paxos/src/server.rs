//! One server: acceptor, learner and proposer of every key, and what it does with each input.
//!
//! The rules live beside this file: [`acceptor`](super::acceptor) what is promised and accepted, [`proposer`](super::proposer) how
//! an operation gets its answer. Here they meet disk and network.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::hash::{Hash, Hasher};

use base::{Bytes, Fingerprint, NodeId};
use proto::codec::{Reader, put};
use proto::{Actor, Address, Barrier, Context, Input, Malformed, Observation, Recovered, TimerId};

use crate::acceptor::{Register, Verdict};
use crate::ballot::{Ballot, Value};
use crate::bugs::Planted;
use crate::marks::Mark;
use crate::message::Message;
use crate::proposer::Key;
use crate::settings::Settings;

/// The blob that counts the server's lives.
const LIFE: &str = "life";
/// The blob that holds all registers as of the last compaction of the log.
const REGISTERS: &str = "registers";
/// The log is compacted when it has so many records, and so many for each key.
const RECORDS: (u64, u64) = (8_192, 8);

/// What a step may use.
pub(crate) type Ctx<'a, 'b> = &'a mut Context<'b, Message>;

/// One server of a cluster.
#[derive(Clone, Debug)]
pub struct Server {
    pub(crate) me: NodeId,
    pub(crate) settings: Settings,
    /// How often the server has come up. Part of its ballots.
    pub(crate) life: u64,
    /// `life` is durable: ballots of it can be used.
    pub(crate) serving: bool,
    pub(crate) keys: BTreeMap<u32, Key>,
    /// Names queries.
    pub(crate) questions: u64,
    /// What the last step did, for oracles.
    pub(crate) events: Vec<Event>,
    /// This server's answers as an acceptor to itself as a proposer; each counts once it is durable.
    own: VecDeque<(Barrier, Message)>,
    /// Everything up to here is durable.
    durable: Barrier,
    /// The index of the next record of the log, and how many there are.
    next_index: u64,
    records: u64,
    /// When this is durable, the log's records before this index can go.
    discard: Option<(Barrier, u64)>,
    /// Its disk was emptied while it was in service: what it had promised and accepted is forgotten, so it has no vote any more.
    pub(crate) forgot: bool,
    /// The disk failed, and a planted bug goes on without it.
    diskless: bool,
    /// The disk failed: the server does nothing any more.
    halted: bool,
}

/// What a step did that the contract of consensus is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A value was proposed.
    Proposed {
        /// Key and version.
        instance: (u32, u64),
        /// At which ballot.
        ballot: Ballot,
        /// A fingerprint of the value.
        value: u64,
    },
    /// A server learned that a value was chosen.
    Decided {
        /// Key and version.
        instance: (u32, u64),
        /// A fingerprint of the value.
        value: u64,
    },
    /// An acceptor's state of a key changed.
    Promised {
        /// The key.
        key: u32,
    },
}

impl Event {
    pub(crate) fn proposed(key: u32, version: u64, ballot: Ballot, value: &Value) -> Event {
        Event::Proposed { instance: (key, version), ballot, value: Fingerprint::of(value) }
    }

    fn decided(key: u32, register: &Register) -> Event {
        Event::Decided { instance: (key, register.version), value: Fingerprint::of(&register.value) }
    }
}

impl Actor for Server {
    type Message = Message;

    fn step(&mut self, ctx: &mut Context<'_, Message>, input: Input<Message>) {
        if self.halted || matches!(input, Input::BatchEnd) {
            return; // nothing is gathered for the end of a batch
        }
        self.events.clear();
        match input {
            Input::Message { from: Address::Client(client), message: Message::Request { id, request } } => {
                self.on_request(ctx, client, id, request);
            }
            Input::Message { from: Address::Node(from), message } if from.index() < self.settings.nodes => {
                self.on_peer(ctx, from, message);
            }
            Input::Timer(TimerId(key)) => self.on_timer(ctx, key),
            Input::Durable(barrier) => self.on_durable(ctx, barrier),
            Input::DiskFailed { .. } if self.settings.has(Planted::DiskErrorIgnored) => self.diskless = true,
            Input::DiskFailed { error } => {
                ctx.out.mark(Mark::DiskRefused);
                self.halt(ctx, format!("disk failed: {error}"));
            }
            _ => {}
        }
        self.take_own(ctx);
    }

    fn standing(&self) -> (&'static str, u64) {
        (if self.forgot { "proposer" } else { "acceptor" }, self.life)
    }

    fn observe(&self) -> Observation {
        let decided = self.keys.values().map(|key| key.register.version).sum();
        let (role, epoch) = self.standing();
        Observation {
            role,
            epoch,
            gauges: vec![("keys", self.keys.len() as u64), ("decided", decided), ("under_way", self.tasks() as u64)],
        }
    }

    fn features(&self) -> u64 {
        let accepted = self.keys.values().any(|key| key.register.accepted.is_some());
        let waiting = !self.own.is_empty();
        self.phases() << 2 | u64::from(accepted) << 1 | u64::from(waiting)
    }

    fn fingerprint(&self, mut state: &mut dyn Hasher) -> bool {
        // Not what the last step did, and not how many records the log has: when it is compacted changes nothing that others see.
        #[rustfmt::skip]
        let Server {
            me: _, settings: _, events: _, next_index: _, records: _,
            life, serving, keys, questions, own, durable, discard, forgot, diskless, halted,
        } = self;
        (life, serving, keys, questions, own, durable, discard, forgot, diskless, halted).hash(&mut state);
        true
    }

    fn fork(&self) -> Option<Self> {
        Some(self.clone())
    }
}

impl Server {
    /// Starts or restarts with what the disk kept.
    pub fn boot(me: NodeId, settings: Settings, disk: Recovered, ctx: &mut Context<'_, Message>) -> Self {
        let mut server = Server {
            me,
            life: 0,
            serving: false,
            keys: BTreeMap::new(),
            questions: ctx.rng.next_u64() >> 16,
            events: Vec::new(),
            own: VecDeque::new(),
            durable: Barrier::NONE,
            next_index: disk.first_index + disk.log.len() as u64,
            records: disk.log.len() as u64,
            discard: None,
            forgot: disk.replaced && !settings.has(Planted::WipedVotes),
            diskless: false,
            halted: false,
            settings,
        };
        if disk.replaced {
            // The ballots of the lives before are forgotten too: a life so far from them is another's.
            server.life = 1 << 32 | ctx.rng.next_u64() >> 33;
        }
        match server.recover(disk) {
            Ok(()) => server.begin_life(ctx),
            Err(malformed) => server.halt(ctx, format!("the disk holds what no server wrote: {malformed}")),
        }
        server
    }

    /// What the server has of a key as an acceptor and learner.
    pub fn register(&self, key: u32) -> Option<&Register> {
        self.keys.get(&key).map(|key| &key.register)
    }

    /// What the last step did.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    fn recover(&mut self, disk: Recovered) -> Result<(), Malformed> {
        if let Some(bytes) = disk.blobs.get(LIFE) {
            let mut reader = Reader::new(bytes);
            self.life = reader.number()?;
            self.forgot = reader.number()? != 0;
        }
        // The last record of a key counts, so the last come first and only they are read. Records older than the compaction may be
        // there, but only with those that followed them.
        for bytes in disk.log.iter().rev() {
            if !self.keys.contains_key(&Reader::new(bytes).small("key")?) {
                self.recover_register(&mut Reader::new(bytes))?;
            }
        }
        let compacted = disk.blobs.get(REGISTERS).cloned().unwrap_or_default();
        let mut reader = Reader::new(&compacted);
        while reader.left() > 0 {
            self.recover_register(&mut reader)?;
        }
        Ok(())
    }

    /// Takes over a register as the disk has it, unless a later record had it too.
    fn recover_register(&mut self, reader: &mut Reader<'_>) -> Result<(), Malformed> {
        let (key, register) = Register::decode(reader)?;
        if let Entry::Vacant(place) = self.keys.entry(key) {
            place.insert(Key::default()).register = register;
        }
        Ok(())
    }

    fn begin_life(&mut self, ctx: Ctx<'_, '_>) {
        if self.settings.has(Planted::BallotReused) {
            self.serving = true;
            return;
        }
        self.life += 1;
        let mut bytes = Vec::new();
        // One blob: were the second lost alone, the server would vote again.
        put(&mut bytes, &[self.life, u64::from(self.forgot)]);
        ctx.out.put(LIFE, bytes.into());
    }

    fn on_peer(&mut self, ctx: Ctx<'_, '_>, from: NodeId, message: Message) {
        match message {
            Message::Prepare { key, version, ballot } => self.on_prepare(ctx, from, key, version, ballot),
            Message::Accept { key, version, ballot, value } => {
                self.on_accept(ctx, from, key, version, ballot, &value);
            }
            Message::Promise { .. } => self.on_promise(ctx, from, message),
            Message::Accepted { key, version, ballot } => self.on_accepted(ctx, from, key, version, ballot),
            Message::Refused { key, ballot, promised } => self.on_refused(ctx, key, ballot, promised),
            Message::Behind { key, ballot } => self.on_behind(ctx, from, key, ballot),
            Message::Chosen { key, version, ballot } => self.on_chosen(ctx, key, version, ballot),
            Message::Decided { key, version, value } => self.learn(ctx, key, version, &value),
            Message::Query { key, id, version } => self.on_query(ctx, from, key, id, version),
            Message::Current { .. } => self.on_current(ctx, from, message),
            Message::Request { .. } | Message::Reply { .. } => {}
        }
    }

    pub(crate) fn on_prepare(&mut self, ctx: Ctx<'_, '_>, from: NodeId, key: u32, version: u64, ballot: Ballot) {
        if self.forgot {
            return ctx.out.mark(Mark::WithoutVote);
        }
        let entry = self.keys.entry(key).or_default();
        let before = entry.register.promised;
        let verdict = entry.register.prepare(&self.settings, version, ballot);
        if verdict != Verdict::Granted {
            return self.decline(ctx, from, key, ballot, verdict);
        }
        let hides = self.settings.has(Planted::PromiseHidesAccepted);
        let accepted = entry.register.accepted.clone().filter(|_| !hides);
        let changed = entry.register.promised != before;
        self.grant(
            ctx,
            from,
            key,
            changed,
            Planted::PromiseNotSaved,
            Message::Promise { key, version, ballot, accepted },
        );
    }

    pub(crate) fn on_accept(
        &mut self,
        ctx: Ctx<'_, '_>,
        from: NodeId,
        key: u32,
        version: u64,
        ballot: Ballot,
        value: &Value,
    ) {
        if self.forgot {
            return;
        }
        let entry = self.keys.entry(key).or_default();
        let verdict = entry.register.accept(&self.settings, version, ballot, value);
        if verdict != Verdict::Granted {
            return self.decline(ctx, from, key, ballot, verdict);
        }
        self.grant(ctx, from, key, true, Planted::AcceptNotSaved, Message::Accepted { key, version, ballot });
    }

    /// Sends a promise or acceptance once it is on disk.
    fn grant(&mut self, ctx: Ctx<'_, '_>, to: NodeId, key: u32, changed: bool, unsaved: Planted, answer: Message) {
        self.events.push(Event::Promised { key });
        let saved = !self.settings.has(unsaved) && !self.diskless;
        if changed && saved {
            self.save(ctx, key);
        }
        if to == self.me {
            let after = if saved { ctx.out.barrier() } else { Barrier::NONE };
            self.own.push_back((after, answer));
        } else if saved {
            ctx.out.send(Address::Node(to), answer);
        } else {
            ctx.out.send_now(Address::Node(to), answer);
        }
    }

    /// Says why not. None of these answers promises anything, so none waits for the disk.
    fn decline(&mut self, ctx: Ctx<'_, '_>, to: NodeId, key: u32, ballot: Ballot, verdict: Verdict) {
        let Some(Key { register, .. }) = self.keys.get(&key) else { return };
        let answer = match verdict {
            Verdict::Granted => return,
            Verdict::Refused => Message::Refused { key, ballot, promised: register.promised },
            Verdict::Behind => Message::Behind { key, ballot },
            Verdict::Over => Message::Decided { key, version: register.version, value: register.value.clone() },
        };
        if to == self.me {
            self.own.push_back((Barrier::NONE, answer))
        } else {
            ctx.out.send_now(Address::Node(to), answer)
        }
    }

    fn on_query(&mut self, ctx: Ctx<'_, '_>, from: NodeId, key: u32, id: u64, known: u64) {
        if self.forgot {
            return; // a value that it had accepted may be chosen, and it would say that there is none
        }
        let register = &self.keys.entry(key).or_default().register;
        let version = register.version;
        let value = (version > known).then(|| register.value.clone());
        let in_flight = register.accepted.is_some();
        // What is decided or accepted and not on this disk yet is told all the same: a reader that
        // waits for it in vain completes the instance.
        ctx.out.send_now(Address::Node(from), Message::Current { key, id, version, value, in_flight });
    }

    fn on_chosen(&mut self, ctx: Ctx<'_, '_>, key: u32, version: u64, ballot: Ballot) {
        if self.keys.entry(key).or_default().register.chosen(&self.settings, version, ballot) {
            self.learned(ctx, key);
        }
    }

    pub(crate) fn learn(&mut self, ctx: Ctx<'_, '_>, key: u32, version: u64, value: &Value) {
        if self.keys.entry(key).or_default().register.learn(&self.settings, version, value) {
            self.learned(ctx, key);
        }
    }

    fn learned(&mut self, ctx: Ctx<'_, '_>, key: u32) {
        if let Some(entry) = self.keys.get(&key) {
            self.events.push(Event::decided(key, &entry.register));
        }
        self.settle(ctx, key);
    }

    fn on_durable(&mut self, ctx: Ctx<'_, '_>, barrier: Barrier) {
        self.durable = self.durable.max(barrier);
        if let Some((_, before)) = self.discard.take_if(|(saved, _)| *saved <= barrier) {
            ctx.out.discard(before);
        }
        // The first write of a life is its number.
        self.serving = true;
    }

    /// Takes the answers that this server gave itself, as far as they are durable.
    fn take_own(&mut self, ctx: Ctx<'_, '_>) {
        while let Some((after, _)) = self.own.front()
            && *after <= self.durable
            && let Some((_, message)) = self.own.pop_front()
        {
            self.on_peer(ctx, self.me, message);
        }
    }

    fn save(&mut self, ctx: Ctx<'_, '_>, key: u32) {
        let Some(entry) = self.keys.get(&key) else { return };
        ctx.out.append(entry.register.record(key));
        self.next_index += 1;
        self.records += 1;
        if self.records > RECORDS.0.max(RECORDS.1 * self.keys.len() as u64) {
            self.compact(ctx);
        }
    }

    /// All registers in one blob; what the log says of them can go once that is on disk.
    fn compact(&mut self, ctx: Ctx<'_, '_>) {
        ctx.out.mark(Mark::Compacted);
        let mut bytes = Vec::new();
        self.keys.iter().for_each(|(key, entry)| entry.register.encode(*key, &mut bytes));
        let saved = ctx.out.put(REGISTERS, Bytes::from(bytes));
        self.discard = Some((saved, self.next_index));
        self.records = 0;
    }

    fn halt(&mut self, ctx: Ctx<'_, '_>, reason: String) {
        self.halted = true;
        ctx.out.halt(reason);
    }
}
