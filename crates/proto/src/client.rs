//! The contract between the load engine and whatever speaks to a system under test.
//!
//! A [`Client`] is sans-IO: bytes in, bytes and completions out. The engine owns the sockets and the clock; the client owns
//! the protocol, redirects and the decision between `ok`, `fail` and `info`. [`ActorClient`] makes one of a specimen's client
//! actor, so that the same code decides outcomes in the simulated world and on real connections.

use std::collections::VecDeque;
use std::time::Duration;

use base::{Bytes, NodeId, Rng, Time};
use history::{Action, Completion, ErrorKind, Request};

use crate::actor::{Actor, Address, Context, Input, Now, Target, TimerId, Token};
use crate::out::{Out, Output};
use crate::wire;

/// Speaks to a system on behalf of one or more logical processes.
///
/// For every [`invoke`](Client::invoke) it completes the token exactly once, unless the token is abandoned before.
/// A node is named by its place among the endpoints. The engine dials a node when the client first writes to it,
/// and again after a loss when the client writes again.
pub trait Client: Send {
    /// Starts an operation.
    fn invoke(&mut self, now: Time, token: Token, request: &Request, target: Target, effects: &mut Effects);

    /// Starts what an operator asks for. A client that has no such thing refuses.
    fn administer(&mut self, _now: Time, token: Token, _action: Action, _target: Target, effects: &mut Effects) {
        effects.complete(token, Completion::fail(ErrorKind::Other));
    }

    /// The engine gave up on the operation: forget it and complete nothing. A late answer must not be given to another
    /// operation: match answers by id, or [`close`](Effects::close) the connection.
    fn abandon(&mut self, token: Token, effects: &mut Effects);

    /// Bytes came from `node`. Returns how many were consumed; the rest is offered again with what comes next.
    fn receive(&mut self, now: Time, node: NodeId, bytes: &[u8], effects: &mut Effects) -> usize;

    /// The connection to `node` broke or could not be made. `unsent`: no byte written since it was last down has left.
    fn lost(&mut self, now: Time, node: NodeId, unsent: bool, effects: &mut Effects);

    /// A timer fired.
    fn timer(&mut self, _now: Time, _timer: TimerId, _effects: &mut Effects) {}

    /// How many operations the client can have under way on one set of connections.
    fn concurrency(&self) -> usize {
        1
    }
}

/// One thing that a client wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Write these bytes of [`Effects::bytes`] to a node; dial it first if need be.
    Write {
        /// Whom to.
        node: NodeId,
        /// Start in the shared buffer.
        start: usize,
        /// End in the shared buffer.
        end: usize,
    },
    /// Close the connection to a node; bytes already written are not recalled. No `lost` follows.
    Close(NodeId),
    /// An operation is over.
    Complete(Token, Completion),
    /// Call back after this long. Setting a timer that is set moves it.
    SetTimer(TimerId, Duration),
    /// Do not call back.
    CancelTimer(TimerId),
}

/// Where a client's wishes go: reusable lists, so that an operation allocates nothing.
#[derive(Debug, Default)]
pub struct Effects {
    /// The wishes, in order.
    pub effects: Vec<Effect>,
    /// The bytes that `Effect::Write` speaks of.
    pub bytes: Vec<u8>,
}

impl Effects {
    /// Writes what `fill` appends to the buffer to `node`.
    pub fn write(&mut self, node: NodeId, fill: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        fill(&mut self.bytes);
        self.effects.push(Effect::Write { node, start, end: self.bytes.len() });
    }

    /// Ends an operation.
    pub fn complete(&mut self, token: Token, completion: Completion) {
        self.effects.push(Effect::Complete(token, completion));
    }

    /// Closes the connection to `node`.
    pub fn close(&mut self, node: NodeId) {
        self.effects.push(Effect::Close(node));
    }

    /// Calls back after this long.
    pub fn set_timer(&mut self, timer: TimerId, after: Duration) {
        self.effects.push(Effect::SetTimer(timer, after));
    }

    /// Forgets everything; keeps the memory.
    pub fn clear(&mut self) {
        self.effects.clear();
        self.bytes.clear();
    }
}

