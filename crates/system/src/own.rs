//! The user's own system, described in the plan: started by commands, or already running at endpoints.
//!
//! ```toml
//! [system]
//! kind = "command"
//! nodes = 3
//! start = "python3 store.py --listen {addr} --peers {peers} --data {dir}"
//! ready = "GET /health"           # or a command; without it, an open port is enough
//!
//! [client]
//! kind = "http"
//! get = { request = "GET /kv/{key}", missing = [404] }
//! put = { request = "PUT /kv/{key}", body = "{value}" }
//! ```
//!
//! In commands, `{node}` is the node's name (`n1`), `{addr}` its `ip:port`, `{dir}` its data folder and `{peers}` the addresses of all
//! nodes, comma-separated, in order. A command runs in the folder where assize was started, by `sh -c 'exec ...'`, and dies with the run.

use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use base::NodeId;
use history::Function;
use plan::Table;
use proto::client::Client;
use testbed::{NodeSpec, PortSpec};

use crate::contract::{CLIENT_PORT, Deployment, Site, System, node_spec};
use crate::http_client::HttpClient;
use crate::http_template::{TemplateExchange, Templates};
use crate::probe;

/// A system that the plan describes.
pub struct Own {
    nodes: usize,
    running: Running,
    templates: Templates,
    settle: Duration,
}

enum Running {
    Commands { start: String, stop: Option<String>, ready: Option<Ready>, start_limit: Duration },
    Attached(Vec<SocketAddr>),
}

enum Ready {
    Http { method: String, path: String },
    Command(String),
}

impl Own {
    /// Reads `[system]` with `kind = "command"` and the templates of `[client]`.
    pub fn command(system: &Table<'_>, client: Option<&Table<'_>>) -> Option<Box<dyn System>> {
        let start = system.need("start");
        let running = Running::Commands {
            stop: system.get("stop"),
            ready: system.get::<String>("ready").map(Ready::parse),
            start_limit: system.or("start_limit", Duration::from_secs(20)),
            start: start?,
        };
        let nodes = system.or("nodes", 1);
        Own::finish(nodes, running, system, client)
    }

    /// Reads `[system]` with `endpoints = [...]` and the templates of `[client]`.
    pub fn attached(system: &Table<'_>, client: Option<&Table<'_>>) -> Option<Box<dyn System>> {
        let endpoints: Vec<String> = system.need("endpoints")?;
        let mut addresses = Vec::new();
        for endpoint in &endpoints {
            match endpoint.to_socket_addrs().ok().and_then(|mut found| found.next()) {
                Some(address) => addresses.push(address),
                None => {
                    let message = format!("`{endpoint}` is not an address that can be resolved");
                    system.error("endpoints", message, "write it like `127.0.0.1:8080`");
                    return None;
                }
            }
        }
        if addresses.is_empty() {
            system.error("endpoints", "no endpoint is given", "write it like `[\"127.0.0.1:8080\"]`");
            return None;
        }
        Own::finish(addresses.len(), Running::Attached(addresses), system, client)
    }

    fn finish(
        nodes: usize,
        running: Running,
        system: &Table<'_>,
        client: Option<&Table<'_>>,
    ) -> Option<Box<dyn System>> {
        let settle = system.or("settle", Duration::from_secs(1));
        let Some(client) = client else {
            let help = "add `[client]` with `kind = \"http\"` and templates for `get` and `put`";
            system.error("kind", "a system of one's own needs a client", help);
            return None;
        };
        client.choice_or("kind", &[("http", ())], "http");
        let templates = Templates::from_plan(client);
        Some(Box::new(Own { nodes, running, templates, settle }))
    }

    fn shell(&self, command: &str, node: NodeId, site: &Site) -> Vec<String> {
        vec!["-c".to_string(), format!("exec {}", self.fill(command, node, site))]
    }

    fn fill(&self, template: &str, node: NodeId, site: &Site) -> String {
        let peers: Vec<String> = self.endpoints(site).iter().map(SocketAddr::to_string).collect();
        template
            .replace("{node}", &node.to_string())
            .replace("{addr}", &site.address(node, CLIENT_PORT).to_string())
            .replace("{dir}", &site.node_folder(node).join("data").display().to_string())
            .replace("{peers}", &peers.join(","))
    }
}

