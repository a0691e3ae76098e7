//! Project chores: `cargo xtask test [--install]`, `cargo xtask accept [NAME...]`, `cargo xtask fuzz [SECONDS]`,
//! `cargo xtask docs [--check]`.

mod accept;
mod fuzz;
mod install;
mod test;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const USAGE: &str = "\
usage: cargo xtask COMMAND

  test [--install]     format, lints, all tests; --install first installs what they need (Debian, as root)
  accept [NAME...] [--runs N]
                       the long acceptance runs that CI has no time for (green, red, kill, truth, bench, speed, propose, build);
                       without a name, all of them; --runs N instead of twenty of each
  fuzz [SECONDS]       coverage-guided fuzzing of the importers, 60 seconds without a number
  docs [--check]       write the reference pages from the registries; --check fails if they are out of date
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let rest = arguments.get(1..).unwrap_or_default();
    let done = match arguments.first().map(String::as_str) {
        Some("test") => test::run(rest.iter().any(|argument| argument == "--install")),
        Some("accept") => accept::run(rest),
        Some("fuzz") => fuzz::run(rest.first().map_or("60", String::as_str)),
        Some("docs") => docs(rest.iter().any(|argument| argument == "--check")),
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(64);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Where the workspace is.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is inside the workspace").to_path_buf()
}

/// Runs a command in the workspace, showing it; an error names it.
fn step(program: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Result<(), String> {
    let line = format!("{program} {}", arguments.join(" "));
    eprintln!("\n== {line}");
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root()).envs(environment.iter().copied());
    let status = command.status().map_err(|error| format!("`{line}` does not start: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("`{line}` ended with {status}")) }
}

/// The reference pages, each written by the binary itself from its registries.
fn docs(check: bool) -> Result<(), String> {
    let mode = if check { "--check" } else { "--write" };
    step("cargo", &["run", "--quiet", "--package", "assize", "--", "reference", mode, "docs"], &[])
}
