//! Who owns what on this machine.
//!
//! Each run has a state file that names its owner (pid and start time) and everything it changes, written *before* the change.
//! Undoing works from that file alone, so that the same code serves a run that ends, one that panics, and the next start after
//! `kill -9`. Rules of nftables live inside the run's namespaces and go with them.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};

use crate::error::{Context, Error, Result};
use crate::process::{self, Process};

/// In the environment of every process that a run starts.
pub(crate) const RUN_VARIABLE: &str = "ASSIZE_RUN";
/// Which node of the run the process belongs to.
pub(crate) const NODE_VARIABLE: &str = "ASSIZE_NODE";
/// Where named network namespaces are kept, as `ip netns` does.
pub(crate) const NAMESPACES: &str = "/run/netns";

/// Version of the state file.
const FORMAT: u32 = 1;
/// How long processes may take to end after SIGKILL.
const PATIENCE: Duration = Duration::from_secs(10);

/// The state files of this user's runs.
#[derive(Clone, Debug)]
pub struct Registry {
    dir: PathBuf,
    /// Other places where an earlier run of this user may have put its state file.
    also: Vec<PathBuf>,
}

impl Registry {
    /// The registry of this user: `$XDG_RUNTIME_DIR/assize`, else `/tmp/assize-<uid>`.
    pub fn open() -> Result<Self> {
        let uid = rustix::process::geteuid().as_raw();
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        let runtime = runtime.filter(|dir| fs::metadata(dir).is_ok_and(|found| found.is_dir() && found.uid() == uid));
        let fallback = PathBuf::from(format!("/tmp/assize-{uid}"));
        match runtime {
            Some(dir) => Ok(Registry { also: vec![fallback], ..Registry::at(&dir.join("assize"))? }),
            None => Registry::at(&fallback),
        }
    }

    /// A registry in a directory of one's own. It is made if it does not exist and must belong to this user.
    pub fn at(dir: &Path) -> Result<Self> {
        let mut builder = DirBuilder::new();
        builder
            .mode(0o700)
            .recursive(true)
            .create(dir)
            .context(|| format!("make the directory `{}`", dir.display()))?;
        let found = fs::symlink_metadata(dir).context(|| format!("look at `{}`", dir.display()))?;
        if !found.is_dir() || found.uid() != rustix::process::geteuid().as_raw() {
            return Err(Error::State(format!("`{}` is not a directory of this user; remove it", dir.display())));
        }
        Ok(Registry { dir: dir.to_path_buf(), also: Vec::new() })
    }

    /// Enters a run that this process owns. Nothing may be changed on the machine before. Dropping the guard undoes everything.
    pub fn register(&self, run: &str, run_dir: &Path) -> Result<Guard> {
        check_run_id(run)?;
        let _lock = lock(&self.dir)?;
        let path = self.dir.join(format!("{run}.json"));
        if path.exists() {
            return Err(Error::State(format!(
                "run `{run}` is already registered in `{}`; clean up first",
                self.dir.display()
            )));
        }
        let entry = Entry::new(run, run_dir)?;
        write_entry(&path, &entry)?;
        let shared =
            Arc::new(Shared { run: run.to_string(), registry: self.dir.clone(), path, entry: Mutex::new(Some(entry)) });
        Ok(Guard { tag: RunTag { shared } })
    }

    /// Undoes what dead owners left behind; touches nothing of living ones. Returns what it did, run by run.
    pub fn sweep(&self) -> Result<Vec<Swept>> {
        let mut swept = sweep_dir(&self.dir)?;
        for dir in self.also.iter().filter(|dir| dir.is_dir()) {
            swept.extend(sweep_dir(dir)?);
        }
        Ok(swept)
    }

    /// Runs whose owner lives: run id, owner's pid, run folder.
    pub fn living(&self) -> Result<Vec<(String, u32, PathBuf)>> {
        let entries = entries(&self.dir)?.into_iter().filter_map(|(_, entry)| entry.ok());
        let living = entries.filter(|entry| entry.owner.condition() != Condition::Dead);
        Ok(living.map(|entry| (entry.run, entry.owner.pid, entry.run_dir)).collect())
    }
}

