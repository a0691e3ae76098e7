//! For tests only.
//!
//! - [`script`]: folders of scenarios, played and compared with what they say.

pub mod script;
