//! What a relay costs: round trips over one link with and without it.
//!
//!     cargo run --release -p assize-testbed --example relay_cost [PAYLOAD_BYTES]
//!
//! A round trip crosses the relay twice (there and back), so a message one way pays half of the difference.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use base::{NodeId, Seed};
use proto::wire::{self, Kind};
use testbed::{Framing, Relay, Route};

/// A pace that leaves the machine idle between messages, as a lightly loaded cluster does.
const PACE: Duration = Duration::from_micros(500);
const ROUND_TRIPS: usize = 6_000;
const BULK: usize = 400_000;

fn main() {
    let payload: usize = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(256);
    let target = echo_server();
    let route = Route { from: NodeId(0), to: NodeId(1), target };
    let relay = Relay::start(&[route], Framing::Frames, Seed(1)).expect("a relay");
    let through = relay.addresses()[0];
    println!("payload {payload} B, {ROUND_TRIPS} round trips, one every {PACE:?}; direct and relayed in turn");
    for _ in 0..3 {
        let direct = round_trips(target, payload);
        let before = relay_cpu();
        let relayed = round_trips(through, payload);
        let cpu = relay_cpu() - before;
        let added = |share: f64| {
            (percentile(&relayed, share).as_nanos() as f64 - percentile(&direct, share).as_nanos() as f64) / 2e3
        };
        println!(
            "direct p50 {:?} p99 {:?}   relayed p50 {:?} p99 {:?}   added one way p50 {:.1} us p99 {:.1} us   relay CPU {:.2} us a frame",
            percentile(&direct, 0.5),
            percentile(&direct, 0.99),
            percentile(&relayed, 0.5),
            percentile(&relayed, 0.99),
            added(0.5),
            added(0.99),
            cpu.as_nanos() as f64 / 1e3 / (2 * ROUND_TRIPS) as f64,
        );
    }
    let before = relay_cpu();
    let began = Instant::now();
    bulk(through, payload);
    let took = began.elapsed();
    let cpu = (relay_cpu() - before).as_nanos() as f64 / (2 * BULK) as f64;
    println!("bulk: {:.0} frames/s each way, relay CPU {cpu:.0} ns a frame", BULK as f64 / took.as_secs_f64());
}

fn round_trips(address: SocketAddr, payload: usize) -> Vec<Duration> {
    let mut socket = connect(address);
    let mut frame = Vec::new();
    wire::put_frame(&mut frame, Kind::Message, &vec![1; payload]);
    let mut answer = vec![0; frame.len()];
    let mut times = Vec::with_capacity(ROUND_TRIPS);
    let mut due = Instant::now();
    for _ in 0..ROUND_TRIPS {
        due += PACE;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let sent = Instant::now();
        socket.write_all(&frame).expect("write");
        socket.read_exact(&mut answer).expect("read");
        times.push(sent.elapsed());
    }
    times.sort_unstable();
    times
}

fn bulk(address: SocketAddr, payload: usize) {
    let mut socket = connect(address);
    let mut frame = Vec::new();
    wire::put_frame(&mut frame, Kind::Message, &vec![1; payload]);
    let batch = frame.repeat(32);
    let mut writer = socket.try_clone().expect("a second handle");
    let sender = std::thread::spawn(move || (0..BULK / 32).for_each(|_| writer.write_all(&batch).expect("write")));
    let mut left = BULK / 32 * 32 * frame.len();
    let mut buffer = vec![0; 256 << 10];
    while left > 0 {
        left -= socket.read(&mut buffer).expect("read");
    }
    sender.join().expect("the sender");
}

fn connect(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(address).expect("connect");
    socket.set_nodelay(true).expect("no delay");
    socket
}

fn echo_server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("listen");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for mut socket in listener.incoming().flatten() {
            std::thread::spawn(move || {
                socket.set_nodelay(true).expect("no delay");
                let mut buffer = vec![0; 256 << 10];
                while let Ok(read @ 1..) = socket.read(&mut buffer) {
                    socket.write_all(&buffer[..read]).expect("echo");
                }
            });
        }
    });
    address
}

/// CPU time of the relay's thread.
fn relay_cpu() -> Duration {
    let tasks = std::fs::read_dir("/proc/self/task").expect("our threads").flatten();
    let mut relays =
        tasks.filter(|task| std::fs::read_to_string(task.path().join("comm")).is_ok_and(|name| name.trim() == "relay"));
    let task = relays.next().expect("the relay's thread");
    // schedstat: nanoseconds on a CPU, nanoseconds waiting for one, time slices.
    let text = std::fs::read_to_string(task.path().join("schedstat")).expect("scheduler statistics");
    Duration::from_nanos(text.split_whitespace().next().and_then(|field| field.parse().ok()).unwrap_or(0))
}

fn percentile(sorted: &[Duration], share: f64) -> Duration {
    sorted[((sorted.len() - 1) as f64 * share) as usize]
}
