//! A toy system: answers lines after scripted times, and the client that speaks to it.
#![allow(dead_code, missing_docs)]

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::io::{ErrorKind as Io, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use base::{NodeId, Time};
use history::{Completion, ErrorKind, NIL, Request};
use proto::client::{Client, Effects};
use proto::{Target, Token};

/// Asks with `id argument\n` and expects `id\n`.
pub struct ToyClient {
    next: u64,
    concurrency: usize,
    waiting: BTreeMap<u64, (Token, NodeId)>,
}

impl ToyClient {
    pub fn new(concurrency: usize) -> Self {
        ToyClient { next: 0, concurrency, waiting: BTreeMap::new() }
    }
}

impl Client for ToyClient {
    fn invoke(&mut self, _now: Time, token: Token, request: &Request, target: Target, effects: &mut Effects) {
        let node = match target {
            Target::Node(node) | Target::Only(node) => node,
            Target::Leader => NodeId(0),
        };
        let id = self.next;
        self.next += 1;
        self.waiting.insert(id, (token, node));
        let padding = (request.size as usize).saturating_sub(8);
        effects.write(node, |bytes| {
            write!(bytes, "{id} {} ", request.argument).unwrap();
            bytes.resize(bytes.len() + padding, b'.');
            bytes.push(b'\n');
        });
    }

    fn abandon(&mut self, token: Token, _effects: &mut Effects) {
        self.waiting.retain(|_, (waiting, _)| *waiting != token);
    }

    fn receive(&mut self, _now: Time, _node: NodeId, bytes: &[u8], effects: &mut Effects) -> usize {
        let mut consumed = 0;
        while let Some(end) = bytes[consumed..].iter().position(|&byte| byte == b'\n') {
            let id: u64 = std::str::from_utf8(&bytes[consumed..consumed + end]).unwrap().parse().unwrap();
            consumed += end + 1;
            if let Some((token, _)) = self.waiting.remove(&id) {
                effects.complete(token, Completion::ok(NIL));
            }
        }
        consumed
    }

    fn lost(&mut self, _now: Time, node: NodeId, unsent: bool, effects: &mut Effects) {
        self.waiting.retain(|_, &mut (token, asked)| {
            if asked == node {
                effects.complete(
                    token,
                    if unsent {
                        Completion::fail(ErrorKind::Unreachable)
                    } else {
                        Completion::info(ErrorKind::Disconnected)
                    },
                );
            }
            asked != node
        });
    }

    fn concurrency(&self) -> usize {
        self.concurrency
    }
}

/// What the server does with a request.
#[derive(Clone, Copy)]
pub enum Reply {
    After(Duration),
    /// First one byte, and the rest 2 ms later.
    InTwoParts,
    Never,
    /// Closes the connection.
    Close,
}

/// When a server goes deaf, counted from its first request, and for how long.
#[derive(Clone, Copy)]
pub struct Stall {
    pub at: Duration,
    pub lasts: Duration,
}

pub struct Server {
    pub address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub fn start(script: impl Fn(u64) -> Reply + Send + 'static, stall: Option<Stall>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stop);
        let thread = std::thread::spawn(move || Loop::new(listener, script, stall).run(&seen));
        Server { address, stop, thread: Some(thread) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
    }
}

static ANSWERS: AtomicU64 = AtomicU64::new(0);
static LATE: AtomicU64 = AtomicU64::new(0);

/// The share of answers since the last call that the server gave later than its script says: then the script is not the truth.
pub fn late_share() -> f64 {
    LATE.swap(0, Ordering::Relaxed) as f64 / ANSWERS.swap(0, Ordering::Relaxed).max(1) as f64
}

/// Runs the calling thread before ordinary ones, where that is permitted: the machine may be busy.
fn run_first() {
    let parameters = libc::sched_param { sched_priority: 2 };
    // SAFETY: the call reads `parameters`, which lives until it returns; 0 is the calling thread.
    unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK, &parameters) };
}

struct Peer {
    stream: Option<TcpStream>,
    read: Vec<u8>,
}

