//! What is wrong with a plan, for people: where, an excerpt with a caret, and what to do.

use std::fmt;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The plan cannot be run.
    Error,
    /// The plan can be run, and probably does not do what its author thinks.
    Warning,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// A lower-case fragment that quotes values in backticks and names the setting.
    pub message: String,
    /// What to do about it; empty when there is nothing to say.
    pub help: String,
    /// Where it is.
    pub place: Place,
}

/// A stretch of one line of a plan, or of a `--set` argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file's name, or `--set`.
    pub file: String,
    /// Counts from 1.
    pub line: usize,
    /// In characters, counts from 1.
    pub column: usize,
    /// The line, without its end; control characters are replaced.
    pub excerpt: String,
    /// Characters under which the caret line runs, at least 1.
    pub width: usize,
}

/// Everything that is wrong, in the order of the file. Its display is the text for a terminal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnostics {
    /// In the order of the file, overrides last.
    pub list: Vec<Diagnostic>,
}

impl Diagnostic {
    /// Values from the plan are quoted in messages: they are cut and made printable like the excerpt.
    pub(crate) fn new(severity: Severity, place: Place, message: &str, help: &str) -> Self {
        let clean = |text: &str| match text.char_indices().nth(LONGEST) {
            Some((end, _)) => text[..end].chars().map(printable).chain("...".chars()).collect(),
            None => text.chars().map(printable).collect(),
        };
        Diagnostic { severity, message: clean(message), help: clean(help), place }
    }
}

impl Diagnostics {
    /// Whether one of them is an error.
    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

impl std::error::Error for Diagnostics {}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, diagnostic) in self.list.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            diagnostic.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.severity, self.message)?;
        let Place { file, line, column, excerpt, width } = &self.place;
        let margin = " ".repeat(line.to_string().len());
        writeln!(f, "{margin}--> {file}:{line}:{column}")?;
        writeln!(f, "{margin} |")?;
        writeln!(f, "{line} | {excerpt}")?;
        writeln!(f, "{margin} | {}{}", " ".repeat(column - 1), "^".repeat(*width))?;
        if !self.help.is_empty() {
            writeln!(f, "{margin} = help: {}", self.help)?;
        }
        Ok(())
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        })
    }
}

impl Place {
    /// The part of `start..end` (bytes of `text`) that lies on the line of `start`.
    pub(crate) fn new(file: &str, text: &str, start: usize, end: usize) -> Place {
        let start = floor(text, start);
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let end = floor(text, end).clamp(start, line_end);
        let column = text[line_start..start].chars().count() + 1;
        let width = text[start..end].trim_end_matches('\r').chars().count().clamp(1, WIDEST);
        let shown = (column + width).max(WIDEST);
        Place {
            file: file.to_owned(),
            line: text[..line_start].matches('\n').count() + 1,
            column,
            excerpt: text[line_start..line_end].trim_end_matches('\r').chars().take(shown).map(printable).collect(),
            width,
        }
    }
}

/// A line of a plan is rarely longer; one that is, is cut behind what is wrong.
const WIDEST: usize = 160;

/// No message that is meant to be read is longer, in characters.
const LONGEST: usize = 600;

/// Keeps a plan from writing control sequences to the terminal; one character stays one column.
fn printable(c: char) -> char {
    match c {
        '\t' => ' ',
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}

/// The nearest character boundary at or before `at`.
fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|&i| text.is_char_boundary(i)).unwrap_or(0)
}
