//! A run in a registry of its own, and waiting that ends.
#![allow(dead_code)] // each test binary uses a part of it

use std::path::PathBuf;
use std::time::{Duration, Instant};

use testbed::{Guard, NodeSpec, Registry};

/// A registry and a run folder that vanish with the test.
pub struct Stage {
    pub dir: tempfile::TempDir,
    pub registry: Registry,
}

impl Stage {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let registry = Registry::at(&dir.path().join("registry")).expect("a registry");
        Stage { dir, registry }
    }

    pub fn register(&self, run: &str) -> Guard {
        self.registry.register(run, self.dir.path()).expect("a run of its own")
    }

    pub fn state_file(&self, run: &str) -> PathBuf {
        self.dir.path().join("registry").join(format!("{run}.json"))
    }

    /// A node that runs this shell script.
    pub fn shell(&self, script: &str) -> NodeSpec {
        NodeSpec {
            program: "sh".into(),
            args: vec!["-c".to_string(), script.to_string()],
            env: Vec::new(),
            dir: self.dir.path().to_path_buf(),
            log: self.dir.path().join("node.log"),
        }
    }
}

/// A run id that no other test process uses.
pub fn run_id(name: &str) -> String {
    format!("{name}-{}", std::process::id())
}

/// Waits until the condition holds, ten seconds at most.
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < Duration::from_secs(10), "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Processes that carry the run's tag and execute.
pub fn tagged(run: &str) -> Vec<u32> {
    let tag = format!("ASSIZE_RUN={run}");
    let pids = std::fs::read_dir("/proc").expect("/proc").flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| is_alive(*pid))
        .filter(|pid| {
            let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|entry| entry == tag.as_bytes())
        })
        .collect()
}

pub fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}
