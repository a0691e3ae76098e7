//! What can be waiting in the queue: small, flat, free of the protocol's types.

use proto::{Address, Barrier, TimerId};

/// A participant by its place: the servers first, then the clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Who(pub(crate) u16);

impl Who {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }

    /// Its address in a world of so many servers.
    #[inline]
    pub(crate) fn address(self, servers: usize) -> Address {
        match self.index().checked_sub(servers) {
            None => Address::Node(base::NodeId(self.0)),
            Some(client) => Address::Client(client as u32),
        }
    }

    /// The participant at an address, in a world of so many servers.
    #[inline]
    pub(crate) fn at(address: Address, servers: usize) -> Who {
        match address {
            Address::Node(node) => Who(node.0),
            Address::Client(client) => Who((servers + client as usize) as u16),
        }
    }
}

/// Something that will happen. `mail` is the slot of a message in the troupe's keeping.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    /// A message arrives.
    Deliver { from: Who, to: Who, mail: u32 },
    /// The time of a timer may have come.
    Timer { who: Who, timer: TimerId },
    /// A sync that began in this life of the node is over.
    Synced { who: Who, life: u32 },
    /// A participant is to be told that its writes are durable (held back while it is paused).
    Durable { who: Who, barrier: Barrier, life: u32 },
    /// A participant is to be told that its disk refused a write.
    DiskFailed { who: Who, life: u32 },
    /// The channel from `who` to `peer` broke.
    Lost { who: Who, peer: Who, unsent: bool },
    /// A participant that was busy can go on.
    Wake { who: Who },
    /// An operation's time is over.
    Deadline { operation: u32 },
    /// A driven client does its next operation.
    Think { client: u32 },
    /// The fault driver strikes, unless its round is over.
    Strike { kind: u8, round: u32 },
    /// A trigger that a server set off strikes, unless its round is over.
    Trip { who: Who, trigger: u8, round: u32 },
    /// The fault driver undoes one of its faults, unless its round is over.
    Relent { fault: u32, round: u32 },
    /// An act of a scripted storm.
    Act { index: u32 },
}

impl Event {
    /// Whose input it is, if it is one that a paused or busy participant makes wait.
    pub(crate) fn recipient(&self) -> Option<Who> {
        match *self {
            Event::Deliver { to, .. } => Some(to),
            Event::Timer { who, .. }
            | Event::Durable { who, .. }
            | Event::DiskFailed { who, .. }
            | Event::Lost { who, .. } => Some(who),
            _ => None,
        }
    }

    /// The message that it carries.
    pub(crate) fn mail(&self) -> Option<u32> {
        match *self {
            Event::Deliver { mail, .. } => Some(mail),
            _ => None,
        }
    }

    /// Two words for the trace hash.
    #[inline]
    pub(crate) fn words(&self) -> (u64, u64) {
        let pair = |tag: u64, a: Who, b: Who| tag << 48 | u64::from(a.0) << 16 | u64::from(b.0);
        match *self {
            Event::Deliver { from, to, mail } => (pair(1, from, to), u64::from(mail)),
            Event::Timer { who, timer } => (pair(3, who, who), u64::from(timer.0)),
            Event::Synced { who, life } => (pair(4, who, who), u64::from(life)),
            Event::Durable { who, barrier, .. } => (pair(5, who, who), barrier.0),
            Event::Lost { who, peer, unsent } => (pair(6, who, peer), u64::from(unsent)),
            Event::Wake { who } => (pair(7, who, who), 0),
            Event::Deadline { operation } => (8 << 48, u64::from(operation)),
            Event::Think { client } => (9 << 48, u64::from(client)),
            Event::Strike { kind, round } => (10 << 48 | u64::from(kind), u64::from(round)),
            Event::Trip { who, trigger, round } => (pair(2, who, who), u64::from(trigger) << 32 | u64::from(round)),
            Event::Relent { fault, round } => (11 << 48 | u64::from(fault), u64::from(round)),
            Event::Act { index } => (12 << 48, u64::from(index)),
            Event::DiskFailed { who, life } => (pair(13, who, who), u64::from(life)),
        }
    }
}
