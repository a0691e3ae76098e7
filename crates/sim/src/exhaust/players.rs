//! The participants of a cluster, their messages and the oracles' memories, each kept once. The only part that knows the protocol's types;
//! the rest of the search sees numbers, so that a new protocol compiles this file again and nothing else.

use std::hash::{Hash, Hasher};

use base::{Fingerprint, NodeId, Time};
use proto::{Actor, Address, Input, Oracle, Protocol, TimerId, Token};

use super::body::{Body, Effects};
use super::intern::Interner;
use super::model::Broken;
use super::scope::{Disk, Scope};
use crate::event::Who;

/// What happens to one participant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cue {
    /// A message arrives, by its number.
    Deliver(u32),
    /// A timer fires.
    Timer(TimerId),
    /// A client is asked for its n-th operation.
    Invoke(u32),
    /// A client is told to give its n-th operation up.
    Abandon(u32),
    /// What was written is durable.
    Sync,
    /// A server loses its memory; so many of its unsynced writes stay.
    Crash(u8),
    /// A server comes up.
    Restart,
}

impl Cue {
    /// The cue as a word: equal words are equal cues.
    pub(super) fn word(self) -> u64 {
        let (tag, number) = match self {
            Cue::Deliver(mail) => (0, mail),
            Cue::Timer(timer) => (1, timer.0),
            Cue::Invoke(operation) => (2, operation),
            Cue::Abandon(operation) => (3, operation),
            Cue::Sync => (4, 0),
            Cue::Crash(kept) => (5, u32::from(kept)),
            Cue::Restart => (6, 0),
        };
        tag << 32 | u64::from(number)
    }
}

/// What came of a cue.
#[derive(Clone, Debug)]
pub(super) struct Change {
    /// The participant afterwards.
    pub next: u32,
    /// Messages that it sent.
    pub sent: Box<[u32]>,
    /// Operations that it completed.
    pub completed: Box<[(u32, history::Completion)]>,
    /// Whether anything came of it at all.
    pub is_something: bool,
}

/// What the search has to know of a participant.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub hash: u64,
    pub up: bool,
    /// It stopped by itself, for good.
    pub halted: bool,
    pub timers: Box<[TimerId]>,
    /// Writes that are not durable.
    pub unsynced: usize,
    pub epoch: u64,
}

/// What the search has to know of a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub hash: u64,
    pub from: u8,
    pub to: u8,
}

/// The participants, as the search sees them.
pub(super) trait Players: Send + Sync {
    /// The participant `who` before it first came up.
    fn unborn(&self, who: usize) -> u32;
    fn step(&self, who: usize, local: u32, cue: Cue) -> Change;
    fn facts(&self, local: u32) -> &Facts;
    fn header(&self, mail: u32) -> Header;
    /// The oracles before anything happened.
    fn innocence(&self) -> u32;
    /// What the oracles remember after this step of a server, if they remembered `memory` before.
    fn remember(&self, memory: u32, who: usize, local: u32, cue: Cue) -> u32;
    /// The hash of a memory, and what broke on the way.
    fn memory(&self, memory: u32) -> (u64, Option<&Broken>);
    /// A step in words.
    fn tell(&self, who: usize, local: u32, cue: Cue) -> Vec<String>;
    /// A message in words.
    fn describe(&self, mail: u32) -> String;
    /// How many participants, messages and memories are kept.
    fn kept(&self) -> (usize, usize, usize);
}

pub(super) struct Troupe<P: Protocol> {
    protocol: P,
    scope: Scope,
    locals: Interner<(Local<P>, Facts)>,
    mail: Interner<(Header, P::Message)>,
    memories: Interner<Memory<P::Server>>,
    innocence: u32,
}

/// One participant and what surrounds it.
struct Local<P: Protocol> {
    role: Option<Role<P>>,
    body: Body<P::Message>,
}

enum Role<P: Protocol> {
    Server(P::Server),
    Client(P::Client),
}

/// What the oracles remember.
struct Memory<S> {
    oracles: Vec<Box<dyn Oracle<S>>>,
    hash: u64,
    broken: Option<Broken>,
}

/// Shown every server that has taken a step (or `None` when it crashed).
type Watch<'a, S> = &'a mut dyn FnMut(Option<&S>);

