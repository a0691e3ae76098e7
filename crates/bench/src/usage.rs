use std::fs;

/// What some work took: CPU time of all threads, so that other programs on the machine do not count, and memory on top of what was there.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// Seconds of CPU.
    pub cpu: f64,
    /// Bytes: the highest resident set while it ran, less the one before.
    pub peak: f64,
}

impl Usage {
    /// Of some work, once. Linux only.
    pub fn of<T>(work: impl FnOnce() -> T) -> (T, Usage) {
        // Sets the peak back to what is resident now.
        let _ = fs::write("/proc/self/clear_refs", "5");
        let (memory, cpu) = (status("VmRSS:"), cpu());
        let made = work();
        (made, Usage { cpu: cpu_since(cpu), peak: status("VmHWM:") - memory })
    }

    /// The least of several runs.
    pub fn least(times: usize, mut work: impl FnMut()) -> Usage {
        let runs: Vec<Usage> = (0..times).map(|_| Usage::of(&mut work).1).collect();
        let least = |of: fn(&Usage) -> f64| runs.iter().map(of).fold(f64::MAX, f64::min);
        Usage { cpu: least(|usage| usage.cpu), peak: least(|usage| usage.peak) }
    }
}

/// Nanoseconds that the scheduler has counted for this process's threads.
fn cpu() -> f64 {
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let spent = |path: std::path::PathBuf| -> Option<f64> {
        fs::read_to_string(path.join("schedstat")).ok()?.split(' ').next()?.parse().ok()
    };
    tasks.filter_map(|task| spent(task.path())).sum()
}

fn cpu_since(before: f64) -> f64 {
    (cpu() - before) / 1e9
}

fn status(field: &str) -> f64 {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kilobytes.unwrap_or(f64::NAN) * 1024.0
}
