//! The client: finds the leader, matches replies to operations, and decides what is known of each.
//!
//! | what happens | a command | a question |
//! | --- | --- | --- |
//! | the node says that it did not do it, because it does not lead | goes to the leader | the same |
//! | nothing sent to the node was delivered | goes to another node | the same |
//! | the connection broke later | `info`: it may have happened | goes to another node: asking twice changes nothing |
//! | the leader lost its office with the entry in its log | `info` | (is told "not leader") |
//! | no leader is found in time | `fail`: it was never executed | `fail` |
//!
//! So a command is sent a second time only when it is certain that the first did nothing, and every attempt has an id of
//! its own: the late reply to one attempt is not taken for the reply to another.

use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::time::Duration;

use base::{NodeId, Time};
use history::{Action, Completion, ErrorKind, NIL, Request};
use proto::{Actor, Address, Context, Input, Service, Target, TimerId, Token};

use crate::message::{Answer, Message};
use crate::settings::Settings;

/// Low bits of an attempt's id that say where the operation is kept.
const SLOT_BITS: u32 = 16;

/// Pause before the first search for another leader; doubled for each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
/// Longest pause: a fraction of an election.
const LONGEST_PAUSE: Duration = Duration::from_millis(80);
/// Redirects that are followed at once. Two nodes that each think the other leads must not be asked in a tight circle.
const QUICK_HOPS: u32 = 3;

/// A client of a cluster that serves `S`. Any number of operations up to 65 536 can be under way.
#[derive(Clone, Debug)]
pub struct Client<S> {
    settings: Settings,
    /// Who leads, as far as the client knows.
    leader: NodeId,
    /// Attempts so far. Starts at random, so that a node which gives this client's number to another does not confuse them.
    attempts: u64,
    /// Operations under way; their place is part of the ids of their attempts.
    slots: Vec<Option<Pending>>,
    free: Vec<u16>,
    service: PhantomData<fn() -> S>,
}

#[derive(Clone, Debug, Hash)]
struct Pending {
    token: Token,
    what: What,
    target: Target,
    invoked: Time,
    /// The id of the attempt under way; 0 while pausing.
    id: u64,
    /// Whom the present or last attempt asks.
    node: NodeId,
    hops: u32,
}

/// What an operation asks for.
#[derive(Clone, Copy, Debug, Hash)]
enum What {
    Request(Request),
    Action(Action),
}

impl What {
    /// Whether asking twice may do more than asking once.
    fn is_mutation(self) -> bool {
        match self {
            What::Request(request) => request.function.is_mutation(),
            What::Action(_) => true,
        }
    }
}

impl<S: Service> Actor for Client<S> {
    type Message = Message;

    fn step(&mut self, ctx: &mut Context<'_, Message>, input: Input<Message>) {
        match input {
            Input::Invoke { token, request, target } => self.on_invoke(ctx, token, What::Request(request), target),
            Input::Administer { token, action, target } => self.on_invoke(ctx, token, What::Action(action), target),
            Input::Message { from: Address::Node(from), message: Message::Reply { id, answer } } => {
                self.on_reply(ctx, from, id, answer);
            }
            Input::Lost { peer: Address::Node(node), unsent } => self.on_lost(ctx, node, unsent),
            Input::Timer(TimerId(slot)) => self.on_pause_over(ctx, slot as usize),
            Input::Abandon(token) => self.on_abandon(ctx, token),
            _ => {}
        }
    }

    fn fingerprint(&self, mut state: &mut dyn Hasher) -> bool {
        let Client { settings: _, leader, attempts, slots, free, service: _ } = self;
        (leader, attempts, slots, free).hash(&mut state);
        true
    }

    fn fork(&self) -> Option<Self> {
        Some(self.clone())
    }
}

impl<S: Service> Client<S> {
    /// A client that knows of no leader so far.
    pub fn new(settings: Settings, ctx: &mut Context<'_, Message>) -> Self {
        let leader = NodeId(ctx.rng.below(settings.nodes as u64) as u16);
        let attempts = ctx.rng.next_u64() >> SLOT_BITS;
        Client { settings, leader, attempts, slots: Vec::new(), free: Vec::new(), service: PhantomData }
    }