impl<P: Protocol> Troupe<P>
where
    P::Server: Send + Sync,
    P::Client: Sync,
    P::Message: Sync,
{
    /// The participants of `scope`, and the names of the oracles that cannot be taken along.
    pub(super) fn new(protocol: P, scope: Scope) -> (Self, Vec<&'static str>) {
        let all = protocol.oracles();
        let unable = all.iter().filter(|oracle| oracle.fork().is_none()).map(|oracle| oracle.name()).collect();
        let oracles = all.iter().filter_map(|oracle| oracle.fork()).collect();
        let memories = Interner::new();
        let innocence = memories.number(0, || Memory { oracles, hash: 0, broken: None });
        (Troupe { protocol, scope, locals: Interner::new(), mail: Interner::new(), memories, innocence }, unable)
    }

    /// Whether the participant can be copied and hashed.
    pub(super) fn suits(&self, local: u32) -> bool {
        self.locals.get(local).0.fingerprint(self.horizon(), true).is_some()
    }

    fn horizon(&self) -> Time {
        Time::ZERO + self.scope.horizon
    }

    fn keep(&self, local: Local<P>) -> u32 {
        // Who says nothing of its state is refused before the search begins, see `suits`.
        let hash = local.fingerprint(self.horizon(), self.scope.crashes > 0).unwrap_or_default();
        self.locals.number(hash, || {
            let facts = local.facts(hash);
            (local, facts)
        })
    }

    /// What comes of a cue, before it is kept.
    fn perform(
        &self,
        who: usize,
        local: u32,
        cue: Cue,
        watch: Watch<'_, P::Server>,
    ) -> (Local<P>, Effects<P::Message>) {
        let mut local = self.locals.get(local).0.copy();
        let mut effects = Effects::default();
        match cue {
            Cue::Restart => self.boot(who, &mut local, &mut effects, watch),
            Cue::Crash(kept) => {
                local.body.crash(usize::from(kept));
                local.role = None;
                watch(None);
            }
            Cue::Sync => {
                let input = local.body.sync(&mut effects);
                input.into_iter().for_each(|input| local.step(input, &mut effects, watch));
            }
            _ => {
                let input = self.input(who, &mut local.body, cue);
                input.into_iter().for_each(|input| local.step(input, &mut effects, watch));
            }
        }
        self.settle(who, &mut local, &mut effects, watch);
        (local, effects)
    }

    fn boot(&self, who: usize, local: &mut Local<P>, effects: &mut Effects<P::Message>, watch: Watch<'_, P::Server>) {
        let protocol = &self.protocol;
        let role = if who < self.scope.servers {
            let me = NodeId(who as u16);
            Role::Server(local.body.boot(effects, |disk, ctx| protocol.boot(me, disk, ctx)))
        } else {
            Role::Client(local.body.boot(effects, |_, ctx| protocol.client(ctx)))
        };
        if let Role::Server(server) = &role {
            watch(Some(server));
        }
        local.role = Some(role);
    }

    /// Lets writes become durable at once where they do, and takes down who stopped.
    fn settle(&self, who: usize, local: &mut Local<P>, effects: &mut Effects<P::Message>, watch: Watch<'_, P::Server>) {
        let at_once = who >= self.scope.servers || self.scope.disk == Disk::Immediate;
        while at_once && let Some(input) = local.body.sync(effects) {
            local.step(input, effects, watch);
        }
        if local.body.halted && local.role.take().is_some() {
            local.body.crash(0);
            watch(None);
        }
    }

    fn input(&self, who: usize, body: &mut Body<P::Message>, cue: Cue) -> Option<Input<P::Message>> {
        Some(match cue {
            Cue::Deliver(mail) => {
                let (header, message) = self.mail.get(mail);
                Input::Message { from: self.address(usize::from(header.from)), message: message.clone() }
            }
            Cue::Timer(timer) => body.fire(timer),
            Cue::Invoke(operation) => {
                let (request, target) = self.scope.clients[who - self.scope.servers][operation as usize];
                Input::Invoke { token: Token(operation), request, target }
            }
            Cue::Abandon(operation) => Input::Abandon(Token(operation)),
            Cue::Sync | Cue::Crash(_) | Cue::Restart => return None,
        })
    }

    fn address(&self, who: usize) -> Address {
        Who(who as u16).address(self.scope.servers)
    }

    /// The number of a message, if there is somebody whom it is for.
    fn post(&self, from: usize, to: Address, message: P::Message) -> Option<u32> {
        let to = Who::at(to, self.scope.servers).index();
        (to < self.scope.servers + self.scope.clients.len()).then(|| {
            let hash = Fingerprint::of(&(from as u64, to as u64, &message));
            let header = Header { hash, from: from as u8, to: to as u8 };
            self.mail.number(hash, || (header, message))
        })
    }
}

