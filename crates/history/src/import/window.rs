//! The text of a file, a window at a time: a history of many gigabytes takes memory for its events, not for its text.

use std::io::{self, Read};

use super::Problems;
use crate::event::Wrong;

/// How much is read at a time: as much as stays in the cache of a core.
pub(crate) const PORTION: usize = 256 << 10;

/// Why reading ended early.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The file cannot be read, or not be decompressed.
    Io(io::Error),
    /// The text is not what it should be.
    Wrong(Wrong),
}

impl From<Wrong> for Stop {
    fn from(wrong: Wrong) -> Stop {
        Stop::Wrong(wrong)
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Stop {
        Stop::Io(error)
    }
}

impl From<Stop> for Wrong {
    fn from(stop: Stop) -> Wrong {
        match stop {
            Stop::Wrong(wrong) => wrong,
            Stop::Io(error) => Wrong::new(0, error.to_string()),
        }
    }
}

/// A part of a text.
pub(crate) struct Window<'r> {
    source: Box<dyn Read + 'r>,
    /// What was read and is not used up.
    bytes: Vec<u8>,
    /// Where they begin in the text.
    base: usize,
    /// Whether the text ends with them.
    last: bool,
    /// How much is read at a time.
    portion: usize,
}

/// What a reader sees: the text of the window, where it begins, and whether the text ends with it.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub text: &'a str,
    pub base: usize,
    pub last: bool,
}

impl<'r> Window<'r> {
    /// The first window of what `source` gives, `portion` bytes at a time.
    pub(crate) fn open(source: impl Read + 'r, portion: usize) -> io::Result<Window<'r>> {
        let portion = portion.max(1);
        let mut window = Window { source: Box::new(source), bytes: Vec::new(), base: 0, last: false, portion };
        window.read_more()?;
        Ok(window)
    }

    /// The bytes of the window.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// All bytes of the text.
    pub(crate) fn all(mut self) -> io::Result<Vec<u8>> {
        self.source.read_to_end(&mut self.bytes)?;
        Ok(self.bytes)
    }

    /// The text of the window. Bytes that are no UTF-8 are handed to `pass`; if that lets them pass, they become `?`.
    pub(crate) fn view(&mut self, mut pass: impl FnMut(Wrong) -> Result<(), Wrong>) -> Result<View<'_>, Wrong> {
        let mut valid = 0;
        while let Err(error) = std::str::from_utf8(&self.bytes[valid..]) {
            valid += error.valid_up_to();
            // A character that the window cuts is for the next one.
            let Some(length) = error.error_len().or(self.last.then(|| self.bytes.len() - valid)) else { break };
            pass(Wrong::new(self.base + valid, "expected UTF-8 text"))?;
            self.bytes[valid..valid + length].fill(b'?');
        }
        let text = match std::str::from_utf8(&self.bytes) {
            Ok(text) => text,
            Err(_) => std::str::from_utf8(&self.bytes[..valid]).unwrap_or(""),
        };
        Ok(View { text, base: self.base, last: self.last })
    }

    /// Leaves `used` bytes behind and reads more; twice as much if hardly any was used, for a form that is larger than the window.
    pub(crate) fn go_on(&mut self, used: usize) -> io::Result<()> {
        self.base += used;
        self.bytes.drain(..used);
        self.read_more()
    }

    /// Hands each line, trimmed, and the byte where it begins to `each`; empty ones are left out. A mistake goes to `problems`.
    pub(crate) fn lines(
        mut self,
        problems: &mut Problems,
        each: &mut dyn FnMut(usize, &str) -> Result<(), Wrong>,
    ) -> Result<(), Stop> {
        loop {
            let View { text, base, last } = self.view(|wrong| problems.pass(wrong))?;
            let whole = if last { text.len() } else { text.rfind('\n').map_or(0, |end| end + 1) };
            for line in text[..whole].split_inclusive('\n') {
                let trimmed = line.trim();
                let at = base + (trimmed.as_ptr() as usize - text.as_ptr() as usize);
                if !trimmed.is_empty()
                    && let Err(wrong) = each(at, trimmed)
                {
                    problems.pass(wrong)?;
                }
            }
            if last {
                return Ok(());
            }
            self.go_on(whole)?;
        }
    }

    fn read_more(&mut self) -> io::Result<()> {
        let more = self.bytes.len().max(self.portion);
        let read = (&mut self.source).take(more as u64).read_to_end(&mut self.bytes)?;
        self.last = read < more;
        Ok(())
    }
}
