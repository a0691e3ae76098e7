use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base::{NodeId, Seed};
use history::Function;
use proto::client::Client;
use testbed::{Layout, NodeSpec, PortSpec};

/// The name of the port that clients dial.
pub const CLIENT_PORT: &str = "client";

/// How a system comes to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deployment {
    /// The testbed starts its nodes as processes.
    Processes {
        /// The ports each node listens on; clients use the one named [`CLIENT_PORT`].
        ports: Vec<PortSpec>,
        /// The nodes speak `proto::wire` frames to each other, so links can run through relays.
        relayed: bool,
    },
    /// It runs already: the bench only talks to it, and cannot harm its processes or links.
    Attached(Vec<SocketAddr>),
}

/// Where one run of a system lives.
#[derive(Clone, Debug)]
pub struct Site {
    /// Addresses of nodes and links.
    pub layout: Layout,
    /// The run folder; each node has `nodes/n1/` in it.
    pub folder: PathBuf,
    /// Goes before every key, so that runs against one cluster do not see each other.
    pub prefix: String,
    /// The run's seed.
    pub seed: Seed,
}

impl Site {
    /// Where a node listens, by the name of the port.
    ///
    /// # Panics
    /// If the layout was made without this port: a bug in the system's description.
    pub fn address(&self, node: NodeId, port: &str) -> SocketAddr {
        self.layout.address(node, port).unwrap_or_else(|| panic!("{node} has no port `{port}`"))
    }

    /// The folder of a node's data and log.
    pub fn node_folder(&self, node: NodeId) -> PathBuf {
        self.folder.join("nodes").join(node.to_string())
    }
}

/// Who a node says it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// It says that it leads.
    pub leads: bool,
    /// Its term, ballot or view.
    pub epoch: u64,
    /// Further gauges: name and value.
    pub gauges: Vec<(String, u64)>,
}

/// Something that is needed and not here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// What: "program `etcd`".
    pub what: String,
    /// The way out: "apt-get install etcd-server".
    pub way_out: String,
}

/// A system under test.
pub trait System: Send + Sync {
    /// Its name in plans and reports.
    fn name(&self) -> &str;

    /// How many servers it has.
    fn nodes(&self) -> usize;

    /// How it comes to run.
    fn deployment(&self) -> Deployment;

    /// What is needed to run it and not here.
    fn missing(&self) -> Vec<Missing> {
        Vec::new()
    }

    /// Names and versions of the programs under test.
    fn versions(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    /// How to start a node, first or again.
    fn spec(&self, node: NodeId, site: &Site) -> NodeSpec;

    /// A command that asks a node to stop, beside the signals of the testbed: program and arguments.
    fn stop(&self, _node: NodeId, _site: &Site) -> Option<(PathBuf, Vec<String>)> {
        None
    }

    /// Whether the node serves: one attempt, answered within a second.
    ///
    /// # Errors
    /// Why not (yet).
    fn ready(&self, node: NodeId, site: &Site) -> Result<(), String>;

    /// How long a start may take until the system counts as broken.
    fn start_limit(&self) -> Duration {
        Duration::from_secs(20)
    }

    /// How long the system needs after a heal before it must serve on every node.
    fn settle(&self) -> Duration {
        Duration::from_secs(1)
    }

    /// Asks a node who it is; `None` if it does not answer or has no notion of leading.
    fn observe(&self, _node: NodeId, _site: &Site) -> Option<Observed> {
        None
    }

    /// How often the node has made writes durable since its process began (write-ahead log, where it tells them apart);
    /// `None` if it does not say.
    fn syncs(&self, _node: NodeId, _site: &Site) -> Option<u64> {
        None
    }

    /// Which functions its client can do.
    fn functions(&self) -> Vec<Function> {
        Function::ALL.to_vec()
    }

    /// A client for some of the logical processes, by the number of its connection group.
    fn client(&self, group: u32, site: &Site) -> Box<dyn Client>;

    /// The system as actors in a simulated world, if it is one of ours; on disks as the plan wants them.
    fn world(&self, _options: sim::Options) -> Option<sim::World> {
        None
    }

    /// The addresses that clients dial, by node.
    fn endpoints(&self, site: &Site) -> Vec<SocketAddr> {
        NodeId::all(self.nodes()).map(|node| site.address(node, CLIENT_PORT)).collect()
    }
}

/// How to start a program as a node: it runs where assize runs, and its log is in the node's folder.
pub(crate) fn node_spec(program: PathBuf, args: Vec<String>, folder: &Path) -> NodeSpec {
    let dir = std::env::current_dir().unwrap_or_else(|_| folder.to_path_buf());
    NodeSpec { program, args, env: Vec::new(), dir, log: folder.join("log") }
}

/// Where a program is, if it is on the path (or where Debian puts daemons).
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    if name.contains('/') {
        return Some(PathBuf::from(name)).filter(|path| path.exists());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([Path::new("/usr/sbin").into(), Path::new("/sbin").into()]);
    folders.map(|folder| folder.join(name)).find(|file| file.is_file())
}