/// What was done about one run whose owner is dead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Swept {
    /// The run, or the state file's name if it cannot be read.
    pub run: String,
    /// What was undone, in words.
    pub done: Vec<String>,
    /// What could not be undone; the state file stays for the next attempt.
    pub left: Vec<String>,
}

impl fmt::Display for Swept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "run `{}` had lost its owner: ", self.run)?;
        let done = if self.done.is_empty() { "nothing was left".to_string() } else { self.done.join(", ") };
        f.write_str(&done)?;
        if self.left.is_empty() { Ok(()) } else { write!(f, "; could not undo: {}", self.left.join(", ")) }
    }
}

/// Owns a run's entry. Undoes everything the run changed when it is dropped: at the normal end, on an error and on a panic.
#[derive(Debug)]
pub struct Guard {
    tag: RunTag,
}

impl Guard {
    /// What testbeds record their changes with.
    pub fn tag(&self) -> RunTag {
        self.tag.clone()
    }

    /// Undoes everything now. Callable from any thread, any number of times; later calls find nothing to do.
    pub fn undo(&self) -> Swept {
        self.tag.shared.undo()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.undo();
    }
}

/// A handle on a run's entry in the registry.
#[derive(Clone, Debug)]
pub struct RunTag {
    shared: Arc<Shared>,
}

impl RunTag {
    /// The run's id.
    pub fn run(&self) -> &str {
        &self.shared.run
    }

    /// Names a directory that is removed with everything in it when the run ends.
    pub fn add_temporary(&self, dir: &Path) -> Result<()> {
        self.record(|entry| entry.temporary.push(dir.to_path_buf()))
    }

    /// Names a mount that is unmounted when the run ends.
    pub fn add_mount(&self, target: &Path) -> Result<()> {
        self.record(|entry| entry.mounts.push(target.to_path_buf()))
    }

    /// Names a network namespace that is deleted, with its processes, when the run ends.
    pub(crate) fn add_namespace(&self, name: &str) -> Result<()> {
        self.record(|entry| entry.namespaces.push(name.to_string()))
    }

    /// Changes the entry and writes it before returning.
    pub(crate) fn record(&self, change: impl FnOnce(&mut Entry)) -> Result<()> {
        let mut entry = self.shared.entry();
        let Some(entry) = entry.as_mut() else {
            return Err(Error::State(format!("run `{}` was cleaned up already", self.run())));
        };
        change(entry);
        write_entry(&self.shared.path, entry)
    }

    /// Chooses ports that no living run has reserved, and reserves them.
    pub(crate) fn reserve_ports(&self, choose: impl FnOnce(&BTreeSet<u16>) -> Result<Vec<u16>>) -> Result<Vec<u16>> {
        let _lock = lock(&self.shared.registry)?;
        let others = entries(&self.shared.registry)?;
        let taken = others.into_iter().filter_map(|(_, entry)| entry.ok()).flat_map(|entry| entry.ports).collect();
        let ports = choose(&taken)?;
        self.record(|entry| entry.ports.extend(&ports))?;
        Ok(ports)
    }
}

#[derive(Debug)]
struct Shared {
    run: String,
    registry: PathBuf,
    path: PathBuf,
    /// `None` once everything was undone.
    entry: Mutex<Option<Entry>>,
}

impl Shared {
    fn entry(&self) -> MutexGuard<'_, Option<Entry>> {
        // A panic while the entry was being changed must not keep it from being undone.
        self.entry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn undo(&self) -> Swept {
        let mut slot = self.entry();
        let Some(entry) = slot.as_ref() else {
            return Swept { run: self.run.clone(), done: Vec::new(), left: Vec::new() };
        };
        let swept = undo(entry, &self.path);
        if swept.left.is_empty() {
            *slot = None;
        }
        swept
    }
}

/// A state file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Entry {
    format: u32,
    run: String,
    owner: Owner,
    run_dir: PathBuf,
    /// Names below /run/netns.
    pub namespaces: Vec<String>,
    processes: Vec<Named>,
    pub mounts: Vec<PathBuf>,
    pub temporary: Vec<PathBuf>,
    pub ports: Vec<u16>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Named {
    pid: u32,
    start: u64,
}

