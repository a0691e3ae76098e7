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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

    /// In one word, for the queue. Of a round of the fault driver, 28 bits.
    #[inline(always)]
    pub(crate) fn pack(self) -> Packed {
        let word = |tag: u64, few: u32, more: u32| Packed(tag | u64::from(few) << 4 | u64::from(more) << 32);
        let pair = |a: Who, b: Who| u32::from(a.0) | u32::from(b.0) << 16;
        match self {
            Event::Deliver { from, to, mail } => Packed::delivery(from, to, mail),
            Event::Timer { who, timer } => word(1, u32::from(who.0), timer.0),
            Event::Synced { who, life } => word(2, u32::from(who.0), life),
            Event::Lost { who, peer, unsent } => word(3, u32::from(unsent), pair(who, peer)),
            Event::Wake { who } => word(4, u32::from(who.0), 0),
            Event::Deadline { operation } => word(5, 0, operation),
            Event::Think { client } => word(6, 0, client),
            Event::Strike { kind, round } => word(7, u32::from(kind), round),
            Event::Trip { who, trigger, round } => word(8, u32::from(who.0) << 8 | u32::from(trigger), round),
            Event::Relent { fault, round } => word(9, round & FEW, fault),
            Event::Act { index } => word(10, 0, index),
            Event::Durable { .. } | Event::DiskFailed { .. } => {
                unreachable!("news of the disk is told or held, not queued")
            }
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

/// An event in one word: the kind in 4 bits, then 28 and 32 bits of what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Packed(pub(crate) u64);

const DELIVER: u64 = 0;
/// What fits in 28 bits.
pub(crate) const FEW: u32 = (1 << 28) - 1;

impl Packed {
    /// The arrival of a message.
    #[inline]
    pub(crate) fn delivery(from: Who, to: Who, mail: u32) -> Packed {
        Packed(DELIVER | u64::from(mail) << 4 | u64::from(from.0) << 32 | u64::from(to.0) << 48)
    }

    /// From whom to whom which message goes, if it is the arrival of one: nine events of ten are.
    #[inline]
    pub(crate) fn as_delivery(self) -> Option<(Who, Who, u32)> {
        let (from, to) = (Who((self.0 >> 32) as u16), Who((self.0 >> 48) as u16));
        (self.0 & 15 == DELIVER).then_some((from, to, (self.0 >> 4) as u32 & FEW))
    }

    pub(crate) fn unpack(self) -> Event {
        let (few, more) = ((self.0 >> 4) as u32 & FEW, (self.0 >> 32) as u32);
        let (first, second, who) = (Who(more as u16), Who((more >> 16) as u16), Who(few as u16));
        match self.0 & 15 {
            DELIVER => Event::Deliver { from: first, to: second, mail: few },
            1 => Event::Timer { who, timer: TimerId(more) },
            2 => Event::Synced { who, life: more },
            3 => Event::Lost { who: first, peer: second, unsent: few != 0 },
            4 => Event::Wake { who },
            5 => Event::Deadline { operation: more },
            6 => Event::Think { client: more },
            7 => Event::Strike { kind: few as u8, round: more },
            8 => Event::Trip { who: Who((few >> 8) as u16), trigger: few as u8, round: more },
            9 => Event::Relent { fault: more, round: few },
            _ => Event::Act { index: more },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_comes_out_of_its_word_as_it_went_in() {
        let (who, peer, most) = (Who(u16::MAX), Who(258), u32::MAX);
        for event in [
            Event::Deliver { from: who, to: peer, mail: FEW },
            Event::Deliver { from: peer, to: who, mail: 0 },
            Event::Timer { who, timer: TimerId(most) },
            Event::Synced { who, life: most },
            Event::Lost { who, peer, unsent: true },
            Event::Lost { who: peer, peer: who, unsent: false },
            Event::Wake { who },
            Event::Deadline { operation: most },
            Event::Think { client: most },
            Event::Strike { kind: u8::MAX, round: most },
            Event::Trip { who, trigger: u8::MAX, round: most },
            Event::Relent { fault: most, round: FEW },
            Event::Act { index: most },
        ] {
            assert_eq!(event.pack().unpack(), event);
        }
    }
}
