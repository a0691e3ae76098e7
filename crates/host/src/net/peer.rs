//! The connection that a node dials to one peer, for its own messages to it.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use base::{NodeId, Rng, Time};
use proto::wire::{self, Hello, Kind};
use rustix::event::epoll::{self, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, sockopt};

use super::buffer::Outbox;
use super::{Token, add};

/// The first wait before dialling again, and the longest. Short, because peers restart while a run measures how long that
/// takes; doubled, because a dead one need not be asked a thousand times a second.
const FIRST_WAIT: Duration = Duration::from_millis(5);
const LONGEST_WAIT: Duration = Duration::from_millis(100);

/// How long a dial may take: a partition may swallow it.
const DIAL_TIME: Duration = Duration::from_millis(500);

/// Unacknowledged bytes break a connection after this long, so that it is dialled anew soon after a partition heals instead
/// of when TCP's own back-off (which doubles up to minutes) tries again.
const UNACKNOWLEDGED: Duration = Duration::from_secs(2);

/// One peer.
pub(super) struct Peer {
    addr: SocketAddr,
    hello: [u8; 11],
    link: Link,
    wait: Duration,
    pub outbox: Outbox,
    /// Whether it is in the list of those to flush.
    pub dirty: bool,
    /// Whether a message was written since the connection is up.
    pub wrote: bool,
}

enum Link {
    /// The node itself.
    Never,
    Down {
        redial: Time,
    },
    Dialling {
        socket: OwnedFd,
        give_up: Time,
    },
    Up {
        socket: OwnedFd,
        since: Time,
        /// Whether epoll tells when the socket takes more.
        blocked: bool,
    },
}

impl Peer {
    pub fn new(me: NodeId, cluster: u64, id: NodeId, addr: SocketAddr) -> Self {
        let link = if me == id { Link::Never } else { Link::Down { redial: Time::ZERO } };
        Peer {
            addr,
            hello: greeting(me, cluster),
            link,
            wait: FIRST_WAIT,
            outbox: Outbox::default(),
            dirty: false,
            wrote: false,
        }
    }

    pub fn is_up(&self) -> bool {
        matches!(self.link, Link::Up { .. })
    }

    /// When [`dial`](Self::dial) must be called.
    pub fn deadline(&self) -> Option<Time> {
        match self.link {
            Link::Down { redial } => Some(redial),
            Link::Dialling { give_up, .. } => Some(give_up),
            Link::Never | Link::Up { .. } => None,
        }
    }

    /// Dials, or gives up on a dial that takes too long.
    pub fn dial(&mut self, now: Time, epoll: &OwnedFd, token: Token, rng: &mut Rng) {
        match self.link {
            Link::Down { .. } => match self.try_dial(epoll, token) {
                Ok(socket) => self.link = Link::Dialling { socket, give_up: now + DIAL_TIME },
                Err(_) => self.hang_up(now, rng),
            },
            Link::Dialling { .. } => self.hang_up(now, rng),
            Link::Never | Link::Up { .. } => {}
        }
    }

    /// Closes the connection and dials again later: after twice the last wait, give or take a quarter, so that peers that lost
    /// each other do not dial in step. A connection that did not last counts as a dial that failed: a relay takes every
    /// dial, whether the peer behind it is there or not.
    pub fn hang_up(&mut self, now: Time, rng: &mut Rng) {
        if matches!(self.link, Link::Up { since, .. } if now.since(since) >= LONGEST_WAIT) {
            self.wait = FIRST_WAIT;
        }
        let wait = rng.duration(self.wait * 3 / 4..=self.wait * 5 / 4);
        self.wait = (self.wait * 2).min(LONGEST_WAIT);
        self.link = Link::Down { redial: now + wait };
        self.wrote = false;
    }

    /// The socket has something to say: the dial is through, there is room, or it broke. An error means hang up.
    pub fn ready(&mut self, now: Time, epoll: &OwnedFd, token: Token) -> io::Result<()> {
        match std::mem::replace(&mut self.link, Link::Never) {
            Link::Dialling { socket, give_up } => {
                let outcome = self.greet(&socket, epoll, token);
                self.link = if outcome.is_ok() {
                    Link::Up { socket, since: now, blocked: false }
                } else {
                    Link::Dialling { socket, give_up }
                };
                outcome
            }
            Link::Up { socket, since, blocked } => {
                let outcome = still_open(&socket);
                self.link = Link::Up { socket, since, blocked };
                outcome
            }
            link => {
                self.link = link;
                Ok(())
            }
        }
    }

    /// Writes what waits, if the connection is up. An error means hang up.
    pub fn flush(&mut self, epoll: &OwnedFd, token: Token) -> io::Result<()> {
        let Link::Up { socket, blocked, .. } = &mut self.link else { return Ok(()) };
        if self.outbox.waiting() == 0 && !*blocked {
            return Ok(());
        }
        self.wrote = true;
        let full = !self.outbox.flush(&*socket)?;
        if full != *blocked {
            let room = if full { EventFlags::OUT } else { EventFlags::empty() };
            epoll::modify(epoll, &*socket, token.into(), EventFlags::IN | EventFlags::RDHUP | room)?;
            *blocked = full;
        }
        Ok(())
    }

    fn try_dial(&self, epoll: &OwnedFd, token: Token) -> io::Result<OwnedFd> {
        let family = if self.addr.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
        sockopt::set_tcp_nodelay(&socket, true)?;
        sockopt::set_tcp_user_timeout(&socket, UNACKNOWLEDGED.as_millis() as u32)?;
        match rustix::net::connect(&socket, &self.addr) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(error) => return Err(error.into()),
        }
        add(epoll, &socket, token, EventFlags::OUT)?;
        Ok(socket)
    }

    /// The dial came to an end: says hello if it went well.
    fn greet(&self, socket: &OwnedFd, epoll: &OwnedFd, token: Token) -> io::Result<()> {
        sockopt::socket_error(socket)??;
        // A dial to a port of the ephemeral range where nobody listens can, by chance, meet itself, and would then keep the
        // port from the node that it belongs to.
        if Some(rustix::net::getsockname(socket)?) == rustix::net::getpeername(socket)? {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let mut frame = Vec::with_capacity(16);
        wire::put_frame(&mut frame, Kind::Hello, &self.hello);
        // A fresh socket has room for a few bytes.
        if rustix::net::send(socket, &frame, SendFlags::NOSIGNAL)? != frame.len() {
            return Err(io::ErrorKind::WriteZero.into());
        }
        Ok(epoll::modify(epoll, socket, token.into(), EventFlags::IN | EventFlags::RDHUP)?)
    }
}

/// What a node says first: who it is, and of which cluster.
pub(super) fn greeting(me: NodeId, cluster: u64) -> [u8; 11] {
    let mut bytes = [0; 11];
    bytes[..3].copy_from_slice(&Hello::Node(me).encode());
    bytes[3..].copy_from_slice(&cluster.to_le_bytes());
    bytes
}

/// Nothing is said on this connection but by us: readable means closed or broken.
fn still_open(socket: &OwnedFd) -> io::Result<()> {
    let mut nothing = [0; 256];
    match rustix::io::read(socket, &mut nothing) {
        Ok(0) => Err(io::ErrorKind::ConnectionReset.into()),
        Ok(_) | Err(Errno::AGAIN | Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
