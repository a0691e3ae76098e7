//! Proposals applied per CPU-second, in process: three replicas, no disk, sockets or encoding.
//!
//! Closed-loop clients, one proposal each under way; a client proposes again in the round after its last one was applied at the
//! leader. Proposals of a round are given one after another before the leader's output is taken; messages are delivered round by
//! round. A value is fresh bytes, eight of them a sequence number; every replica hashes every value, and the hashes must agree.
//!
//! ```text
//! cargo run --release -p assize-raft --example propose
//! ```

use std::hash::Hasher;

use base::{Bytes, Fingerprint, NodeId, Rng, Seed, Time};
use proto::{
    Access, Actor, Address, Barrier, Context, Input, Malformed, Now, Out, Output, Recovered, StateMachine, TimerId,
};
use raft::{Message, Replica, Settings};

const PROPOSALS: u64 = 1_000_000;

/// A state machine that is an order-sensitive hash of its commands.
#[derive(Clone, Debug, Default)]
struct Digest(u64);

impl StateMachine for Digest {
    fn apply(&mut self, command: &Bytes) -> Bytes {
        let mut hasher = Fingerprint::new();
        hasher.write(command);
        self.0 = base::mix(self.0, hasher.finish());
        Bytes::new()
    }

    fn query(&self, _question: &Bytes) -> Bytes {
        Bytes::new()
    }

    fn snapshot(&self) -> Bytes {
        Bytes::copy_from_slice(&self.0.to_le_bytes())
    }

    fn restore(snapshot: &Bytes) -> Result<Self, Malformed> {
        let bytes = snapshot.first_chunk::<8>().ok_or_else(|| Malformed("digest".into()))?;
        Ok(Digest(u64::from_le_bytes(*bytes)))
    }

    fn digest(&self) -> u64 {
        self.0
    }
}

struct Node {
    replica: Replica<Digest>,
    out: Out<Message>,
    rng: Rng,
}

/// Three replicas and the messages of the next round.
struct Cluster {
    nodes: Vec<Node>,
    mail: Vec<(usize, NodeId, Message)>,
    applied: u64,
}

const NOW: Now = Now { monotonic: Time(1 << 40), wall: Time(1 << 40) };

impl Cluster {
    fn new() -> Self {
        let boot = |me| {
            let (mut rng, mut out) = (Rng::new(Seed(u64::from(me))), Out::new());
            let mut ctx = Context { now: Now::default(), rng: &mut rng, out: &mut out };
            let replica = Replica::boot(NodeId(me), Settings::new(3), Recovered::default(), &mut ctx);
            Node { replica, out, rng }
        };
        let mut cluster = Cluster { nodes: (0..3).map(boot).collect(), mail: Vec::new(), applied: 0 };
        cluster.give(0, Input::Timer(TimerId(0)));
        cluster.end(0);
        while !cluster.nodes[0].replica.is_leader() || !cluster.mail.is_empty() {
            cluster.round();
        }
        cluster
    }

    fn give(&mut self, node: usize, input: Input<Message>) {
        let Node { replica, out, rng } = &mut self.nodes[node];
        replica.step(&mut Context { now: NOW, rng, out }, input);
    }

    /// Ends the batch of a node: its writes are durable at once, its messages arrive in the next round.
    fn end(&mut self, node: usize) {
        self.give(node, Input::BatchEnd);
        while !self.nodes[node].out.is_empty() {
            let mut written = Barrier::NONE;
            for output in self.nodes[node].out.drain() {
                match output {
                    Output::Send { to: Address::Node(to), message, .. } => {
                        self.mail.push((to.index(), NodeId(node as u16), message));
                    }
                    Output::Send { to: Address::Client(_), .. } => self.applied += 1,
                    Output::Write { barrier, .. } => written = barrier,
                    _ => {}
                }
            }
            if written > Barrier::NONE {
                self.give(node, Input::Durable(written));
            }
        }
    }

    fn round(&mut self) {
        let mut touched = [false; 3];
        for (to, from, message) in std::mem::take(&mut self.mail) {
            touched[to] = true;
            self.give(to, Input::Message { from: Address::Node(from), message });
        }
        for node in (0..3).filter(|node| touched[*node]) {
            self.end(node);
        }
    }

    /// Lets `clients` propose until `count` proposals are applied.
    fn propose(&mut self, clients: u64, size: usize, count: u64) {
        let mut proposed = self.applied;
        let end = self.applied + count;
        while self.applied < end {
            while proposed < self.applied + clients {
                proposed += 1;
                let mut value = vec![0; size];
                value[..8].copy_from_slice(&proposed.to_le_bytes());
                let message = Message::Request { id: proposed, here: false, access: Access::Command(value.into()) };
                self.give(0, Input::Message { from: Address::Client(0), message });
            }
            self.end(0);
            self.round();
        }
        while !self.mail.is_empty() {
            self.round();
        }
    }
}

impl Cluster {
    /// Lets a heartbeat tell the followers of the last commit, and compares the replicas.
    fn agree(&mut self) {
        self.give(0, Input::Timer(TimerId(1)));
        self.end(0);
        while !self.mail.is_empty() {
            self.round();
        }
        let states: Vec<_> =
            self.nodes.iter().map(|node| (node.replica.applied(), node.replica.state().digest())).collect();
        assert!(states.iter().all(|state| *state == states[0]), "{states:?}");
        // The no-op of the term is applied, too.
        assert_eq!(states[0].0, self.applied + 1);
    }
}

fn main() {
    for size in [16, 1024] {
        for clients in [1, 64, 1024] {
            let count = if size > 16 { PROPOSALS / 4 } else { PROPOSALS };
            let mut cluster = Cluster::new();
            cluster.propose(clients, size, count / 10);
            let before = cpu_seconds();
            cluster.propose(clients, size, count);
            let spent = cpu_seconds() - before;
            cluster.agree();
            println!("{clients:5} clients, {size:5} B: {:.2} M proposals/CPU-s", count as f64 / spent / 1e6);
        }
    }
}

/// Time that this thread has spent on a processor (Linux).
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux tells the time of a thread");
    let nanos: f64 = text.split(' ').next().and_then(|word| word.parse().ok()).expect("a number of nanoseconds");
    nanos / 1e9
}
