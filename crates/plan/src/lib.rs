//! The plan file: TOML with spans, defaults, includes, overrides and diagnostics. Knows no stage's content.
//!
//! - [`Document`]: a parsed plan. Each stage reads its own section from it; everything wrong is gathered and shown at once.
//! - [`Table`]: the reader of one section: `get`, `or`, `need`, `choice`, `section`, `tables`.
//! - [`FromValue`]: what can be read: plain TOML types and the quantities of plans ([`Rate`], [`Share`], [`Size`],
//!   [`DurationRange`], [`std::time::Duration`], [`base::NodeId`]).
//! - [`Diagnostics`]: what is wrong, each with line, column, excerpt and help.
//! - [`mod@reference`]: what a section takes, as data, from which the reference pages are made.
//!
//! ```
//! let mut document = plan::Document::parse("my.toml", "[load]\nrate = '500/s'").unwrap();
//! document.set("load.processes", "8").unwrap();
//! let load = document.root().section("load");
//! let rate: plan::Rate = load.or("rate", plan::Rate(100.0));
//! let processes: usize = load.or("processes", 4);
//! let keys: usize = load.or("keys", 16);
//! document.finish().unwrap();
//! assert_eq!((rate.0, processes, keys), (500.0, 8, 16));
//! assert_eq!(document.effective(), "format = 1\n\n[load]\nrate = \"500/s\"\nprocesses = 8\nkeys = 16\n");
//! ```

mod diagnostic;
mod document;
mod effective;
pub mod reference;
mod suggest;
mod table;
#[cfg(test)]
mod tests;
mod tree;
mod value;

pub use diagnostic::{Diagnostic, Diagnostics, Place, Severity};
pub use document::Document;
pub use suggest::nearest;
pub use table::Table;
pub use tree::Item;
pub use value::{DurationRange, FromValue, Plain, Rate, Share, Size, Wrong};
