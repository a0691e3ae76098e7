//! Messages per CPU-second, on three fixed workloads, without a protocol worth the name:
//!
//! - *mesh*: 5 nodes; every node sends 16 bytes to each of the 4 others every 10 simulated ms; the receiver echoes them at once;
//! - *window*: 4 nodes keep 16 requests of 16 bytes under way to the fifth, which echoes each;
//! - *big*: mesh with 200 nodes.
//!
//! Latency is 1 to 10 ms, uniform; no loss; then again with every decision recorded and coverage noted. Prints the median of five runs of about two million messages, and the range.
//!
//! ```text
//! cargo run --release -p assize-sim --example messages [NAME]
//! ```

use std::time::Duration;

use base::{Bytes, NodeId, Seed};
use proto::{Actor, Address, Context, Input, Malformed, Message, Protocol, Recovered, TimerId};
use sim::{Network, Options, World};

const TICK: TimerId = TimerId(0);
const PERIOD: Duration = Duration::from_millis(10);
const WINDOW: usize = 16;

#[derive(Clone, Copy)]
enum Workload {
    Mesh,
    Window,
}

struct Echo {
    workload: Workload,
    nodes: usize,
}

/// 16 bytes that say whether they want an answer.
#[derive(Clone, Debug, Hash)]
struct Ping {
    wants_echo: bool,
    number: u64,
}

impl Message for Ping {
    fn encode(&self, buffer: &mut Vec<u8>) {
        buffer.push(u8::from(self.wants_echo));
        buffer.extend_from_slice(&self.number.to_le_bytes());
    }

    fn decode(bytes: &Bytes) -> Result<Self, Malformed> {
        let number = bytes.get(1..9).and_then(|word| word.try_into().ok()).map(u64::from_le_bytes);
        number.map(|number| Ping { wants_echo: bytes[0] == 1, number }).ok_or(Malformed("a short ping".into()))
    }

    fn kind(&self) -> &'static str {
        "ping"
    }
}

struct Server {
    workload: Workload,
    me: NodeId,
    nodes: usize,
    seen: u64,
}

impl Actor for Server {
    type Message = Ping;

    fn step(&mut self, ctx: &mut Context<'_, Ping>, input: Input<Ping>) {
        match input {
            Input::Message { from, message } if message.wants_echo => {
                ctx.out.send(from, Ping { wants_echo: false, number: message.number });
            }
            Input::Message { from, .. } => {
                self.seen += 1;
                if let Workload::Window = self.workload {
                    ctx.out.send(from, Ping { wants_echo: true, number: self.seen });
                }
            }
            Input::Timer(TICK) => {
                for peer in NodeId::all(self.nodes).filter(|peer| *peer != self.me) {
                    ctx.out.send(Address::Node(peer), Ping { wants_echo: true, number: self.seen });
                }
                ctx.out.set_timer(TICK, PERIOD);
            }
            _ => {}
        }
    }

    fn features(&self) -> u64 {
        self.seen & 1
    }
}

struct Client;

impl Actor for Client {
    type Message = Ping;

    fn step(&mut self, _ctx: &mut Context<'_, Ping>, _input: Input<Ping>) {}
}

impl Protocol for Echo {
    type Message = Ping;
    type Server = Server;
    type Client = Client;

    fn boot(&self, me: NodeId, _disk: Recovered, ctx: &mut Context<'_, Ping>) -> Server {
        match self.workload {
            Workload::Mesh => ctx.out.set_timer(TICK, ctx.rng.duration(Duration::ZERO..=PERIOD)),
            Workload::Window if me.0 > 0 => {
                (0..WINDOW).for_each(|_| ctx.out.send(Address::Node(NodeId(0)), Ping { wants_echo: true, number: 0 }));
            }
            Workload::Window => {}
        }
        Server { workload: self.workload, me, nodes: self.nodes, seen: 0 }
    }

    fn client(&self, _ctx: &mut Context<'_, Ping>) -> Client {
        Client
    }
}

fn main() {
    println!("{:<28}{:>14}{:>20}", "messages per CPU-second", "median", "range");
    for record in [false, true] {
        let note = if record { ", recorded and covered" } else { "" };
        report(&format!("mesh{note}"), || run(Workload::Mesh, 5, Duration::from_secs(500), record));
        report(&format!("window{note}"), || run(Workload::Window, 5, Duration::from_secs(180), record));
        report(&format!("big{note}"), || run(Workload::Mesh, 200, Duration::from_millis(250), record));
    }
}

fn report(name: &str, run: impl Fn() -> f64) {
    if std::env::args().nth(1).is_some_and(|only| only != name) {
        return;
    }
    let mut rates: Vec<f64> = (0..5).map(|_| run() / 1e6).collect();
    rates.sort_by(f64::total_cmp);
    println!("{name:<28}{:>12.1} M{:>12.1} – {:.1} M", rates[2], rates[0], rates[4]);
}

/// Messages per CPU-second of one run.
fn run(workload: Workload, nodes: usize, span: Duration, record: bool) -> f64 {
    let options = Options {
        seed: Seed(1),
        network: Network::reliable(),
        connections: false,
        record,
        coverage: record,
        ..Options::default()
    };
    let mut world = World::new(Echo { workload, nodes }, nodes, options);
    let before = cpu_seconds();
    world.run_for(span).expect("there is nothing to violate");
    world.messages() as f64 / (cpu_seconds() - before)
}

/// Time that this thread has spent on a processor (Linux).
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux tells the time of a thread");
    let nanos: f64 = text.split(' ').next().and_then(|word| word.parse().ok()).expect("a number of nanoseconds");
    nanos / 1e9
}
