//! `cargo xtask test`: what CI runs.

use crate::{install, root, step};

/// Formats, lints and tests everything. With `with_install` nothing may be skipped; without it, what is skipped is named.
pub fn run(with_install: bool) -> Result<(), String> {
    if with_install {
        install::install()?;
    }
    for (program, package) in install::missing() {
        eprintln!("missing: `{program}` (Debian package {package}); the tests that need it are skipped");
    }
    step("cargo", &["fmt", "--all", "--", "--check"], &[])?;
    step("cargo", &["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"], &[])?;
    let skipped = root().join("target/skipped-tests");
    let _ = std::fs::remove_file(&skipped);
    let file = skipped.display().to_string();
    let environment = [("ASSIZE_SKIPPED", file.as_str()), ("ASSIZE_SKIP_NOTHING", if with_install { "1" } else { "" })];
    step("cargo", &["test", "--workspace", "--quiet", "--no-fail-fast"], &environment)?;
    hunt()?;
    crate::docs(true)?;
    match std::fs::read_to_string(&skipped) {
        Ok(names) => eprintln!("\nskipped, for want of a program or privilege:\n{names}"),
        Err(_) => eprintln!("\nnothing was skipped"),
    }
    Ok(())
}

/// How many runs of each correct specimen must raise no alarm: 20 000 together, some minutes on two cores.
const RUNS: &str = "10000";

/// Hunts in the correct specimens, with the release binary: in the profile of tests it would take several times as long. An alarm fails it, and
/// leaves its story in `runs/`.
fn hunt() -> Result<(), String> {
    step("cargo", &["build", "--release", "--quiet", "-p", "assize"], &[])?;
    let assize = root().join("target/release/assize").display().to_string();
    for specimen in ["raft-kv", "paxos-register"] {
        step(&assize, &["sim", specimen, "--runs", RUNS, "--whole"], &[])?;
    }
    Ok(())
}
