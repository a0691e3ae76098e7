//! Links between nodes that share one address: every connection from one node to another runs through a relay that can cut,
//! lose and delay.
//!
//! One thread serves all n·(n-1) directed links. For each it listens where node i is told to dial node j, dials j, and moves
//! bytes both ways; each direction obeys the rule of its own link. With [`Framing::Frames`] it drops and delays whole frames of
//! [`proto::wire`], so the stream stays readable. With [`Framing::Bytes`] it knows nothing of the protocol: a cut holds bytes back
//! until it ends, and nothing can be lost.
//!
//! How this differs from a packet filter:
//! - the kernel accepts connections on behalf of a node that cannot be reached: to the dialler it looks like a connection
//!   that is never answered. The other side is dialled once both directions are open again;
//! - a dropped frame is never retransmitted by TCP, so after a cut without reset the receiver sees a gap instead of a late copy;
//! - a connection that ends during a cut ends for the other side only after it, as a lost FIN would;
//! - the hello frame, which sets a connection up, is held through a cut and never lost.

mod event_loop;
mod flow;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use base::{NodeId, Seed};
use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::OwnedFd;

use crate::error::{Context, Error, Result};
use crate::evidence::LinkCounters;
use event_loop::EventLoop;
use fault::LinkRule;

/// What the relay may cut between.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// Frames of [`proto::wire`].
    #[default]
    Frames,
    /// Any bytes: nothing can be dropped, only held and delayed.
    Bytes,
}

/// A route to relay: connections of `from` to one port of `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// The dialling node.
    pub from: NodeId,
    /// The node that is dialled.
    pub to: NodeId,
    /// Where `to` listens.
    pub target: SocketAddr,
}

/// The relay thread of one testbed. Dropping it closes every connection.
pub struct Relay {
    commands: Mutex<Sender<Command>>,
    wake: Arc<OwnedFd>,
    /// Directed links in order of (from, to).
    links: Vec<(NodeId, NodeId)>,
    tallies: Arc<[Tally]>,
    addresses: Vec<SocketAddr>,
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    /// Listens on a port of 127.0.0.1 for each route and starts the thread. `seed` decides over loss and jitter.
    pub fn start(routes: &[Route], framing: Framing, seed: Seed) -> Result<Self> {
        let mut links: Vec<(NodeId, NodeId)> =
            routes.iter().flat_map(|route| [(route.from, route.to), (route.to, route.from)]).collect();
        links.sort_unstable();
        links.dedup();
        let tallies: Arc<[Tally]> = links.iter().map(|_| Tally::default()).collect();
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .context(|| "make an event handle".to_string())?;
        let wake = Arc::new(wake);
        let (commands, inbox) = mpsc::channel();
        let mut addresses = Vec::with_capacity(routes.len());
        let mut event_loop = EventLoop::new(framing, seed, tallies.clone(), wake.clone(), inbox)
            .context(|| "start the relay".to_string())?;
        for route in routes {
            let listener = listen().context(|| "listen for a relay".to_string())?;
            addresses.push(listener.local_addr().context(|| "look up a relay's port".to_string())?);
            let (there, back) = (index(&links, route.from, route.to), index(&links, route.to, route.from));
            let added = event_loop.add_route(listener, route.target, [there.unwrap_or(0), back.unwrap_or(0)]);
            added.context(|| "watch a relay's port".to_string())?;
        }
        let thread = std::thread::Builder::new().name("relay".to_string()).spawn(move || event_loop.run());
        let thread = Some(thread.context(|| "start the relay thread".to_string())?);
        Ok(Relay { commands: Mutex::new(commands), wake, links, tallies, addresses, thread })
    }

    /// Where each route is dialled, in the order of the routes.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Puts rules in force, all between two events of the relay; returns when they are. With `reset`, connections over these
    /// links are reset.
    pub fn set_rules(&self, changes: &[(NodeId, NodeId, LinkRule)], reset: bool) -> Result<()> {
        let unknown = |from, to| Error::State(format!("there is no link {from} → {to}"));
        let rules: Result<Vec<(usize, LinkRule)>> = changes
            .iter()
            .map(|(from, to, rule)| Ok((index(&self.links, *from, *to).ok_or_else(|| unknown(*from, *to))?, *rule)))
            .collect();
        let (done, answer) = mpsc::channel();
        self.send(Command::Rules { rules: rules?, reset, done })?;
        answer.recv().map_err(|_| gone())
    }

    /// Frames (or chunks of bytes) counted on each link since the start, in order of (from, to).
    pub fn counters(&self) -> Vec<(NodeId, NodeId, LinkCounters)> {
        self.links.iter().zip(self.tallies.iter()).map(|((from, to), tally)| (*from, *to, tally.read())).collect()
    }

    fn send(&self, command: Command) -> Result<()> {
        let commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
        commands.send(command).map_err(|_| gone())?;
        rustix::io::write(&*self.wake, &1u64.to_ne_bytes()).context(|| "wake the relay".to_string())?;
        Ok(())
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.send(Command::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

enum Command {
    Rules { rules: Vec<(usize, LinkRule)>, reset: bool, done: Sender<()> },
    Stop,
}

/// Counters of one link, written by the relay thread alone, read at any time.
#[derive(Default)]
struct Tally {
    forwarded: AtomicU64,
    dropped: AtomicU64,
    delayed: AtomicU64,
    held: AtomicU64,
    dropped_bytes: AtomicU64,
    resets: AtomicU64,
}

impl Tally {
    fn read(&self) -> LinkCounters {
        LinkCounters {
            forwarded: self.forwarded.load(Relaxed),
            dropped: self.dropped.load(Relaxed),
            delayed: self.delayed.load(Relaxed),
            held: self.held.load(Relaxed),
            dropped_bytes: self.dropped_bytes.load(Relaxed),
            resets: self.resets.load(Relaxed),
        }
    }
}

/// Adds without the cost of an atomic read-modify-write: there is one writer.
fn add(counter: &AtomicU64, amount: u64) {
    counter.store(counter.load(Relaxed) + amount, Relaxed);
}

fn index(links: &[(NodeId, NodeId)], from: NodeId, to: NodeId) -> Option<usize> {
    links.binary_search(&(from, to)).ok()
}

fn gone() -> Error {
    Error::State("the relay thread is gone".to_string())
}

/// The listener lives as long as the relay, so an ephemeral port will do.
fn listen() -> io::Result<TcpListener> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}
