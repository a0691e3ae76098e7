use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base::NodeId;

use crate::error::{Context, Result};
use crate::evidence::{Evidence, Exit, LinkCounters};
use crate::layout::{Layout, PortSpec};
use crate::nodes::Nodes;
use fault::{Change, LinkRule};

/// Where the nodes of one run live. Dropping it stops every node and undoes every change.
///
/// All calls block until the change has been made and read back; none takes longer than a few seconds.
pub trait Testbed: Send {
    /// `loopback` or `namespaces`.
    fn name(&self) -> &'static str;

    /// What this testbed can break, and why not what it cannot.
    fn capabilities(&self) -> Vec<Capability>;

    /// The processes of the nodes. Testbeds differ in how these are connected, not in how they are started and struck.
    fn nodes(&mut self) -> &mut Nodes;

    /// Prepares addresses (and networks) for that many nodes. Called once, before anything is started.
    fn layout(&mut self, nodes: usize, ports: &[PortSpec]) -> Result<Layout>;

    /// Starts the node, again after it was killed or has exited. Its log is appended to.
    fn start(&mut self, node: NodeId, spec: &NodeSpec) -> Result<Evidence> {
        self.nodes().start(node, spec)
    }

    /// Starts the node as it was started last.
    fn restart(&mut self, node: NodeId) -> Result<Evidence> {
        self.nodes().restart(node)
    }

    /// SIGKILL to every process of the node; returns when they are gone.
    fn kill(&mut self, node: NodeId) -> Result<Evidence> {
        self.nodes().kill(node)
    }

    /// SIGSTOP to every process of the node.
    fn pause(&mut self, node: NodeId) -> Result<Evidence> {
        self.nodes().pause(node)
    }

    /// SIGCONT to every process of the node.
    fn resume(&mut self, node: NodeId) -> Result<Evidence> {
        self.nodes().resume(node)
    }

    /// Replaces the rules of these directed links, all of one node at once. Links keep their connections.
    fn set_links(&mut self, changes: &[LinkChange]) -> Result<Vec<Evidence>>;

    /// Opens every link again. With `reset`, connections that ran over a changed link are reset, so that nodes notice at once
    /// instead of after their timeouts; testbeds without relays cannot and ignore it.
    fn heal_links(&mut self, reset: bool) -> Result<Vec<Evidence>>;

    /// What passed over each directed link since the start, in order of (from, to).
    fn link_counters(&self) -> Result<Vec<(NodeId, NodeId, LinkCounters)>>;

    /// Whether any process of the node exists, paused or not.
    fn is_running(&mut self, node: NodeId) -> bool {
        self.nodes().is_running(node)
    }

    /// How the node's first process ended, if it has.
    fn exit_status(&mut self, node: NodeId) -> Option<Exit> {
        self.nodes().exit_status(node)
    }

    /// Processor time, user and system, that the node's processes have used since it was first started: restarts included, and the end
    /// of a process that the bench killed or collected itself. Counted by the kernel in hundredths of a second.
    fn cpu(&mut self, node: NodeId) -> Duration {
        self.nodes().cpu(node)
    }

    /// SIGTERM to every node, SIGKILL to what is left after `grace`.
    fn stop_all(&mut self, grace: Duration) -> Result<Vec<Evidence>> {
        self.nodes().stop_all(grace)
    }

    /// The network from which clients reach the nodes. A thread that opens sockets to them enters it first.
    fn client_namespace(&self) -> ClientNamespace {
        ClientNamespace::default()
    }

    /// Makes the changes in order; rules of links that stand side by side are set at once.
    fn apply(&mut self, changes: &[Change]) -> Result<Vec<Evidence>> {
        let mut evidence = Vec::new();
        let mut links = Vec::new();
        for change in changes {
            if let Change::Link { from, to, rule } = change {
                links.push(LinkChange { from: *from, to: *to, rule: *rule });
                continue;
            }
            evidence.extend(self.set_links(&std::mem::take(&mut links))?);
            evidence.push(match change {
                Change::Kill(node) => self.kill(*node)?,
                Change::Start(node) => self.restart(*node)?,
                Change::Pause(node) => self.pause(*node)?,
                Change::Resume(node) => self.resume(*node)?,
                Change::Link { .. } => continue,
            });
        }
        evidence.extend(self.set_links(&links)?);
        Ok(evidence)
    }

    /// [`Testbed::set_links`] for one link.
    fn set_link(&mut self, from: NodeId, to: NodeId, rule: LinkRule) -> Result<Vec<Evidence>> {
        self.set_links(&[LinkChange { from, to, rule }])
    }
}

/// A new rule for one directed link.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LinkChange {
    /// Where traffic comes from.
    pub from: NodeId,
    /// Where it goes.
    pub to: NodeId,
    /// What becomes of it.
    pub rule: LinkRule,
}

/// How to start a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeSpec {
    /// A path, or a name that is looked up in `PATH`.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// Set on top of the bench's own environment.
    pub env: Vec<(String, String)>,
    /// Where it runs; must exist.
    pub dir: PathBuf,
    /// Receives standard output and error, appended across restarts.
    pub log: PathBuf,
}

/// A kind of fault, and whether this testbed can do it here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capability {
    /// As in plans: `kill`, `pause`, `partition`, `loss`, `delay`.
    pub fault: &'static str,
    /// Why not, if not.
    pub lack: Option<Lack>,
}

impl Capability {
    /// It can be done.
    pub fn has(fault: &'static str) -> Self {
        Capability { fault, lack: None }
    }

    /// It cannot be done.
    pub fn lacks(fault: &'static str, why: &str, way_out: &str) -> Self {
        Capability { fault, lack: Some(Lack { why: why.to_string(), way_out: way_out.to_string() }) }
    }
}

/// Why a fault is out of reach, and what would bring it into reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lack {
    /// The reason.
    pub why: String,
    /// A package to install, a setting to change, a privilege to get.
    pub way_out: String,
}

/// The network namespace of clients; the default is the one that the bench runs in.
#[derive(Clone, Debug, Default)]
pub struct ClientNamespace {
    pub(crate) fd: Option<Arc<OwnedFd>>,
}

impl ClientNamespace {
    /// Moves the calling thread there for good: sockets it opens from now on, and threads it spawns, belong to it.
    pub fn enter(&self) -> Result<()> {
        use std::os::fd::AsFd;
        let Some(fd) = &self.fd else { return Ok(()) };
        rustix::thread::move_into_link_name_space(fd.as_fd(), Some(rustix::thread::LinkNameSpaceType::Network))
            .context(|| "enter the network namespace of clients".to_string())
    }

    /// Whether entering changes anything.
    pub fn is_separate(&self) -> bool {
        self.fd.is_some()
    }
}