    /// The node that the client believes to lead.
    pub fn leader(&self) -> NodeId {
        self.leader
    }

    /// The id of the attempt that an operation waits for.
    #[cfg(test)]
    pub(crate) fn attempt_of(&self, token: Token) -> Option<u64> {
        self.slots.iter().flatten().find(|pending| pending.token == token).map(|pending| pending.id)
    }

    /// The node that an operation waits for.
    #[cfg(test)]
    pub(crate) fn node_of(&self, token: Token) -> Option<NodeId> {
        self.slots.iter().flatten().find(|pending| pending.token == token).map(|pending| pending.node)
    }

    fn on_invoke(&mut self, ctx: &mut Context<'_, Message>, token: Token, what: What, target: Target) {
        let node = match target {
            Target::Leader => self.leader,
            Target::Node(node) | Target::Only(node) => node,
        };
        if node.index() >= self.settings.nodes {
            return ctx.out.complete(token, Completion::fail(ErrorKind::Unreachable));
        }
        let Some(slot) = self.free_slot() else {
            return ctx.out.complete(token, Completion::fail(ErrorKind::Overloaded));
        };
        let invoked = ctx.now.monotonic;
        self.slots[slot] = Some(Pending { token, what, target, invoked, id: 0, node, hops: 0 });
        self.attempt(ctx, slot, node);
    }

    fn on_reply(&mut self, ctx: &mut Context<'_, Message>, from: NodeId, id: u64, answer: Answer) {
        let slot = (id & ((1 << SLOT_BITS) - 1)) as usize;
        let Some(pending) = self.slots.get_mut(slot).and_then(Option::as_mut) else { return };
        if pending.id != id || pending.node != from {
            return; // the late reply to an attempt that is no longer waited for
        }
        match answer {
            Answer::Done(reply) => {
                let completion = match &pending.what {
                    What::Request(request) => S::completion(request, &reply),
                    What::Action(_) => Completion::ok(NIL),
                };
                if !matches!(pending.target, Target::Only(_)) {
                    self.leader = from;
                }
                self.complete(ctx, slot, completion);
            }
            Answer::NotLeader(hint) => self.on_not_leader(ctx, slot, hint),
            Answer::Refused => self.complete(ctx, slot, Completion::fail(ErrorKind::Other)),
            Answer::Overloaded => self.complete(ctx, slot, Completion::fail(ErrorKind::Overloaded)),
            Answer::Unavailable => self.go_elsewhere(ctx, slot, ErrorKind::Unavailable),
            Answer::LeaderChanged => {
                self.doubt(from);
                self.complete(ctx, slot, Completion::info(ErrorKind::LeaderChanged));
            }
        }
    }

    /// Follows the hint at once a few times; then, or without a hint, looks at the next node after a pause.
    fn on_not_leader(&mut self, ctx: &mut Context<'_, Message>, slot: usize, hint: Option<NodeId>) {
        let Some(pending) = &self.slots[slot] else { return };
        let asked = pending.node;
        let hint = hint.filter(|hint| hint.index() < self.settings.nodes && *hint != asked);
        let quick = pending.hops < QUICK_HOPS && !matches!(pending.target, Target::Only(_));
        match hint {
            Some(leader) if quick => {
                self.leader = leader;
                self.attempt(ctx, slot, leader);
            }
            Some(leader) => {
                self.leader = leader;
                self.pause(ctx, slot, leader, ErrorKind::NoLeader);
            }
            None => self.go_elsewhere(ctx, slot, ErrorKind::NoLeader),
        }
    }

    fn on_lost(&mut self, ctx: &mut Context<'_, Message>, node: NodeId, unsent: bool) {
        self.doubt(node);
        for slot in 0..self.slots.len() {
            let Some(pending) = &self.slots[slot] else { continue };
            if pending.id == 0 || pending.node != node {
                continue;
            }
            if unsent {
                self.go_elsewhere(ctx, slot, ErrorKind::Unreachable);
            } else if pending.what.is_mutation() {
                self.complete(ctx, slot, Completion::info(ErrorKind::Disconnected));
            } else {
                self.go_elsewhere(ctx, slot, ErrorKind::Disconnected);
            }
        }
    }

