//! How small the world is that is searched to its end.

use std::time::Duration;

use history::Request;
use proto::Target;

/// What there is and what may happen, and how often.
#[derive(Clone, Debug)]
pub struct Scope {
    /// Number of servers.
    pub servers: usize,
    /// What each client asks, one operation after the other.
    pub clients: Vec<Vec<(Request, Target)>>,
    /// When a client asks.
    pub invocations: Invocations,
    /// How messages travel.
    pub network: Network,
    /// When writes are durable.
    pub disk: Disk,
    /// How many crashes there may be, of all servers together. A crashed server may come back at any time.
    pub crashes: u8,
    /// How many timers may fire, of all participants together; `None`: any number. A timer that is set may fire whenever it is set.
    pub timeouts: Option<u8>,
    /// How many operations may be given up by their clients (which ends them as `info`).
    pub abandons: u8,
    /// Servers may not go beyond this epoch (term, ballot, view: [`proto::Observation::epoch`]).
    pub epoch: Option<u64>,
    /// How many messages one participant may have under way to another; more are lost. `None`: any number.
    pub in_flight: Option<u8>,
    /// What is longer ago than this is "long ago", whatever it was. Longer than every timeout of the protocol.
    pub horizon: Duration,
    /// Whether the operations of the clients must be linearizable.
    pub linearizable: bool,
}

impl Scope {
    /// Servers and operations, and nothing that goes wrong but the order of messages.
    pub fn new(servers: usize, clients: Vec<Vec<(Request, Target)>>) -> Self {
        Scope {
            servers,
            clients,
            invocations: Invocations::AnyTime,
            network: Network::Unordered,
            disk: Disk::Immediate,
            crashes: 0,
            timeouts: Some(0),
            abandons: 0,
            epoch: None,
            in_flight: None,
            horizon: Duration::from_secs(10),
            linearizable: true,
        }
    }
}

/// When a client asks its next operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invocations {
    /// At any time: asking is a step of its own.
    AnyTime,
    /// In the step in which the last operation ended. Far fewer states, but what would be seen only by an operation that
    /// begins late is not seen.
    AtOnce,
}

/// How messages travel. A message that is lost is one that never arrives, which an unordered network allows anyway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// In any order, each at most once.
    Unordered,
    /// In any order, each any number of times.
    Repeating,
    /// From one participant to another in the order of sending, none lost.
    Ordered,
    /// From one participant to another in the order of sending; any may be lost.
    OrderedLossy,
}

impl Network {
    pub(super) fn is_ordered(self) -> bool {
        matches!(self, Network::Ordered | Network::OrderedLossy)
    }
}

/// When writes are durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disk {
    /// At the end of the step that makes them.
    Immediate,
    /// At any time later: a sync is a step of its own, and a crash keeps any prefix of what was not synced.
    Later,
}
