//! `assize`: the command line. The only crate that prints.

/// In this crate, printing never fails: whoever reads may have gone (`assize list | head`), and a run must still heal what it broke.
macro_rules! print {
    ($($part:tt)*) => {{
        use std::io::Write as _;
        let _ = write!(std::io::stdout(), $($part)*);
    }};
}

/// A line, in the same way.
macro_rules! println {
    ($($part:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($part)*);
    }};
}

mod arguments;
mod check;
mod compare;
mod exhaust;
mod exit;
mod list;
mod memory;
mod new;
mod node;
mod reference;
mod run;
mod sim;
mod view;

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use ::run::RunError;
use clap::{CommandFactory, Parser};
use history::event::{self, Notation};
use history::import::{self, ImportOptions};

use arguments::{Arguments, Command, Format};
use exit::Exit;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Success.into() };
        }
    };
    std::panic::set_hook(Box::new(|panic| {
        eprintln!("assize failed: {panic}\nThis is a bug in assize. Please report it with what was printed above.");
    }));
    match std::panic::catch_unwind(|| dispatch(arguments)) {
        Ok(exit) => exit.into(),
        Err(_) => Exit::Bug.into(),
    }
}

fn dispatch(arguments: Arguments) -> Exit {
    match arguments.command {
        None => run::command(None, &arguments.run),
        Some(Command::Run { plan, options }) => run::command(plan.as_deref(), &options),
        Some(Command::Check { paths, options }) => check::command(&paths, &options),
        Some(Command::Sim(options)) => sim::command(&options),
        Some(Command::Compare { baseline, candidate, options }) => compare::command(&baseline, &candidate, &options),
        Some(Command::Report { run, open }) => report(&run, open),
        Some(Command::Export { history, format }) => export(&history, format),
        Some(Command::Clean) => clean(),
        Some(Command::List { what }) => list::command(what),
        Some(Command::New { what, name }) => new::command(what, &name),
        Some(Command::Completions { shell }) => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "assize", &mut script);
            print!("{}", String::from_utf8_lossy(&script));
            Exit::Success
        }
        Some(Command::Node(options)) => node::command(options),
        Some(Command::Reference { check, write: _, folder }) => reference::command(&folder, check),
    }
}

fn report(run: &Path, open: bool) -> Exit {
    let judged = ::run::Folder::open(run).map_err(RunError::from).and_then(|folder| {
        let results = ::run::judge::judge(&folder)?;
        Ok((folder.file("report.html"), results))
    });
    match judged {
        Ok((file, results)) => {
            println!("{}", file.display());
            if open {
                open_in_browser(&file);
            }
            exit_of(results.exit_code)
        }
        Err(error) => failed(&error),
    }
}

fn open_in_browser(file: &Path) {
    let opened = std::process::Command::new("xdg-open").arg(file).status();
    if !opened.is_ok_and(|status| status.success()) {
        eprintln!("no browser could be opened; open the file above by hand");
    }
}

fn export(history: &Path, format: Format) -> Exit {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let written = match exported(history, format, &mut out) {
        Ok(written) => written.and_then(|()| out.flush()),
        Err(error) => return history_failed(&error),
    };
    match written {
        Ok(()) => Exit::Success,
        // `assize export | head` closes the pipe: nothing is wrong.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Success,
        Err(error) => {
            eprintln!("error: the history cannot be written: {error}");
            Exit::Unavailable
        }
    }
}

/// Writes a run's operations, or the events of a file; in between is whether that could be written.
fn exported(path: &Path, format: Format, out: &mut impl Write) -> Result<io::Result<()>, history::OpenError> {
    if path.is_file() && import::format_of(path)?.has_events() {
        let events = import::open(path, &ImportOptions::default())?.events;
        let notation = match format {
            Format::Jsonl => Notation::JsonLines,
            Format::Edn => Notation::Edn,
        };
        return Ok(event::export(&events, notation, out));
    }
    let history = history::History::open(path)?;
    let text = match format {
        Format::Jsonl => history::jsonl::export(&history),
        Format::Edn => history::edn::export(&history),
    };
    Ok(out.write_all(text.as_bytes()))
}

fn clean() -> Exit {
    match testbed::Registry::open().and_then(|registry| registry.sweep()) {
        Ok(swept) if swept.is_empty() => {
            println!("nothing to clean up");
            Exit::Success
        }
        Ok(swept) => {
            swept.iter().for_each(|swept| println!("{swept}"));
            if swept.iter().all(|swept| swept.left.is_empty()) { Exit::Success } else { Exit::Unavailable }
        }
        Err(error) => {
            eprintln!("error: {error}");
            Exit::Unavailable
        }
    }
}

/// Prints why there is no verdict, and says how to exit.
fn failed(error: &RunError) -> Exit {
    let text = error.to_string();
    let text = text.trim_end();
    match error {
        // Diagnostics come with their own severities.
        RunError::Plan(_) => eprintln!("{text}"),
        RunError::Interrupted { .. } => eprintln!("{text}"),
        _ => eprintln!("error: {text}"),
    }
    match error {
        RunError::Plan(_) | RunError::History(_) => Exit::BadData,
        RunError::NotFound(_) => Exit::NoInput,
        RunError::Unavailable(_) | RunError::Io(_) => Exit::Unavailable,
        RunError::Interrupted { .. } => Exit::Interrupted,
    }
}

fn history_failed(error: &history::OpenError) -> Exit {
    eprintln!("error: {error}");
    if error.is_missing() { Exit::NoInput } else { Exit::BadData }
}

fn exit_of(code: u8) -> Exit {
    match code {
        0 => Exit::Success,
        1 => Exit::Invalid,
        _ => Exit::Unknown,
    }
}
