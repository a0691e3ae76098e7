//! What every system is asked to do, and what its replicas do with it.
//!
//! Three replicas, one thread, messages in memory. Clients have one proposal each under way; a client proposes again in the round after its last
//! one was applied at the leader. Proposals of a round are handed over one after another before the leader's output is taken, so that a
//! system makes what batches it can; messages are delivered round by round, first come first served. No disk, no sockets, no encoding, and
//! no ticks while measuring. A value is fresh bytes, eight of them its number. The log is cut every 65 536 values, but for the last 4 096.

use std::future::Future;

/// After so many applied values the log is cut.
pub const CUT_EVERY: u64 = 65_536;
/// So many values stay in it.
pub const KEEP: u64 = 4_096;

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Workload {
    pub clients: u64,
    /// Bytes of a value.
    pub size: usize,
}

/// A system that has been brought up.
pub trait System {
    /// Lets the clients propose until so many more values are applied at the leader.
    fn run(&mut self, workload: Workload, count: u64) -> impl Future<Output = ()>;

    /// Lets the followers hear what is committed, and tells what each replica has applied.
    fn settle(&mut self) -> impl Future<Output = [Digest; 3]>;
}

/// A state machine that is an order-sensitive hash of the numbers and sizes of its values.
///
/// Cheap on purpose: what is measured is how values get here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest {
    pub applied: u64,
    hash: u64,
}

impl Digest {
    pub fn apply(&mut self, value: &[u8]) {
        let number = u64::from_le_bytes(*value.first_chunk().expect("a value has a number"));
        self.applied += 1;
        self.hash = base::mix(self.hash, number ^ (value.len() as u64) << 48);
    }

    /// Whether it is time to cut the log.
    pub fn is_cut_due(&self) -> bool {
        self.applied.is_multiple_of(CUT_EVERY)
    }
}

/// A value: its number, and zeros up to its size.
pub fn value(number: u64, size: usize) -> Vec<u8> {
    let mut value = vec![0; size];
    value[..8].copy_from_slice(&number.to_le_bytes());
    value
}
