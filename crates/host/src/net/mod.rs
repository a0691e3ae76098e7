//! The sockets of a node: one epoll set, everything nonblocking.
//!
//! A node dials each peer and keeps that connection for its own messages to it, one way; it redials when it breaks. Peers and
//! clients dial the node; the first frame says who they are. [`Net::poll`] turns readiness into [`Arrival`]s,
//! [`Net::send`] only fills buffers, and [`Net::flush`] writes each buffer that was filled with one call.

mod accepted;
mod buffer;
mod peer;

use std::io;
use std::net::TcpListener;
use std::time::Duration;

use base::{Bytes, NodeId, Rng, Time};
use proto::wire::{Kind, MAX_FRAME};
use proto::{Address, Input};
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;

use crate::serve::Options;

use accepted::Accepted;
use peer::Peer;

/// How much a node holds for others.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes that wait for one peer; beyond it the oldest messages are dropped. For a peer that is away, at most 256 KiB.
    pub peer_bytes: usize,
    /// Bytes that wait for one client at which its requests are no longer read.
    pub client_bytes: usize,
    /// Connections at once, those of peers included; further ones are closed. Keep it below the process's limit of open files
    /// (often 1024).
    pub connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { peer_bytes: 16 << 20, client_bytes: 1 << 20, connections: 900 }
    }
}

/// Something that came from outside.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// For the actor.
    Input(Input<Bytes>),
    /// A client asks for an observation.
    Probe(Address),
    /// The stop, or the end of standard input.
    Stop,
}

/// What the net has counted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct NetCounters {
    pub sent: u64,
    pub dropped: u64,
    pub malformed: u64,
}

/// All sockets of a node.
pub(crate) struct Net {
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
    listener: TcpListener,
    peers: Vec<Peer>,
    accepted: Vec<Option<Accepted>>,
    free: Vec<u16>,
    /// How often each place in `accepted` was used, so that a late answer finds no other client.
    generations: Vec<u16>,
    /// Whose buffers were filled since the last flush.
    dirty: Vec<Token>,
    scratch: Box<[u8]>,
    limits: Limits,
    cluster: u64,
    rng: Rng,
    pub counters: NetCounters,
}

/// What an epoll event speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Listener,
    /// Only wakes the loop.
    Wake,
    Stop,
    Stdin,
    Peer(usize),
    Accepted(usize),
}

/// Events taken at once; the rest waits for the next round.
const EVENTS: usize = 256;

/// Bytes read at once from a connection.
const SCRATCH: usize = 256 << 10;

/// A client that does not read is closed when this many times its limit waits for it.
const PATIENCE: usize = 64;

/// Bytes that wait for a peer that is away, at most: what was meant for it long ago is no news when it is back.
const AWAY: usize = 256 << 10;

impl Net {
    /// Takes the listening socket and starts to dial. The node does not dial itself.
    pub fn new(listener: TcpListener, options: &Options, rng: Rng) -> io::Result<Self> {
        let Options { me, cluster, ref peers, limits, .. } = *options;
        listener.set_nonblocking(true)?;
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        add(&epoll, &listener, Token::Listener, EventFlags::IN)?;
        Ok(Net {
            epoll,
            events: Vec::with_capacity(EVENTS),
            listener,
            peers: NodeId::all(peers.len()).map(|id| Peer::new(me, cluster, id, peers[id.index()])).collect(),
            accepted: Vec::new(),
            free: Vec::new(),
            generations: Vec::new(),
            dirty: Vec::new(),
            scratch: vec![0; SCRATCH].into_boxed_slice(),
            limits,
            cluster,
            rng,
            counters: NetCounters::default(),
        })
    }

    /// Wakes [`poll`](Self::poll) whenever `fd` becomes readable, without reading it.
    pub fn wake_on(&self, fd: impl AsFd) -> io::Result<()> {
        add(&self.epoll, fd, Token::Wake, EventFlags::IN | EventFlags::ET)
    }

    /// Arrives as [`Arrival::Stop`] when `fd` becomes readable or is closed.
    pub fn stop_on(&self, fd: impl AsFd) -> io::Result<()> {
        add(&self.epoll, fd, Token::Stop, EventFlags::IN)
    }

    /// Arrives as [`Arrival::Stop`] at the end of standard input, which must be a pipe, a socket or a terminal.
    pub fn stop_on_stdin_eof(&self) -> io::Result<()> {
        add(&self.epoll, io::stdin(), Token::Stdin, EventFlags::IN)
    }

