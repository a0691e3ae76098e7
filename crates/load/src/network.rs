//! Clients and their sockets: carries out what the clients want done and hands back what they complete.

use std::collections::VecDeque;
use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use base::{NodeId, Time};
use history::{Completion, Request};
use proto::client::{Client, Effect, Effects};
use proto::{Target, TimerId, Token};
use rustix::event::Timespec;
use rustix::event::epoll::{self, Event, EventFlags};
use rustix::io::Errno;

use crate::connection::{Connection, Link, State};
use crate::timers::Timers;

/// The clock of a run: nanoseconds since its epoch, monotone over all threads of the machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(pub(crate) Instant);

impl Clock {
    #[inline]
    pub(crate) fn now(self) -> Time {
        Time(self.0.elapsed().as_nanos() as u64)
    }
}

/// An operation that a client completed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Completed {
    pub(crate) token: Token,
    pub(crate) completion: Completion,
    /// Read after the read call that brought the answer.
    pub(crate) done: Time,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// Of a group's client.
    Client(u32, TimerId),
    /// When a connection is dialled again.
    Dial(u32),
    /// When a connection must have been made.
    Connect(u32),
}

/// Most events taken from the kernel at once.
const EVENTS: usize = 256;
/// Most bytes read at once.
const READ: usize = 64 << 10;

/// The groups, each a client with a connection to each node that it speaks to.
pub(crate) struct Network {
    epoll: OwnedFd,
    clock: Clock,
    endpoints: Vec<SocketAddr>,
    connect_timeout: Duration,
    /// How long a node's kernel may leave bytes unacknowledged before the connection counts as broken. Without it, a connection
    /// through a healed partition would wait for the next retransmission, which is as far away as the partition was long.
    silence: Duration,
    clients: Vec<Box<dyn Client>>,
    /// By group, then by node.
    connections: Vec<Connection>,
    timers: Timers<Timer>,
    /// What the last client that was called wants done. Invariant: empty between calls of the engine.
    effects: Effects,
    /// Connections that were given something to write.
    dirty: Vec<u32>,
    /// Connections that broke and their generations; their clients are told in `settle`, never from within a call to them.
    losses: VecDeque<(u32, u32)>,
    /// Which sockets the last wait found ready: their data and what they are ready for.
    ready: Vec<(u64, EventFlags)>,
    scratch: Box<[u8]>,
    /// What was completed since the engine last looked.
    pub(crate) completed: Vec<Completed>,
}

impl Network {
    pub(crate) fn new(
        endpoints: Vec<SocketAddr>,
        clients: Vec<Box<dyn Client>>,
        connect_timeout: Duration,
        silence: Duration,
        clock: Clock,
    ) -> io::Result<Network> {
        let count = clients.len() * endpoints.len();
        Ok(Network {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            clock,
            endpoints,
            connect_timeout,
            silence,
            clients,
            connections: (0..count).map(|_| Connection::default()).collect(),
            timers: Timers::new(),
            effects: Effects::default(),
            dirty: Vec::new(),
            losses: VecDeque::new(),
            ready: Vec::with_capacity(EVENTS),
            scratch: vec![0; READ].into_boxed_slice(),
            completed: Vec::new(),
        })
    }

    /// Hands an operation to a group's client. Nothing leaves before [`carry_out`](Network::carry_out). Returns the node that
    /// it is written to first, if it is.
    pub(crate) fn invoke(
        &mut self,
        group: u32,
        now: Time,
        token: Token,
        request: &Request,
        target: Target,
    ) -> Option<NodeId> {
        self.clients[group as usize].invoke(now, token, request, target, &mut self.effects);
        self.effects.effects.iter().find_map(|effect| match effect {
            Effect::Write { node, .. } => Some(*node),
            _ => None,
        })
    }

    /// Tells a group's client to forget an operation.
    pub(crate) fn abandon(&mut self, group: u32, now: Time, token: Token) -> io::Result<()> {
        self.clients[group as usize].abandon(token, &mut self.effects);
        self.carry_out(group, now)
    }