impl Ready {
    fn parse(text: String) -> Ready {
        match text.split_once(' ') {
            Some((method @ ("GET" | "HEAD" | "POST"), path)) if path.starts_with('/') => {
                Ready::Http { method: method.into(), path: path.into() }
            }
            _ => Ready::Command(text),
        }
    }
}

const PROBE_LIMIT: Duration = Duration::from_secs(1);

impl System for Own {
    fn name(&self) -> &str {
        match self.running {
            Running::Commands { .. } => "command",
            Running::Attached(_) => "endpoints",
        }
    }

    fn nodes(&self) -> usize {
        self.nodes
    }

    fn deployment(&self) -> Deployment {
        match &self.running {
            Running::Commands { .. } => {
                Deployment::Processes { ports: vec![PortSpec::client(CLIENT_PORT)], relayed: false }
            }
            Running::Attached(addresses) => Deployment::Attached(addresses.clone()),
        }
    }

    fn spec(&self, node: NodeId, site: &Site) -> NodeSpec {
        let folder = site.node_folder(node);
        let Running::Commands { start, .. } = &self.running else {
            unreachable!("the conductor starts no node of an attached system")
        };
        node_spec(PathBuf::from("/bin/sh"), self.shell(start, node, site), &folder)
    }

    fn stop(&self, node: NodeId, site: &Site) -> Option<(PathBuf, Vec<String>)> {
        match &self.running {
            Running::Commands { stop: Some(stop), .. } => Some(("/bin/sh".into(), self.shell(stop, node, site))),
            _ => None,
        }
    }

    fn ready(&self, node: NodeId, site: &Site) -> Result<(), String> {
        let address = self.endpoints(site)[node.index()];
        let ready = match &self.running {
            Running::Commands { ready, .. } => ready.as_ref(),
            Running::Attached(_) => None,
        };
        match ready {
            None => match TcpStream::connect_timeout(&address, PROBE_LIMIT) {
                Ok(_) => Ok(()),
                Err(error) => Err(format!("{address} does not answer: {error}")),
            },
            Some(Ready::Http { method, path }) => {
                let answer = probe::exchange(address, method, &self.fill(path, node, site), b"", PROBE_LIMIT)?;
                if answer.status < 300 {
                    Ok(())
                } else {
                    Err(format!("{address} answers with status {}", answer.status))
                }
            }
            Some(Ready::Command(command)) => {
                let line = self.fill(command, node, site);
                let status = Command::new("/bin/sh").args(["-c", &line]).stdin(Stdio::null()).status();
                match status {
                    Ok(status) if status.success() => Ok(()),
                    Ok(status) => Err(format!("`{line}` ended with {status}")),
                    Err(error) => Err(format!("`{line}` does not start: {error}")),
                }
            }
        }
    }

    fn start_limit(&self) -> Duration {
        match self.running {
            Running::Commands { start_limit, .. } => start_limit,
            Running::Attached(_) => Duration::from_secs(5),
        }
    }

    fn settle(&self) -> Duration {
        self.settle
    }

    fn functions(&self) -> Vec<Function> {
        Function::ALL.iter().copied().filter(|function| self.templates.call(*function).is_some()).collect()
    }

    fn client(&self, _group: u32, site: &Site) -> Box<dyn Client> {
        let hosts = self.endpoints(site).iter().map(SocketAddr::to_string).collect();
        let exchange = TemplateExchange::new(self.templates.clone(), hosts, site.prefix.clone());
        Box::new(HttpClient::new(self.nodes, exchange))
    }

    fn endpoints(&self, site: &Site) -> Vec<SocketAddr> {
        match &self.running {
            Running::Attached(addresses) => addresses.clone(),
            Running::Commands { .. } => NodeId::all(self.nodes).map(|node| site.address(node, CLIENT_PORT)).collect(),
        }
    }
}
