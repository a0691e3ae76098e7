//! One nonblocking TCP connection from a group to a node.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

/// A connection, in whatever state.
#[derive(Debug, Default)]
pub(crate) struct Connection {
    pub(crate) state: State,
    /// Distinguishes the events of this socket from those of its predecessors.
    pub(crate) generation: u32,
    /// What waits to be written: the bytes from `written` on.
    outgoing: Vec<u8>,
    written: usize,
    /// What was read and not yet consumed.
    pub(crate) incoming: Vec<u8>,
    /// Whether a byte has left since the connection was last down.
    pub(crate) left: bool,
    /// Losses since something was last read.
    failures: u32,
}

#[derive(Debug, Default)]
pub(crate) enum State {
    /// Nobody has asked for it.
    #[default]
    Down,
    /// Waiting before it is dialled again.
    Waiting,
    Connecting(OwnedFd),
    Up(OwnedFd),
}

/// Whether the other side is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    Alive,
    Broken,
}

impl Connection {
    /// Adds bytes to what waits to be written.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.outgoing.extend_from_slice(bytes);
    }

    /// How long to wait before the next attempt to connect: not at all after the first loss, then doubling from 5 ms to 40 ms, so that a dead node
    /// costs neither a busy loop nor a late discovery that it is back.
    pub(crate) fn back_off(&self) -> Duration {
        match self.failures {
            0 | 1 => Duration::ZERO,
            n => Duration::from_millis(5 << (n - 2).min(3)),
        }
    }

    /// Starts to connect. `Broken`: refused at once.
    pub(crate) fn dial(
        &mut self,
        epoll: &OwnedFd,
        address: SocketAddr,
        data: u64,
        silence: Duration,
    ) -> std::io::Result<Link> {
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = net::socket_with(family, SocketType::STREAM, flags, None)?;
        net::sockopt::set_tcp_nodelay(&socket, true)?;
        let silence_ms = u32::try_from(silence.as_millis()).unwrap_or(u32::MAX).max(1);
        net::sockopt::set_tcp_user_timeout(&socket, silence_ms)?;
        let connected = net::connect(&socket, &address);
        if !matches!(connected, Ok(()) | Err(Errno::INPROGRESS)) {
            self.state = State::Down;
            return Ok(Link::Broken);
        }
        // Edge-triggered and registered once for both directions: no further call per request.
        let interest = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        epoll::add(epoll, &socket, EventData::new_u64(data), interest)?;
        self.state = State::Connecting(socket);
        Ok(Link::Alive)
    }

    /// The socket of a connecting connection became writable or failed.
    pub(crate) fn connected(&mut self) -> Link {
        let State::Connecting(socket) = std::mem::take(&mut self.state) else { return Link::Alive };
        if matches!(net::sockopt::socket_error(&socket), Ok(Ok(()))) {
            self.state = State::Up(socket);
            return Link::Alive;
        }
        Link::Broken
    }

    /// Writes what waits, as far as the socket takes it.
    pub(crate) fn flush(&mut self) -> Link {
        let State::Up(socket) = &self.state else { return Link::Alive };
        while self.written < self.outgoing.len() {
            match net::send(socket, &self.outgoing[self.written..], SendFlags::NOSIGNAL) {
                Ok(count) => {
                    self.left |= count > 0;
                    self.written += count;
                }
                Err(Errno::AGAIN) => return Link::Alive,
                Err(Errno::INTR) => {}
                Err(_) => return Link::Broken,
            }
        }
        self.outgoing.clear();
        self.written = 0;
        Link::Alive
    }

    /// Reads once. `None`: nothing there now. `Some(0)`: the other side is gone.
    pub(crate) fn read(&self, buffer: &mut [u8]) -> Option<usize> {
        let State::Up(socket) = &self.state else { return None };
        loop {
            match net::recv(socket, &mut *buffer, RecvFlags::DONTWAIT) {
                Ok((count, _)) => return Some(count),
                Err(Errno::AGAIN) => return None,
                Err(Errno::INTR) => {}
                Err(_) => return Some(0),
            }
        }
    }

    /// Forgets the socket and everything on its way. Events that the kernel has queued for it no longer match.
    pub(crate) fn drop_socket(&mut self) {
        self.state = State::Down;
        self.generation = self.generation.wrapping_add(1);
        self.outgoing.clear();
        self.written = 0;
        self.incoming.clear();
        self.left = false;
    }

    /// Counts a loss.
    pub(crate) fn failed(&mut self) {
        self.failures = self.failures.saturating_add(1);
    }

    /// Something was read: the other side is alive.
    pub(crate) fn proved(&mut self) {
        self.failures = 0;
    }
}
