//! What a run ran on, for the report.

use std::fs;

/// Name and value of what matters for figures.
pub fn describe() -> Vec<(String, String)> {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let facts = [
        ("cores", cores.to_string()),
        ("processor", line_of("/proc/cpuinfo", "model name")),
        ("memory", memory()),
        ("kernel", fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_string()),
        ("system", line_of("/etc/os-release", "PRETTY_NAME").trim_matches('"').to_string()),
    ];
    facts.into_iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| (name.to_string(), value)).collect()
}

fn line_of(file: &str, name: &str) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.split_once([':', '=']));
    value.map(|(_, value)| value.trim().to_string()).unwrap_or_default()
}

fn memory() -> String {
    let kilobytes = line_of("/proc/meminfo", "MemTotal");
    let number: f64 = kilobytes.trim_end_matches(" kB").trim().parse().unwrap_or(0.0);
    format!("{:.1} GiB", number / f64::from(1 << 20))
}
