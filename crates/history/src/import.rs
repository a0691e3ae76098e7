//! Histories from elsewhere: every format becomes [`Events`].
//!
//! - [`read`]: text of a known [`Format`].
//! - [`jepsen`]: Jepsen's EDN, its JSON twins, Porcupine's key-value logs.

use crate::event::{Events, Wrong};

mod jepsen;
pub(crate) mod notation;

/// How a history is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Jepsen's maps in EDN.
    Edn,
    /// The same in JSON.
    Json,
}

/// Reads a history of this format.
pub fn read(text: &str, format: Format) -> Result<Events, Wrong> {
    let mut problems = Problems::default();
    match format {
        Format::Edn => jepsen::read(text, notation::Notation::Edn, &mut problems),
        Format::Json => jepsen::read(text, notation::Notation::Json, &mut problems),
    }
}

/// Mistakes that were let pass.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    lenient: bool,
    /// How many.
    pub count: usize,
    /// The first of them.
    pub first: Option<Wrong>,
}

impl Problems {
    /// Counts the mistake, or gives it back.
    fn pass(&mut self, wrong: Wrong) -> Result<(), Wrong> {
        if !self.lenient {
            return Err(wrong);
        }
        self.count += 1;
        self.first.get_or_insert(wrong);
        Ok(())
    }
}
