//! The processes of nodes, however their network is made: start, signal, look, stop.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base::NodeId;
use rustix::process::Signal;

use crate::error::{Context, Error, Result};
use crate::evidence::{Evidence, Exit};
use crate::process::{self, Process};
use crate::program;
use crate::registry::{NODE_VARIABLE, RUN_VARIABLE, RunTag};
use crate::supervisor::Supervisor;
use crate::testbed::NodeSpec;

/// How long a process may take to end after SIGKILL, or to stop after SIGSTOP. One in an uninterruptible disk wait takes longer
/// than any other; after this the bench gives up and says so.
const PATIENCE: Duration = Duration::from_secs(10);

/// The nodes of one testbed.
pub struct Nodes {
    tag: RunTag,
    supervisor: Supervisor,
    slots: BTreeMap<NodeId, Slot>,
    /// A node's own network namespace: handle and inode.
    networks: BTreeMap<NodeId, (Arc<OwnedFd>, u64)>,
}

struct Slot {
    child: Child,
    /// Set once the child was collected.
    exit: Option<Exit>,
    starts: u32,
    /// When the node's very first process started: nothing older belongs to it, and need not be looked at closely.
    born: Option<u64>,
    spec: NodeSpec,
    /// Processor time of each process as it was last seen, by number and start.
    spent: BTreeMap<(u32, u64), Duration>,
}

impl Nodes {
    pub(crate) fn new(tag: RunTag) -> Result<Self> {
        let supervisor = Supervisor::new().context(|| "start the supervisor thread".to_string())?;
        Ok(Nodes { tag, supervisor, slots: BTreeMap::new(), networks: BTreeMap::new() })
    }

    /// From now on the node's processes start in this namespace and are found by it.
    pub(crate) fn place(&mut self, node: NodeId, network: Arc<OwnedFd>, inode: u64) {
        self.networks.insert(node, (network, inode));
    }

    pub(crate) fn start(&mut self, node: NodeId, spec: &NodeSpec) -> Result<Evidence> {
        if self.is_running(node) {
            return Err(Error::State(format!("{node} is already running")));
        }
        let (starts, born) = self.slots.get(&node).map_or((1, None), |slot| (slot.starts + 1, slot.born));
        let spent = self.slots.get_mut(&node).map(|slot| std::mem::take(&mut slot.spent)).unwrap_or_default();
        let command = self.command(node, spec, starts)?;
        let network = self.networks.get(&node).map(|(network, _)| network.clone());
        let spawned = self.supervisor.spawn(command, network);
        let child = spawned.context(|| format!("start {node} with `{}`", spec.program.display()))?;
        let pid = child.id();
        let process = Process::look(pid);
        let born = born.or(process.map(|process| process.start));
        self.slots.insert(node, Slot { child, exit: None, starts, born, spec: spec.clone(), spent });
        if let Some(process) = process {
            let recorded = self.tag.record(|entry| entry.add_process(process));
            // The run was cleaned up meanwhile: nothing of it may go on.
            recorded.inspect_err(|_| drop(self.kill(node)))?;
        }
        Ok(Evidence::Started { node: node.into(), pid })
    }

    pub(crate) fn restart(&mut self, node: NodeId) -> Result<Evidence> {
        let slot = self.slots.get(&node).ok_or_else(|| Error::State(format!("{node} was never started")))?;
        let spec = slot.spec.clone();
        self.start(node, &spec)
    }

    pub(crate) fn kill(&mut self, node: NodeId) -> Result<Evidence> {
        self.account(node);
        let (pids, left) = process::kill_until_gone(|| self.find(node), PATIENCE);
        if let Some(process) = left.first() {
            return Err(Error::State(format!(
                "process {} of {node} survives SIGKILL in state {}",
                process.pid, process.state
            )));
        }
        Ok(Evidence::Killed { node: node.into(), pids, exit: self.exit_status(node) })
    }

    pub(crate) fn pause(&mut self, node: NodeId) -> Result<Evidence> {
        let states = self.signal_until(node, Signal::STOP, |state| state == 'T');
        Ok(Evidence::Paused { node: node.into(), states })
    }

    pub(crate) fn resume(&mut self, node: NodeId) -> Result<Evidence> {
        let states = self.signal_until(node, Signal::CONT, |state| state != 'T');
        Ok(Evidence::Resumed { node: node.into(), states })
    }

    pub(crate) fn is_running(&mut self, node: NodeId) -> bool {
        self.collect(node);
        match self.slots.get(&node) {
            None => false,
            Some(slot) if slot.exit.is_none() => true,
            // The first process may have been a script that left a daemon behind.
            Some(_) => !self.find(node).is_empty(),
        }
    }

    /// Processor time of all its processes so far.
    pub(crate) fn cpu(&mut self, node: NodeId) -> Duration {
        self.account(node);
        self.slots.get(&node).map_or(Duration::ZERO, |slot| slot.spent.values().sum())
    }

    /// Looks at what its living processes have used.
    fn account(&mut self, node: NodeId) {
        let found = self.find(node);
        let Some(slot) = self.slots.get_mut(&node) else { return };
        found.iter().for_each(|process| slot.account(process));
    }

