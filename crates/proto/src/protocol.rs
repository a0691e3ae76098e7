use std::collections::BTreeMap;
use std::hash::Hasher;

use base::{NodeId, Time};

use crate::actor::{Actor, Context, Message, Recovered};

/// All participants of a specimen: how its servers and clients come up.
///
/// A value of the type holds the settings of one cluster (size, timeouts, planted bug). Adding a specimen is one
/// crate under `protocols/` with one type that implements this, and one line in the registry of systems.
pub trait Protocol: Send + Sync + 'static {
    /// What the participants say to each other.
    type Message: Message;
    /// A server. A protocol with several kinds of servers makes this an enum.
    type Server: Actor<Message = Self::Message>;
    /// A client: turns operations into messages and answers into completions.
    type Client: Actor<Message = Self::Message> + Send;

    /// Starts or restarts a server with what its disk kept. The only way to come up.
    fn boot(&self, me: NodeId, disk: Recovered, ctx: &mut Context<'_, Self::Message>) -> Self::Server;

    /// Starts a client. Clients have no disk.
    fn client(&self, ctx: &mut Context<'_, Self::Message>) -> Self::Client;

    /// What its cluster promises to survive, beyond what every protocol must.
    fn survives(&self) -> Survives {
        Survives::default()
    }

    /// The names of the rare paths that its actors speak of ([`marks!`](crate::marks)).
    fn marks(&self) -> &'static [&'static str] {
        &[]
    }

    /// The invariants to hold the servers to, fresh for one world.
    fn oracles(&self) -> Vec<Box<dyn Oracle<Self::Server>>> {
        Vec::new()
    }
}

/// What a protocol promises to survive, beyond what every protocol must: crashes that keep what was synced, pauses, partitions, lost
/// and late messages. A world keeps random faults within it, so that a correct protocol raises no alarm; scripts may go beyond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Survives {
    /// How many servers may be gone for good while the others still make progress.
    pub lost: usize,
    /// How many of these may come back under their old name with an empty disk: wiped, or another machine. A protocol that
    /// counts promises must not count those of a server that forgot them.
    pub wiped: usize,
    /// How much faster or slower than true time clocks may run, in millionths: finite if safety depends on clocks (leases).
    pub drift_ppm: u32,
    /// Whether a message between servers may arrive again after any time, as a datagram may; connections repeat nothing.
    pub replays: bool,
}

impl Default for Survives {
    /// No server may be lost; clocks may do what they like, and old messages may come again.
    fn default() -> Self {
        Survives { lost: 0, wiped: 0, drift_ppm: u32::MAX, replays: true }
    }
}

/// An invariant over all servers, checked incrementally: it is shown a server after each of its steps.
pub trait Oracle<S>: Send + Sync {
    /// The name of the property: `election-safety`.
    fn name(&self) -> &'static str;

    /// Looks at `server` after a step. An error is a violation, told in one sentence.
    fn after_step(&mut self, at: Time, node: NodeId, server: &S) -> Result<(), String>;

    /// `node` lost its memory (and keeps its disk).
    fn after_crash(&mut self, _at: Time, _node: NodeId) {}

    /// A copy, with all that it remembers: lets exhaustive search take it along. Without one it is not asked there.
    fn fork(&self) -> Option<Box<dyn Oracle<S>>> {
        None
    }

    /// Hashes what it remembers. Needed where [`fork`](Self::fork) is offered.
    fn fingerprint(&self, _state: &mut dyn Hasher) {}
}

/// The part of an [`Oracle`] that exhaustive search needs, for one that derives `Clone` and `Hash`.
#[macro_export]
macro_rules! fork_by_clone {
    ($server:ty) => {
        fn fork(&self) -> Option<Box<dyn $crate::Oracle<$server>>> {
            Some(Box::new(self.clone()))
        }

        fn fingerprint(&self, mut state: &mut dyn std::hash::Hasher) {
            std::hash::Hash::hash(self, &mut state);
        }
    };
}

/// Settings of a specimen as text, from a plan or a command line: `election_timeout = 150ms`, `bug = stale-read`.
pub type Parameters = BTreeMap<String, String>;
