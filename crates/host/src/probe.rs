//! What an operator sees of a node from outside, and how to ask for it.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use proto::wire::{self, Hello, Kind};
use serde::{Deserialize, Serialize};

/// A node as seen from outside: what its actor says of itself, and what its runtime has counted since the process started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// The node: `n1`.
    pub node: String,
    /// Its role in the protocol's words: `leader`.
    pub role: String,
    /// The epoch in which it has the role.
    pub epoch: u64,
    /// The actor's gauges.
    pub gauges: BTreeMap<String, u64>,
    /// Microseconds since the node started.
    pub uptime_us: u64,
    /// Processor time of the whole process, all threads, user and system, in microseconds.
    pub cpu_us: u64,
    /// Syncs that made writes durable.
    pub fsyncs: u64,
    /// Bytes written to the log.
    pub appended_bytes: u64,
    /// Rounds of the loop.
    pub rounds: u64,
    /// Messages handed to the actor.
    pub received: u64,
    /// Messages that the actor sent.
    pub sent: u64,
    /// Messages that were dropped because a peer was away or too slow.
    pub dropped: u64,
    /// Connections that were closed because their bytes made no sense.
    pub malformed: u64,
    /// Connected clients, the asker included.
    pub clients: u64,
}

/// Asks the node at `addr` for its observation. Blocks for at most `timeout`.
pub fn probe(addr: SocketAddr, timeout: Duration) -> io::Result<Observed> {
    let deadline = Instant::now() + timeout;
    let mut stream = TcpStream::connect_timeout(&addr, timeout)?;
    stream.set_nodelay(true)?;
    let mut request = Vec::new();
    wire::put_frame(&mut request, Kind::Hello, &Hello::Client.encode());
    wire::put_frame(&mut request, Kind::Probe, &[]);
    stream.set_write_timeout(Some(timeout))?;
    stream.write_all(&request)?;
    let mut bytes = Vec::new();
    loop {
        if let Some(size) = wire::frame_size(&bytes).map_err(nonsense)? {
            let frame = base::Bytes::copy_from_slice(&bytes[..size]);
            match wire::open_frame(&frame).map_err(nonsense)? {
                (Kind::Observation, json) => return serde_json::from_slice(&json).map_err(nonsense),
                // A protocol may greet its clients; that is not for us.
                _ => drop(bytes.drain(..size)),
            }
            continue;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => bytes.extend_from_slice(&chunk[..n]),
        }
    }
}

fn nonsense(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
