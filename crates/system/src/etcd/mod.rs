//! etcd 3.4: a real cluster of Debian's `etcd-server`, asked through its JSON gateway.
//!
//! Flags, readiness and timings are those that were seen to work (heartbeat 50 ms, election timeout 500 ms). After a heal a peer may need
//! one to four seconds before it serves again: the stale TCP streams of the cut retransmit with back-off.

mod client;

use std::net::SocketAddr;
use std::time::Duration;

use base::NodeId;
use plan::Table;
use proto::client::Client;
use testbed::{NodeSpec, PortSpec};

pub use client::Gateway;

use crate::contract::{CLIENT_PORT, Deployment, Missing, Observed, Site, System, find_program, node_spec};
use crate::http_client::HttpClient;
use crate::probe;

const PROBE_LIMIT: Duration = Duration::from_millis(500);

/// A cluster of etcd servers.
pub struct Etcd {
    nodes: usize,
    heartbeat: Duration,
    election_timeout: Duration,
    serializable: bool,
    arguments: Vec<String>,
}

impl Etcd {
    /// Reads `[system]` with `kind = "etcd"`.
    pub fn from_plan(table: &Table<'_>) -> Option<Box<dyn System>> {
        Some(Box::new(Etcd {
            nodes: table.or("nodes", 3),
            heartbeat: table.or("heartbeat", Duration::from_millis(50)),
            election_timeout: table.or("election_timeout", Duration::from_millis(500)),
            serializable: table.or("serializable_reads", false),
            arguments: table.or("arguments", Vec::new()),
        }))
    }

    fn client_address(&self, node: NodeId, site: &Site) -> SocketAddr {
        site.address(node, CLIENT_PORT)
    }

    fn peer_url(&self, node: NodeId, site: &Site) -> String {
        format!("http://{}", site.address(node, "peer"))
    }
}

impl System for Etcd {
    fn name(&self) -> &str {
        "etcd"
    }

    fn nodes(&self) -> usize {
        self.nodes
    }

    fn deployment(&self) -> Deployment {
        Deployment::Processes {
            ports: vec![PortSpec::client(CLIENT_PORT).usually(2379), PortSpec::peer("peer").usually(2380)],
            relayed: false,
        }
    }

    fn missing(&self) -> Vec<Missing> {
        missing()
    }

    fn versions(&self) -> Vec<(String, String)> {
        let output = std::process::Command::new("etcd").arg("--version").output();
        let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
        let version = text.lines().next().and_then(|line| line.split(": ").nth(1)).unwrap_or("unknown");
        vec![("etcd".into(), version.to_string())]
    }

    fn spec(&self, node: NodeId, site: &Site) -> NodeSpec {
        let client = format!("http://{}", self.client_address(node, site));
        let peer = self.peer_url(node, site);
        let member = |node| format!("{node}={}", self.peer_url(node, site));
        let cluster = NodeId::all(self.nodes).map(member).collect::<Vec<_>>().join(",");
        let folder = site.node_folder(node);
        let data = folder.join("data").display().to_string();
        let mut arguments: Vec<String> = [
            ("--name", node.to_string()),
            ("--data-dir", data),
            ("--listen-peer-urls", peer.clone()),
            ("--initial-advertise-peer-urls", peer),
            ("--listen-client-urls", client.clone()),
            ("--advertise-client-urls", client),
            ("--initial-cluster", cluster),
            ("--initial-cluster-state", "new".into()),
            ("--initial-cluster-token", "assize".into()),
            ("--heartbeat-interval", self.heartbeat.as_millis().to_string()),
            ("--election-timeout", self.election_timeout.as_millis().to_string()),
            ("--logger", "zap".into()),
        ]
        .into_iter()
        .flat_map(|(flag, value)| [flag.to_string(), value])
        .collect();
        arguments.extend(self.arguments.iter().cloned());
        let program = find_program("etcd").unwrap_or_else(|| "etcd".into());
        node_spec(program, arguments, &folder)
    }

    fn ready(&self, node: NodeId, site: &Site) -> Result<(), String> {
        let answer = probe::exchange(self.client_address(node, site), "GET", "/health", b"", PROBE_LIMIT)?;
        let body = String::from_utf8_lossy(&answer.body);
        if body.contains("\"true\"") { Ok(()) } else { Err(format!("{node} says {}", body.trim())) }
    }

    fn settle(&self) -> Duration {
        Duration::from_secs(4)
    }

    fn observe(&self, node: NodeId, site: &Site) -> Option<Observed> {
        let address = self.client_address(node, site);
        let answer = probe::exchange(address, "POST", "/v3/maintenance/status", b"{}", PROBE_LIMIT).ok()?;
        let status: serde_json::Value = serde_json::from_slice(&answer.body).ok()?;
        let leader = status.get("leader").and_then(|id| id.as_str()).unwrap_or("0");
        let member = status.pointer("/header/member_id").and_then(|id| id.as_str())?;
        let epoch = status.get("raftTerm").and_then(|term| term.as_str())?.parse().ok()?;
        Some(Observed { leads: leader == member, epoch, gauges: Vec::new() })
    }

    /// Syncs of the write-ahead log. Commits of the backend, ten a second, are not counted.
    fn syncs(&self, node: NodeId, site: &Site) -> Option<u64> {
        let answer = probe::exchange(self.client_address(node, site), "GET", "/metrics", b"", PROBE_LIMIT).ok()?;
        counter(&String::from_utf8_lossy(&answer.body), "etcd_disk_wal_fsync_duration_seconds_count")
    }

    fn client(&self, _group: u32, site: &Site) -> Box<dyn Client> {
        let hosts = self.endpoints(site).iter().map(SocketAddr::to_string).collect();
        let gateway = Gateway::new(hosts, site.prefix.clone(), self.serializable);
        Box::new(HttpClient::new(self.nodes, gateway))
    }
}

/// A counter without labels in Prometheus' text format; etcd writes large ones as `1.234567e+06`.
fn counter(metrics: &str, name: &str) -> Option<u64> {
    let value = |line: &str| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse::<f64>().ok();
    metrics.lines().find_map(value).map(|count| count as u64)
}

/// What is needed to run etcd and not here.
pub fn missing() -> Vec<Missing> {
    match find_program("etcd") {
        Some(_) => Vec::new(),
        None => vec![Missing { what: "program `etcd`".into(), way_out: "apt-get install etcd-server".into() }],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_found_by_its_whole_name() {
        let text = "# TYPE fsync histogram\nfsync_bucket{le=\"1\"} 3\nfsync_count_total 9\nfsync_count 1.234567e+06\n";
        assert_eq!(counter(text, "fsync_count"), Some(1_234_567));
        assert_eq!(counter(text, "fsync"), None);
    }
}
