//! The public face of a node: what it is given, and what can go wrong.

use std::fmt;
use std::fs::File;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use base::{Bytes, NodeId, Seed};
use proto::{Actor, Context, Recovered};
use rustix::fs::FlockOperation;

use crate::disk::{Disk, Writer};
use crate::log::{Log, LogError, LogOptions};
use crate::net::{Limits, Net};
use crate::node::Node;
use crate::stop::Stop;

/// What a node is given.
pub struct Options {
    /// Which node it is.
    pub me: NodeId,
    /// Where it accepts peers and clients.
    pub listen: SocketAddr,
    /// Where it dials each node, itself included; possibly a relay of the testbed.
    pub peers: Vec<SocketAddr>,
    /// A number that all nodes of the cluster share and no other cluster on the machine has: a node whose peer is gone must not
    /// take a stranger that has got the peer's port for it.
    pub cluster: u64,
    /// Where its log is. Made if missing; one node at a time.
    pub dir: PathBuf,
    /// What becomes of its writes.
    pub disk: Disk,
    /// How its log is laid out.
    pub log: LogOptions,
    /// How much it holds for others.
    pub limits: Limits,
    /// The seed of its actor's random stream.
    pub seed: Seed,
    /// Whether the end of standard input stops it: a way to die with a parent that holds the other end of a pipe.
    pub stop_on_stdin_eof: bool,
    /// What else stops it; without one, only an error does.
    pub stop: Option<Stop>,
    /// Where the lines of its story go: `seconds-since-start unix-ms label ...`.
    pub story: Box<dyn io::Write>,
}

impl Options {
    /// A durable node that tells its story on standard error and is stopped by nothing.
    pub fn new(me: NodeId, listen: SocketAddr, peers: Vec<SocketAddr>, dir: impl Into<PathBuf>) -> Self {
        Options {
            me,
            listen,
            peers,
            cluster: 0,
            dir: dir.into(),
            disk: Disk::Durable,
            log: LogOptions::default(),
            limits: Limits::default(),
            seed: Seed(0),
            stop_on_stdin_eof: false,
            stop: None,
            story: Box::new(io::stderr()),
        }
    }
}

/// Why a node did not start, or stopped without being asked to.
#[derive(Debug)]
pub enum HostError {
    /// It cannot listen.
    Listen {
        /// Where.
        addr: SocketAddr,
        /// What the operating system said.
        error: io::Error,
    },
    /// Another process has its directory.
    Occupied {
        /// Which.
        dir: PathBuf,
    },
    /// Its log cannot be read: it refuses to start.
    Log(LogError),
    /// Its disk refused a write or sync. What was acknowledged before is durable.
    Disk(String),
    /// Its actor gave up.
    Halted(String),
    /// The operating system refused something else.
    Os {
        /// What was tried.
        doing: &'static str,
        /// What it said.
        error: io::Error,
    },
}

/// Runs a node until it is stopped (`Ok`) or cannot go on. Blocks.
///
/// Everything that was acknowledged is durable whenever and however this ends. A node that is stopped also keeps the rest of
/// what it wrote, on a volatile disk too: only a kill loses.
pub fn serve<B>(options: Options, boot: B) -> Result<(), HostError>
where
    B: FnOnce(NodeId, Recovered, &mut Context<'_, Bytes>) -> Box<dyn Actor<Message = Bytes>>,
{
    let addr = options.listen;
    let listener = listen(addr).map_err(|error| HostError::Listen { addr, error })?;
    serve_on(listener, options, boot)
}

/// Like [`serve`], on a socket that listens already; `options.listen` is not used.
pub fn serve_on<B>(listener: TcpListener, options: Options, boot: B) -> Result<(), HostError>
where
    B: FnOnce(NodeId, Recovered, &mut Context<'_, Bytes>) -> Box<dyn Actor<Message = Bytes>>,
{
    let _held = occupy(&options.dir)?;
    let (log, opened) = Log::open(&options.dir, options.log).map_err(HostError::Log)?;
    let disk = Writer::start(log, options.disk).map_err(HostError::os("start the disk thread"))?;
    let rng = options.seed.derive("host").nth(options.me.0.into()).rng();
    let net = Net::new(listener, &options, rng).map_err(HostError::os("set up the sockets"))?;
    watch(&net, &disk, &options)?;
    Node::new(options, net, disk).run(opened, boot)
}

impl HostError {
    /// Whether the same start can succeed later: what it lacks is held by another process.
    pub fn is_transient(&self) -> bool {
        match self {
            HostError::Listen { error, .. } => error.kind() == io::ErrorKind::AddrInUse,
            HostError::Occupied { .. } => true,
            _ => false,
        }
    }

    pub(crate) fn os(doing: &'static str) -> impl Fn(io::Error) -> Self {
        move |error| HostError::Os { doing, error }
    }
}

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HostError::Listen { addr, error } if error.kind() == io::ErrorKind::AddrInUse => {
                write!(f, "cannot listen on `{addr}`: the port is in use; stop what uses it or choose another")
            }
            HostError::Listen { addr, error } => write!(f, "cannot listen on `{addr}`: {error}"),
            HostError::Occupied { dir } => {
                write!(f, "`{}` belongs to a node that is running; stop it or choose another directory", dir.display())
            }
            HostError::Log(error @ LogError::Corrupt { .. }) => {
                write!(f, "refusing to start: {error}; restore the directory from a copy, or remove it to join anew")
            }
            HostError::Log(error) => write!(f, "{error}; the directory must be writable and have room"),
            HostError::Disk(error) => write!(f, "stopped, because the disk failed: {error}"),
            HostError::Halted(reason) => write!(f, "stopped by the protocol: {reason}"),
            HostError::Os { doing, error } => write!(f, "cannot {doing}: {error}"),
        }
    }
}

impl std::error::Error for HostError {}

/// Listens, and waits up to a second for a port in use: a connection that the system gave the port in passing may hold it.
fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    for _ in 0..50 {
        match TcpListener::bind(addr) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => std::thread::sleep(Duration::from_millis(20)),
            outcome => return outcome,
        }
    }
    TcpListener::bind(addr)
}

fn watch(net: &Net, disk: &Writer, options: &Options) -> Result<(), HostError> {
    net.wake_on(disk.news()).map_err(HostError::os("watch the disk thread"))?;
    if let Some(stop) = &options.stop {
        net.stop_on(stop.fd()).map_err(HostError::os("watch for the stop"))?;
    }
    if options.stop_on_stdin_eof {
        net.stop_on_stdin_eof().map_err(HostError::os("watch standard input, which must be a pipe,"))?;
    }
    Ok(())
}

/// Makes the directory and takes its lock, which the operating system gives back when the process ends, however it ends.
fn occupy(dir: &Path) -> Result<File, HostError> {
    let io = |error| HostError::Log(LogError::Io { file: dir.to_owned(), doing: "use", error });
    std::fs::create_dir_all(dir).map_err(io)?;
    let lock = File::create(dir.join("lock")).map_err(io)?;
    match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(lock),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(HostError::Occupied { dir: dir.to_owned() }),
        Err(error) => Err(io(error.into())),
    }
}
