use std::collections::BTreeMap;
use std::fmt;
use std::hash::{Hash, Hasher};

use base::{Bytes, NodeId, Rng, Time};
use history::{Action, Request};

use crate::out::{Barrier, Out};

/// One participant of a protocol: replica, client, worker.
///
/// Everything it knows arrives through [`step`](Actor::step) (or its boot, see [`Protocol`](crate::Protocol)); everything it
/// does leaves through `ctx.out`. Given the same inputs and the same random stream it must do the same, so it iterates
/// only over ordered collections and reads no clock but `ctx.now`.
pub trait Actor: 'static {
    /// What participants say to each other.
    type Message: Message;

    /// Takes one input and answers into `ctx.out`.
    fn step(&mut self, ctx: &mut Context<'_, Self::Message>, input: Input<Self::Message>);

    /// What an operator would see from outside: role, epoch, gauges.
    fn observe(&self) -> Observation {
        Observation::default()
    }

    /// Role and epoch, as [`observe`](Self::observe) says them: what a simulated world asks for at every other step. Worth a definition of its own
    /// where the gauges cost something.
    fn standing(&self) -> (&'static str, u64) {
        let Observation { role, epoch, .. } = self.observe();
        (role, epoch)
    }

    /// A small number that stands for the abstract state, for coverage: role, what is pending, not counters or times.
    fn features(&self) -> u64 {
        0
    }

    /// Hashes everything that the actor's future depends on into `state` and says that it did: lets exhaustive search tell states apart.
    ///
    /// A derived `Hash` will do. What only describes the past (statistics, what the last step did) should be left out, or
    /// states that are the same count as many. Times and barriers are hashed as they are; the search makes them relative.
    fn fingerprint(&self, _state: &mut dyn Hasher) -> bool {
        false
    }

    /// A copy of the actor, if it can be copied: lets the simulator fork the world.
    fn fork(&self) -> Option<Self>
    where
        Self: Sized,
    {
        None
    }
}

/// What participants say to each other: plain data that can be copied, hashed, put on a wire and read back.
pub trait Message: Clone + fmt::Debug + Hash + Send + 'static {
    /// Appends the encoding to `buffer`.
    fn encode(&self, buffer: &mut Vec<u8>);

    /// Reads a whole message back. Payloads may share `bytes`.
    fn decode(bytes: &Bytes) -> Result<Self, Malformed>;

    /// A short name of the kind of message, for transcripts and link filters: `append`, `vote`.
    fn kind(&self) -> &'static str;
}

impl Message for Bytes {
    fn encode(&self, buffer: &mut Vec<u8>) {
        buffer.extend_from_slice(self);
    }

    fn decode(bytes: &Bytes) -> Result<Self, Malformed> {
        Ok(bytes.clone())
    }

    fn kind(&self) -> &'static str {
        "bytes"
    }
}

/// Bytes that are not a message, and what was wrong with them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed(pub String);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "malformed message: {}", self.0)
    }
}

impl std::error::Error for Malformed {}

/// Whom a message is for or from. `from` is a claim unless the channel authenticates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Address {
    /// A server.
    Node(NodeId),
    /// A client, by the number that the runtime gave its connection.
    Client(u32),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Node(node) => node.fmt(f),
            Address::Client(client) => write!(f, "c{}", u64::from(*client) + 1),
        }
    }
}

/// A timer of an actor, by a number of its own choosing. Setting one that is set moves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimerId(pub u32);

/// An operation under way in a client, by a number of the runtime's choosing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub u32);

/// Which node a client should ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// Whoever the client thinks leads; redirects are followed.
    Leader,
    /// This node first; redirects are followed.
    Node(NodeId),
    /// This node must answer itself (a final read on every node); a redirect ends the operation as `fail`.
    Only(NodeId),
}

