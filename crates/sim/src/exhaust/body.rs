//! What surrounds one participant: clock, timers, disk, and the answers that wait for it.
//!
//! The clock moves only when a timer fires, to when it was due: an order of events in which nothing else takes time.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{Hash, Hasher};

use base::{Fingerprint, Rng, Seed, Time};
use history::Completion;
use proto::{Actor, Address, Barrier, Context, DiskWrite, Input, Message, Now, Out, Output, Recovered, TimerId};

/// The surroundings of a participant.
#[derive(Clone)]
pub(super) struct Body<M> {
    /// Whose they are: part of the seed of its random choices.
    pub who: u8,
    /// Counts boots.
    pub life: u32,
    /// The clock of this life.
    pub now: Time,
    /// When each timer that is set is due.
    pub timers: BTreeMap<TimerId, Time>,
    out: Out<M>,
    durable: Barrier,
    /// Answers that wait for a barrier, in order of barriers.
    waiting: VecDeque<Output<M>>,
    kept: Recovered,
    pub unsynced: VecDeque<DiskWrite>,
    /// It stopped by itself, for good.
    pub halted: bool,
}

/// What a step did to the world outside.
pub(super) struct Effects<M> {
    pub sent: Vec<(Address, M)>,
    pub completed: Vec<(u32, Completion)>,
    /// Lines for the story.
    pub labels: Vec<String>,
}

impl<M> Default for Effects<M> {
    fn default() -> Self {
        Effects { sent: Vec::new(), completed: Vec::new(), labels: Vec::new() }
    }
}

impl<M: Message> Body<M> {
    pub(super) fn new(who: u8) -> Self {
        Body {
            who,
            life: 0,
            now: Time::ZERO,
            timers: BTreeMap::new(),
            out: Out::new(),
            durable: Barrier::NONE,
            waiting: VecDeque::new(),
            kept: Recovered::default(),
            unsynced: VecDeque::new(),
            halted: false,
        }
    }