impl Entry {
    fn new(run: &str, run_dir: &Path) -> Result<Self> {
        Ok(Entry {
            format: FORMAT,
            run: run.to_string(),
            owner: Owner::this()?,
            run_dir: run_dir.to_path_buf(),
            namespaces: Vec::new(),
            processes: Vec::new(),
            mounts: Vec::new(),
            temporary: Vec::new(),
            ports: Vec::new(),
        })
    }

    /// Also forgets those that are gone, so that restarts do not make the file grow.
    pub fn add_process(&mut self, process: Process) {
        self.processes.retain(|named| Process::look(named.pid).is_some_and(|found| found.start == named.start));
        self.processes.push(Named { pid: process.pid, start: process.start });
    }
}

/// The process that answers for a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Owner {
    pid: u32,
    /// Field 22 of /proc/PID/stat: with the pid it names the process for ever.
    start: u64,
    /// Pids mean nothing after a reboot,
    boot: String,
    /// nor in another container that shares the directory.
    pid_namespace: String,
}

#[derive(Debug, PartialEq, Eq)]
enum Condition {
    Living,
    Dead,
    /// In another pid namespace: cannot be told from here.
    OutOfSight,
}

impl Owner {
    fn this() -> Result<Self> {
        let process = Process::own().ok_or_else(|| Error::State("/proc is not mounted".to_string()))?;
        Ok(Owner { pid: process.pid, start: process.start, boot: boot(), pid_namespace: pid_namespace() })
    }

    fn condition(&self) -> Condition {
        if self.boot != boot() {
            return Condition::Dead;
        }
        if self.pid_namespace != pid_namespace() {
            return Condition::OutOfSight;
        }
        match Process::look(self.pid) {
            Some(process) if process.start == self.start && process.is_alive() => Condition::Living,
            _ => Condition::Dead,
        }
    }
}

fn sweep_dir(dir: &Path) -> Result<Vec<Swept>> {
    let _lock = lock(dir)?;
    let mut swept = Vec::new();
    for (path, entry) in entries(dir)? {
        match entry {
            Ok(entry) if entry.owner.condition() == Condition::Dead => swept.push(undo(&entry, &path)),
            Ok(_) => {}
            Err(problem) => swept.push(unreadable(&path, problem)),
        }
    }
    remove_halves(dir)?;
    Ok(swept)
}

/// Undoes everything that the entry names, processes first: they hold the rest. The state file goes last, and only if all went
/// well.
fn undo(entry: &Entry, path: &Path) -> Swept {
    let mut swept = Swept { run: entry.run.clone(), done: Vec::new(), left: Vec::new() };
    kill_processes(entry, &mut swept);
    for name in &entry.namespaces {
        swept.note(format!("deleted namespace `{name}`"), delete_namespace(name));
    }
    for target in &entry.mounts {
        swept.note(format!("unmounted `{}`", target.display()), unmount(target));
    }
    for dir in &entry.temporary {
        swept.note(format!("removed `{}`", dir.display()), remove_tree(dir));
    }
    if swept.left.is_empty() {
        swept.note(String::new(), present(fs::remove_file(path)));
    }
    swept
}

impl Swept {
    /// Notes what was undone (`Ok(true)`), what had nothing to undo (`Ok(false)`), or what could not be.
    fn note(&mut self, what: String, outcome: io::Result<bool>) {
        match outcome {
            Ok(true) if !what.is_empty() => self.done.push(what),
            Ok(_) => {}
            Err(error) => self.left.push(format!("{what}: {error}")),
        }
    }
}

fn kill_processes(entry: &Entry, swept: &mut Swept) {
    let inodes: Vec<u64> = entry.namespaces.iter().filter_map(|name| namespace_inode(name)).collect();
    let tag = format!("{RUN_VARIABLE}={}", entry.run);
    // Recorded numbers mean nothing after a reboot.
    let named: &[Named] = if entry.owner.boot == boot() { &entry.processes } else { &[] };
    let is_ours = |process: &Process| {
        named.iter().any(|named| (named.pid, named.start) == (process.pid, process.start))
            || process.network().is_some_and(|inode| inodes.contains(&inode))
            || process.carries(&tag)
    };
    let (killed, left) = process::kill_until_gone(|| process::find(is_ours), PATIENCE);
    if !killed.is_empty() {
        let plural = if killed.len() == 1 { "process" } else { "processes" };
        swept.done.push(format!("killed {} {plural}", killed.len()));
    }
    swept.left.extend(left.iter().map(|process| format!("process {} survives SIGKILL", process.pid)));
}

