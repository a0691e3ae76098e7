//! For tests only.
//!
//! - [`timeline`]: a history as one draws it on a whiteboard.
//! - [`brute`]: models decided from their definitions, by trying every order.
//! - [`brute_consistency`]: models of registers that are weaker than linearizability, and random histories of them.
//! - [`brute_objects`]: the same for queues, stacks, sets, counters, locks, and random histories of them.
//! - [`brute_seen`]: the same for what is only seen: broadcasts, leaders, watchers.
//! - [`brute_promises`]: the same for banks, logs, deliveries, ids, forks and sums.
//! - [`brute_txn`]: isolation levels of transactions, likewise.
//! - [`every_history`], [`random_history`]: what checkers are compared on.
//! - [`available`]: whether a test that needs a program or root can run here; no skip goes unseen.
//! - [`codec`]: what every encoding of messages is held to.
//! - [`store_txn`]: what a store with transactions on registers does, in histories of any size.
//! - [`script`]: folders of scenarios, played and compared with what they say.

/// Models decided from their definitions, by trying every order. Only for small histories.
pub mod brute;
pub mod brute_consistency;
pub mod brute_objects;
pub mod brute_promises;
pub mod brute_seen;
pub mod brute_txn;
pub mod codec;
mod need;
pub mod script;
mod small;
pub mod store_txn;
mod timeline;

pub use need::available;
pub use small::{Mix, Small, every_history, random_history};
pub use timeline::timeline;
