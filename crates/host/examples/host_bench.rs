//! What the host costs: `cargo run --release -p assize-host --example host_bench [log|echo|put]...`
//!
//! - `log`: groups of 300-byte records made durable one after the other;
//! - `echo`: one node, 64 closed-loop clients, 256 bytes there and back, no disk;
//! - `put`: three nodes (processes), 64 closed-loop clients, 256-byte values, acknowledged when durable on a majority.
//!
//! CPU is that of the nodes, user and system; the load is one thread of this process.

#[path = "../tests/toy/mod.rs"]
mod toy;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base::{Bytes, NodeId};
use host::log::{Batch, Log, LogOptions};
use host::{Observed, Options};
use proto::DiskWrite;
use proto::wire::{self, Kind};
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use toy::{Caller, Toy};

const CLIENTS: usize = 64;
const SPAN: Duration = Duration::from_secs(3);

fn main() {
    let mut asked: Vec<String> = std::env::args().skip(1).collect();
    if asked.first().is_some_and(|word| word == "node") {
        return node(&asked[1..]);
    }
    if asked.is_empty() {
        asked = ["log", "echo", "put"].map(String::from).to_vec();
    }
    for what in asked {
        match what.as_str() {
            "log" => [1, 16, 64, 256].into_iter().for_each(log),
            "echo" => cluster("echo", 1, b'e'),
            "put" => cluster("put", 3, b'v'),
            other => eprintln!("`{other}` is none of `log`, `echo`, `put`"),
        }
    }
}

fn log(records: usize) {
    let dir = tempfile::tempdir_in(".").unwrap();
    let (mut log, _) = Log::open(dir.path(), LogOptions::default()).unwrap();
    let mut batch = Batch::new();
    let record = DiskWrite::Append(Bytes::from(vec![7; 300]));
    let start = Instant::now();
    let mut spans = Vec::new();
    while start.elapsed() < SPAN / 3 {
        let begin = Instant::now();
        (0..records).for_each(|_| batch.push(&record));
        log.commit(&mut batch).unwrap();
        spans.push(begin.elapsed());
    }
    let rate = (spans.len() * records) as f64 / start.elapsed().as_secs_f64();
    println!("log   {records:4} records a sync: {rate:9.0} records/s, sync {}", percentiles(&mut spans));
}

/// `node PLACE DIR`: waits for the addresses of all on standard input, after telling its own.
fn node(words: &[String]) {
    let place: usize = words[0].parse().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("{}", listener.local_addr().unwrap());
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    let addrs: Vec<SocketAddr> = line.split_whitespace().map(|addr| addr.parse().unwrap()).collect();
    let nodes = addrs.len();
    let mut options = Options::new(NodeId(place as u16), addrs[place], addrs, &words[1]);
    options.stop_on_stdin_eof = true;
    options.story = Box::new(std::io::sink());
    host::serve_on(listener, options, |me, disk, ctx| Box::new(Toy::boot(nodes, me, disk, ctx))).unwrap();
}

fn cluster(what: &str, nodes: usize, first: u8) {
    let dir = tempfile::tempdir_in(".").unwrap();
    let mut children: Vec<Child> = (0..nodes)
        .map(|place| {
            Command::new(std::env::current_exe().unwrap())
                .args(["node", &place.to_string(), dir.path().join(place.to_string()).to_str().unwrap()])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    let mut addrs = Vec::new();
    for child in &mut children {
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        addrs.push(line.trim().to_owned());
    }
    for child in &mut children {
        writeln!(child.stdin.as_mut().unwrap(), "{}", addrs.join(" ")).unwrap();
    }
    let addrs: Vec<SocketAddr> = addrs.iter().map(|addr| addr.parse().unwrap()).collect();
    load(addrs[0], first, Duration::from_millis(500));
    let before: Vec<_> = addrs.iter().map(|addr| host::probe(*addr, SPAN).unwrap()).collect();
    let (mut spans, elapsed) = load(addrs[0], first, SPAN);
    let after: Vec<_> = addrs.iter().map(|addr| host::probe(*addr, SPAN).unwrap()).collect();
    let count = spans.len() as f64;
    let used = |of: fn(&Observed) -> u64| {
        let each = before.iter().zip(&after).map(|(before, after)| of(after) - of(before));
        each.sum::<u64>() as f64 / count
    };
    println!(
        "{what:5} {:9.0}/s, {}, node CPU {:.1} us each, {:.3} fsyncs, {:.2} rounds, {:.2} messages",
        count / elapsed.as_secs_f64(),
        percentiles(&mut spans),
        used(|seen| seen.cpu_us),
        used(|seen| seen.fsyncs),
        used(|seen| seen.rounds),
        used(|seen| seen.received),
    );
    for mut child in children {
        drop(child.stdin.take());
        child.wait().unwrap();
    }
}

/// Closed loop: each client asks again as soon as it is answered. Returns the latencies.
fn load(addr: SocketAddr, first: u8, span: Duration) -> (Vec<Duration>, Duration) {
    let mut request = Vec::new();
    wire::put_frame(&mut request, Kind::Message, &[first; 256]);
    let poll = epoll::create(CreateFlags::CLOEXEC).unwrap();
    let mut callers: Vec<_> = (0..CLIENTS).map(|_| Caller::dial(addr)).collect();
    let mut arrived = vec![0usize; CLIENTS];
    let mut asked = vec![Instant::now(); CLIENTS];
    let answer = if first == b'e' { request.len() } else { wire::HEADER + 2 };
    for (place, caller) in callers.iter_mut().enumerate() {
        epoll::add(&poll, &caller.stream, EventData::new_u64(place as u64), EventFlags::IN).unwrap();
        caller.stream.write_all(&request).unwrap();
    }
    let start = Instant::now();
    let mut spans = Vec::with_capacity(1 << 20);
    let mut events = Vec::with_capacity(CLIENTS);
    let mut bytes = [0; 4096];
    while start.elapsed() < span {
        events.clear();
        epoll::wait(&poll, rustix::buffer::spare_capacity(&mut events), None).unwrap();
        for event in &events {
            let place = event.data.u64() as usize;
            arrived[place] += callers[place].stream.read(&mut bytes).unwrap();
            if arrived[place] >= answer {
                arrived[place] -= answer;
                let now = Instant::now();
                spans.push(now - asked[place]);
                asked[place] = now;
                callers[place].stream.write_all(&request).unwrap();
            }
        }
    }
    (spans, start.elapsed())
}

fn percentiles(spans: &mut [Duration]) -> String {
    spans.sort_unstable();
    let at = |share: f64| base::units::show_duration(spans[((spans.len() - 1) as f64 * share) as usize]);
    format!("p50 {}, p99 {}", at(0.5), at(0.99))
}
