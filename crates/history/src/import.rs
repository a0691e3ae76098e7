//! Histories from elsewhere: every format becomes [`Events`].
//!
//! - [`open`]: a file; compression and [`Format`] are recognised by the content. [`Import`]: what came of it.
//! - [`read`]: bytes of a known format.
//! - `jepsen`: Jepsen's EDN, its JSON twins, Porcupine's key-value logs. `columns`: a line per event. `sessions`: transactions by
//!   session. `notation`: the scanner of EDN and JSON, over `swar`. `compressed`: `.zst` and `.gz`.
//! - `window`: the text of a file, a part at a time.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::error::OpenError;
use crate::event::{Events, Wrong};
use window::{PORTION, Stop, Window};

mod columns;
mod compressed;
mod format;
mod jepsen;
pub(crate) mod notation;
mod sessions;
mod swar;
pub(crate) mod window;

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
/// [`History::open`](crate::History::open) reads). Memory is for the events, not for the text.
pub fn open(path: &Path, options: &ImportOptions) -> Result<Import, OpenError> {
    let window = window_of(path)?;
    let format = recognise(path, &window, options.format)?;
    let mut problems = Problems::new(options.lenient);
    let events = read_events(window, format, &mut problems).map_err(|stop| stopped(path, format, stop))?;
    let first_skipped = problems.first.map(|wrong| malformed(path, format, wrong));
    Ok(Import { events, format, skipped: problems.count, first_skipped, path: path.to_owned() })
}

/// How the file is written, by its content.
pub fn format_of(path: &Path) -> Result<Format, OpenError> {
    recognise(path, &window_of(path)?, None)
}

impl Import {
    /// The error of an event that means nothing, with its place in the file. Reads the file again.
    pub fn malformed(&self, wrong: Wrong) -> OpenError {
        malformed(&self.path, self.format, wrong)
    }
}

/// Reads bytes of this format. Our own records and JSON Lines hold operations, not events, and are refused.
pub fn read(bytes: &[u8], format: Format) -> Result<Events, Wrong> {
    read_stream(bytes, format, PORTION)
}

/// Reads a stream of this format, `portion` bytes at a time.
pub fn read_stream(source: impl Read, format: Format, portion: usize) -> Result<Events, Wrong> {
    let window = Window::open(source, portion).map_err(Stop::Io)?;
    Ok(read_with(window, format, &mut Problems::new(false))?)
}

/// Reads bytes of this format, and lets mistakes pass; how many they were.
pub fn read_lenient(bytes: &[u8], format: Format) -> Result<(Events, usize), Wrong> {
    let mut problems = Problems::new(true);
    let events = read_events(Window::open(bytes, PORTION).map_err(Stop::Io)?, format, &mut problems)?;
    Ok((events, problems.count))
}

/// The first window of a file, decompressed.
pub(crate) fn window_of(path: &Path) -> Result<Window<'static>, OpenError> {
    let io = |source| OpenError::Io { path: path.to_owned(), source };
    compressed::expand(File::open(path).map_err(io)?).and_then(|text| Window::open(text, PORTION)).map_err(io)
}

/// The format that was asked for, or that the content shows.
pub(crate) fn recognise(path: &Path, window: &Window<'_>, asked: Option<Format>) -> Result<Format, OpenError> {
    asked
        .map_or_else(|| Format::recognise(window.bytes()), Ok)
        .map_err(|message| OpenError::Unrecognised { path: path.to_owned(), message })
}

/// Reads events; where mistakes are let pass, events that fit no other are mistakes too.
pub(crate) fn read_events(window: Window<'_>, format: Format, problems: &mut Problems) -> Result<Events, Stop> {
    let mut events = read_with(window, format, problems)?;
    if problems.lenient {
        events.repair(|wrong| problems.note(wrong));
    }
    Ok(events)
}

fn read_with(window: Window<'_>, format: Format, problems: &mut Problems) -> Result<Events, Stop> {
    match format {
        Format::JepsenEdn => jepsen::read(window, notation::Notation::Edn, problems),
        Format::JepsenJson => jepsen::read(window, notation::Notation::Json, problems),
        Format::JepsenTable => columns::read_table(window, problems),
        Format::JepsenLog => columns::read_log(window, problems),
        Format::Plume => sessions::read_plume(window, problems),
        Format::Awdit => sessions::read_awdit(window, problems),
        Format::DbcopJson => {
            let bytes = window.all()?;
            let text = std::str::from_utf8(&bytes);
            let text = text.map_err(|error| Wrong::new(error.valid_up_to(), "expected UTF-8 text"))?;
            Ok(sessions::read_dbcop_json(text)?)
        }
        Format::DbcopBincode => Ok(sessions::read_bincode(&window.all()?)?),
        Format::Records | Format::JsonLines => Err(Wrong::new(0, format!("{} holds no events", format.name())).into()),
    }
}

/// Why a file could not be read.
pub(crate) fn stopped(path: &Path, format: Format, stop: Stop) -> OpenError {
    match stop {
        Stop::Io(source) => OpenError::Io { path: path.to_owned(), source },
        Stop::Wrong(wrong) => malformed(path, format, wrong),
    }
}

/// The mistake at its line and column. Reads the file again, up to there.
pub(crate) fn malformed(path: &Path, format: Format, wrong: Wrong) -> OpenError {
    let Wrong { at, message } = wrong;
    if format == Format::DbcopBincode {
        return OpenError::Malformed { path: path.to_owned(), line: 0, column: at, message };
    }
    let io = |source| OpenError::Io { path: path.to_owned(), source };
    let place = File::open(path).and_then(compressed::expand).and_then(|text| place_in(text, at)).map_err(io);
    match place {
        Ok((line, column)) => OpenError::Malformed { path: path.to_owned(), line, column, message },
        Err(error) => error,
    }
}

/// Line and column (in bytes) of a byte of a text, both from 1.
fn place_in(text: impl Read, at: usize) -> std::io::Result<(usize, usize)> {
    let mut before = text.take(at as u64);
    let mut portion = vec![0; 1 << 16];
    let (mut line, mut column) = (1, 1);
    loop {
        let length = before.read(&mut portion)?;
        if length == 0 {
            return Ok((line, column));
        }
        let (lines, behind) = crate::error::place(&portion[..length], length);
        column = if lines > 1 { behind } else { column + length };
        line += lines - 1;
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
    pub(crate) fn new(lenient: bool) -> Problems {
        Problems { lenient, ..Problems::default() }
    }

    /// Counts the mistake, or gives it back.
    pub(crate) fn pass(&mut self, wrong: Wrong) -> Result<(), Wrong> {
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
