//! The client: asks any server, matches replies to operations, and decides what is known of each.
//!
//! | what happens | a write or compare-and-set | a read |
//! | --- | --- | --- |
//! | the server proposed nothing | goes to another server | the same |
//! | nothing sent to the server was delivered | goes to another server | the same |
//! | the connection broke later | `info`: it may have happened | goes to another server: asking twice changes nothing |
//! | the server proposed, and cannot tell what became of it | `info` | - |
//! | no server can serve in time | `fail`: it was never proposed | `fail` |

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::time::Duration;

use base::{NodeId, Time};
use history::{Completion, ErrorKind, NIL, Request};
use proto::{Actor, Address, Context, Input, Target, TimerId, Token};

use crate::ballot::Value;
use crate::message::{Answer, Message};
use crate::server::Ctx;
use crate::settings::Settings;

/// Pause before the first further attempt; doubled for each after it.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
/// Longest pause.
const LONGEST_PAUSE: Duration = Duration::from_millis(80);

/// A client of a cluster. Any number of operations can be under way.
#[derive(Clone, Debug)]
pub struct Client {
    settings: Settings,
    /// Whom it asks if the choice is its own: the same server until that one fails.
    home: NodeId,
    /// Names attempts. Starts at random, so that a server which gives this client's number to another does not confuse them.
    attempts: u64,
    pending: BTreeMap<Token, Pending>,
    /// Which operation waits for the answer to an attempt.
    waiting: BTreeMap<u64, Token>,
}

#[derive(Clone, Copy, Debug, Hash)]
struct Pending {
    request: Request,
    target: Target,
    invoked: Time,
    /// The attempt under way; `None` while pausing.
    attempt: Option<u64>,
    /// Whom the present or next attempt asks.
    node: NodeId,
    hops: u32,
}

impl Actor for Client {
    type Message = Message;

    fn step(&mut self, ctx: &mut Context<'_, Message>, input: Input<Message>) {
        match input {
            Input::Invoke { token, request, target } => self.on_invoke(ctx, token, request, target),
            Input::Message { from: Address::Node(from), message: Message::Reply { id, answer } } => {
                self.on_reply(ctx, from, id, answer);
            }
            Input::Lost { peer: Address::Node(node), unsent } => self.on_lost(ctx, node, unsent),
            Input::Timer(TimerId(token)) => self.on_pause_over(ctx, Token(token)),
            Input::Abandon(token) => self.on_abandon(ctx, token),
            _ => {}
        }
    }

    fn fingerprint(&self, mut state: &mut dyn Hasher) -> bool {
        (self.home, self.attempts, &self.pending, &self.waiting).hash(&mut state);
        true
    }

    fn fork(&self) -> Option<Self> {
        Some(self.clone())
    }
}

impl Client {
    /// A client with a home drawn at random.
    pub fn new(settings: Settings, ctx: &mut Context<'_, Message>) -> Self {
        let home = NodeId(ctx.rng.below(settings.nodes as u64) as u16);
        let attempts = ctx.rng.next_u64() >> 16;
        Client { settings, home, attempts, pending: BTreeMap::new(), waiting: BTreeMap::new() }
    }

    fn on_invoke(&mut self, ctx: Ctx<'_, '_>, token: Token, request: Request, target: Target) {
        let node = match target {
            Target::Leader => self.home,
            Target::Node(node) | Target::Only(node) => node,
        };
        if node.index() >= self.settings.nodes {
            return ctx.out.complete(token, Completion::fail(ErrorKind::Unreachable));
        }
        let invoked = ctx.now.monotonic;
        self.pending.insert(token, Pending { request, target, invoked, attempt: None, node, hops: 0 });
        self.attempt(ctx, token);
    }