    fn on_pause_over(&mut self, ctx: &mut Context<'_, Message>, slot: usize) {
        if let Some(Some(pending)) = self.slots.get(slot)
            && pending.id == 0
        {
            let node = pending.node;
            self.attempt(ctx, slot, node);
        }
    }

    /// The node that was asked did not answer in time: it may be paused or cut off, so look elsewhere the next time.
    fn on_abandon(&mut self, ctx: &mut Context<'_, Message>, token: Token) {
        let is_it = |pending: &Option<Pending>| pending.as_ref().is_some_and(|pending| pending.token == token);
        let Some(slot) = self.slots.iter().position(is_it) else { return };
        if let Some(pending) = self.release(ctx, slot) {
            self.doubt(pending.node);
        }
    }

    /// The attempt came to nothing: try the node after the one that was asked, or whoever is thought to lead by then.
    fn go_elsewhere(&mut self, ctx: &mut Context<'_, Message>, slot: usize, why: ErrorKind) {
        let Some(pending) = &self.slots[slot] else { return };
        let asked = pending.node;
        self.doubt(asked);
        let node = if self.leader == asked { self.after(asked) } else { self.leader };
        self.pause(ctx, slot, node, why);
    }

    /// Asks `node` after a pause, unless the operation must not go on.
    fn pause(&mut self, ctx: &mut Context<'_, Message>, slot: usize, node: NodeId, why: ErrorKind) {
        let patience = self.settings.patience;
        let Some(pending) = &mut self.slots[slot] else { return };
        let pause = (FIRST_PAUSE * 2u32.saturating_pow(pending.hops.min(10))).min(LONGEST_PAUSE);
        let waited = ctx.now.monotonic.since(pending.invoked) + pause;
        if matches!(pending.target, Target::Only(_)) || waited > patience {
            return self.complete(ctx, slot, Completion::fail(why));
        }
        pending.id = 0;
        pending.node = node;
        pending.hops += 1;
        // A little apart, so that clients which were refused together do not come back together.
        let jitter = ctx.rng.duration(Duration::ZERO..=pause / 4);
        ctx.out.set_timer(TimerId(slot as u32), pause + jitter);
    }

    fn attempt(&mut self, ctx: &mut Context<'_, Message>, slot: usize, node: NodeId) {
        let Some(pending) = &mut self.slots[slot] else { return };
        self.attempts = self.attempts.wrapping_add(1) & (u64::MAX >> SLOT_BITS);
        // 0 means "pausing": the one id in 2^64 that would be 0 is passed over.
        self.attempts = self.attempts.max(1);
        pending.id = self.attempts << SLOT_BITS | slot as u64;
        pending.node = node;
        pending.hops += 1;
        let here = matches!(pending.target, Target::Only(_));
        let id = pending.id;
        let message = match &pending.what {
            What::Request(request) => Message::Request { id, here, access: S::access(request) },
            What::Action(action) => Message::Admin { id, action: *action },
        };
        ctx.out.send(Address::Node(node), message);
    }

    fn complete(&mut self, ctx: &mut Context<'_, Message>, slot: usize, completion: Completion) {
        if let Some(pending) = self.release(ctx, slot) {
            ctx.out.complete(pending.token, completion);
        }
    }

    fn release(&mut self, ctx: &mut Context<'_, Message>, slot: usize) -> Option<Pending> {
        let pending = self.slots[slot].take()?;
        self.free.push(slot as u16);
        if pending.id == 0 {
            ctx.out.cancel_timer(TimerId(slot as u32));
        }
        Some(pending)
    }

    fn free_slot(&mut self) -> Option<usize> {
        if let Some(slot) = self.free.pop() {
            return Some(usize::from(slot));
        }
        let slot = self.slots.len();
        (slot < 1 << SLOT_BITS).then(|| self.slots.push(None)).map(|()| slot)
    }

    /// Whoever was thought to lead may not: the next operation goes to the next node.
    fn doubt(&mut self, node: NodeId) {
        if self.leader == node {
            self.leader = self.after(node);
        }
    }

    fn after(&self, node: NodeId) -> NodeId {
        NodeId(((node.index() + 1) % self.settings.nodes) as u16)
    }
}
