//! Brings a system up on a testbed, and takes it down.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base::NodeId;
use system::{Deployment, Site, System};
use testbed::{ClientNamespace, Framing, Guard, Layout, Loopback, LoopbackOptions, Namespaces, Testbed};

use crate::error::RunError;
use crate::folder::Folder;
use crate::plan::{Plan, TestbedKind};
use crate::stop::Stop;

/// A system that runs.
pub struct Cluster {
    /// Where it runs; none for a system that ran already.
    testbed: Option<Arc<Mutex<Box<dyn Testbed>>>>,
    /// Addresses and folders.
    pub site: Site,
    /// Where its clients live.
    pub clients: ClientNamespace,
    /// The testbed's name.
    pub name: &'static str,
    /// What is left out here, and the way out.
    pub notes: Vec<String>,
}

const GRACE: Duration = Duration::from_secs(2);

impl Cluster {
    /// Makes the testbed and the addresses; starts nothing yet.
    ///
    /// # Errors
    /// What is missing, and the way out.
    pub fn prepare(plan: &Plan, guard: &Guard, folder: &Folder) -> Result<Cluster, RunError> {
        let system = &*plan.system;
        if let Some(missing) = system.missing().first() {
            let text = format!("{} is missing; {}", missing.what, missing.way_out);
            return Err(RunError::Unavailable(text));
        }
        let site = |layout| Site {
            layout,
            folder: folder.path().to_path_buf(),
            // One segment of a path: servers route by slashes.
            prefix: format!("{}-", folder.id()),
            seed: plan.seed,
        };
        let ports = match system.deployment() {
            Deployment::Attached(_) => {
                return Ok(Cluster {
                    testbed: None,
                    site: site(Layout::default()),
                    clients: ClientNamespace::default(),
                    name: "attached",
                    notes: vec!["attached to a running system: no process or network faults".into()],
                });
            }
            Deployment::Processes { ports, .. } => ports,
        };
        let (mut testbed, notes) = make(plan, guard)?;
        check_faults(plan, &*testbed)?;
        let layout = testbed.layout(system.nodes(), &ports)?;
        let clients = testbed.client_namespace();
        let name = testbed.name();
        Ok(Cluster { testbed: Some(Arc::new(Mutex::new(testbed))), site: site(layout), clients, name, notes })
    }

    /// The testbed, if the system runs on one.
    pub fn testbed(&self) -> Option<MutexGuard<'_, Box<dyn Testbed>>> {
        self.testbed.as_ref().map(|testbed| testbed.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Starts a node, first or again. A system that ran already has none to start.
    pub fn start(&self, system: &dyn System, node: NodeId) -> Result<Vec<testbed::Evidence>, RunError> {
        let Some(mut testbed) = self.testbed() else { return Ok(Vec::new()) };
        std::fs::create_dir_all(self.site.node_folder(node).join("data"))?;
        Ok(vec![testbed.start(node, &system.spec(node, &self.site))?])
    }

    /// Starts every node and waits until all serve. Call it from a thread that may reach them.
    ///
    /// # Errors
    /// Which node does not come up, why, and the end of its log.
    pub fn start_all(&self, system: &dyn System, stop: &Stop) -> Result<Duration, RunError> {
        let began = Instant::now();
        for node in NodeId::all(system.nodes()) {
            self.start(system, node)?;
        }
        for node in NodeId::all(system.nodes()) {
            self.wait_ready(system, node, began + system.start_limit(), stop)?;
        }
        Ok(began.elapsed())
    }

    fn wait_ready(&self, system: &dyn System, node: NodeId, limit: Instant, stop: &Stop) -> Result<(), RunError> {
        loop {
            let Err(reason) = system.ready(node, &self.site) else { return Ok(()) };
            let exit = self.testbed().and_then(|mut testbed| testbed.exit_status(node));
            if let Some(exit) = exit {
                return Err(self.not_up(node, &format!("ended with {exit}{}", hint(exit))));
            }
            if Instant::now() > limit {
                return Err(self.not_up(node, &format!("did not come up in time: {reason}")));
            }
            if stop.is_set() {
                return Err(RunError::Interrupted { folder: self.site.folder.display().to_string() });
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn not_up(&self, node: NodeId, what: &str) -> RunError {
        let log = self.site.node_folder(node).join("log");
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let tail: String = lines[lines.len().saturating_sub(8)..].iter().map(|line| format!("\n  | {line}")).collect();
        let tail = if tail.is_empty() { " (its log is empty)".into() } else { format!("; the end of its log:{tail}") };
        RunError::Unavailable(format!("{node} {what}{tail}"))
    }

    /// Opens all links and lets every paused node go on.
    pub fn heal(&self) {
        if let Some(mut testbed) = self.testbed() {
            let _ = testbed.heal_links(true);
        }
    }

    /// Stops every node, with the system's own command first if it has one.
    pub fn stop(&self, system: &dyn System) {
        for node in NodeId::all(system.nodes()) {
            if let Some((program, arguments)) = system.stop(node, &self.site) {
                let _ = std::process::Command::new(program).args(arguments).stdin(std::process::Stdio::null()).status();
            }
        }
        if let Some(mut testbed) = self.testbed() {
            let _ = testbed.stop_all(GRACE);
        }
    }
}

fn make(plan: &Plan, guard: &Guard) -> Result<(Box<dyn Testbed>, Vec<String>), RunError> {
    let framed = matches!(plan.system.deployment(), Deployment::Processes { relayed: true, .. });
    let relayed = framed && plan.relays;
    let loopback = || -> Result<Box<dyn Testbed>, RunError> {
        let options = LoopbackOptions { seed: plan.seed.derive("links"), relay: relayed.then_some(Framing::Frames) };
        Ok(Box::new(Loopback::new(guard, options)?))
    };
    let namespaces = || -> Result<Box<dyn Testbed>, testbed::Error> { Ok(Box::new(Namespaces::new(guard)?)) };
    match plan.testbed {
        // The simulated world has no cluster to deploy; who asks for one all the same gets real nodes.
        TestbedKind::Loopback | TestbedKind::Simulated => Ok((loopback()?, Vec::new())),
        TestbedKind::Namespaces => Ok((namespaces()?, Vec::new())),
        TestbedKind::Auto => match namespaces() {
            Ok(testbed) => Ok((testbed, Vec::new())),
            Err(error) => Ok((loopback()?, vec![format!("on loopback, without network faults: {error}")])),
        },
    }
}

/// A fault that the testbed cannot do is told before anything starts.
fn check_faults(plan: &Plan, testbed: &dyn Testbed) -> Result<(), RunError> {
    let capabilities = testbed.capabilities();
    for injection in &plan.faults {
        let name = injection.fault.kind.name;
        let lack = capabilities.iter().find(|can| can.fault == name).and_then(|can| can.lack.as_ref());
        if let Some(lack) = lack
            && plan.testbed != TestbedKind::Auto
        {
            return Err(RunError::Unavailable(format!(
                "testbed `{}` cannot do `{name}`: {}; {}",
                testbed.name(),
                lack.why,
                lack.way_out
            )));
        }
    }
    Ok(())
}

/// What the exit codes of a shell say.
fn hint(exit: testbed::Exit) -> &'static str {
    match exit {
        testbed::Exit::Code(127) => " (the program of `system.start` was not found: is it installed, and on PATH?)",
        testbed::Exit::Code(126) => " (the program of `system.start` cannot be executed: is it `chmod +x`?)",
        _ => "",
    }
}