    /// Begins the next life: what `boot` makes of what the disk kept.
    pub(super) fn boot<A>(
        &mut self,
        effects: &mut Effects<M>,
        boot: impl FnOnce(Recovered, &mut Context<'_, M>) -> A,
    ) -> A {
        self.life += 1;
        let (mut rng, disk) = (self.rng(), self.kept.clone());
        let actor = boot(disk, &mut Context { now: self.clocks(), rng: &mut rng, out: &mut self.out });
        self.flush(effects);
        actor
    }

    /// Hands an input to the participant. A server's batches are of one input each.
    pub(super) fn step<A: Actor<Message = M>>(
        &mut self,
        actor: &mut A,
        input: Input<M>,
        batched: bool,
        effects: &mut Effects<M>,
    ) {
        let (mut rng, now) = (self.rng(), self.clocks());
        let mut ctx = Context { now, rng: &mut rng, out: &mut self.out };
        actor.step(&mut ctx, input);
        if batched {
            actor.step(&mut ctx, Input::BatchEnd);
        }
        self.flush(effects);
    }

    /// Lets a timer fire: its time has come.
    pub(super) fn fire(&mut self, timer: TimerId) -> Input<M> {
        let due = self.timers.remove(&timer).unwrap_or(self.now);
        self.now = self.now.max(due);
        Input::Timer(timer)
    }

    /// Everything written is durable now. `None` if everything was.
    pub(super) fn sync(&mut self, effects: &mut Effects<M>) -> Option<Input<M>> {
        if self.unsynced.is_empty() {
            return None;
        }
        self.persist(self.unsynced.len());
        self.durable = self.out.barrier();
        while self.waiting.front().is_some_and(|answer| after(answer) <= self.durable) {
            let answer = self.waiting.pop_front();
            answer.into_iter().for_each(|answer| release(answer, effects));
        }
        Some(Input::Durable(self.durable))
    }

    /// Power is lost: of the writes that were not synced the first `kept` stay.
    pub(super) fn crash(&mut self, kept: usize) {
        self.persist(kept);
        let disk = std::mem::take(&mut self.kept);
        *self = Body { life: self.life, kept: disk, halted: self.halted, ..Body::new(self.who) };
    }

    /// Every life draws from a stream of its own, and every step of it from the stream's start: what is drawn are spans, and a timer
    /// may fire at any time.
    fn rng(&self) -> Rng {
        Seed(u64::from(self.who)).nth(u64::from(self.life)).rng()
    }

    fn clocks(&self) -> Now {
        Now { monotonic: self.now, wall: self.now }
    }

    fn flush(&mut self, effects: &mut Effects<M>) {
        for output in self.out.drain() {
            match output {
                Output::Send { .. } | Output::Complete { .. } if after(&output) > self.durable => {
                    self.waiting.push_back(output);
                }
                Output::Write { write, .. } => self.unsynced.push_back(write),
                Output::Append { records, .. } => {
                    self.unsynced.extend(records.iter().cloned().map(DiskWrite::Append));
                }
                Output::SetTimer { timer, after } => _ = self.timers.insert(timer, self.now + after),
                Output::CancelTimer(timer) => _ = self.timers.remove(&timer),
                Output::Halt(reason) => {
                    self.halted = true;
                    effects.labels.push(format!("stops: {reason}"));
                }
                other => release(other, effects),
            }
        }
    }

    fn persist(&mut self, writes: usize) {
        let Recovered { first_index, log, blobs, .. } = &mut self.kept;
        for write in self.unsynced.drain(..writes) {
            match write {
                DiskWrite::Append(record) => log.push(record),
                DiskWrite::Truncate { from } => log.truncate(from.saturating_sub(*first_index) as usize),
                DiskWrite::Discard { before } => {
                    let gone = (before.saturating_sub(*first_index) as usize).min(log.len());
                    log.drain(..gone);
                    *first_index = before.max(*first_index);
                }
                DiskWrite::Put { name, bytes } => _ = blobs.insert(name.into_owned(), bytes),
            }
        }
    }

    /// All of it that has a say in what comes, together with what `actor` says of itself. The disk has a say only if there are crashes.
    pub(super) fn fingerprint(
        &self,
        horizon: Time,
        crashes: bool,
        actor: impl FnOnce(&mut dyn Hasher) -> bool,
    ) -> Option<u64> {
        let mut state =
            Relative { hash: Fingerprint::new(), now: self.now.0, durable: self.durable.0, horizon: horizon.0 };
        (self.who, self.life, self.halted, &self.timers, self.out.barrier(), self.waiting.len()).hash(&mut state);
        for answer in &self.waiting {
            after(answer).hash(&mut state);
            match answer {
                Output::Send { to, message, .. } => (to, message).hash(&mut state),
                Output::Complete { token, completion, .. } => (token, completion).hash(&mut state),
                _ => {}
            }
        }
        if crashes {
            let Recovered { first_index, log, blobs, .. } = &self.kept;
            (first_index, log, blobs).hash(&mut state);
        }
        self.unsynced.iter().filter(|_| crashes).for_each(|write| write.hash(&mut state));
        actor(&mut state).then(|| state.finish())
    }
}

fn after<M>(answer: &Output<M>) -> Barrier {
    match answer {
        Output::Send { after, .. } | Output::Complete { after, .. } => *after,
        _ => Barrier::NONE,
    }
}

fn release<M>(answer: Output<M>, effects: &mut Effects<M>) {
    match answer {
        Output::Send { to, message, .. } => effects.sent.push((to, message)),
        Output::Complete { token, completion, .. } => effects.completed.push((token.0, completion)),
        Output::Label(text) => effects.labels.push(text.into_owned()),
        _ => {}
    }
}

/// Hashes times by how long ago they are and barriers by how far they are from durable, so that a state which is the same but for
/// when it was reached is the same.
struct Relative {
    hash: Fingerprint,
    now: u64,
    durable: u64,
    horizon: u64,
}

impl Hasher for Relative {
    fn finish(&self) -> u64 {
        self.hash.finish()
    }

    fn write(&mut self, bytes: &[u8]) {
        self.hash.write(bytes);
    }

    fn write_u8(&mut self, value: u8) {
        self.hash.write_u8(value);
    }

    fn write_u32(&mut self, value: u32) {
        self.hash.write_u32(value);
    }

    fn write_u64(&mut self, value: u64) {
        self.hash.write_u64(value);
    }

    fn write_usize(&mut self, value: usize) {
        self.hash.write_usize(value);
    }

    /// A [`Time`].
    fn write_i128(&mut self, time: i128) {
        let ago = (i128::from(self.now) - time).min(i128::from(self.horizon));
        self.hash.write_u64(ago as u64);
    }

    /// A [`Barrier`].
    fn write_u128(&mut self, barrier: u128) {
        self.hash.write_u64((barrier as u64).saturating_sub(self.durable));
    }
}
