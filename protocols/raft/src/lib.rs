//! Raft: a replicated log, and the state machine on it.
//!
//! # What it is for
//!
//! Some servers are to behave like one that never fails: a command that was acknowledged is never lost, and everybody sees the
//! same order of commands, as long as a majority is up and can talk. Raft (Ongaro & Ousterhout, "In Search of an Understandable
//! Consensus Algorithm", 2014; Ongaro's dissertation "Consensus: Bridging Theory and Practice", 2014) does it with a *log*: the
//! servers agree on one sequence of entries, and each applies them in order to its copy of a deterministic state machine. "Paper"
//! and "dissertation" in the comments of this crate mean these two.
//!
//! # How it works
//!
//! **Terms.** Time is cut into terms, numbered upwards. A term has at most one leader. Every message carries its sender's term;
//! who hears of a later one moves to it and follows, and who hears from an earlier one says so (paper §5.1). So a leader that was
//! replaced while it was cut off learns of it from the first answer.
//!
//! **Election.** A follower that hears from no leader for a random while becomes a candidate: next term, a vote for itself, a
//! request to all. A server votes once a term, first come first served, and *only for a candidate whose log is at least as
//! up-to-date as its own* (§5.4.1). Two majorities share a server, so a term has one leader, and the leader has every committed
//! entry. Before a campaign a node asks whether it would win (*pre-vote*, dissertation §9.6), and who hears from a leader refuses
//! (*stickiness*, §4.2.3): a node that comes back from a partition disturbs nobody. A leader that hears from no majority for an
//! election timeout steps down (*check-quorum*, §6.2), so its clients stop waiting. `election.rs`.
//!
//! **Replication.** The leader appends commands to its log and sends them with the index and term of the entry before. A follower
//! that has another entry there refuses; the leader backs off, a whole term per exchange, until the logs agree, and what follows in
//! the follower's log is overwritten. By induction, two logs with the same term at an index are the same up to there (*log
//! matching*, §5.3). When the logs agree, appends are pipelined in a window; until then one is sent at a time. `replication.rs`,
//! `progress.rs`, `log.rs`.
//!
//! **Commitment.** An entry *of the leader's own term* that a majority holds on disk is committed, and with it everything before
//! (§5.4.2). An entry of an earlier term may be on a majority and still be overwritten: figure 8 of the paper is the most
//! instructive picture in it. Hence a new leader begins with an empty entry of its own. Committed entries are applied and their
//! clients answered.
//!
//! **Reads** change nothing and need no log entry. The leader notes its commit index, asks a majority "do I still lead?", and
//! answers when they have said yes since (*ReadIndex*, dissertation §6.4). One round serves all reads that came together, and its
//! number keeps a late answer from confirming a later round. A follower asked to answer itself gets such an index from the
//! leader and waits until it has applied it. `read.rs`.
//!
//! **The disk.** Term and vote (one blob, one write) and the log survive a crash; nothing else has to. What a server *promises* (a
//! vote, an acknowledged entry) waits for its disk: it is sent by `Out::send`, which waits for every write before it. What promises
//! nothing (heartbeats, the leader's entries, reads) leaves at once. The leader sends entries while its own disk still writes, and
//! counts itself when its disk reports (dissertation §10.2.1): one disk write is on the path of a commit, not two. `replica.rs`.
//!
//! **Clients** find the leader by its followers' hints and decide what is known of each operation: done, certainly not done, or
//! unknown. A command is repeated only when a node said, or the connection proves, that it was not executed. `client.rs`.
//!
//! # What must hold (paper figure 3)
//!
//! Election safety, leader append-only, log matching, leader completeness, state-machine safety: [`oracle`] checks them, and some
//! more, after every step in the simulated world. [`BUGS`] lists what people got wrong; each is one `if` that can be switched on.
//!
//! # What is left out
//!
//! - snapshots and log compaction (paper §7): the log grows for as long as the cluster lives;
//! - changes of membership (paper §6, dissertation §4), learners and witnesses, and with them a replication session id: a server whose
//!   disk was emptied must not come back under its old name;
//! - leadership transfer (§3.10), lease reads (§6.4.1), priorities of candidates;
//! - exactly-once sessions (§6.3): a client does not repeat what may have happened, and its channel must not repeat messages (TCP
//!   does not). Channels between servers may lose, repeat and reorder;
//! - forwarding of commands by followers: the client goes to the leader itself.
//!
//! # The map
//!
//! [`RaftKv`] is the key-value store, [`Raft`] the cluster of any [`proto::Service`]; [`Settings`] what can be chosen; [`Replica`] and
//! [`Client`] the actors; [`Message`] what they say; [`Log`] and [`Entry`] what they keep.

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
