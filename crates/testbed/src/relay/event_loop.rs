//! The relay's thread: sockets, readiness, time.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use base::{Rng, Seed};
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};

use super::flow::{Flow, Judge};
use super::{Command, Framing, Tally, add};
use fault::LinkRule;

const WAKE: u64 = u64::MAX;
const TIMER: u64 = u64::MAX - 1;
/// Listeners count from here, connections from 0.
const LISTENERS: u64 = 1 << 62;

/// The dialler's side of a connection, and the place of what it sent in `Connection::flows`.
const UP: usize = 0;
/// The side of the node that was dialled.
const DOWN: usize = 1;

pub(super) struct EventLoop {
    epoll: OwnedFd,
    timer: OwnedFd,
    wake: Arc<OwnedFd>,
    inbox: Receiver<Command>,
    began: Instant,
    /// When the timer will ring, in nanoseconds since `began`.
    alarm: Option<u64>,
    routes: Vec<(TcpListener, SocketAddr, [usize; 2])>,
    /// Ids only grow, so an event of a connection that is gone finds nothing.
    connections: BTreeMap<u64, Connection>,
    next_id: u64,
    links: Links,
}

/// What decides over traffic.
struct Links {
    framing: Framing,
    rules: Vec<LinkRule>,
    rngs: Vec<Rng>,
    tallies: Arc<[Tally]>,
}

struct Connection {
    id: u64,
    target: SocketAddr,
    /// What `UP` sent and what `DOWN` sent.
    flows: [Flow; 2],
    sides: [Side; 2],
    state: State,
}

struct Side {
    /// `None`: not dialled yet.
    socket: Option<TcpStream>,
    /// What epoll was told to watch.
    interest: EventFlags,
    /// Will send nothing more.
    ended: Option<Ending>,
    /// Was told that the other side will send nothing more.
    told: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Ending {
    /// In order.
    Closed,
    /// Reset, or failed: nothing can be written to it either.
    Broken,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    /// A direction is cut: a connection cannot be set up.
    Deferred,
    Dialling,
    Open,
    /// To be removed.
    Over,
}

impl EventLoop {
    pub fn new(
        framing: Framing,
        seed: Seed,
        tallies: Arc<[Tally]>,
        wake: Arc<OwnedFd>,
        inbox: Receiver<Command>,
    ) -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let timer =
            rustix::time::timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
        epoll::add(&epoll, &wake, EventData::new_u64(WAKE), EventFlags::IN)?;
        epoll::add(&epoll, &timer, EventData::new_u64(TIMER), EventFlags::IN)?;
        let count = tallies.len();
        let seed = seed.derive("relay");
        let rngs = (0..count).map(|link| seed.nth(link as u64).rng()).collect();
        let links = Links { framing, rules: vec![LinkRule::default(); count], rngs, tallies };
        let (routes, connections) = (Vec::new(), BTreeMap::new());
        Ok(EventLoop {
            epoll,
            timer,
            wake,
            inbox,
            began: Instant::now(),
            alarm: None,
            routes,
            connections,
            next_id: 0,
            links,
        })
    }

    /// `links`: the indices of the link there and the link back.
    pub fn add_route(&mut self, listener: TcpListener, target: SocketAddr, links: [usize; 2]) -> io::Result<()> {
        let token = LISTENERS + self.routes.len() as u64;
        epoll::add(&self.epoll, &listener, EventData::new_u64(token), EventFlags::IN)?;
        self.routes.push((listener, target, links));
        Ok(())
    }

    pub fn run(mut self) {
        let mut events: Vec<Event> = Vec::with_capacity(64);
        loop {
            events.clear();
            match epoll::wait(&self.epoll, spare_capacity(&mut events), None) {
                Ok(_) | Err(Errno::INTR) => {}
                // Only a bug makes epoll fail: end the thread, so that the next command reports it.
                Err(_) => return,
            }
            let now = self.now();
            for event in &events {
                match event.data.u64() {
                    WAKE => {
                        if self.obey(now).is_break() {
                            return;
                        }
                    }
                    TIMER => self.hear_alarm(),
                    token if token >= LISTENERS => self.accept((token - LISTENERS) as usize, now),
                    token => self.serve(token >> 1, (token & 1) as usize, event.flags, now),
                }
            }
            self.release(now);
        }
    }

    fn now(&self) -> u64 {
        self.began.elapsed().as_nanos() as u64
    }

    fn obey(&mut self, now: u64) -> std::ops::ControlFlow<()> {
        let mut count = [0; 8];
        let _ = rustix::io::read(&*self.wake, &mut count);
        while let Ok(command) = self.inbox.try_recv() {
            match command {
                Command::Stop => return std::ops::ControlFlow::Break(()),
                Command::Rules { rules, reset, done } => {
                    self.set_rules(&rules, reset, now);
                    // Nobody waiting is no reason to stop.
                    let _ = done.send(());
                }
            }
        }
        std::ops::ControlFlow::Continue(())
    }