/// The inode of a named namespace; `None` if the name is not (or no longer) a namespace.
pub(crate) fn namespace_inode(name: &str) -> Option<u64> {
    let found = fs::metadata(Path::new(NAMESPACES).join(name)).ok()?;
    // A name whose mount is gone is an empty file on the directory's own device, with an inode that means something else.
    let device = fs::metadata("/proc/self/ns/net").ok()?.dev();
    (found.dev() == device).then_some(found.ino())
}

/// Takes the name away; the namespace goes with its last process.
pub(crate) fn delete_namespace(name: &str) -> io::Result<bool> {
    let path = Path::new(NAMESPACES).join(name);
    unmount(&path)?;
    present(fs::remove_file(&path))
}

fn unmount(target: &Path) -> io::Result<bool> {
    match rustix::mount::unmount(target, rustix::mount::UnmountFlags::DETACH) {
        Ok(()) => Ok(true),
        // Not a mount point (any more), or not there.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOENT) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn remove_tree(dir: &Path) -> io::Result<bool> {
    present(fs::remove_dir_all(dir))
}

/// That something is gone already is no failure to remove it.
fn present(outcome: io::Result<()>) -> io::Result<bool> {
    match outcome {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn unreadable(path: &Path, problem: String) -> Swept {
    let name = path.file_stem().map_or(String::new(), |name| name.to_string_lossy().into_owned());
    Swept { run: name, done: Vec::new(), left: vec![format!("`{}`: {problem}", path.display())] }
}

/// The state files of a directory in order of name; one that cannot be read has its reason.
fn entries(dir: &Path) -> Result<Vec<(PathBuf, std::result::Result<Entry, String>)>> {
    let listed = fs::read_dir(dir).context(|| format!("read the directory `{}`", dir.display()))?;
    let mut paths: Vec<PathBuf> = listed.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    Ok(paths.into_iter().map(|path| (path.clone(), read_entry(&path))).collect())
}

fn read_entry(path: &Path) -> std::result::Result<Entry, String> {
    let text = fs::read_to_string(path).map_err(|error| error.to_string())?;
    let entry: Entry = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    if entry.format == FORMAT { Ok(entry) } else { Err(format!("format {} is not known", entry.format)) }
}

/// Writes beside and renames, so that a reader never meets half a file.
fn write_entry(path: &Path, entry: &Entry) -> Result<()> {
    let half = path.with_extension(format!("half-{}", std::process::id()));
    let text =
        serde_json::to_vec_pretty(entry).map_err(io::Error::from).context(|| "write the state file".to_string())?;
    fs::write(&half, text).context(|| format!("write `{}`", half.display()))?;
    fs::rename(&half, path).context(|| format!("write `{}`", path.display()))
}

/// Removes halves whose writer died between writing and renaming.
fn remove_halves(dir: &Path) -> Result<()> {
    let listed = fs::read_dir(dir).context(|| format!("read the directory `{}`", dir.display()))?;
    for path in listed.flatten().map(|entry| entry.path()) {
        let writer = path.extension().and_then(|extension| extension.to_str()?.strip_prefix("half-")?.parse().ok());
        if writer.is_some_and(|pid: u32| Process::look(pid).is_none_or(|process| !process.is_alive())) {
            let _ = fs::remove_file(path);
        }
    }
    Ok(())
}

/// Held while state files are made or swept, so that two starts at the same time do not undo each other's work.
fn lock(dir: &Path) -> Result<File> {
    let file = File::create(dir.join("lock")).context(|| format!("open the lock of `{}`", dir.display()))?;
    rustix::fs::flock(&file, FlockOperation::LockExclusive).context(|| format!("lock `{}`", dir.display()))?;
    Ok(file)
}

fn check_run_id(run: &str) -> Result<()> {
    let fits =
        (1..=64).contains(&run.len()) && run.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if fits {
        Ok(())
    } else {
        Err(Error::State(format!("`{run}` cannot name a run; use letters, digits, `-` and `_`")))
    }
}

fn boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_string()
}

fn pid_namespace() -> String {
    fs::read_link("/proc/self/ns/pid").map_or(String::new(), |link| link.to_string_lossy().into_owned())
}
