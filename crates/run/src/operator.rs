//! The operator of a run: asks the system for what its schedule says, beside the load and the faults.
//!
//! It drives one client of its own over plain sockets, one action after another. What came of each is recorded as an operation
//! of its own kind, which checkers of objects never see.

use std::collections::BTreeMap;
use std::io::{ErrorKind as Io, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use base::{NodeId, Time};
use history::{Action, AdminOperation, Completion, ErrorKind};
use plan::Table;
use proto::client::{Client, Effect, Effects};
use proto::{Target, TimerId, Token};

/// One action at its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planned {
    /// From the start of the load phase.
    pub at: Duration,
    /// What is asked.
    pub action: Action,
}

impl Planned {
    /// Reads the entries `[[admin.at]]`, sorted by time. `nodes`: how many there are.
    pub fn from_plan(admin: &Table<'_>, load: Duration, nodes: usize) -> Vec<Planned> {
        let mut planned: Vec<Planned> =
            admin.tables("at").iter().filter_map(|entry| read(entry, load, nodes)).collect();
        planned.sort_by_key(|planned| planned.at);
        planned
    }
}

fn read(entry: &Table<'_>, load: Duration, nodes: usize) -> Option<Planned> {
    let (at, text) = (entry.need::<Duration>("at"), entry.need::<String>("do"));
    let (at, text) = (at?, text?);
    if at >= load {
        entry.error("at", format!("`{}.at` is after the end of the load phase", entry.path()), "ask for it earlier");
    }
    let known = |node: NodeId| node.index() < nodes;
    let action = text.parse::<Action>().and_then(|action| match action {
        Action::Members(members) if !members.iter().all(known) => Err(format!("there are {nodes} nodes")),
        Action::Transfer(node) if !known(node) => Err(format!("there are {nodes} nodes")),
        action => Ok(action),
    });
    match action {
        Ok(action) => Some(Planned { at, action }),
        Err(wrong) => {
            entry.error("do", wrong, "write `members n1 n2 n3`, `transfer n2` or `compact`");
            None
        }
    }
}

/// A client, its connections and its timers.
pub struct Operator {
    client: Box<dyn Client>,
    endpoints: Vec<SocketAddr>,
    streams: Vec<Option<TcpStream>>,
    received: Vec<Vec<u8>>,
    timers: BTreeMap<TimerId, Instant>,
    epoch: Instant,
    asked: u32,
}

/// How long an operator waits for what it asked. Servers may have to catch up, and leaders to be found.
pub const ADMIN: Duration = Duration::from_secs(8);
/// How long a connection may take to be made.
const DIAL: Duration = Duration::from_millis(200);
/// How long it sleeps when nothing happens.
const NAP: Duration = Duration::from_millis(2);

impl Operator {
    /// An operator of the system behind `endpoints`; times count from `epoch`.
    pub fn new(client: Box<dyn Client>, endpoints: Vec<SocketAddr>, epoch: Instant) -> Self {
        let nodes = endpoints.len();
        let streams = (0..nodes).map(|_| None).collect();
        Operator {
            client,
            endpoints,
            streams,
            received: vec![Vec::new(); nodes],
            timers: BTreeMap::new(),
            epoch,
            asked: 0,
        }
    }

    /// Asks, and asks again what certainly did not happen, until it is done, unknown, or `limit` is over.
    pub fn perform(&mut self, action: Action, limit: Duration, over: &dyn Fn() -> bool) -> AdminOperation {
        let end = Instant::now() + limit;
        let mut operation = AdminOperation::begun(action, self.now());
        loop {
            let completion = self.attempt(action, end, over);
            let failed = completion.outcome == history::Outcome::Fail;
            if !failed || Instant::now() >= end || over() {
                operation.complete(completion, self.now());
                return operation;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Looks after the connections while nothing is asked: what breaks meanwhile must not be found out by the next action.
    pub fn idle(&mut self) {
        let mut effects = Effects::default();
        self.poll(&mut effects);
        self.carry_out(&mut effects, Token(0));
    }

    fn attempt(&mut self, action: Action, end: Instant, over: &dyn Fn() -> bool) -> Completion {
        self.asked += 1;
        let (token, mut effects) = (Token(self.asked), Effects::default());
        self.client.administer(self.now(), token, action, Target::Leader, &mut effects);
        loop {
            if let Some(completion) = self.carry_out(&mut effects, token) {
                return completion;
            }
            if Instant::now() >= end || over() {
                self.client.abandon(token, &mut effects);
                self.carry_out(&mut effects, token);
                return Completion::info(ErrorKind::Timeout);
            }
            if !self.poll(&mut effects) {
                std::thread::sleep(NAP);
            }
        }
    }

    fn now(&self) -> Time {
        Time(self.epoch.elapsed().as_nanos() as u64)
    }

    /// Does what the client wants; returns what came of the action if that is among it. What this in turn makes it want is done next.
    fn carry_out(&mut self, effects: &mut Effects, token: Token) -> Option<Completion> {
        let mut done = None;
        while !effects.effects.is_empty() {
            let Effects { effects: wishes, bytes } = std::mem::take(effects);
            for wish in wishes {
                match wish {
                    Effect::Write { node, start, end } => self.write(node, &bytes[start..end], effects),
                    Effect::Close(node) => self.streams[node.index()] = None,
                    Effect::Complete(of, completion) if of == token => done = Some(completion),
                    Effect::Complete(..) => {}
                    Effect::SetTimer(timer, after) => _ = self.timers.insert(timer, Instant::now() + after),
                    Effect::CancelTimer(timer) => _ = self.timers.remove(&timer),
                }
            }
        }
        done
    }

    fn write(&mut self, node: NodeId, bytes: &[u8], effects: &mut Effects) {
        let place = node.index();
        let fresh = self.streams[place].is_none();
        if fresh {
            self.received[place].clear();
            self.streams[place] = dial(self.endpoints[place]);
        }
        let Some(stream) = &mut self.streams[place] else {
            return self.client.lost(self.now(), node, true, effects);
        };
        if stream.write_all(bytes).is_err() {
            self.streams[place] = None;
            self.client.lost(self.now(), node, false, effects);
        }
    }

    /// Hands over what came and what is due; false if there was nothing.
    fn poll(&mut self, effects: &mut Effects) -> bool {
        let (mut busy, mut buffer) = (false, [0; 4096]);
        for place in 0..self.streams.len() {
            let (node, now) = (NodeId(place as u16), self.now());
            let Some(stream) = &mut self.streams[place] else { continue };
            match stream.read(&mut buffer) {
                Ok(count) if count > 0 => {
                    self.received[place].extend_from_slice(&buffer[..count]);
                    let used = self.client.receive(now, node, &self.received[place], effects);
                    self.received[place].drain(..used);
                }
                Err(error) if matches!(error.kind(), Io::WouldBlock | Io::Interrupted) => continue,
                _ => {
                    self.streams[place] = None;
                    self.client.lost(now, node, false, effects);
                }
            }
            busy = true;
        }
        let due = self.timers.iter().find(|(_, at)| **at <= Instant::now()).map(|(timer, _)| *timer);
        if let Some(timer) = due {
            self.timers.remove(&timer);
            self.client.timer(self.now(), timer, effects);
        }
        busy || due.is_some()
    }
}

/// A connection whose reads return at once. Requests are small: a write that blocks means that the node does not read.
fn dial(address: SocketAddr) -> Option<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, DIAL).ok()?;
    stream.set_nodelay(true).ok()?;
    stream.set_nonblocking(true).ok()?;
    Some(stream)
}
