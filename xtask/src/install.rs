//! What the tests need beyond Rust, as Debian packages.

use std::path::Path;
use std::process::Command;

use crate::step;

/// Program to look for, and the package that brings it.
const NEEDS: &[(&str, &str)] = &[
    ("etcd", "etcd-server"),
    ("ip", "iproute2"),
    ("nft", "nftables"),
    ("chromium", "chromium"),
    ("python3", "python3"),
];

/// Installs the packages whose program is missing.
///
/// # Errors
/// If apt is missing or refuses; the message says what to install by hand.
pub fn install() -> Result<(), String> {
    let packages: Vec<&str> = missing().into_iter().map(|(_, package)| package).collect();
    if packages.is_empty() {
        return Ok(());
    }
    if !on_path("apt-get") {
        return Err(format!("no apt-get here; install these by hand: {}", packages.join(" ")));
    }
    let _policy = NoServices::enforce();
    let quiet = [("DEBIAN_FRONTEND", "noninteractive")];
    step("apt-get", &["update", "-qq"], &quiet)?;
    let mut arguments = vec!["install", "-y", "-qq", "--no-install-recommends"];
    arguments.extend(&packages);
    step("apt-get", &arguments, &quiet)
}

/// The programs that are not here, with their packages.
pub fn missing() -> Vec<(&'static str, &'static str)> {
    NEEDS.iter().copied().filter(|(program, _)| !on_path(program)).collect()
}

fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]).any(|folder| folder.join(program).exists())
}

/// While it lives, installing a package starts no service: a distribution's own etcd would take the default port.
struct NoServices(Option<&'static Path>);

impl NoServices {
    fn enforce() -> NoServices {
        let policy = Path::new("/usr/sbin/policy-rc.d");
        if policy.exists() || std::fs::write(policy, "#!/bin/sh\nexit 101\n").is_err() {
            return NoServices(None);
        }
        let _ = Command::new("chmod").arg("755").arg(policy).status();
        NoServices(Some(policy))
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if let Some(policy) = self.0 {
            let _ = std::fs::remove_file(policy);
        }
    }
}
