//! Which process owns a run: pid and start time, since pids are used again.

use std::fs;

/// This process.
pub fn me() -> String {
    let pid = std::process::id();
    format!("{pid} {}", start_time(pid).unwrap_or(0))
}

/// Whether the process that wrote `owner` still runs.
pub fn lives(owner: &str) -> bool {
    let mut words = owner.split_whitespace().map(|word| word.parse::<u64>().ok());
    match (words.next().flatten(), words.next().flatten()) {
        (Some(pid), Some(started)) => start_time(pid as u32) == Some(started),
        _ => false,
    }
}

/// When a process started, in clock ticks since boot (field 22 of its stat; the name before it may hold spaces).
fn start_time(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let after_name = stat.rsplit_once(')')?.1;
    after_name.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_lives_and_an_earlier_one_of_its_number_does_not() {
        assert!(lives(&me()));
        assert!(!lives(&format!("{} 1", std::process::id())));
        assert!(!lives("nonsense"));
    }
}
