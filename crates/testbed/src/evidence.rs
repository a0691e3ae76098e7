use std::fmt;
use std::ops::{AddAssign, Sub};
use std::process::ExitStatus;

use base::NodeId;
use serde::Serialize;

/// What proves that a change happened, read back after it was made. A fault without proof makes a run `unknown`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "evidence", rename_all = "kebab-case")]
pub enum Evidence {
    /// A process runs.
    Started {
        /// The node.
        node: NodeNumber,
        /// Its first process.
        pid: u32,
    },
    /// SIGKILL was sent and every process of the node is gone from /proc.
    Killed {
        /// The node.
        node: NodeNumber,
        /// The processes that were killed; none if the node had already exited.
        pids: Vec<u32>,
        /// How the node's first process ended.
        exit: Option<Exit>,
    },
    /// SIGTERM was sent, and SIGKILL to what was left after the grace time.
    Stopped {
        /// The node.
        node: NodeNumber,
        /// How the node's first process ended.
        exit: Option<Exit>,
        /// Whether SIGKILL was needed.
        forced: bool,
    },
    /// SIGSTOP was sent: the state letters of every process, read from /proc/PID/stat afterwards.
    Paused {
        /// The node.
        node: NodeNumber,
        /// Process and state letter; `T` is stopped.
        states: Vec<(u32, char)>,
    },
    /// SIGCONT was sent: the state letters afterwards.
    Resumed {
        /// The node.
        node: NodeNumber,
        /// Process and state letter; anything but `T` runs again.
        states: Vec<(u32, char)>,
    },
    /// A rule is in force on a link. Proves nothing yet: what it did to traffic is known when it ends.
    RuleSet {
        /// Where traffic comes from.
        from: NodeNumber,
        /// Where it goes.
        to: NodeNumber,
        /// The rule, in words.
        rule: String,
    },
    /// A rule was replaced or healed: what it did to traffic while it was in force.
    RuleEnded {
        /// Where traffic comes from.
        from: NodeNumber,
        /// Where it goes.
        to: NodeNumber,
        /// The rule, in words.
        rule: String,
        /// Counted while it was in force.
        during: LinkCounters,
    },
}

impl Evidence {
    /// Whether the change is proven to have had its effect.
    pub fn holds(&self) -> bool {
        match self {
            Evidence::Started { .. } | Evidence::Stopped { .. } | Evidence::RuleSet { .. } => true,
            Evidence::Killed { pids, .. } => !pids.is_empty(),
            Evidence::Paused { states, .. } => !states.is_empty() && states.iter().all(|(_, state)| *state == 'T'),
            Evidence::Resumed { states, .. } => !states.is_empty() && states.iter().all(|(_, state)| *state != 'T'),
            Evidence::RuleEnded { during, .. } => during.touched() > 0,
        }
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Evidence::Started { node, pid } => write!(f, "{node} runs as process {pid}"),
            Evidence::Killed { node, pids, exit } if pids.is_empty() => {
                write!(f, "{node} was not running{}", ending(exit))
            }
            Evidence::Killed { node, pids, exit } => {
                write!(f, "{node} is gone: {} killed{}", processes(pids), ending(exit))
            }
            Evidence::Stopped { node, exit, forced } => {
                write!(f, "{node} stopped{}{}", if *forced { " by force" } else { "" }, ending(exit))
            }
            Evidence::Paused { node, states } => write!(f, "{node} paused: {}", letters(states)),
            Evidence::Resumed { node, states } => write!(f, "{node} resumed: {}", letters(states)),
            Evidence::RuleSet { from, to, rule } => write!(f, "{from} → {to}: {rule}"),
            Evidence::RuleEnded { from, to, rule, during } => write!(f, "{from} → {to}: {rule} ended: {during}"),
        }
    }
}

/// A node in evidence: shown and written as `n1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodeNumber(pub NodeId);

impl From<NodeId> for NodeNumber {
    fn from(node: NodeId) -> Self {
        NodeNumber(node)
    }
}

impl fmt::Display for NodeNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for NodeNumber {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exit {
    /// It returned this code.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
}

impl From<ExitStatus> for Exit {
    fn from(status: ExitStatus) -> Self {
        use std::os::unix::process::ExitStatusExt;
        match (status.code(), status.signal()) {
            (Some(code), _) => Exit::Code(code),
            (None, signal) => Exit::Signal(signal.unwrap_or(0)),
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exit::Code(code) => write!(f, "exit code {code}"),
            Exit::Signal(signal) => write!(f, "signal {signal}"),
        }
    }
}

/// What passed over one directed link, and what the rule did to it. Frames on relays, packets in namespaces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LinkCounters {
    /// Let through, on time or late. Not counted in namespaces, where the kernel forwards.
    pub forwarded: u64,
    /// Dropped without a word.
    pub dropped: u64,
    /// Let through late. Also counted as forwarded.
    pub delayed: u64,
    /// Kept back until the cut ended: what a link cannot drop without breaking the stream (a connection being set up, or
    /// any bytes of a protocol that the relay does not know).
    pub held: u64,
    /// Bytes dropped.
    pub dropped_bytes: u64,
    /// Connections reset when a rule ended.
    pub resets: u64,
}

impl LinkCounters {
    /// Frames or packets that a rule did something to.
    pub fn touched(&self) -> u64 {
        self.dropped + self.delayed + self.held
    }
}

impl AddAssign for LinkCounters {
    fn add_assign(&mut self, other: Self) {
        self.forwarded += other.forwarded;
        self.dropped += other.dropped;
        self.delayed += other.delayed;
        self.held += other.held;
        self.dropped_bytes += other.dropped_bytes;
        self.resets += other.resets;
    }
}

impl Sub for LinkCounters {
    type Output = Self;
    /// What was counted since `earlier`.
    fn sub(self, earlier: Self) -> Self {
        LinkCounters {
            forwarded: self.forwarded.saturating_sub(earlier.forwarded),
            dropped: self.dropped.saturating_sub(earlier.dropped),
            delayed: self.delayed.saturating_sub(earlier.delayed),
            held: self.held.saturating_sub(earlier.held),
            dropped_bytes: self.dropped_bytes.saturating_sub(earlier.dropped_bytes),
            resets: self.resets.saturating_sub(earlier.resets),
        }
    }
}

impl fmt::Display for LinkCounters {
    /// Names what is not zero: `12 dropped, 3 delayed`, or `untouched`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all =
            [(self.dropped, "dropped"), (self.delayed, "delayed"), (self.held, "held"), (self.forwarded, "forwarded")];
        let parts: Vec<String> =
            all.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
        f.write_str(&if parts.is_empty() { "no traffic".to_string() } else { parts.join(", ") })
    }
}

fn processes(pids: &[u32]) -> String {
    match pids {
        [pid] => format!("process {pid}"),
        _ => format!("{} processes", pids.len()),
    }
}

fn ending(exit: &Option<Exit>) -> String {
    exit.map_or(String::new(), |exit| format!(" ({exit})"))
}

fn letters(states: &[(u32, char)]) -> String {
    let words: Vec<String> = states.iter().map(|(pid, state)| format!("process {pid} in state {state}")).collect();
    if words.is_empty() { "no process".to_string() } else { words.join(", ") }
}
