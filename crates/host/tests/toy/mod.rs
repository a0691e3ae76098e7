//! A toy for the host's tests and benchmark: node 1 orders values, every node keeps them, a majority acknowledges.
//!
//! Not a consensus protocol: the primary never changes. It uses the contract the way one would: entries leave at the end of a
//! batch while the own disk still writes, acknowledgements wait for the disk.
#![allow(dead_code, reason = "each user needs a part of it")]

use std::collections::{BTreeMap, VecDeque};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::thread::JoinHandle;
use std::time::Duration;

use base::{Bytes, NodeId};
use host::{HostError, Options, Stop, Stopper};
use proto::wire::{self, Hello, Kind};
use proto::{Actor, Address, Barrier, Context, Input, Observation, Recovered, TimerId};

const RESEND: TimerId = TimerId(0);

pub struct Toy {
    me: NodeId,
    nodes: usize,
    entries: Vec<Bytes>,
    durable: u64,
    barriers: VecDeque<(Barrier, u64)>,
    /// Of each node: what it has, and what was sent to it.
    has: Vec<u64>,
    told: Vec<u64>,
    acknowledged: u64,
    asked: BTreeMap<u64, Address>,
    lost: u64,
}

impl Toy {
    pub fn boot(nodes: usize, me: NodeId, disk: Recovered, ctx: &mut Context<'_, Bytes>) -> Self {
        let kept = disk.log.len() as u64;
        ctx.out.label(format!("has {kept} values"));
        ctx.out.set_timer(RESEND, Duration::from_millis(20));
        Toy {
            me,
            nodes,
            entries: disk.log,
            durable: kept,
            barriers: VecDeque::new(),
            has: vec![0; nodes],
            told: vec![kept; nodes],
            acknowledged: 0,
            asked: BTreeMap::new(),
            lost: 0,
        }
    }

    fn len(&self) -> u64 {
        self.entries.len() as u64
    }

    fn client(&mut self, ctx: &mut Context<'_, Bytes>, from: Address, message: Bytes) {
        match message.first() {
            Some(b'e') => ctx.out.send_now(from, message),
            Some(b'n') => ctx.out.send_now(from, Bytes::from(self.acknowledged.to_string())),
            Some(b'x') => ctx.out.halt("asked to"),
            _ => {
                self.asked.insert(self.len(), from);
                self.append(ctx, message);
            }
        }
    }

    fn append(&mut self, ctx: &mut Context<'_, Bytes>, value: Bytes) {
        self.entries.push(value.clone());
        let barrier = ctx.out.append(value);
        self.barriers.push_back((barrier, self.len()));
    }

    fn node(&mut self, ctx: &mut Context<'_, Bytes>, from: NodeId, message: &Bytes) {
        let number = u64::from_le_bytes(message[1..9].try_into().unwrap());
        if message[0] == b'k' {
            self.has[from.index()] = number;
            return self.acknowledge(ctx);
        }
        let mut rest = message.slice(9..);
        let mut index = number;
        while !rest.is_empty() && index <= self.len() {
            let size = u32::from_le_bytes(rest[..4].try_into().unwrap()) as usize;
            if index == self.len() {
                self.append(ctx, Bytes::copy_from_slice(&rest[4..4 + size]));
            }
            rest = rest.slice(4 + size..);
            index += 1;
        }
        let mut ack = vec![b'k'];
        ack.extend_from_slice(&self.len().to_le_bytes());
        ctx.out.send(Address::Node(from), ack.into());
    }

    fn replicate(&mut self, ctx: &mut Context<'_, Bytes>) {
        for node in NodeId::all(self.nodes).filter(|_| self.me == NodeId(0)).skip(1) {
            let len = self.len();
            let from = std::mem::replace(&mut self.told[node.index()], len);
            if from == len {
                continue;
            }
            let mut message = vec![b'a'];
            message.extend_from_slice(&from.to_le_bytes());
            for entry in &self.entries[from as usize..] {
                message.extend_from_slice(&(entry.len() as u32).to_le_bytes());
                message.extend_from_slice(entry);
            }
            // Safe: a follower's copy counts for itself, whatever becomes of ours.
            ctx.out.send_now(Address::Node(node), message.into());
        }
    }

    fn acknowledge(&mut self, ctx: &mut Context<'_, Bytes>) {
        self.has[self.me.index()] = self.durable;
        let mut sorted = self.has.clone();
        sorted.sort_unstable();
        let done = sorted[(self.nodes - 1) / 2];
        while self.acknowledged < done {
            if let Some(client) = self.asked.remove(&self.acknowledged) {
                ctx.out.send_now(client, Bytes::from_static(b"ok"));
            }
            self.acknowledged += 1;
        }
    }
}

impl Actor for Toy {
    type Message = Bytes;

