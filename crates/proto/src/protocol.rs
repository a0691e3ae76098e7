use std::collections::BTreeMap;

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

    /// The invariants to hold the servers to, fresh for one world.
    fn oracles(&self) -> Vec<Box<dyn Oracle<Self::Server>>> {
        Vec::new()
    }
}

/// An invariant over all servers, checked incrementally: it is shown a server after each of its steps.
pub trait Oracle<S> {
    /// The name of the property: `election-safety`.
    fn name(&self) -> &'static str;

    /// Looks at `server` after a step. An error is a violation, told in one sentence.
    fn after_step(&mut self, at: Time, node: NodeId, server: &S) -> Result<(), String>;

    /// `node` lost its memory (and keeps its disk).
    fn after_crash(&mut self, _at: Time, _node: NodeId) {}
}

/// Settings of a specimen as text, from a plan or a command line: `election_timeout = 150ms`, `bug = stale-read`.
pub type Parameters = BTreeMap<String, String>;
