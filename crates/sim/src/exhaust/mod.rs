//! Exhaustive search: every state that a small scope can reach, not the ones that a seed happened to visit.
//!
//! - [`Model`]: anything with states and steps. [`search`]: all of its states, breadth- or depth-first, on several threads.
//! - [`Cluster`]: the actors of a protocol as a model, within a [`Scope`]: so many servers and operations, so many crashes and
//!   timeouts, on a network that reorders, repeats or loses.
//! - [`ladder`]: small scopes that suit any protocol of registers, and [`climb`], which tries one after the other.
//! - [`Report`]: how many states there are, whether that was all, and the [`Counterexample`] if a property is broken.
//!
//! What is kept of a state that was expanded is sixteen bytes: its fingerprint and its parent's, in a [`store`](self::store).
//! A counterexample is told by executing the path again. Two of n states have the same fingerprint with a probability of about
//! n² / 2⁶⁵ (10 million states: 1 in 370 000), and then what lies behind the second may be missed: [`Report::collision`]
//! says how likely that was.
//!
//! The participants of a cluster are in few states of their own, however many states they make together. So each is kept
//! once, and a state of the cluster is a list of numbers (COLLAPSE, as in G. Holzmann, *State Compression in SPIN*, 1997); what a
//! participant does with an input is computed once, too, and remembered.
//!
//! Of the orders in which the same things can happen only those are left out that cannot matter: a message that its recipient would ignore
//! stays under way, since it might as well arrive later, or never. No step is independent for good: whoever takes one may still be
//! sent something by anybody. So every state is visited, but where two steps led to the same in both orders, one order is enough
//! ([`reduce`](self::reduce)). States that are alike but for the names of servers count as many.
//!
//! Only safety is decided: a state in which nothing goes on any more can be asked for, endless rounds cannot.

mod body;
mod cluster;
mod history;
mod intern;
mod ladder;
mod model;
mod players;
mod reduce;
mod scope;
mod search;
mod store;
mod tell;

pub use cluster::Cluster;
pub use ladder::{climb, ladder};
pub use model::{Broken, Counterexample, Limits, Model, Order, Report, Stopped};
pub use scope::{Disk, Invocations, Network, Scope};
pub use search::search;