    fn on_reply(&mut self, ctx: Ctx<'_, '_>, from: NodeId, id: u64, answer: Answer) {
        let Some(&token) = self.waiting.get(&id) else { return };
        if self.pending.get(&token).is_none_or(|pending| pending.node != from) {
            return;
        }
        let completion = match answer {
            Answer::Done => Completion::ok(NIL),
            Answer::Holds(payload) => Completion::ok(Value { payload, ..Value::default() }.number()),
            Answer::Precondition => Completion::fail(ErrorKind::Precondition),
            Answer::Overloaded => Completion::fail(ErrorKind::Overloaded),
            Answer::Unknown => Completion::info(ErrorKind::Unavailable),
            Answer::Unavailable => return self.go_elsewhere(ctx, token, ErrorKind::Unavailable),
        };
        self.complete(ctx, token, completion);
    }

    fn on_lost(&mut self, ctx: Ctx<'_, '_>, node: NodeId, unsent: bool) {
        self.avoid(node);
        let is_hit = |pending: &Pending| pending.attempt.is_some() && pending.node == node;
        let hit: Vec<Token> =
            self.pending.iter().filter(|(_, pending)| is_hit(pending)).map(|(token, _)| *token).collect();
        for token in hit {
            let changes = self.pending.get(&token).is_some_and(|pending| pending.request.function.is_mutation());
            if changes && !unsent {
                self.complete(ctx, token, Completion::info(ErrorKind::Disconnected));
            } else {
                self.go_elsewhere(ctx, token, if unsent { ErrorKind::Unreachable } else { ErrorKind::Disconnected });
            }
        }
    }

    fn on_pause_over(&mut self, ctx: Ctx<'_, '_>, token: Token) {
        if self.pending.get(&token).is_some_and(|pending| pending.attempt.is_none()) {
            self.attempt(ctx, token);
        }
    }

    /// The server did not answer in time: it may be paused or cut off, so look elsewhere the next time.
    fn on_abandon(&mut self, ctx: Ctx<'_, '_>, token: Token) {
        if let Some(pending) = self.release(ctx, token) {
            self.avoid(pending.node);
        }
    }

    /// The attempt came to nothing: asks the next server after a pause, unless the operation must not go on.
    fn go_elsewhere(&mut self, ctx: Ctx<'_, '_>, token: Token, why: ErrorKind) {
        let (nodes, patience) = (self.settings.nodes, self.settings.patience);
        let Some(pending) = self.pending.get_mut(&token) else { return };
        let asked = pending.node;
        let pause = (FIRST_PAUSE * 2u32.saturating_pow(pending.hops.min(10))).min(LONGEST_PAUSE);
        let waited = ctx.now.monotonic.since(pending.invoked) + pause;
        if matches!(pending.target, Target::Only(_)) || waited > patience {
            self.avoid(asked);
            return self.complete(ctx, token, Completion::fail(why));
        }
        if let Some(attempt) = pending.attempt.take() {
            self.waiting.remove(&attempt);
        }
        pending.node = NodeId(((asked.index() + 1) % nodes) as u16);
        pending.hops += 1;
        let jitter = ctx.rng.duration(Duration::ZERO..=pause / 4);
        ctx.out.set_timer(TimerId(token.0), pause + jitter);
        self.avoid(asked);
    }

    fn attempt(&mut self, ctx: Ctx<'_, '_>, token: Token) {
        self.attempts += 1;
        let id = self.attempts;
        let Some(pending) = self.pending.get_mut(&token) else { return };
        pending.attempt = Some(id);
        self.waiting.insert(id, token);
        ctx.out.send(Address::Node(pending.node), Message::Request { id, request: pending.request });
    }

    fn complete(&mut self, ctx: Ctx<'_, '_>, token: Token, completion: Completion) {
        if self.release(ctx, token).is_some() {
            ctx.out.complete(token, completion);
        }
    }

    fn release(&mut self, ctx: Ctx<'_, '_>, token: Token) -> Option<Pending> {
        let pending = self.pending.remove(&token)?;
        match pending.attempt {
            Some(attempt) => _ = self.waiting.remove(&attempt),
            None => ctx.out.cancel_timer(TimerId(token.0)),
        }
        Some(pending)
    }

    /// The next operations go to the server after this one.
    fn avoid(&mut self, node: NodeId) {
        if self.home == node {
            self.home = NodeId(((node.index() + 1) % self.settings.nodes) as u16);
        }
    }
}