impl<P: Protocol> Players for Troupe<P>
where
    P::Server: Send + Sync,
    P::Client: Sync,
    P::Message: Sync,
{
    fn unborn(&self, who: usize) -> u32 {
        self.keep(Local { role: None, body: Body::new(who as u8) })
    }

    fn step(&self, who: usize, local: u32, cue: Cue) -> Change {
        let (after, effects) = self.perform(who, local, cue, &mut |_| {});
        let next = self.keep(after);
        let sent: Box<[u32]> =
            effects.sent.into_iter().filter_map(|(to, message)| self.post(who, to, message)).collect();
        let completed = effects.completed.into_boxed_slice();
        let is_something = next != local || !sent.is_empty() || !completed.is_empty();
        Change { next, sent, completed, is_something }
    }

    fn facts(&self, local: u32) -> &Facts {
        &self.locals.get(local).1
    }

    fn header(&self, mail: u32) -> Header {
        self.mail.get(mail).0
    }

    fn innocence(&self) -> u32 {
        self.innocence
    }

    fn remember(&self, memory: u32, who: usize, local: u32, cue: Cue) -> u32 {
        let before = self.memories.get(memory);
        if who >= self.scope.servers || before.oracles.is_empty() {
            return memory;
        }
        let mut oracles: Vec<_> = before.oracles.iter().filter_map(|oracle| oracle.fork()).collect();
        let (node, mut broken) = (NodeId(who as u16), before.broken.clone());
        self.perform(who, local, cue, &mut |server| match server {
            None => oracles.iter_mut().for_each(|oracle| oracle.after_crash(Time::ZERO, node)),
            Some(server) => {
                for oracle in &mut oracles {
                    if let Err(sentence) = oracle.after_step(Time::ZERO, node, server) {
                        broken.get_or_insert(Broken { property: oracle.name().into(), sentence });
                    }
                }
            }
        });
        let mut hash = Fingerprint::new();
        oracles.iter().for_each(|oracle| oracle.fingerprint(&mut hash));
        broken.as_ref().map(|broken| &broken.property).hash(&mut hash);
        let hash = hash.finish();
        self.memories.number(hash, || Memory { oracles, hash, broken })
    }

    fn memory(&self, memory: u32) -> (u64, Option<&Broken>) {
        let Memory { hash, broken, .. } = self.memories.get(memory);
        (*hash, broken.as_ref())
    }

    fn tell(&self, who: usize, local: u32, cue: Cue) -> Vec<String> {
        let before = self.locals.get(local).0.role_name();
        let (after, effects) = self.perform(who, local, cue, &mut |_| {});
        let address = self.address(who);
        let mut lines: Vec<String> = effects.labels.iter().map(|label| format!("{address}: {label}")).collect();
        match (before, after.role_name()) {
            (Some((old, _)), Some((new, epoch))) if old != new => {
                lines.push(format!("{address}: {old} → {new}, epoch {epoch}"));
            }
            (None, Some((new, epoch))) if !new.is_empty() => {
                lines.push(format!("{address}: boots as {new}, epoch {epoch}"));
            }
            _ => {}
        }
        lines
    }

    fn describe(&self, mail: u32) -> String {
        let (header, message) = self.mail.get(mail);
        let (from, to) = (self.address(usize::from(header.from)), self.address(usize::from(header.to)));
        format!("{from} → {to}  {message:?}")
    }

    fn kept(&self) -> (usize, usize, usize) {
        (self.locals.len(), self.mail.len(), self.memories.len())
    }
}

impl<P: Protocol> Local<P> {
    /// A copy. The actor of a participant that cannot be copied is missing from it.
    fn copy(&self) -> Self {
        let role = self.role.as_ref().and_then(|role| match role {
            Role::Server(server) => server.fork().map(Role::Server),
            Role::Client(client) => client.fork().map(Role::Client),
        });
        Local { role, body: self.body.clone() }
    }

    fn step(&mut self, input: Input<P::Message>, effects: &mut Effects<P::Message>, watch: Watch<'_, P::Server>) {
        match &mut self.role {
            Some(Role::Server(server)) => {
                self.body.step(server, input, true, effects);
                watch(Some(server));
            }
            Some(Role::Client(client)) => self.body.step(client, input, false, effects),
            None => {}
        }
    }

    fn fingerprint(&self, horizon: Time, crashes: bool) -> Option<u64> {
        self.body.fingerprint(horizon, crashes, |mut state: &mut dyn Hasher| {
            self.role.is_some().hash(&mut state);
            match &self.role {
                Some(Role::Server(server)) => server.fingerprint(state),
                Some(Role::Client(client)) => client.fingerprint(state),
                None => true,
            }
        })
    }

    fn facts(&self, hash: u64) -> Facts {
        let epoch = match &self.role {
            Some(Role::Server(server)) => server.observe().epoch,
            _ => 0,
        };
        Facts {
            hash,
            up: self.role.is_some(),
            halted: self.body.halted,
            timers: self.body.timers.keys().copied().collect(),
            unsynced: self.body.unsynced.len(),
            epoch,
        }
    }

    fn role_name(&self) -> Option<(&'static str, u64)> {
        match &self.role {
            Some(Role::Server(server)) => Some((server.observe().role, server.observe().epoch)),
            _ => None,
        }
    }
}
