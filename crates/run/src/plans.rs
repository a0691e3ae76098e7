//! The plans that are built into the binary, so that it does its main job wherever it is installed.

use std::path::Path;

/// A built-in plan.
#[derive(Clone, Copy, Debug)]
pub struct BuiltIn {
    /// Its name: `raft-kv`.
    pub name: &'static str,
    /// Its text.
    pub text: &'static str,
}

macro_rules! built_in {
    ($($name:literal)+) => {
        /// Every built-in plan.
        pub const PLANS: &[BuiltIn] = &[
            $(BuiltIn { name: $name, text: include_str!(concat!("../../../plans/", $name, ".toml")) },)+
        ];
    };
}

built_in! {
    "raft-kv"
    "raft-kv-stale-read"
    "raft-kv-lost-write"
    "raft-kv-forgets"
    "raft-kv-members"
    "paxos-register"
    "etcd"
    "etcd-pause"
    "etcd-serializable"
    "bench/raft-kv"
    "bench/etcd"
}

impl BuiltIn {
    /// What it shows: the comment at its head.
    pub fn about(&self) -> String {
        let comment = self.text.lines().map_while(|line| line.strip_prefix('#'));
        comment.map(str::trim).collect::<Vec<_>>().join(" ")
    }
}

/// The built-in plan that `name` means: `raft-kv`, `raft-kv.toml` or `plans/raft-kv.toml`.
pub fn find(name: &str) -> Option<&'static BuiltIn> {
    let short = name.strip_prefix("plans/").unwrap_or(name);
    let short = short.strip_suffix(".toml").unwrap_or(short);
    PLANS.iter().find(|plan| plan.name == short)
}

/// The plan that another extends: a file beside the extending one, or a built-in plan. Returns its name and text.
///
/// # Errors
/// Why it cannot be read.
pub fn load(from: &str, name: &str) -> Result<(String, String), String> {
    let file = Path::new(from).parent().unwrap_or(Path::new("")).join(name);
    let shown = file.display().to_string();
    match std::fs::read_to_string(&file) {
        Ok(text) => Ok((shown, text)),
        Err(error) => match find(name) {
            Some(plan) => Ok((plan.name.to_string(), plan.text.to_string())),
            None => Err(format!("`{shown}`: {error}")),
        },
    }
}
