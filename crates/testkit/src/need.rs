//! Tests that need more than Rust: a program, or root.

use std::io::Write as _;

/// Whether a test can run here: `programs` on the path and, if `root`, the privilege.
///
/// If it cannot, the test's name and what is missing are written to standard error and to the file that `ASSIZE_SKIPPED` names,
/// so that no skip goes unseen; where nothing may be skipped (`ASSIZE_SKIP_NOTHING`, as in CI) it panics.
pub fn available(test: &str, programs: &[&str], root: bool) -> bool {
    let mut missing: Vec<String> = programs.iter().filter(|p| !on_path(p)).map(|p| format!("program `{p}`")).collect();
    if root && !is_root() {
        missing.push("root".into());
    }
    if missing.is_empty() {
        return true;
    }
    let line = format!("{test}: needs {}", missing.join(", "));
    let strict = std::env::var_os("ASSIZE_SKIP_NOTHING").is_some_and(|value| !value.is_empty());
    assert!(!strict, "{line}");
    eprintln!("SKIPPED {line}");
    if let Some(path) = std::env::var_os("ASSIZE_SKIPPED") {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
        let _ = file.and_then(|mut file| writeln!(file, "  {line}"));
    }
    false
}

fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]).any(|folder| folder.join(program).exists())
}

/// Whether this process is root, by the owner of its own /proc entry.
fn is_root() -> bool {
    std::fs::read_to_string("/proc/self/status")
        .is_ok_and(|status| status.lines().any(|line| line.starts_with("Uid:\t0\t")))
}
