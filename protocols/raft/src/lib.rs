//! Raft
mod bugs;
mod client;
mod election;
mod log;
mod message;
pub mod oracle;
mod progress;
mod protocol;
mod read;
mod replica;
mod replication;
mod settings;
#[cfg(test)]
mod tests;

pub use bugs::{BUGS, Planted};
pub use client::Client;
pub use log::{Entry, EntryKind, Log};
pub use message::{Answer, Message};
pub use progress::{Progress, Sending};
pub use protocol::{Raft, RaftKv};
pub use replica::Replica;
pub use settings::{MAX_NODES, Settings};
