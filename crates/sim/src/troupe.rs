//! The part of a world that knows the protocol: the actors, the messages under way, the oracles.
//!
//! It is the only generic code of the crate, one `step` per protocol; everything else sees it as a [`Cast`].

use std::any::Any;
use std::sync::Arc;

use base::{Bytes, Fingerprint, NodeId, Rng};
use proto::{
    Actor, Address, Barrier, Context, DiskWrite, Input, Message, Now, Observation, Oracle, Out, Output, Protocol,
    Recovered, Survives, TimerId, Token,
};

use crate::choices::Stream;
use crate::core::{Core, Posted, Waiting};
use crate::event::{Event, Who};
use crate::slab::Slab;
use crate::trace::Transcript;
use crate::trigger::{Seen, word};

/// An input without the protocol's types, if it is no message.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cue {
    Lost { peer: Who, unsent: bool },
    Timer(TimerId),
    Durable(Barrier),
    DiskFailed(&'static str),
    Invoke(Token),
    Abandon(Token),
}

impl Cue {
    /// A number for its kind.
    fn kind(self) -> u32 {
        match self {
            Cue::Lost { .. } => 2,
            Cue::Timer(TimerId(timer)) => 3 + (timer << 4),
            Cue::Durable(_) => 4,
            Cue::DiskFailed(_) => 5,
            Cue::Invoke(_) => 6,
            Cue::Abandon(_) => 7,
        }
    }
}