/// A specimen's client actor as a [`Client`]: messages travel as frames of [`wire`].
pub struct ActorClient<A> {
    actor: A,
    rng: Rng,
    out: Out<Bytes>,
    greeted: Vec<bool>,
    concurrency: usize,
}

impl<A: Actor<Message = Bytes>> ActorClient<A> {
    /// Wraps a client that `boot` starts. `nodes` is the number of servers; `concurrency` how many operations the
    /// actor can have under way.
    pub fn new(
        nodes: usize,
        concurrency: usize,
        mut rng: Rng,
        boot: impl FnOnce(&mut Context<'_, Bytes>) -> A,
    ) -> Self {
        let mut out = Out::new();
        let actor = boot(&mut Context { now: Now::default(), rng: &mut rng, out: &mut out });
        ActorClient { actor, rng, out, greeted: vec![false; nodes], concurrency }
    }

    fn step(&mut self, now: Time, input: Input<Bytes>, effects: &mut Effects) {
        let now = Now { monotonic: now, wall: now };
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            self.actor.step(&mut Context { now, rng: &mut self.rng, out: &mut self.out }, input);
            for output in self.out.drain() {
                match output {
                    Output::Send { to: Address::Node(node), message, .. } => {
                        let greet = !std::mem::replace(&mut self.greeted[node.index()], true);
                        effects.write(node, |bytes| {
                            if greet {
                                wire::put_frame(bytes, wire::Kind::Hello, &wire::Hello::Client.encode());
                            }
                            wire::put_frame(bytes, wire::Kind::Message, &message);
                        });
                    }
                    Output::Complete { token, completion, .. } => effects.complete(token, completion),
                    Output::SetTimer { timer, after } => effects.set_timer(timer, after),
                    Output::CancelTimer(timer) => effects.effects.push(Effect::CancelTimer(timer)),
                    // A client has no disk: its writes are durable at once.
                    Output::Write { barrier, .. } | Output::Append { barrier, .. } => {
                        inputs.push_back(Input::Durable(barrier));
                    }
                    Output::Send { .. } | Output::Busy(_) | Output::Label(_) | Output::Mark(_) | Output::Halt(_) => {}
                }
            }
        }
    }
}

impl<A: Actor<Message = Bytes> + Send> Client for ActorClient<A> {
    fn invoke(&mut self, now: Time, token: Token, request: &Request, target: Target, effects: &mut Effects) {
        self.step(now, Input::Invoke { token, request: *request, target }, effects);
    }

    fn administer(&mut self, now: Time, token: Token, action: Action, target: Target, effects: &mut Effects) {
        self.step(now, Input::Administer { token, action, target }, effects);
    }

    fn abandon(&mut self, token: Token, effects: &mut Effects) {
        self.step(Time::ZERO, Input::Abandon(token), effects);
    }

    fn receive(&mut self, now: Time, node: NodeId, bytes: &[u8], effects: &mut Effects) -> usize {
        let mut consumed = 0;
        loop {
            match wire::frame_size(&bytes[consumed..]) {
                Ok(Some(size)) => {
                    let frame = Bytes::copy_from_slice(&bytes[consumed..consumed + size]);
                    consumed += size;
                    if let Ok((wire::Kind::Message, message)) = wire::open_frame(&frame) {
                        self.step(now, Input::Message { from: Address::Node(node), message }, effects);
                    }
                }
                Ok(None) => return consumed,
                Err(_) => {
                    effects.close(node);
                    self.lost(now, node, false, effects);
                    return bytes.len();
                }
            }
        }
    }

    fn lost(&mut self, now: Time, node: NodeId, unsent: bool, effects: &mut Effects) {
        self.greeted[node.index()] = false;
        self.step(now, Input::Lost { peer: Address::Node(node), unsent }, effects);
    }

    fn timer(&mut self, now: Time, timer: TimerId, effects: &mut Effects) {
        self.step(now, Input::Timer(timer), effects);
    }

    fn concurrency(&self) -> usize {
        self.concurrency
    }
}
