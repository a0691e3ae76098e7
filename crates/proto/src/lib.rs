//! The contract of a specimen: what a participant of a protocol is handed and what it may answer.
//!
//! A participant is an [`Actor`]: a deterministic state machine that takes one [`Input`] at a time and answers with
//! [`Output`]s. It has no socket, clock, thread, file or global random number. The simulated world (`sim`) and the real
//! runtime (`host`) drive the same actors, which is what lets a find in one be shown in the other.
//!
//! - [`Actor`], [`Input`], [`Context`], [`Out`]: one participant.
//! - [`Protocol`]: all participants of a specimen: how servers and clients come up, and what it [`Survives`].
//! - [`bugs!`], [`Bug`]: its registry of planted bugs.
//! - [`marks!`]: its registry of rare paths.
//! - [`Oracle`]: an invariant over the servers, checked after every step in the simulated world.
//! - [`consensus`]: the oracles that every protocol which decides is held to.
//! - [`StateMachine`], [`Service`], [`kv`]: what consensus protocols replicate.
//! - [`Wired`]: the same actor with messages as bytes, so that runtimes are compiled once and not once a protocol.
//! - [`client`]: the contract between the load engine and whatever speaks to a system.
//! - [`codec`]: varints and shared payloads, of which encodings of messages are made.
//! - [`wire`]: frames on a connection, known to hosts, clients and the testbed's relays.

mod actor;
mod bugs;
pub mod client;
pub mod codec;
pub mod consensus;
pub mod kv;
mod marks;
mod out;
mod protocol;
mod records;
mod state_machine;
pub mod wire;
mod wired;

pub use actor::{
    Actor, Address, Context, Input, Malformed, Message, Now, Observation, Recovered, Target, TimerId, Token,
};
pub use bugs::Bug;
pub use out::{Barrier, DiskWrite, Out, Output};
pub use protocol::{Oracle, Parameters, Protocol, Survives};
pub use records::Records;
pub use state_machine::{Access, Service, StateMachine};
pub use wired::Wired;