    fn set_rules(&mut self, rules: &[(usize, LinkRule)], reset: bool, now: u64) {
        let mut broken = Vec::new();
        for (link, rule) in rules {
            let before = std::mem::replace(&mut self.links.rules[*link], *rule);
            if reset || (before.reset_on_heal && rule.is_clear()) {
                broken.push(*link);
            }
        }
        for connection in self.connections.values_mut() {
            if let Some(flow) = connection.flows.iter().find(|flow| broken.contains(&flow.link)) {
                add(&self.links.tallies[flow.link].resets, 1);
                connection.reset();
                continue;
            }
            connection.advance(&self.epoll, &mut self.links, now);
        }
        self.bury();
    }

    fn accept(&mut self, route: usize, now: u64) {
        let (listener, target, links) = &self.routes[route];
        // Errors concern the one connection, or pass: the listener stays.
        while let Ok((socket, _)) = listener.accept() {
            let prepared = socket.set_nonblocking(true).and_then(|()| socket.set_nodelay(true));
            if prepared.is_err() {
                continue;
            }
            let id = self.next_id;
            self.next_id += 1;
            let mut connection = Connection::new(id, *target, *links, socket);
            connection.advance(&self.epoll, &mut self.links, now);
            self.connections.insert(id, connection);
        }
        self.bury();
    }

    fn serve(&mut self, id: u64, side: usize, flags: EventFlags, now: u64) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.serve(side, flags, &self.epoll, &mut self.links, now);
        if connection.state == State::Over {
            self.connections.remove(&id);
        }
    }

    /// Writes what has become due and sets the alarm for what comes next.
    fn release(&mut self, now: u64) {
        let mut next = None;
        let mut over = false;
        for connection in self.connections.values_mut() {
            if connection.next_release().is_some_and(|due| due <= now) {
                connection.advance(&self.epoll, &mut self.links, now);
                over |= connection.state == State::Over;
            }
            next = [next, connection.next_release()].into_iter().flatten().min();
        }
        if over {
            self.bury();
        }
        if let Some(due) = next.filter(|due| self.alarm.is_none_or(|alarm| *due < alarm)) {
            self.set_alarm(due);
        }
    }

    fn set_alarm(&mut self, due: u64) {
        // Zero would disarm the timer.
        let left = Duration::from_nanos(due.saturating_sub(self.now()).max(1));
        let once = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) };
        let never = Timespec { tv_sec: 0, tv_nsec: 0 };
        let setting = Itimerspec { it_interval: never, it_value: once };
        if rustix::time::timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &setting).is_ok() {
            self.alarm = Some(due);
        }
    }

    fn hear_alarm(&mut self) {
        // Reading it makes the timer quiet again.
        let mut rings = [0; 8];
        let _ = rustix::io::read(&self.timer, &mut rings);
        self.alarm = None;
    }

    fn bury(&mut self) {
        self.connections.retain(|_, connection| connection.state != State::Over);
    }
}

impl Connection {
    fn new(id: u64, target: SocketAddr, links: [usize; 2], socket: TcpStream) -> Self {
        let side = |socket| Side { socket, interest: EventFlags::empty(), ended: None, told: false };
        let flows = links.map(Flow::new);
        Connection { id, target, flows, sides: [side(Some(socket)), side(None)], state: State::Deferred }
    }