    pub(crate) fn exit_status(&mut self, node: NodeId) -> Option<Exit> {
        self.collect(node);
        self.slots.get(&node)?.exit
    }

    pub(crate) fn stop_all(&mut self, grace: Duration) -> Result<Vec<Evidence>> {
        let nodes: Vec<NodeId> = self.slots.keys().copied().collect();
        for node in &nodes {
            for process in self.find(*node) {
                process.signal(Signal::TERM);
                // A stopped process gets the signal only once it goes on.
                process.signal(Signal::CONT);
            }
        }
        let deadline = Instant::now() + grace;
        while Instant::now() < deadline && nodes.iter().any(|node| !self.find(*node).is_empty()) {
            std::thread::sleep(Duration::from_millis(5));
        }
        nodes.into_iter().map(|node| self.stopped(node)).collect()
    }

    fn stopped(&mut self, node: NodeId) -> Result<Evidence> {
        let Evidence::Killed { node, pids, exit } = self.kill(node)? else { unreachable!("kill answers with a kill") };
        Ok(Evidence::Stopped { node, exit, forced: !pids.is_empty() })
    }

    /// Every living process of the node: those of its session, those that carry its tag (daemons leave the session), those in
    /// its namespace (some overwrite their environment).
    fn find(&mut self, node: NodeId) -> Vec<Process> {
        self.collect(node);
        let Some(slot) = self.slots.get(&node) else { return Vec::new() };
        let (session, born) = (slot.child.id(), slot.born);
        let inode = self.networks.get(&node).map(|(_, inode)| *inode);
        let run = format!("{RUN_VARIABLE}={}", self.tag.run());
        let name = format!("{NODE_VARIABLE}={node}");
        process::find(|process| {
            let younger = born.is_none_or(|born| process.start >= born);
            process.session == session
                || (inode.is_some() && process.network() == inode)
                || (younger && process.carries(&run) && process.carries(&name))
        })
    }

    /// Collects the child if it has ended, so that it does not stay behind as a zombie.
    fn collect(&mut self, node: NodeId) {
        let Some(slot) = self.slots.get_mut(&node).filter(|slot| slot.exit.is_none()) else { return };
        // Once it is collected, nobody knows what it has used.
        if let Some(ended) = Process::look(slot.child.id()).filter(|process| !process.is_alive()) {
            slot.account(&ended);
        }
        if let Ok(Some(status)) = slot.child.try_wait() {
            slot.exit = Some(status.into());
        }
    }

    /// Sends the signal to every process of the node, also to those that forks add meanwhile, until all are in a wanted state
    /// or patience ends; returns what /proc says then.
    fn signal_until(&mut self, node: NodeId, signal: Signal, wanted: impl Fn(char) -> bool) -> Vec<(u32, char)> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let found = self.find(node);
            found.iter().filter(|process| !wanted(process.state)).for_each(|process| process.signal(signal));
            if found.iter().all(|process| wanted(process.state)) || Instant::now() > deadline {
                return found.iter().map(|process| (process.pid, process.state)).collect();
            }
            std::thread::sleep(Duration::from_micros(200));
        }
    }

    fn command(&self, node: NodeId, spec: &NodeSpec, starts: u32) -> Result<Command> {
        let missing = || Error::MissingProgram {
            program: spec.program.display().to_string(),
            package: None,
            purpose: format!("needed to start {node}"),
        };
        let program = program::find(&spec.program).ok_or_else(missing)?;
        if !spec.dir.is_dir() {
            return Err(Error::State(format!(
                "cannot start {node}: its directory `{}` does not exist",
                spec.dir.display()
            )));
        }
        let log = open_log(&spec.log, node, starts).context(|| format!("open the log `{}`", spec.log.display()))?;
        let errors = log.try_clone().context(|| "duplicate the log's handle".to_string())?;
        let mut command = Command::new(program);
        command.args(&spec.args).current_dir(&spec.dir).envs(spec.env.iter().map(|(key, value)| (key, value)));
        command.env(RUN_VARIABLE, self.tag.run()).env(NODE_VARIABLE, node.to_string());
        command.stdin(Stdio::null()).stdout(log).stderr(errors);
        Ok(command)
    }
}

impl Slot {
    fn account(&mut self, process: &Process) {
        if let Some(cpu) = process.cpu() {
            self.spent.insert((process.pid, process.start), cpu);
        }
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        let nodes: Vec<NodeId> = self.slots.keys().copied().collect();
        for node in nodes {
            // Whatever survives is named in the registry, which the guard and the next start work off.
            let _ = self.kill(node);
        }
    }
}

fn open_log(path: &Path, node: NodeId, starts: u32) -> std::io::Result<std::fs::File> {
    let mut log = OpenOptions::new().create(true).append(true).open(path)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    writeln!(
        log,
        "---- assize: start {starts} of {node}, unix time {}.{:03} ----",
        now.as_secs(),
        now.subsec_millis()
    )?;
    Ok(log)
}
