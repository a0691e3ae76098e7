//! For tests only.
//!
//! - [`timeline`]: a history as one draws it on a whiteboard.
//! - [`brute`]: models decided from their definitions, by trying every order.
//! - [`every_history`], [`random_history`]: what checkers are compared on.
//! - [`script`]: folders of scenarios, played and compared with what they say.

/// Models decided from their definitions, by trying every order. Only for small histories.
pub mod brute;
pub mod script;
mod small;
mod timeline;

pub use small::{Mix, Small, every_history, random_history};
pub use timeline::timeline;
