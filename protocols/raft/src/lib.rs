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
//! matching*, §5.3). When the logs agree, appends are pipelined in a window; until then one is sent at a time. Commands that came together
//! stay together: the leader puts them in one buffer, which its log, its disk, the messages to all followers and their logs and disks
//! share, so that most of what an entry costs beyond its bytes is paid once a batch. `replication.rs`, `progress.rs`, `log.rs`.
//!
//! **Commitment.** An entry *of the leader's own term* that a majority holds on disk is committed, and with it everything before
//! (§5.4.2). An entry of an earlier term may be on a majority and still be overwritten: figure 8 of the paper is the most
//! instructive picture in it. Hence a new leader begins with an empty entry of its own. Committed entries are applied and their
//! clients answered.
//!
//! **Reads** change nothing and need no log entry. The leader notes its commit index, asks a majority "do I still lead?", and
//! answers when they have said yes since (*ReadIndex*, dissertation §6.4). One round serves all reads that came together, and its
//! number keeps a late answer from confirming a later round. A follower asked to answer itself gets such an index from the
//! leader and waits until it has applied it. With a bound on how much faster one clock runs than another, a leader need not ask: whoever
//! answered its last heartbeat elects nobody for an election timeout, so that it holds a *lease* for nearly as long (§6.4.1). `read.rs`.
//!
//! **Snapshots.** A log that only grows fills the disk, and a new server would have to repeat the cluster's life. So the state machine is
//! written down now and then, with the index of its last entry, and the log before it is forgotten (paper §7). A follower that needs what is
//! gone gets the snapshot, in chunks, and goes on from there. The order of writes is all: the log goes when the snapshot is durable,
//! and a snapshot that came from a leader replaces the log in two writes, between which a crash must find its way. `snapshot.rs`.
//!
//! **Members** change while the cluster works. If every server switched from the old members to the new ones at its own time, a majority of
//! the one and a majority of the other could decide apart. One server more or less is harmless, since such majorities share a server. A
//! larger change goes through a *joint* step in which both must agree (dissertation §4.3). A change is an entry of the log, in force from the
//! moment it is there: waiting until it is committed would let a server count by rules that others have left. It may be
//! overwritten, and then is in force no more; hence one change at a time, and none before the leader has committed an entry of its own
//! term. New servers *learn* before they vote (§4.2.1), and a leader that is no member any more hands over and leaves. `members.rs`,
//! `admin.rs`.
//!
//! **Handing over.** A leader about to be stopped need not cost an election timeout: it takes no more commands, brings its heir up to date, and
//! tells it to campaign at once (§3.10). The heir's requests say so, for otherwise nobody who hears from a leader would listen. If the
//! heir does not take over in time the leader goes on, but without leases: the heir may still campaign. `admin.rs`.
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
//! Election safety, leader append-only, log matching, leader completeness, state-machine safety: [`oracle`] checks them, the contract of
//! consensus, and what snapshots and members owe, after every step in the simulated world. [`BUGS`] lists what people got wrong; each is one `if` that can be switched on.
//!
//! # What is left out
//!
//! - a server whose disk was emptied coming back as if nothing had happened: it has forgotten its votes. It must be taken out of the members
//!   first, and added again. [`proto::Recovered::replaced`] is not looked at: [`Survives::wiped`](proto::Survives) is 0, so the simulated
//!   world gives no member an empty disk, and the real runtime is never told that a disk is another;
//! - witnesses (members without a state), priorities of candidates, snapshots written beside the work or as a difference to the last one;
//! - telling servers that were taken out that they were: they look for a leader in vain, and disturb nobody (pre-vote);
//! - exactly-once sessions (§6.3): a client does not repeat what may have happened, and its channel must not repeat messages (TCP
//!   does not). Channels between servers may lose, repeat and reorder;
//! - forwarding of commands by followers: the client goes to the leader itself.
//!
//! # The map
//!
//! [`RaftKv`] is the key-value store, [`Raft`] the cluster of any [`proto::Service`]; [`Settings`] what can be chosen; [`Replica`] and
//! [`Client`] the actors; [`Message`] what they say; [`Log`], [`Entry`], [`Snapshot`] and [`Members`] what they keep.

mod admin;
mod bugs;
mod client;
mod election;
mod log;
mod marks;
mod members;
mod message;
pub mod oracle;
mod progress;
mod protocol;
mod read;
mod replica;
mod replication;
mod settings;
mod snapshot;
#[cfg(test)]
mod tests;

pub use bugs::{BUGS, Planted};
pub use client::Client;
pub use log::{Entry, EntryKind, Log};
pub use marks::MARKS;
pub use members::Members;
pub use message::{Answer, Message};
pub use progress::{Progress, Sending};
pub use protocol::{Raft, RaftKv};
pub use replica::Replica;
pub use settings::{MAX_NODES, Settings};
pub use snapshot::Snapshot;