    /// Does what the client of `group` wants done; bytes leave at the next [`settle`](Network::settle).
    pub(crate) fn carry_out(&mut self, group: u32, now: Time) -> io::Result<()> {
        let mut wishes = std::mem::take(&mut self.effects);
        for effect in wishes.effects.drain(..) {
            match effect {
                Effect::Write { node, start, end } => self.write(group, node, &wishes.bytes[start..end], now)?,
                Effect::Close(node) => self.close(self.connection(group, node)),
                Effect::Complete(token, completion) => {
                    self.completed.push(Completed { token, completion, done: now });
                }
                Effect::SetTimer(timer, after) => self.timers.set(Timer::Client(group, timer), now + after),
                Effect::CancelTimer(timer) => self.timers.cancel(Timer::Client(group, timer)),
            }
        }
        wishes.clear();
        self.effects = wishes;
        Ok(())
    }

    /// Writes what waits and tells the clients what broke, until neither is left.
    pub(crate) fn settle(&mut self) -> io::Result<()> {
        while !self.dirty.is_empty() || !self.losses.is_empty() {
            while let Some(connection) = self.dirty.pop() {
                self.flush(connection);
            }
            if let Some((connection, generation)) = self.losses.pop_front()
                && self.connections[connection as usize].generation == generation
            {
                self.lose(connection)?;
            }
        }
        Ok(())
    }