/// The clocks of one node. Skewed, jumping and paused in the simulator; never read from the system by an actor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Monotone since the node's clock started; survives no restart. For timeouts.
    pub monotonic: Time,
    /// The wall clock. May jump both ways. For nothing that safety depends on.
    pub wall: Time,
}

/// What a step may use: clocks, the node's own random stream, and the place for answers.
pub struct Context<'a, M> {
    /// The node's clocks.
    pub now: Now,
    /// A stream of this participant's own, so that adding another does not shift it.
    pub rng: &'a mut Rng,
    /// Where the answers go.
    pub out: &'a mut Out<M>,
}

/// One thing that happens to an actor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input<M> {
    /// A message arrived.
    Message {
        /// Who sent it, as the channel claims.
        from: Address,
        /// What it says.
        message: M,
    },
    /// The channel to `peer` broke. Messages under way may or may not arrive.
    Lost {
        /// The other end.
        peer: Address,
        /// Whether it is certain that nothing sent to `peer` since the channel was last up was delivered.
        unsent: bool,
    },
    /// A timer fired. It is no longer set.
    Timer(TimerId),
    /// Every write up to this barrier is durable. Told at least once for the last barrier of a batch.
    Durable(Barrier),
    /// The disk refused a write: nothing after the last `Durable` may be counted on. Most actors should stop serving.
    DiskFailed {
        /// What the disk said.
        error: String,
    },
    /// The inputs that were waiting are handled: the moment to send what was gathered (batching).
    BatchEnd,
    /// A client is asked to do an operation. It must answer with `complete` exactly once, unless abandoned before.
    Invoke {
        /// Names the operation in `complete`.
        token: Token,
        /// What to do.
        request: Request,
        /// Which node to ask.
        target: Target,
    },
    /// A client is asked to do what an operator asks for. It must answer with `complete` exactly once, unless abandoned before.
    Administer {
        /// Names the action in `complete`.
        token: Token,
        /// What to do.
        action: Action,
        /// Which node to ask.
        target: Target,
    },
    /// The runtime gave up on an operation (its time is over): forget it, answer nothing.
    Abandon(Token),
}

/// What a node's disk kept: all that a boot knows of earlier lives.
///
/// **What was synced is all here**, and of the rest an arbitrary part: the log ends before the first record that a crash tore or lost, a blob
/// has its old content or a later one. Nothing that waited for such a write was sent, so its loss needs no word. **Damage** to
/// what was synced (bit rot) is never handed over: the runtime finds it by its checksums and does not boot the actor,
/// because a server that comes back with less than it promised to keep breaks every quorum that it was part of ("Protocol-Aware
/// Recovery for Consensus-Based Storage", Alagappan et al., FAST 2018). Such a server stays down until somebody gives it an empty
/// disk, and then [`replaced`](Self::replaced) is all that it knows: see [`Survives::wiped`](crate::Survives).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Index of the first record of `log` (records before it were discarded by compaction).
    pub first_index: u64,
    /// The records of the durable log, in order.
    pub log: Vec<Bytes>,
    /// The named blobs.
    pub blobs: BTreeMap<String, Bytes>,
    /// The disk is empty although a server of this name has served before: it was wiped, or is another machine's. Whoever put it there
    /// says so (as with `initial-cluster-state` of etcd): a server cannot know it from an empty disk. What it had promised is forgotten.
    pub replaced: bool,
}

impl Recovered {
    /// Whether the disk holds nothing: a first start, or a wiped disk.
    pub fn is_empty(&self) -> bool {
        self.log.is_empty() && self.first_index == 0 && self.blobs.is_empty()
    }
}

/// What an operator would see of a participant from outside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observation {
    /// Its role in the protocol's words: `leader`, `follower`, `acceptor`. Empty if it has none.
    pub role: &'static str,
    /// The epoch in which it has the role: term, ballot, view.
    pub epoch: u64,
    /// Further gauges: name and value.
    pub gauges: Vec<(&'static str, u64)>,
}