struct Loop<F> {
    listener: TcpListener,
    script: F,
    stall: Option<Stall>,
    peers: Vec<Peer>,
    due: BinaryHeap<Reverse<(Instant, usize, u64)>>,
    first: Option<Instant>,
}

impl<F: Fn(u64) -> Reply> Loop<F> {
    fn new(listener: TcpListener, script: F, stall: Option<Stall>) -> Self {
        Loop { listener, script, stall, peers: Vec::new(), due: BinaryHeap::new(), first: None }
    }

    fn run(&mut self, stop: &AtomicBool) {
        run_first();
        let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1));
        while !stop.load(Ordering::Relaxed) {
            self.wait();
            if let (Some(stall), Some(first)) = (self.stall, self.first)
                && first.elapsed() >= stall.at
            {
                std::thread::sleep((first + stall.at + stall.lasts).saturating_duration_since(Instant::now()));
                self.stall = None;
            }
            while let Ok((stream, _)) = self.listener.accept() {
                stream.set_nonblocking(true).unwrap();
                stream.set_nodelay(true).unwrap();
                self.peers.push(Peer { stream: Some(stream), read: Vec::new() });
            }
            (0..self.peers.len()).for_each(|peer| self.read(peer));
            let now = Instant::now();
            while self.due.peek().is_some_and(|Reverse((at, ..))| *at <= now) {
                let Reverse((at, peer, id)) = self.due.pop().unwrap();
                ANSWERS.fetch_add(1, Ordering::Relaxed);
                LATE.fetch_add(u64::from(now.duration_since(at) > Duration::from_micros(150)), Ordering::Relaxed);
                if let Some(stream) = &mut self.peers[peer].stream {
                    let _ = stream.write_all(format!("{id}\n").as_bytes());
                }
            }
        }
    }

    fn wait(&mut self) {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let mut fds = vec![PollFd::new(&self.listener, PollFlags::IN)];
        let streams = self.peers.iter().filter_map(|peer| peer.stream.as_ref());
        fds.extend(streams.map(|stream| PollFd::new(stream, PollFlags::IN)));
        let mut wait = Duration::from_millis(20);
        if let Some(Reverse((at, ..))) = self.due.peek() {
            wait = wait.min(at.saturating_duration_since(Instant::now()));
        }
        let timeout = Timespec { tv_sec: 0, tv_nsec: wait.as_nanos() as i64 };
        let _ = poll(&mut fds, Some(&timeout));
    }

    fn read(&mut self, peer: usize) {
        let Some(stream) = &mut self.peers[peer].stream else { return };
        let mut buffer = [0; 1 << 16];
        match stream.read(&mut buffer) {
            Ok(0) => self.peers[peer].stream = None,
            Ok(count) => self.peers[peer].read.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == Io::WouldBlock => {}
            Err(_) => self.peers[peer].stream = None,
        }
        while let Some(end) = self.peers[peer].read.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = self.peers[peer].read.drain(..=end).collect();
            self.request(peer, std::str::from_utf8(&line).unwrap().trim_end());
        }
    }

    fn request(&mut self, peer: usize, line: &str) {
        let now = Instant::now();
        self.first.get_or_insert(now);
        let mut words = line.split(' ');
        let (id, argument) = (words.next().unwrap(), words.next().unwrap());
        match (self.script)(argument.parse().unwrap()) {
            Reply::After(service) => self.due.push(Reverse((now + service, peer, id.parse().unwrap()))),
            Reply::InTwoParts => {
                let stream = self.peers[peer].stream.as_mut().unwrap();
                let answer = format!("{id}\n");
                let _ = stream.write_all(&answer.as_bytes()[..1]);
                std::thread::sleep(Duration::from_millis(2));
                let _ = stream.write_all(&answer.as_bytes()[1..]);
            }
            Reply::Never => {}
            Reply::Close => self.peers[peer].stream = None,
        }
    }
}

/// Writes of ever new values.
pub struct Writes;

impl workload::Generator for Writes {
    fn request(&mut self, index: u64) -> Request {
        Request::write(0, index + 1)
    }

    fn final_reads(&self) -> Vec<Request> {
        vec![Request::read(0)]
    }
}
