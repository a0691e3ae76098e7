//! Our Raft: the actor that runs in the simulated world and as a real node, and what a runtime does for it.
//!
//! A write is durable as soon as it is taken. A value comes as the request of a client, and is answered when it is applied.

use base::{Bytes, NodeId, Rng, Seed, Time};
use ours::{Message, Replica, Settings};
use proto::{
    Access, Actor, Address, Barrier, Context, Input, Malformed, Now, Out, Output, Recovered, StateMachine, TimerId,
};

use crate::trio::{self, Trio};
use crate::workload::Digest;

#[derive(Clone, Debug, Default)]
struct Machine(Digest);

impl StateMachine for Machine {
    fn apply(&mut self, command: &[u8]) -> Bytes {
        self.0.apply(command);
        Bytes::new()
    }

    fn query(&self, _: &Bytes) -> Bytes {
        Bytes::new()
    }

    fn snapshot(&self) -> Bytes {
        Bytes::copy_from_slice(&self.0.applied.to_le_bytes())
    }

    fn restore(_: &Bytes) -> Result<Self, Malformed> {
        Err(Malformed("nobody falls behind".into()))
    }

    fn digest(&self) -> u64 {
        0
    }
}

pub struct Node {
    me: NodeId,
    now: Time,
    replica: Replica<Machine>,
    out: Out<Message>,
    rng: Rng,
    proposed: u64,
}

const ELECTION: TimerId = TimerId(0);
const HEARTBEAT: TimerId = TimerId(1);

/// The settings are those that a cluster gets if nothing is chosen: the log is cut every 65 536 entries, but for 4 096.
pub fn start() -> Trio<Node> {
    Trio::new([0, 1, 2].map(|me| {
        let (mut rng, mut out) = (Rng::new(Seed(u64::from(me))), Out::new());
        let mut ctx = Context { now: Now::default(), rng: &mut rng, out: &mut out };
        let replica = Replica::boot(NodeId(me), Settings::new(3), Recovered::default(), &mut ctx);
        Node { me: NodeId(me), now: Time::ZERO, replica, out, rng, proposed: 0 }
    }))
}

impl Node {
    fn give(&mut self, input: Input<Message>) {
        let now = Now { monotonic: self.now, wall: self.now };
        self.replica.step(&mut Context { now, rng: &mut self.rng, out: &mut self.out }, input);
    }
}

impl trio::Node for Node {
    type Message = Input<Message>;

    fn propose(&mut self, value: Vec<u8>) {
        self.proposed += 1;
        let message = Message::Request { id: self.proposed, here: false, access: Access::Command(value.into()) };
        self.give(Input::Message { from: Address::Client(0), message });
    }

    fn hear(&mut self, message: Input<Message>) {
        self.give(message);
    }

    fn end_round(&mut self, mut send: impl FnMut(usize, Input<Message>)) {
        self.give(Input::BatchEnd);
        while !self.out.is_empty() {
            let mut written = Barrier::NONE;
            for output in self.out.drain() {
                match output {
                    Output::Send { to: Address::Node(to), message, .. } => {
                        send(to.index(), Input::Message { from: Address::Node(self.me), message });
                    }
                    Output::Write { barrier, .. } | Output::Append { barrier, .. } => written = barrier,
                    _ => {}
                }
            }
            if written > Barrier::NONE {
                self.give(Input::Durable(written));
            }
        }
    }

    fn tick(&mut self) {
        let timer = if self.replica.is_leader() { HEARTBEAT } else { ELECTION };
        if self.me == NodeId(0) {
            self.now = self.now + self.replica.settings().heartbeat;
            self.give(Input::Timer(timer));
        }
    }

    fn leads(&self) -> bool {
        self.replica.is_leader() && self.replica.commit() > 0
    }

    fn digest(&self) -> Digest {
        self.replica.state().0
    }
}
