//! Histories from elsewhere: every format becomes [`Events`].
//!
//! - [`open`]: a file; compression and [`Format`] are recognised by the content. [`Import`]: what came of it.
//! - [`read`]: bytes of a known format.
//! - `jepsen`: Jepsen's EDN, its JSON twins, Porcupine's key-value logs. `columns`: a line per event. `sessions`: transactions by
//!   session. `notation`: the scanner of EDN and JSON. `compressed`: `.zst` and `.gz`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{OpenError, TextError};
use crate::event::{Events, Wrong};

mod columns;
mod compressed;
mod format;
mod jepsen;
pub(crate) mod notation;
mod sessions;

pub use format::Format;

/// How to import.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImportOptions {
    /// The format, if it is not to be recognised.
    pub format: Option<Format>,
    /// Skip and count what is malformed, instead of stopping there.
    pub lenient: bool,
}

/// A history that was read.
#[derive(Debug)]
pub struct Import {
    /// What it says.
    pub events: Events,
    /// How it is written.
    pub format: Format,
    /// How many mistakes were let pass.
    pub skipped: usize,
    /// The first of them, with its place.
    pub first_skipped: Option<OpenError>,
    path: PathBuf,
}

/// Reads a file of one of the [`Format`]s that hold events (all but our own records and JSON Lines, which
/// [`History::open`](crate::History::open) reads).
pub fn open(path: &Path, options: &ImportOptions) -> Result<Import, OpenError> {
    let bytes = load(path)?;
    let format = recognise(path, &bytes, options.format)?;
    let mut problems = Problems { lenient: options.lenient, ..Problems::default() };
    let read = read_with(&bytes, format, &mut problems);
    let mut events = read.map_err(|wrong| malformed(path, &bytes, format, wrong))?;
    if options.lenient {
        events.repair(|wrong| problems.note(wrong));
    }
    let first_skipped = problems.first.map(|wrong| malformed(path, &bytes, format, wrong));
    Ok(Import { events, format, skipped: problems.count, first_skipped, path: path.to_owned() })
}

/// How the file is written, by its content.
pub fn format_of(path: &Path) -> Result<Format, OpenError> {
    recognise(path, &load(path)?, None)
}

impl Import {
    /// The error of an event that means nothing, with its place in the file. Reads the file again.
    pub fn malformed(&self, wrong: Wrong) -> OpenError {
        match load(&self.path) {
            Ok(bytes) => malformed(&self.path, &bytes, self.format, wrong),
            Err(error) => error,
        }
    }
}

/// Reads bytes of this format. Our own records and JSON Lines hold operations, not events, and are refused.
pub fn read(bytes: &[u8], format: Format) -> Result<Events, Wrong> {
    read_with(bytes, format, &mut Problems::default())
}

/// The bytes of a file, decompressed.
pub(crate) fn load(path: &Path) -> Result<Vec<u8>, OpenError> {
    let io = |source| OpenError::Io { path: path.to_owned(), source };
    compressed::expand(fs::read(path).map_err(io)?).map_err(io)
}

/// The format that was asked for, or that the content shows.
pub(crate) fn recognise(path: &Path, bytes: &[u8], asked: Option<Format>) -> Result<Format, OpenError> {
    asked
        .map_or_else(|| Format::recognise(bytes), Ok)
        .map_err(|message| OpenError::Unrecognised { path: path.to_owned(), message })
}

fn read_with(bytes: &[u8], format: Format, problems: &mut Problems) -> Result<Events, Wrong> {
    if format == Format::DbcopBincode {
        return sessions::read_bincode(bytes);
    }
    let text = std::str::from_utf8(bytes).map_err(|error| Wrong::new(error.valid_up_to(), "expected UTF-8 text"))?;
    match format {
        Format::JepsenEdn => jepsen::read(text, notation::Notation::Edn, problems),
        Format::JepsenJson => jepsen::read(text, notation::Notation::Json, problems),
        Format::JepsenTable => columns::read_table(text, problems),
        Format::JepsenLog => columns::read_log(text, problems),
        Format::Plume => sessions::read_plume(text, problems),
        Format::Awdit => sessions::read_awdit(text, problems),
        Format::DbcopJson => sessions::read_dbcop_json(text),
        Format::DbcopBincode | Format::Records | Format::JsonLines => {
            Err(Wrong::new(0, format!("{} holds no events", format.name())))
        }
    }
}

pub(crate) fn malformed(path: &Path, bytes: &[u8], format: Format, wrong: Wrong) -> OpenError {
    let TextError { line, column, message } = if format == Format::DbcopBincode {
        TextError { line: 0, column: wrong.at, message: wrong.message }
    } else {
        TextError::of(bytes, wrong)
    };
    OpenError::Malformed { path: path.to_owned(), line, column, message }
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
        self.note(wrong);
        Ok(())
    }

    fn note(&mut self, wrong: Wrong) {
        self.count += 1;
        self.first.get_or_insert(wrong);
    }
}
