//! How a node is asked to stop.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

/// What a node watches: it stops when its [`Stopper`] is dropped, or a signal comes.
#[derive(Debug)]
pub struct Stop {
    watched: UnixStream,
}

/// Stops its node when it is dropped.
#[derive(Debug)]
pub struct Stopper {
    _held: UnixStream,
}

impl Stop {
    /// A stop for a node of this process (tests, benchmarks).
    pub fn by_drop() -> io::Result<(Stopper, Stop)> {
        let (held, watched) = UnixStream::pair()?;
        Ok((Stopper { _held: held }, Stop { watched }))
    }

    /// A stop by SIGTERM or SIGINT, for a process that is one node.
    pub fn by_signal() -> io::Result<Stop> {
        use signal_hook::consts::{SIGINT, SIGTERM};
        let (told, watched) = UnixStream::pair()?;
        signal_hook::low_level::pipe::register(SIGINT, told.try_clone()?)?;
        signal_hook::low_level::pipe::register(SIGTERM, told)?;
        Ok(Stop { watched })
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.watched.as_fd()
    }
}

/// Makes a panic anywhere in this process one line of the node's log, and the end of the process with exit code 70
/// (a bug in the program, as in sysexits).
pub fn exit_on_panic() {
    std::panic::set_hook(Box::new(|panic| {
        eprintln!("panic: {panic}\n{}", std::backtrace::Backtrace::force_capture());
        std::process::exit(70);
    }));
}
