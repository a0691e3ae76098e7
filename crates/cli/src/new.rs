//! `assize new`: a file to start from.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};

use crate::arguments::New;
use crate::exit::Exit;

/// Writes `NAME.toml`; never over a file that is there.
pub fn command(what: New, name: &str) -> Exit {
    let file = if name.ends_with(".toml") { name.to_string() } else { format!("{name}.toml") };
    let short = file.trim_end_matches(".toml").rsplit('/').next().unwrap_or(name);
    let text = match what {
        New::Plan => include_str!("../templates/plan.toml"),
        New::System => include_str!("../templates/system.toml"),
    };
    let written = OpenOptions::new().write(true).create_new(true).open(&file);
    match written.and_then(|mut out| out.write_all(text.replace("NAME", short).as_bytes())) {
        Ok(()) => {
            println!("wrote {file}; edit it, then: assize run {file}");
            Exit::Success
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            eprintln!("error: `{file}` exists already; choose another name or remove it");
            Exit::Usage
        }
        Err(error) => {
            eprintln!("error: `{file}`: {error}");
            Exit::Unavailable
        }
    }
}
