//! Finding programs, and running the tools of the system that the bench needs: `ip` and `nft`.

use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use rustix::thread::LinkNameSpaceType;

use crate::error::{Context, Error, Result};

/// A tool and the Debian package that has it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tool {
    pub name: &'static str,
    pub package: &'static str,
}

pub(crate) const IP: Tool = Tool { name: "ip", package: "iproute2" };
pub(crate) const NFT: Tool = Tool { name: "nft", package: "nftables" };

impl Tool {
    /// Where it is.
    pub fn find(&self) -> Option<PathBuf> {
        find(Path::new(self.name))
    }

    /// Runs it inside a network namespace with this standard input; returns its standard output.
    pub fn run(&self, network: &Arc<OwnedFd>, args: &[&str], input: &str) -> Result<String> {
        let what = || format!("run `{} {}`", self.name, args.join(" "));
        let program = self.find().ok_or_else(|| missing(&[*self]))?;
        let mut command = Command::new(program);
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let network = network.clone();
        // SAFETY: the closure runs between fork and exec and makes one system call: it neither allocates nor takes locks.
        unsafe {
            command.pre_exec(move || {
                Ok(rustix::thread::move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))?)
            });
        }
        let mut child = command.spawn().context(what)?;
        if let Some(mut stdin) = child.stdin.take() {
            // A tool that stops reading says why on its standard error.
            let _ = stdin.write_all(input.as_bytes());
        }
        let output = child.wait_with_output().context(what)?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let complaint = String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ");
        Err(Error::State(format!("`{} {}` failed: {complaint}", self.name, args.join(" "))))
    }
}

/// Where a program is: a name without `/` is looked up in `PATH` and where Debian keeps what only root uses. Looking here instead of
/// letting exec(2) search tells a missing program from a directory in `PATH` that may not be read.
pub(crate) fn find(program: &Path) -> Option<PathBuf> {
    if program.components().count() > 1 || program.is_absolute() {
        return std::path::absolute(program).ok().filter(|path| path.is_file());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    places.map(|dir| dir.join(program)).find(|candidate| candidate.is_file())
}

/// One error for all that is missing.
pub(crate) fn missing(tools: &[Tool]) -> Error {
    let join = |words: Vec<&str>, glue: &str| words.join(glue);
    Error::MissingProgram {
        program: join(tools.iter().map(|tool| tool.name).collect(), "` and `"),
        package: Some(join(tools.iter().map(|tool| tool.package).collect(), " ")),
        purpose: "needed to run nodes in network namespaces".to_string(),
    }
}
