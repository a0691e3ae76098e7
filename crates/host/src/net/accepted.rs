//! Connections that peers and clients dialled.

use std::io;

use base::{Bytes, NodeId};
use proto::wire::{Hello, Kind};
use proto::{Address, Input, Malformed};
use rustix::event::epoll::{self, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{SocketFlags, sockopt};

use super::buffer::{Inbox, Outbox};
use super::{Arrival, Net, PATIENCE, SCRATCH, Token, add};

/// One of them.
pub(super) struct Accepted {
    socket: OwnedFd,
    who: Option<Address>,
    /// The address it gets if it says that it is a client.
    number: u32,
    inbox: Inbox,
    pub outbox: Outbox,
    /// Whether it is in the list of those to flush.
    pub dirty: bool,
    interest: EventFlags,
}

impl Accepted {
    pub fn is_client(&self) -> bool {
        matches!(self.who, Some(Address::Client(_)))
    }

    /// What a frame means, given who sent it.
    fn arrival(who: &mut Option<Address>, number: u32, home: Home, kind: Kind, payload: Bytes) -> Step {
        match (kind, *who) {
            (Kind::Hello, None) => {
                *who = Some(home.admits(number, &payload)?);
                Ok(None)
            }
            (Kind::Message, Some(from)) => Ok(Some(Arrival::Input(Input::Message { from, message: payload }))),
            (Kind::Probe, Some(from @ Address::Client(_))) => Ok(Some(Arrival::Probe(from))),
            (kind, who) => Err(Malformed(format!("unexpected {kind:?} frame from {who:?}"))),
        }
    }
}

/// What a node must know to take up a peer.
#[derive(Clone, Copy)]
struct Home {
    nodes: usize,
    cluster: u64,
}

impl Home {
    /// Who says this hello. A node of another cluster, whose peer had this port before, is turned away.
    fn admits(self, number: u32, hello: &[u8]) -> Result<Address, Malformed> {
        let (who, cluster) = hello.split_at_checked(3).unwrap_or((hello, &[]));
        match Hello::decode(who)? {
            Hello::Client => Ok(Address::Client(number)),
            Hello::Node(node) if node.index() >= self.nodes => {
                Err(Malformed(format!("hello of {node}, which the cluster has not")))
            }
            Hello::Node(_) if cluster != self.cluster.to_le_bytes() => {
                Err(Malformed("hello of a node of another cluster".into()))
            }
            Hello::Node(node) => Ok(Address::Node(node)),
        }
    }
}

type Step = Result<Option<Arrival>, Malformed>;

impl Net {
    pub(super) fn accept(&mut self) -> io::Result<()> {
        loop {
            match rustix::net::accept_with(&self.listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
                Ok(socket) => self.admit(socket)?,
                Err(Errno::AGAIN) => return Ok(()),
                // The dialler gave up before we came to it.
                Err(Errno::INTR | Errno::CONNABORTED | Errno::PROTO) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The place of the client with this number, if it is still there.
    pub(super) fn client(&self, number: u32) -> Option<usize> {
        let place = (number & 0xFFFF) as usize;
        let found = self.accepted.get(place)?.as_ref()?;
        (found.number == number && found.is_client()).then_some(place)
    }

    pub(super) fn accepted_ready(&mut self, place: usize, flags: EventFlags, arrivals: &mut Vec<Arrival>) {
        if flags.contains(EventFlags::OUT) {
            self.flush_accepted(place, arrivals);
        }
        if flags == EventFlags::OUT {
            return;
        }
        let Some(connection) = &self.accepted[place] else { return };
        if connection.interest.contains(EventFlags::IN) {
            self.read_accepted(place, arrivals);
        } else if flags.intersects(EventFlags::HUP | EventFlags::ERR) {
            self.close(place, arrivals);
        }
    }

    pub(super) fn flush_accepted(&mut self, place: usize, arrivals: &mut Vec<Arrival>) {
        let Some(connection) = &mut self.accepted[place] else { return };
        connection.dirty = false;
        let written = connection.outbox.flush(&connection.socket);
        let waiting = connection.outbox.waiting();
        let patient = waiting <= self.limits.client_bytes * PATIENCE;
        if written.is_err() || !patient || self.set_interest(place, waiting).is_err() {
            self.close(place, arrivals);
        }
    }

    /// Back-pressure: a client whose answers wait is not read until half of them are gone.
    fn set_interest(&mut self, place: usize, waiting: usize) -> io::Result<()> {
        let Some(connection) = &mut self.accepted[place] else { return Ok(()) };
        let reading = connection.interest.contains(EventFlags::IN);
        let read = waiting <= if reading { self.limits.client_bytes } else { self.limits.client_bytes / 2 };
        let mut interest = EventFlags::empty();
        interest.set(EventFlags::IN, read);
        interest.set(EventFlags::OUT, waiting > 0);
        if interest != connection.interest {
            epoll::modify(&self.epoll, &connection.socket, Token::Accepted(place).into(), interest)?;
            connection.interest = interest;
        }
        Ok(())
    }

    fn admit(&mut self, socket: OwnedFd) -> io::Result<()> {
        let most = self.limits.connections.min(usize::from(u16::MAX));
        if self.free.is_empty() && self.accepted.len() >= most || sockopt::set_tcp_nodelay(&socket, true).is_err() {
            return Ok(());
        }
        let place = match self.free.pop() {
            Some(place) => usize::from(place),
            None => {
                self.accepted.push(None);
                self.generations.push(0);
                self.accepted.len() - 1
            }
        };
        add(&self.epoll, &socket, Token::Accepted(place), EventFlags::IN)?;
        self.accepted[place] = Some(Accepted {
            socket,
            who: None,
            number: u32::from(self.generations[place]) << 16 | place as u32,
            inbox: Inbox::default(),
            outbox: Outbox::default(),
            dirty: false,
            interest: EventFlags::IN,
        });
        Ok(())
    }

    fn read_accepted(&mut self, place: usize, arrivals: &mut Vec<Arrival>) {
        let Some(connection) = &mut self.accepted[place] else { return };
        let greeted = connection.who.is_some();
        let arrived = match rustix::io::read(&connection.socket, &mut self.scratch[..SCRATCH]) {
            Ok(0) => return self.close(place, arrivals),
            Ok(size) => size,
            Err(Errno::AGAIN | Errno::INTR) => return,
            Err(_) => return self.close(place, arrivals),
        };
        let Accepted { inbox, who, number, .. } = connection;
        let home = Home { nodes: self.peers.len(), cluster: self.cluster };
        let outcome = inbox.take(&self.scratch[..arrived], |kind, payload| {
            arrivals.extend(Accepted::arrival(who, *number, home, kind, payload)?);
            Ok(())
        });
        let who = *who;
        if outcome.is_err() {
            self.counters.malformed += 1;
            self.close(place, arrivals);
        } else if let Some(Address::Node(node)) = who
            && !greeted
        {
            self.supersede(node, place, arrivals);
        }
    }

    /// A peer that dialled anew has given up its earlier connection; what is left in it is older than what comes now.
    fn supersede(&mut self, node: NodeId, newer: usize, arrivals: &mut Vec<Arrival>) {
        for place in (0..self.accepted.len()).filter(|place| *place != newer) {
            if self.accepted[place].as_ref().is_some_and(|c| c.who == Some(Address::Node(node))) {
                self.close(place, arrivals);
            }
        }
    }

    fn close(&mut self, place: usize, arrivals: &mut Vec<Arrival>) {
        let Some(mut connection) = self.accepted[place].take() else { return };
        self.counters.dropped += connection.outbox.clear();
        self.generations[place] = self.generations[place].wrapping_add(1);
        self.free.push(place as u16);
        if let Some(peer @ Address::Client(_)) = connection.who {
            arrivals.push(Arrival::Input(Input::Lost { peer, unsent: false }));
        }
    }
}
