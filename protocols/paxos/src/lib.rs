//! Paxos: agreement on one value, and a register that is written by one agreement after another.
//!
//! # What it is for
//!
//! Some servers, any of which may crash or be cut off, are to agree on *one* value that somebody proposed, and never to change their
//! mind. That is consensus, and single-decree Paxos (Lamport, "The Part-Time Parliament", 1998; "Paxos Made Simple", 2001, which
//! the comments of this crate call "the paper") is its classic solution: safe whatever is delayed, lost, repeated or restarted, and
//! live once one proposer is left alone for a while. No clock, no leader and no failure detector is needed for safety.
//!
//! # How it works
//!
//! **Three roles**, all played by every server here. A *proposer* wants a value chosen, *acceptors* choose it, *learners* find out.
//!
//! **Ballots.** A proposer numbers its attempts with ballots that nobody else uses and that can be compared ([`Ballot`]).
//!
//! **Phase 1, prepare.** The proposer asks all acceptors to *promise* to accept nothing below its ballot. An acceptor that promises
//! tells the value that it accepted last, and at which ballot. `acceptor.rs`.
//!
//! **Phase 2, accept.** With promises of a quorum the proposer proposes the value that came with the *highest* ballot among the
//! answers, and only if there was none its own. An acceptor accepts unless it has promised a higher ballot. A value that a quorum
//! accepted at one ballot is *chosen*. `proposer.rs`.
//!
//! **Why it is safe.** Let a value be chosen at ballot b. Every phase-1 quorum shares an acceptor with the quorum that accepted it. For
//! the lowest ballot above b that reaches phase 2, this acceptor either answered before it accepted, and then its promise forbade it to
//! accept at b, or it tells the value, with b as the highest ballot. So that proposal has the same value, and by induction all
//! later ones have. What matters is that *prepare* quorums meet *accept* quorums; two of a kind need not meet. Hence flexible quorums
//! (Howard, Malkhi & Spiegelman 2016): of five, four may prepare and two accept. [`Settings::prepare_quorum`].
//!
//! **Why it may not end.** Two proposers can overtake each other for ever (Fischer, Lynch & Paterson 1985 say that something like
//! it is unavoidable). Whoever is refused waits for a random time that doubles.
//!
//! **A register on it.** One key is a chain of decisions: version 1, 2, 3 of it are each chosen by an instance of their own, and
//! instance n + 1 is open once n is decided. A write or compare-and-set looks at the decided value and proposes the next one; if
//! another value is chosen there, it looks again and goes on. A value carries the ballot at which it was first proposed, its *author*,
//! and the authors of the versions before it, so that who comes late can tell whether the value was chosen meanwhile or never will be:
//! without that, a repeated write would be executed twice, or a chosen one reported as failed. [`Value`].
//!
//! **Reads** write nothing if nobody writes: a quorum tells its latest decided version. If one of them has accepted a value for the next
//! version, it may be chosen already; then the read waits a little, and in the end completes that instance itself. Leaving
//! this out is a famous mistake (CASSANDRA-12126).
//!
//! **The disk.** Promises and accepted values survive a crash; the answer waits for the disk (`Out::send`). A prepare promises
//! nothing and leaves at once; that its ballot is never used again after a crash is ensured by a counter of the server's lives, which is
//! durable before the first proposal. What is decided need not be written: it can be learned again. `server.rs`.
//!
//! # What must hold
//!
//! The contract of consensus for every instance: *agreement* (no two servers learn different values), *validity* (it was proposed),
//! *integrity* (a server learns once), *termination* (when the faults end); and of Paxos itself that promises do not go back and a ballot has
//! one value: [`oracle`]. [`BUGS`] lists what people got wrong; each is one `if` that can be switched on.
//!
//! # What is left out
//!
//! - a distinguished proposer: with one, phase 1 is done once for many instances (Multi-Paxos);
//! - changes of membership. A server whose disk was emptied comes back under its old name, proposes and answers clients, but has no vote for
//!   good: what it had promised and accepted is forgotten ([`proto::Recovered::replaced`]). "Paxos Made Live" (Chandra, Griesemer &
//!   Redstone 2007, §5.1) lets it vote again once it has seen an instance that began after its return; that a message of an
//!   older ballot is not still under way then is an assumption about time, which single-decree Paxos does without;
//! - separate learners, and telling them by all acceptors at once (saves one message delay, costs n² messages).
//!
//! # The map
//!
//! [`PaxosRegister`] is the cluster, [`Settings`] what can be chosen; [`Server`] and [`Client`] are the actors; [`Message`] what they say;
//! [`Register`] what an acceptor keeps of a key, [`Value`] and [`Ballot`] what it is made of.

mod acceptor;
mod ballot;
mod bugs;
mod client;
mod marks;
mod message;
pub mod oracle;
mod proposer;
mod protocol;
mod server;
mod settings;

pub use acceptor::{Register, Verdict};
pub use ballot::{Ballot, Value};
pub use bugs::{BUGS, Planted};
pub use client::Client;
pub use marks::MARKS;
pub use message::{Answer, Message};
pub use protocol::PaxosRegister;
pub use server::{Event, Server};
pub use settings::{MAX_NODES, Settings};
