use base::Bytes;

use crate::actor::{Actor, Context, Input, Message, Observation};
use crate::out::Out;

/// An actor whose messages are bytes: what the real runtime hosts, so that it is compiled once for all protocols.
///
/// A message that cannot be decoded is dropped and counted: the sender is at fault, not this node.
pub struct Wired<A: Actor> {
    actor: A,
    out: Out<A::Message>,
    malformed: u64,
}

impl<A: Actor> Wired<A> {
    /// Boots an actor with `boot`, translating what it says on the way up.
    pub fn boot(ctx: &mut Context<'_, Bytes>, boot: impl FnOnce(&mut Context<'_, A::Message>) -> A) -> Self {
        let mut out = Out::new();
        let actor = boot(&mut Context { now: ctx.now, rng: ctx.rng, out: &mut out });
        out.drain_into(ctx.out, encode);
        Wired { actor, out, malformed: 0 }
    }
}

impl<A: Actor> Actor for Wired<A> {
    type Message = Bytes;

    fn step(&mut self, ctx: &mut Context<'_, Bytes>, input: Input<Bytes>) {
        let input = match input {
            Input::Message { from, message } => match A::Message::decode(&message) {
                Ok(message) => Input::Message { from, message },
                Err(_) => {
                    self.malformed += 1;
                    return;
                }
            },
            Input::Lost { peer, unsent } => Input::Lost { peer, unsent },
            Input::Timer(timer) => Input::Timer(timer),
            Input::Durable(barrier) => Input::Durable(barrier),
            Input::DiskFailed { error } => Input::DiskFailed { error },
            Input::BatchEnd => Input::BatchEnd,
            Input::Invoke { token, request, target } => Input::Invoke { token, request, target },
            Input::Administer { token, action, target } => Input::Administer { token, action, target },
            Input::Abandon(token) => Input::Abandon(token),
        };
        self.actor.step(&mut Context { now: ctx.now, rng: ctx.rng, out: &mut self.out }, input);
        self.out.drain_into(ctx.out, encode);
    }

    fn observe(&self) -> Observation {
        let mut seen = self.actor.observe();
        seen.gauges.push(("malformed", self.malformed));
        seen
    }

    fn features(&self) -> u64 {
        self.actor.features()
    }
}

fn encode<M: Message>(message: M) -> Bytes {
    let mut buffer = Vec::with_capacity(64);
    message.encode(&mut buffer);
    Bytes::from(buffer)
}