/// Numbers for the kinds of messages. A kind is a word of the program: its place in memory finds the number that its letters make.
#[derive(Clone, Default)]
struct Kinds(Vec<(&'static str, u32)>);

impl Kinds {
    #[inline]
    fn number(&mut self, kind: &'static str) -> u32 {
        let known = self.0.iter().find(|(known, _)| std::ptr::eq(*known, kind));
        match known {
            Some((_, number)) => *number,
            None => self.add(kind),
        }
    }

    #[cold]
    fn add(&mut self, kind: &'static str) -> u32 {
        let number = word(kind) as u32 | 8;
        self.0.push((kind, number));
        number
    }
}

/// The actors of a protocol, as the core sees them.
pub(crate) trait Cast {
    /// Brings a server up with what its disk kept.
    fn boot(&mut self, core: &mut Core, who: Who, disk: Recovered);
    /// Brings a client up.
    fn add_client(&mut self, core: &mut Core, who: Who);
    /// Hands a message to a participant that is up: the input that comes most often, in registers. `more`: further inputs are waiting.
    fn deliver(&mut self, core: &mut Core, from: Who, to: Who, mail: u32, more: bool);
    /// Hands one input to a participant that is up. `more`: further inputs are waiting for it.
    fn step(&mut self, core: &mut Core, who: Who, cue: Cue, more: bool);
    /// A server loses its memory.
    fn crash(&mut self, core: &Core, who: Who);
    /// Forgets a message.
    fn free(&mut self, mail: u32);
    /// Copies a message.
    fn copy(&mut self, mail: u32) -> u32;
    /// Numbers messages from here on.
    fn number_messages(&mut self, first: u64);
    /// The number of a message; copies have that of the first.
    fn number_of(&self, mail: u32) -> u64;
    /// The kind of a message.
    fn kind(&self, mail: u32) -> &'static str;
    /// A message in words.
    fn describe(&self, mail: u32, full: bool) -> String;
    /// A copy of everything; `None` if somebody cannot be copied.
    fn copy_all(&self) -> Option<Box<dyn Cast>>;
    /// What an operator would see of a server.
    fn observe(&self, node: NodeId) -> Option<Observation>;
    /// Looks at the messages that will be handed over next, and at whom they go to.
    fn warm(&self, core: &Core);
    /// What the protocol promises to survive.
    fn survives(&self) -> Survives;
    /// Messages that are kept.
    fn mail(&self) -> usize;
    /// Itself, to be asked for the typed actors.
    fn as_any(&self) -> &dyn Any;
}

pub(crate) struct Troupe<P: Protocol> {
    protocol: Arc<P>,
    servers: Vec<Seat<P::Server>>,
    clients: Vec<Seat<P::Client>>,
    /// Where all of them put their answers, in turns.
    out: Out<P::Message>,
    mail: Slab<P::Message>,
    kinds: Kinds,
    oracles: Vec<Box<dyn Oracle<P::Server>>>,
}

/// Stands for the kind of input of a boot.
const BOOT: u32 = 1;

/// A place for an actor. Empty while the participant is down.
struct Seat<A: Actor> {
    actor: Option<A>,
    /// The last write of its life.
    written: Barrier,
    rng: Rng,
}

impl<A: Actor> Seat<A> {
    fn empty() -> Self {
        Seat { actor: None, written: Barrier::NONE, rng: Rng::new(base::Seed(0)) }
    }

    /// Lets the actor take an input, and the end of its batch.
    #[inline]
    fn perform(&mut self, out: &mut Out<A::Message>, now: Now, input: Input<A::Message>, is_last: bool) {
        let Some(actor) = &mut self.actor else { return };
        out.resume(self.written);
        let mut ctx = Context { now, rng: &mut self.rng, out };
        actor.step(&mut ctx, input);
        if is_last {
            actor.step(&mut ctx, Input::BatchEnd);
        }
        self.written = ctx.out.barrier();
    }

    fn copy(&self) -> Option<Self> {
        let actor = match &self.actor {
            Some(actor) => Some(actor.fork()?),
            None => None,
        };
        Some(Seat { actor, written: self.written, rng: self.rng.clone() })
    }
}

impl<P: Protocol> Troupe<P> {
    pub(crate) fn new(protocol: P, servers: usize) -> Self {
        let oracles = protocol.oracles();
        let servers = (0..servers).map(|_| Seat::empty()).collect();
        Troupe {
            protocol: Arc::new(protocol),
            servers,
            clients: Vec::new(),
            out: Out::new(),
            mail: Slab::new(),
            kinds: Kinds::default(),
            oracles,
        }
    }

    pub(crate) fn server(&self, node: NodeId) -> Option<&P::Server> {
        self.servers.get(node.index())?.actor.as_ref()
    }

    #[inline]
    fn input(&mut self, core: &mut Core, cue: Cue) -> Input<P::Message> {
        match cue {
            Cue::Lost { peer, unsent } => Input::Lost { peer: core.address(peer), unsent },
            Cue::Timer(timer) => Input::Timer(timer),
            Cue::Durable(barrier) => Input::Durable(barrier),
            Cue::DiskFailed(error) => Input::DiskFailed { error: error.into() },
            Cue::Invoke(token) => {
                let (request, target) = core.operations.asked(token);
                match core.operations.action(token) {
                    Some(action) => Input::Administer { token, action, target },
                    None => Input::Invoke { token, request, target },
                }
            }
            Cue::Abandon(token) => Input::Abandon(token),
        }
    }

    /// Lets a participant take an input of this kind, and does what it asks for. Part of whoever calls it: an input is moved once.
    #[inline(always)]
    fn take(&mut self, core: &mut Core, who: Who, input: Input<P::Message>, kind: u32, more: bool) {
        match who.index().checked_sub(self.servers.len()) {
            None => {
                let seat = &mut self.servers[who.index()];
                seat.perform(&mut self.out, core.clocks(who), input, !more);
                let writes = flush(&mut self.out, &mut self.mail, core, who);
                self.after_server_step(core, who, kind, writes);
            }
            Some(client) => {
                self.clients[client].perform(&mut self.out, core.clocks(who), input, false);
                flush(&mut self.out, &mut self.mail, core, who);
            }
        }
    }

    #[inline(always)]
    fn after_server_step(&mut self, core: &mut Core, who: Who, input: u32, writes: u32) {
        if !self.oracles.is_empty() || core.watches() || core.trace.tells(Transcript::Story) {
            self.examine(core, who, input, writes);
        }
    }

    #[inline]
    fn examine(&mut self, core: &mut Core, who: Who, input: u32, writes: u32) {
        let Some(actor) = &self.servers[who.index()].actor else { return };
        for oracle in &mut self.oracles {
            if let Err(sentence) = oracle.after_step(core.now, NodeId(who.0), actor) {
                core.violate(oracle.name(), who, sentence);
            }
        }
        if core.trace.tells(Transcript::Story) {
            tell_role(core, who, actor.observe());
        }
        if core.watches() {
            core.watch(who, Seen { input, features: actor.features(), writes }, || actor.standing());
        }
    }
}

impl<P: Protocol> Cast for Troupe<P> {
    fn boot(&mut self, core: &mut Core, who: Who, disk: Recovered) {
        let seat = &mut self.servers[who.index()];
        seat.rng = core.begin_life(who).rng();
        self.out.resume(Barrier::NONE);
        let mut ctx = Context { now: core.clocks(who), rng: &mut seat.rng, out: &mut self.out };
        seat.actor = Some(self.protocol.boot(NodeId(who.0), disk, &mut ctx));
        seat.written = self.out.barrier();
        let writes = flush(&mut self.out, &mut self.mail, core, who);
        self.after_server_step(core, who, BOOT, writes);
    }

    fn add_client(&mut self, core: &mut Core, who: Who) {
        let mut seat = Seat::empty();
        seat.rng = core.begin_life(who).rng();
        self.out.resume(Barrier::NONE);
        let mut ctx = Context { now: core.clocks(who), rng: &mut seat.rng, out: &mut self.out };
        seat.actor = Some(self.protocol.client(&mut ctx));
        seat.written = self.out.barrier();
        flush(&mut self.out, &mut self.mail, core, who);
        self.clients.push(seat);
    }

    fn deliver(&mut self, core: &mut Core, from: Who, to: Who, mail: u32, more: bool) {
        let kind = if core.watches() { self.kinds.number(self.kind(mail)) } else { BOOT };
        let message = self.mail.remove(mail);
        if core.options.hash_messages {
            core.trace.word(Fingerprint::of(&message));
        }
        self.take(core, to, Input::Message { from: core.address(from), message }, kind, more);
    }

    fn step(&mut self, core: &mut Core, who: Who, cue: Cue, more: bool) {
        let kind = if core.watches() { cue.kind() } else { BOOT };
        let input = self.input(core, cue);
        self.take(core, who, input, kind, more);
    }

    fn crash(&mut self, core: &Core, who: Who) {
        self.servers[who.index()].actor = None;
        for oracle in &mut self.oracles {
            oracle.after_crash(core.now, NodeId(who.0));
        }
    }

    fn free(&mut self, mail: u32) {
        self.mail.remove(mail);
    }

    fn copy(&mut self, mail: u32) -> u32 {
        self.mail.copy(mail).expect("only a message under way is copied")
    }

    fn number_messages(&mut self, first: u64) {
        self.mail.number_from(first);
    }

    fn number_of(&self, mail: u32) -> u64 {
        self.mail.number(mail)
    }

    fn kind(&self, mail: u32) -> &'static str {
        self.mail.get(mail).map_or("", Message::kind)
    }

    fn describe(&self, mail: u32, full: bool) -> String {
        self.mail.get(mail).map(|message| describe(message, full)).unwrap_or_default()
    }

    fn copy_all(&self) -> Option<Box<dyn Cast>> {
        let troupe: Troupe<P> = Troupe {
            protocol: Arc::clone(&self.protocol),
            servers: self.servers.iter().map(Seat::copy).collect::<Option<_>>()?,
            clients: self.clients.iter().map(Seat::copy).collect::<Option<_>>()?,
            out: Out::new(),
            mail: self.mail.clone(),
            kinds: self.kinds.clone(),
            oracles: self.oracles.iter().map(|oracle| oracle.fork()).collect::<Option<_>>()?,
        };
        Some(Box::new(troupe))
    }

    fn observe(&self, node: NodeId) -> Option<Observation> {
        self.server(node).map(Actor::observe)
    }

    fn warm(&self, core: &Core) {
        // Loads that do not depend on each other overlap: the processor waits for memory once a page, not once a message.
        let touch = |(_, to, mail): (Who, Who, u32)| {
            let seat = self.servers.get(to.index()).map_or(0, |seat| seat.written.0);
            core.touch(to) ^ seat ^ u64::from(self.mail.get(mail).is_some())
        };
        std::hint::black_box(core.queue.arrivals().fold(0, |sum, arrival| sum ^ touch(arrival)));
    }

    fn survives(&self) -> Survives {
        self.protocol.survives()
    }

    fn mail(&self) -> usize {
        self.mail.len()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Does what a step asked for, in order. Returns how many things it wrote.
#[inline]
fn flush<M: Message>(out: &mut Out<M>, mail: &mut Slab<M>, core: &mut Core, who: Who) -> u32 {
    if out.is_empty() { 0 } else { perform_all(out, mail, core, who) }
}

fn perform_all<M: Message>(out: &mut Out<M>, mail: &mut Slab<M>, core: &mut Core, who: Who) -> u32 {
    let mut writes = 0;
    for output in out.drain() {
        match output {
            Output::Send { to, message, after } => send(mail, core, who, to, message, after),
            Output::Complete { token, completion, after } => {
                if after <= core.people[who.index()].durable {
                    core.complete(token, completion);
                } else {
                    core.wait(who, Waiting::Complete { after, token, completion });
                }
            }
            Output::Write { write, .. } => {
                core.write(who, write);
                writes += 1;
            }
            Output::Append { records, .. } => {
                records.iter().for_each(|record| core.write(who, DiskWrite::Append(record.clone())));
                writes += records.len() as u32;
            }
            Output::SetTimer { timer, after } => core.set_timer(who, timer, after),
            Output::CancelTimer(timer) => core.cancel_timer(who, timer),
            Output::Busy(span) => core.busy(who, span),
            Output::Label(text) => tell(core, who, &text),
            Output::Mark(mark) => core.trace.mark(mark, core.now),
            Output::Halt(reason) => core.halt(who, reason),
        }
    }
    if writes > 0 {
        core.sync(who);
    }
    writes
}

#[inline]
fn send<M: Message>(mail: &mut Slab<M>, core: &mut Core, from: Who, to: Address, message: M, after: Barrier) {
    let to = Who::at(to, core.servers);
    let message = if core.options.codec_share > 0.0 { through_codec(core, from, message) } else { message };
    let kind = message.kind();
    let slot = mail.insert(message);
    if after > core.people[from.index()].durable {
        return core.wait(from, Waiting::Send { after, to, kind, mail: slot });
    }
    if core.links.keeps(&core.options.network, &mut core.choices, from, to)
        && let Some(copy) = mail.copy(slot)
    {
        core.links.memorise(from, to, copy).map(|forgotten| mail.remove(forgotten));
    }
    match core.post(from, to, kind, slot) {
        Posted::Sent => {}
        Posted::Twice(at) => {
            let copy = mail.copy(slot).expect("it was put there");
            core.queue.push(at, Event::Deliver { from, to, mail: copy });
        }
        Posted::Dropped(why) => {
            let message = mail.remove(slot);
            if core.trace.tells(Transcript::Story) {
                let told = describe(&message, core.trace.tells(Transcript::Full));
                core.tell_dropped(from, to, &told, why);
            }
        }
    }
}

/// A share of messages goes through its encoding and back: what comes out must be what went in.
fn through_codec<M: Message>(core: &mut Core, from: Who, message: M) -> M {
    if !core.choices.flip(Stream::network(from.0), core.options.codec_share) {
        return message;
    }
    let mut buffer = Vec::new();
    message.encode(&mut buffer);
    match M::decode(&Bytes::from(buffer)) {
        Ok(decoded) if Fingerprint::of(&decoded) == Fingerprint::of(&message) => decoded,
        Ok(decoded) => {
            core.violate("codec", from, format!("`{message:?}` comes out of its encoding as `{decoded:?}`"));
            message
        }
        Err(error) => {
            core.violate("codec", from, format!("`{message:?}` cannot be decoded: {error}"));
            message
        }
    }
}

fn tell(core: &mut Core, who: Who, text: &str) {
    if core.trace.tells(Transcript::Story) {
        let line = format!("{}: {text}", core.address(who));
        core.trace.say(core.now, line);
    }
}

/// Tells a change of role, so that protocols need no label for it.
fn tell_role(core: &mut Core, who: Who, seen: Observation) {
    let before = std::mem::replace(&mut core.people[who.index()].seen, seen.clone());
    if before.role != seen.role && !seen.role.is_empty() {
        let from = if before.role.is_empty() { "boots as" } else { before.role };
        let arrow = if before.role.is_empty() { " " } else { " → " };
        tell(core, who, &format!("{from}{arrow}{}, epoch {}", seen.role, seen.epoch));
    }
}

fn describe<M: Message>(message: &M, full: bool) -> String {
    if full { format!("{message:?}") } else { message.kind().to_owned() }
}
