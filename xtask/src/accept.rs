//! `cargo xtask accept`: the long runs that prove the promises of the README; too long for CI.

/// Runs the named acceptance runs, or all of them.
pub fn run(_names: &[String]) -> Result<(), String> {
    Err("no acceptance run is defined yet".into())
}