    /// Sleeps until something can be read or written, at most for `wait`. Returns how many events there are to
    /// [`handle`](Network::handle).
    pub(crate) fn wait(&mut self, wait: Duration) -> io::Result<usize> {
        let timeout = Timespec { tv_sec: wait.as_secs() as i64, tv_nsec: i64::from(wait.subsec_nanos()) };
        let mut events = [MaybeUninit::<Event>::uninit(); EVENTS];
        self.ready.clear();
        match epoll::wait(&self.epoll, &mut events, Some(&timeout)) {
            Ok((events, _)) => {
                self.ready.extend(events.iter().map(|event| (event.data.u64(), event.flags)));
                Ok(self.ready.len())
            }
            Err(Errno::INTR) => Ok(0),
            Err(Errno::NOSYS) => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "the load engine needs Linux 5.11 or newer (epoll_pwait2)",
            )),
            Err(error) => Err(error.into()),
        }
    }

    /// Handles one event of the last [`wait`](Network::wait).
    pub(crate) fn handle(&mut self, event: usize) -> io::Result<()> {
        let (data, flags) = self.ready[event];
        let connection = data as u32;
        if u64::from(self.connections[connection as usize].generation) != data >> 32 {
            return Ok(());
        }
        if matches!(self.connections[connection as usize].state, State::Connecting(_)) {
            self.connected(connection);
        }
        let gone = flags.intersects(EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR);
        if flags.contains(EventFlags::IN) || gone {
            self.read(connection, gone)?;
        }
        if flags.contains(EventFlags::OUT) {
            self.flush(connection);
        }
        self.settle()
    }

    /// When something must be done though nothing was read: a timer of a client or of a connection.
    pub(crate) fn next_timer(&self) -> Option<Time> {
        self.timers.next()
    }

    /// Fires the timers whose time has come.
    pub(crate) fn fire(&mut self, now: Time) -> io::Result<()> {
        while let Some(timer) = self.timers.expire(now) {
            match timer {
                Timer::Client(group, timer) => {
                    self.clients[group as usize].timer(now, timer, &mut self.effects);
                    self.carry_out(group, now)?;
                }
                Timer::Dial(connection) => self.dial(connection, now)?,
                Timer::Connect(connection) => self.broke(connection),
            }
        }
        Ok(())
    }

    fn connection(&self, group: u32, node: NodeId) -> u32 {
        group * self.endpoints.len() as u32 + u32::from(node.0)
    }

    fn write(&mut self, group: u32, node: NodeId, bytes: &[u8], now: Time) -> io::Result<()> {
        if node.index() >= self.endpoints.len() {
            return Err(io::Error::other(format!(
                "a client wrote to {node}, but there are {} nodes",
                self.endpoints.len()
            )));
        }
        let connection = self.connection(group, node);
        let link = &mut self.connections[connection as usize];
        link.push(bytes);
        match link.state {
            State::Up(_) => {
                if self.dirty.last() != Some(&connection) {
                    self.dirty.push(connection);
                }
                Ok(())
            }
            State::Down if link.back_off().is_zero() => self.dial(connection, now),
            State::Down => {
                link.state = State::Waiting;
                self.timers.set(Timer::Dial(connection), now + link.back_off());
                Ok(())
            }
            State::Waiting | State::Connecting(_) => Ok(()),
        }
    }

    fn dial(&mut self, connection: u32, now: Time) -> io::Result<()> {
        let address = self.endpoints[connection as usize % self.endpoints.len()];
        let link = &mut self.connections[connection as usize];
        let data = u64::from(link.generation) << 32 | u64::from(connection);
        match link.dial(&self.epoll, address, data, self.silence)? {
            Link::Alive => self.timers.set(Timer::Connect(connection), now + self.connect_timeout),
            Link::Broken => self.broke(connection),
        }
        Ok(())
    }

    fn connected(&mut self, connection: u32) {
        self.timers.cancel(Timer::Connect(connection));
        let link = &mut self.connections[connection as usize];
        match link.connected() {
            Link::Alive => self.dirty.push(connection),
            Link::Broken => self.broke(connection),
        }
    }

    fn flush(&mut self, connection: u32) {
        if self.connections[connection as usize].flush() == Link::Broken {
            self.broke(connection);
        }
    }

    /// Reads what is there. Edge-triggered: until a read comes back short, or to the very end if the other side has closed.
    fn read(&mut self, connection: u32, to_the_end: bool) -> io::Result<()> {
        let generation = self.connections[connection as usize].generation;
        while let Some(count) = self.connections[connection as usize].read(&mut self.scratch) {
            if count == 0 {
                self.broke(connection);
                return Ok(());
            }
            self.deliver(connection, count)?;
            let same = self.connections[connection as usize].generation == generation;
            if !same || (count < self.scratch.len() && !to_the_end) {
                return Ok(());
            }
        }
        Ok(())
    }

    fn deliver(&mut self, connection: u32, count: usize) -> io::Result<()> {
        let done = self.clock.now();
        let (group, node) = self.ends(connection);
        let client = &mut self.clients[group as usize];
        let link = &mut self.connections[connection as usize];
        link.proved();
        if link.incoming.is_empty() {
            let bytes = &self.scratch[..count];
            let consumed = client.receive(done, node, bytes, &mut self.effects);
            link.incoming.extend_from_slice(&bytes[consumed.min(count)..]);
        } else {
            link.incoming.extend_from_slice(&self.scratch[..count]);
            let consumed = client.receive(done, node, &link.incoming, &mut self.effects);
            link.incoming.drain(..consumed.min(link.incoming.len()));
        }
        self.carry_out(group, done)
    }

    fn broke(&mut self, connection: u32) {
        self.losses.push_back((connection, self.connections[connection as usize].generation));
    }

    /// Closes a broken connection and tells its client.
    fn lose(&mut self, connection: u32) -> io::Result<()> {
        let link = &mut self.connections[connection as usize];
        link.failed();
        let unsent = !link.left;
        self.close(connection);
        let (group, node) = self.ends(connection);
        let now = self.clock.now();
        self.clients[group as usize].lost(now, node, unsent, &mut self.effects);
        self.carry_out(group, now)
    }

    fn close(&mut self, connection: u32) {
        self.connections[connection as usize].drop_socket();
        self.timers.cancel(Timer::Dial(connection));
        self.timers.cancel(Timer::Connect(connection));
    }

    fn ends(&self, connection: u32) -> (u32, NodeId) {
        let nodes = self.endpoints.len() as u32;
        (connection / nodes, NodeId((connection % nodes) as u16))
    }
}