    /// Waits until something happens or for `timeout`; appends what arrived.
    pub fn poll(&mut self, now: Time, until: Option<Time>, arrivals: &mut Vec<Arrival>) -> io::Result<()> {
        let redial = self.peers.iter().filter_map(Peer::deadline).min();
        let until = [until, redial].into_iter().flatten().min();
        let timeout = until.map(|at| timespec(at.since(now)));
        self.events.clear();
        match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut self.events), timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut events = std::mem::take(&mut self.events);
        for event in &events {
            let (token, flags) = (Token::from(event.data.u64()), event.flags);
            match token {
                Token::Listener => self.accept()?,
                Token::Wake => {}
                Token::Stop => arrivals.push(Arrival::Stop),
                Token::Stdin => self.read_stdin(arrivals),
                Token::Peer(place) => self.peer_ready(now, place, arrivals),
                Token::Accepted(place) => self.accepted_ready(place, flags, arrivals),
            }
        }
        events.clear();
        self.events = events;
        Ok(())
    }

    /// Dials the peers whose time has come, and gives up on connections that take too long.
    pub fn dial(&mut self, now: Time) {
        for place in 0..self.peers.len() {
            if self.peers[place].deadline().is_some_and(|at| at <= now) {
                self.peers[place].dial(now, &self.epoll, Token::Peer(place), &mut self.rng);
            }
        }
    }

    /// Queues a message. One to a client that is gone is dropped.
    pub fn send(&mut self, to: Address, message: &[u8]) {
        self.queue(to, Kind::Message, message);
    }

    /// Queues an observation.
    pub fn answer_probe(&mut self, to: Address, json: &[u8]) {
        self.queue(to, Kind::Observation, json);
    }

    /// Writes what was queued, as far as the sockets take it.
    pub fn flush(&mut self, now: Time, arrivals: &mut Vec<Arrival>) {
        let mut dirty = std::mem::take(&mut self.dirty);
        for token in dirty.drain(..) {
            match token {
                Token::Peer(place) => self.flush_peer(now, place, arrivals),
                Token::Accepted(place) => self.flush_accepted(place, arrivals),
                _ => {}
            }
        }
        self.dirty = dirty;
    }

    /// How many clients are connected.
    pub fn clients(&self) -> u64 {
        self.accepted.iter().flatten().filter(|connection| connection.is_client()).count() as u64
    }

    fn queue(&mut self, to: Address, kind: Kind, payload: &[u8]) {
        self.counters.sent += 1;
        if payload.len() >= MAX_FRAME {
            // The receiver would take it for nonsense and close the connection.
            return self.counters.dropped += 1;
        }
        let (token, outbox, is_dirty) = match to {
            Address::Node(node) => match self.peers.get_mut(node.index()) {
                Some(peer) => {
                    let limit = if peer.is_up() { self.limits.peer_bytes } else { self.limits.peer_bytes.min(AWAY) };
                    self.counters.dropped += peer.outbox.make_room(payload.len(), limit);
                    (Token::Peer(node.index()), &mut peer.outbox, &mut peer.dirty)
                }
                None => return self.counters.dropped += 1,
            },
            Address::Client(number) => match self.client(number) {
                Some(place) => {
                    let connection = self.accepted[place].as_mut().expect("a client that was found");
                    (Token::Accepted(place), &mut connection.outbox, &mut connection.dirty)
                }
                None => return self.counters.dropped += 1,
            },
        };
        outbox.push(kind, payload);
        if !std::mem::replace(is_dirty, true) {
            self.dirty.push(token);
        }
    }

    fn peer_ready(&mut self, now: Time, place: usize, arrivals: &mut Vec<Arrival>) {
        let peer = &mut self.peers[place];
        match peer.ready(now, &self.epoll, Token::Peer(place)) {
            Ok(()) => self.flush_peer(now, place, arrivals),
            Err(_) => self.lose_peer(now, place, arrivals),
        }
    }

    fn flush_peer(&mut self, now: Time, place: usize, arrivals: &mut Vec<Arrival>) {
        let peer = &mut self.peers[place];
        peer.dirty = false;
        if peer.flush(&self.epoll, Token::Peer(place)).is_err() {
            self.lose_peer(now, place, arrivals);
        }
    }

    fn lose_peer(&mut self, now: Time, place: usize, arrivals: &mut Vec<Arrival>) {
        let peer = &mut self.peers[place];
        let (was_up, unsent) = (peer.is_up(), !peer.wrote);
        if was_up {
            self.counters.dropped += peer.outbox.clear();
            let peer = Address::Node(NodeId(place as u16));
            arrivals.push(Arrival::Input(Input::Lost { peer, unsent }));
        }
        self.peers[place].hang_up(now, &mut self.rng);
    }

    fn read_stdin(&mut self, arrivals: &mut Vec<Arrival>) {
        let mut ignored = [0; 512];
        if matches!(rustix::io::read(io::stdin(), &mut ignored), Ok(0) | Err(_)) {
            arrivals.push(Arrival::Stop);
        }
    }
}

impl From<u64> for Token {
    fn from(data: u64) -> Self {
        let place = data as u32 as usize;
        match data >> 32 {
            0 => Token::Listener,
            1 => Token::Wake,
            2 => Token::Stop,
            3 => Token::Stdin,
            4 => Token::Peer(place),
            _ => Token::Accepted(place),
        }
    }
}

impl From<Token> for EventData {
    fn from(token: Token) -> Self {
        let (kind, place) = match token {
            Token::Listener => (0, 0),
            Token::Wake => (1, 0),
            Token::Stop => (2, 0),
            Token::Stdin => (3, 0),
            Token::Peer(place) => (4, place),
            Token::Accepted(place) => (5, place),
        };
        EventData::new_u64(kind << 32 | place as u64)
    }
}

fn add(epoll: &OwnedFd, fd: impl AsFd, token: Token, interest: EventFlags) -> io::Result<()> {
    Ok(epoll::add(epoll, fd, token.into(), interest)?)
}

fn timespec(span: Duration) -> Timespec {
    Timespec { tv_sec: span.as_secs() as i64, tv_nsec: span.subsec_nanos().into() }
}