    fn step(&mut self, ctx: &mut Context<'_, Bytes>, input: Input<Bytes>) {
        match input {
            Input::Message { from: Address::Node(node), message } => self.node(ctx, node, &message),
            Input::Message { from, message } => self.client(ctx, from, message),
            Input::Durable(barrier) => {
                while self.barriers.front().is_some_and(|(at, _)| *at <= barrier) {
                    self.durable = self.barriers.pop_front().unwrap().1;
                }
                self.acknowledge(ctx);
            }
            Input::Timer(_) => {
                if self.has.iter().any(|has| *has < self.len()) {
                    self.told.copy_from_slice(&self.has);
                }
                ctx.out.set_timer(RESEND, Duration::from_millis(20));
            }
            Input::BatchEnd => self.replicate(ctx),
            Input::Lost { .. } => self.lost += 1,
            _ => {}
        }
    }

    fn observe(&self) -> Observation {
        let role = if self.me == NodeId(0) { "primary" } else { "backup" };
        Observation { role, epoch: 1, gauges: vec![("values", self.len()), ("lost", self.lost)] }
    }
}

/// What stops a node, and how it ended.
pub type Running = (Stopper, JoinHandle<Result<(), HostError>>);

/// Nodes of this process, each on a thread.
pub struct Cluster {
    pub addrs: Vec<SocketAddr>,
    pub nodes: Vec<Option<Running>>,
}

impl Cluster {
    /// Starts `nodes` toys with their directories under `root`.
    pub fn start(root: &Path, nodes: usize) -> Self {
        let listeners: Vec<_> = (0..nodes).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let addrs: Vec<_> = listeners.iter().map(|listener| listener.local_addr().unwrap()).collect();
        let mut cluster = Cluster { addrs, nodes: (0..nodes).map(|_| None).collect() };
        for (node, listener) in listeners.into_iter().enumerate() {
            cluster.start_node(root, node, listener);
        }
        cluster
    }

    pub fn start_node(&mut self, root: &Path, node: usize, listener: TcpListener) {
        let (addrs, dir) = (self.addrs.clone(), root.join(format!("n{}", node + 1)));
        let (stopper, stop) = Stop::by_drop().unwrap();
        let thread = std::thread::spawn(move || {
            let options = options(node, addrs, &dir, stop);
            let nodes = options.peers.len();
            host::serve_on(listener, options, |me, disk, ctx| Box::new(Toy::boot(nodes, me, disk, ctx)))
        });
        self.nodes[node] = Some((stopper, thread));
    }

    /// Stops one node and returns how it ended.
    pub fn stop(&mut self, node: usize) -> Result<(), HostError> {
        let (stopper, thread) = self.nodes[node].take().expect("a node that runs");
        drop(stopper);
        thread.join().expect("a node that does not panic")
    }

    pub fn stop_all(mut self) {
        for node in 0..self.nodes.len() {
            if self.nodes[node].is_some() {
                self.stop(node).unwrap();
            }
        }
    }
}

pub fn options(node: usize, addrs: Vec<SocketAddr>, dir: &Path, stop: Stop) -> Options {
    let mut options = Options::new(NodeId(node as u16), addrs[node], addrs, dir);
    options.log.segment_size = 64 << 10;
    // Other tests run beside this one, and ports go around.
    options.cluster = base::Fingerprint::of(&dir.parent());
    options.story = Box::new(std::io::sink());
    options.stop = Some(stop);
    options
}

/// A client that speaks frames, one at a time or many at once.
pub struct Caller {
    pub stream: TcpStream,
    bytes: Vec<u8>,
}

impl Caller {
    pub fn dial(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut caller = Caller { stream, bytes: Vec::new() };
        caller.frame(Kind::Hello, &Hello::Client.encode());
        caller
    }

    pub fn frame(&mut self, kind: Kind, payload: &[u8]) {
        let mut frame = Vec::new();
        wire::put_frame(&mut frame, kind, payload);
        self.stream.write_all(&frame).unwrap();
    }

    pub fn say(&mut self, message: &[u8]) {
        self.frame(Kind::Message, message);
    }

    pub fn hear(&mut self) -> Vec<u8> {
        self.try_hear().expect("an answer within ten seconds")
    }

    pub fn try_hear(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(size) = wire::frame_size(&self.bytes).unwrap() {
                let frame: Vec<u8> = self.bytes.drain(..size).collect();
                return Some(frame[wire::HEADER..].to_vec());
            }
            let mut chunk = [0; 65536];
            match self.stream.read(&mut chunk) {
                Ok(0) | Err(_) => return None,
                Ok(n) => self.bytes.extend_from_slice(&chunk[..n]),
            }
        }
    }

    pub fn ask(&mut self, message: &[u8]) -> Vec<u8> {
        self.say(message);
        self.hear()
    }
}