    fn serve(&mut self, side: usize, flags: EventFlags, epoll: &OwnedFd, links: &mut Links, now: u64) {
        if side == DOWN && self.state == State::Dialling {
            self.finish_dialling();
        } else if self.sides[side].ended.is_none()
            && flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR)
        {
            self.read(side, links, now);
        } else if flags.intersects(EventFlags::HUP | EventFlags::ERR) {
            self.sides[side].forget(flags, epoll);
        }
        self.advance(epoll, links, now);
    }

    /// Does whatever can be done without waiting.
    fn advance(&mut self, epoll: &OwnedFd, links: &mut Links, now: u64) {
        if self.state == State::Deferred {
            self.dial(links);
        }
        for source in [UP, DOWN] {
            let flow = &mut self.flows[source];
            flow.release(now, links.rules[flow.link].cut, &links.tallies[flow.link]);
            self.write(source);
            self.pass_on_ending(source, links);
        }
        if self.state != State::Over {
            self.watch(UP, epoll);
            self.watch(DOWN, epoll);
        }
    }

    /// Dials the target if both directions are open: setting up a connection needs both.
    fn dial(&mut self, links: &Links) {
        if self.sides[UP].ended.is_some() {
            self.state = State::Over;
        } else if self.flows.iter().all(|flow| !links.rules[flow.link].cut) {
            match dial(self.target) {
                Ok(socket) => {
                    self.sides[DOWN].socket = Some(socket);
                    self.state = State::Dialling;
                }
                Err(_) => self.reset(),
            }
        }
    }

    fn finish_dialling(&mut self) {
        let outcome = self.sides[DOWN].socket.as_ref().map(sockopt::socket_error);
        match outcome {
            Some(Ok(Ok(()))) => self.state = State::Open,
            // Nobody listens: to the dialler, a connection that breaks at once.
            _ => self.reset(),
        }
    }

    fn read(&mut self, source: usize, links: &mut Links, now: u64) {
        let [up, down] = &mut self.sides;
        let (from, to) = if source == UP { (up, down) } else { (down, up) };
        let flow = &mut self.flows[source];
        let Some(mut socket) = from.socket.as_ref() else { return };
        let read = match socket.read(flow.space()) {
            Ok(0) => return from.ended = Some(Ending::Closed),
            Ok(read) => read,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => return,
            Err(_) => return from.ended = Some(Ending::Broken),
        };
        let writable = source == DOWN || self.state == State::Open;
        let link = flow.link;
        let (rule, rng, tally) = (&links.rules[link], &mut links.rngs[link], &links.tallies[link]);
        let mut judge = Judge { framing: links.framing, rule, rng, tally, now };
        let sorted = flow.sort(read, &mut judge, |bytes| if writable { to.write(bytes) } else { 0 });
        if sorted.is_err() {
            self.reset();
        }
    }

    /// Writes what `source` sent and is ready to its other side.
    fn write(&mut self, source: usize) {
        let sink = &mut self.sides[1 - source];
        let flow = &mut self.flows[source];
        if sink.ended == Some(Ending::Broken) {
            return flow.discard();
        }
        if source == UP && self.state != State::Open {
            return;
        }
        while !flow.ready().is_empty() {
            let written = sink.write(flow.ready());
            if written == 0 {
                return;
            }
            flow.written(written);
        }
    }

    /// Tells the other side that `source` has ended, once everything it sent is written. Through a cut no such news passes.
    fn pass_on_ending(&mut self, source: usize, links: &Links) {
        let flow = &self.flows[source];
        let Some(ending) = self.sides[source].ended else { return };
        if !flow.is_empty() || links.rules[flow.link].cut || matches!(self.state, State::Over | State::Dialling) {
            return;
        }
        if ending == Ending::Broken {
            return self.reset();
        }
        let sink = &mut self.sides[1 - source];
        if !sink.told {
            sink.told = true;
            if let Some(socket) = &sink.socket {
                let _ = socket.shutdown(Shutdown::Write);
            }
        }
        if self.sides.iter().all(|side| side.told) {
            self.state = State::Over;
        }
    }

    /// Ends the connection with a reset on both sides.
    fn reset(&mut self) {
        for side in &mut self.sides {
            if let Some(socket) = side.socket.take() {
                // Closing with a linger time of zero sends a reset instead of an orderly end.
                let _ = sockopt::set_socket_linger(&socket, Some(Duration::ZERO));
            }
        }
        self.state = State::Over;
    }

    /// Tells epoll what this side waits for now, if that has changed.
    fn watch(&mut self, side: usize, epoll: &OwnedFd) {
        let dialling = side == DOWN && self.state == State::Dialling;
        let mut wanted = EventFlags::empty();
        if dialling || !self.flows[1 - side].ready().is_empty() {
            wanted |= EventFlags::OUT;
        }
        if !dialling && self.sides[side].ended.is_none() && !self.flows[side].is_full() {
            wanted |= EventFlags::IN;
        }
        let token = EventData::new_u64(self.id << 1 | side as u64);
        self.sides[side].watch(epoll, token, wanted);
    }

    fn next_release(&self) -> Option<u64> {
        self.flows.iter().filter_map(Flow::next_release).min()
    }
}

impl Side {
    /// How many bytes the socket took: 0 if it is full, or broken.
    fn write(&mut self, bytes: &[u8]) -> usize {
        let Some(mut socket) = self.socket.as_ref() else { return 0 };
        match socket.write(bytes) {
            Ok(written) => written,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => 0,
            Err(_) => {
                self.ended = Some(Ending::Broken);
                0
            }
        }
    }

    fn watch(&mut self, epoll: &OwnedFd, token: EventData, wanted: EventFlags) {
        let Some(socket) = self.socket.as_ref() else { return };
        // Nothing is empty but the state before the first call: HUP and ERR are always reported.
        let wanted = if wanted.is_empty() { EventFlags::HUP } else { wanted };
        if wanted == self.interest || self.ended == Some(Ending::Broken) {
            return;
        }
        let told = if self.interest.is_empty() {
            epoll::add(epoll, socket, token, wanted)
        } else {
            epoll::modify(epoll, socket, token, wanted)
        };
        if told.is_ok() {
            self.interest = wanted;
        }
    }

    /// The peer will neither send nor receive. Epoll would report it again and again.
    fn forget(&mut self, flags: EventFlags, epoll: &OwnedFd) {
        if flags.contains(EventFlags::ERR) {
            self.ended = Some(Ending::Broken);
        }
        if let Some(socket) = &self.socket {
            let _ = epoll::delete(epoll, socket);
        }
    }
}

fn dial(target: SocketAddr) -> io::Result<TcpStream> {
    let family = if target.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    sockopt::set_tcp_nodelay(&socket, true)?;
    match rustix::net::connect(&socket, &target) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(socket.into()),
        Err(error) => Err(error.into()),
    }
}
