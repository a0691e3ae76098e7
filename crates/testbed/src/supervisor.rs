//! The one thread that starts processes.
//!
//! PR_SET_PDEATHSIG kills a child when the *thread* that forked it ends, so nodes are forked by a thread that lives as long as
//! the testbed: when assize dies, however it dies, the kernel kills the nodes.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::thread::JoinHandle;

use rustix::process::Signal;
use rustix::thread::LinkNameSpaceType;

pub(crate) struct Supervisor {
    /// `None` only while dropping.
    requests: Option<Sender<Request>>,
    thread: Option<JoinHandle<()>>,
}

struct Request {
    command: Command,
    network: Option<Arc<OwnedFd>>,
    reply: Sender<io::Result<Child>>,
}

impl Supervisor {
    pub fn new() -> io::Result<Self> {
        let (requests, inbox) = mpsc::channel::<Request>();
        let thread = std::thread::Builder::new().name("supervisor".to_string()).spawn(move || {
            for request in inbox {
                // A caller that has gone away leaves a child behind; the registry's tag finds it.
                let _ = request.reply.send(spawn(request.command, request.network));
            }
        })?;
        Ok(Supervisor { requests: Some(requests), thread: Some(thread) })
    }

    /// Starts the command in its own session, and in this network namespace if one is given.
    pub fn spawn(&self, command: Command, network: Option<Arc<OwnedFd>>) -> io::Result<Child> {
        let gone = || io::Error::other("the supervisor thread is gone");
        let (reply, answer) = mpsc::channel();
        let requests = self.requests.as_ref().ok_or_else(gone)?;
        requests.send(Request { command, network, reply }).map_err(|_| gone())?;
        answer.recv().map_err(|_| gone())?
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        drop(self.requests.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn spawn(mut command: Command, network: Option<Arc<OwnedFd>>) -> io::Result<Child> {
    let bench = std::process::id();
    // SAFETY: the closure runs between fork and exec and makes system calls only: it neither allocates nor takes locks.
    unsafe {
        command.pre_exec(move || {
            rustix::process::setsid()?;
            rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
            // If the bench died before the line above, the signal will never come.
            if rustix::process::getppid().is_none_or(|parent| parent.as_raw_nonzero().get() as u32 != bench) {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            if let Some(network) = &network {
                rustix::thread::move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))?;
            }
            Ok(())
        });
    }
    command.spawn()
}
