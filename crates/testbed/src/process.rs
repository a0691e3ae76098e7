//! What /proc says about processes, and signals that cannot hit the wrong one.

use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal};

/// A process at the moment it was looked at. `pid` and `start` together name it: numbers are reused, start times are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pub pid: u32,
    /// `R`, `S`, `D`, `T` (stopped), `Z` (ended, not yet collected by its parent), ...
    pub state: char,
    pub session: u32,
    /// Clock ticks from boot to its start.
    pub start: u64,
}

impl Process {
    /// Reads /proc/PID/stat. `None` if there is no such process.
    pub fn look(pid: u32) -> Option<Process> {
        parse_stat(pid, &fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// This process.
    pub fn own() -> Option<Process> {
        Process::look(std::process::id())
    }

    /// Processor time, user and system, of all its threads, those that ended too. A zombie still has it.
    pub fn cpu(&self) -> Option<Duration> {
        let text = fs::read_to_string(format!("/proc/{}/stat", self.pid)).ok()?;
        let ticks = parse_stat(self.pid, &text).filter(|now| now.start == self.start).and(parse_ticks(&text))?;
        Some(Duration::from_secs(1) * ticks / rustix::param::clock_ticks_per_second() as u32)
    }

    /// Whether it still executes, or could. A zombie does not.
    pub fn is_alive(&self) -> bool {
        !matches!(self.state, 'Z' | 'X')
    }

    /// Whether its environment, as given at its start, has this entry.
    pub fn carries(&self, entry: &str) -> bool {
        let Ok(environment) = fs::read(format!("/proc/{}/environ", self.pid)) else { return false };
        environment.split(|byte| *byte == 0).any(|found| found == entry.as_bytes())
    }

    /// The inode of its network namespace.
    pub fn network(&self) -> Option<u64> {
        Some(fs::metadata(format!("/proc/{}/ns/net", self.pid)).ok()?.ino())
    }

    /// Sends a signal, to this process and no other: a handle pins the process before its start time is compared.
    pub fn signal(&self, signal: Signal) {
        let Some(pid) = Pid::from_raw(self.pid as i32) else { return };
        let Ok(handle) = rustix::process::pidfd_open(pid, PidfdFlags::empty()) else { return };
        if Process::look(self.pid).is_some_and(|now| now.start == self.start) {
            // The process may end at any moment: that it is gone is no error here.
            let _ = rustix::process::pidfd_send_signal(handle.as_fd(), signal);
        }
    }
}

/// Every process except this one that executes and satisfies the condition, by number.
pub(crate) fn find(mut condition: impl FnMut(&Process) -> bool) -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let own = std::process::id();
    let mut pids: Vec<u32> = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    pids.sort_unstable();
    let processes = pids.into_iter().filter(|pid| *pid != own).filter_map(Process::look);
    processes.filter(|process| process.is_alive() && condition(process)).collect()
}

/// SIGKILL to whatever `find` returns until it returns nothing, so that forks in flight are caught too. Returns the processes that
/// were killed and those left at the deadline.
pub(crate) fn kill_until_gone(mut find: impl FnMut() -> Vec<Process>, deadline: Duration) -> (Vec<u32>, Vec<Process>) {
    let began = Instant::now();
    let mut killed = Vec::new();
    loop {
        let found = find();
        if found.is_empty() || began.elapsed() > deadline {
            return (killed, found);
        }
        for process in &found {
            process.signal(Signal::KILL);
            if !killed.contains(&process.pid) {
                killed.push(process.pid);
            }
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Fields after the command name, which is in parentheses and may hold any character, a `)` too: proc(5).
fn parse_stat(pid: u32, text: &str) -> Option<Process> {
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    Some(Process {
        pid,
        state: fields.first()?.chars().next()?,
        session: fields.get(3)?.parse().ok()?,
        start: fields.get(19)?.parse().ok()?,
    })
}

/// User and system time in clock ticks: proc(5), fields 14 and 15. A process cannot reach 2^32 of them in a run.
fn parse_ticks(text: &str) -> Option<u32> {
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11).map_while(|field| field.parse::<u32>().ok());
    Some(fields.next()? + fields.next()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_name_with_parentheses_does_not_shift_the_fields() {
        let text = "7 (a) S (b) T 1 7 9 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4242 0 0";
        assert_eq!(parse_stat(7, text), Some(Process { pid: 7, state: 'T', session: 9, start: 4242 }));
        assert_eq!(parse_stat(7, "7 (cut"), None);
    }

    #[test]
    fn processor_time_is_user_and_system() {
        let text = "7 (a) S (b) T 1 7 9 0 -1 4194560 1 0 0 0 30 12 5 6 20 0 1 0 4242 0 0";
        assert_eq!(parse_ticks(text), Some(42));
        assert_eq!(parse_ticks("7 (cut) R 1 2"), None);
    }

    #[test]
    fn this_process_is_alive_and_is_never_found() {
        let own = Process::own().expect("our own entry in /proc");
        assert!(own.is_alive());
        assert!(find(|process| process.pid == own.pid).is_empty());
    }
}
