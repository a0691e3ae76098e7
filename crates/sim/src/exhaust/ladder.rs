//! Scopes that are small, and large enough for many bugs: what to try when nothing is known of a protocol but that it keeps registers.

use base::NodeId;
use history::Request;
use proto::Target;

use super::cluster::Cluster;
use super::model::{Limits, Report};
use super::scope::{Disk, Scope};
use super::search::search;

/// Three servers each; first without timers, for protocols that need none, then with.
pub fn ladder() -> Vec<(&'static str, Scope)> {
    let at = |request, node| (request, Target::Only(NodeId(node)));
    let (one, two) = (at(Request::write(0, 1), 0), at(Request::write(0, 2), 1));
    let read = |node| at(Request::read(0), node);
    let small = |clients| Scope { in_flight: Some(2), ..Scope::new(3, clients) };
    let rivals = small(vec![vec![one], vec![two]]);
    let readers = small(vec![vec![one], vec![read(1), read(2)]]);
    let crash = Scope { crashes: 1, disk: Disk::Later, ..small(vec![vec![one], vec![read(1)]]) };
    let timed = |scope: &Scope, timeouts| Scope { timeouts: Some(timeouts), ..scope.clone() };
    vec![
        ("rivals", rivals.clone()),
        ("readers", readers.clone()),
        ("crash", crash.clone()),
        ("rivals, two timers", timed(&rivals, 2)),
        ("readers, two timers", timed(&readers, 2)),
        ("crash, two timers", timed(&crash, 2)),
    ]
}

/// Searches one scope of the [`ladder`] after the other, each within `limits`, until a property is broken. Says in which, and all the
/// states that were seen; `None` when nothing was found.
///
/// # Errors
/// What is wrong with the cluster that `make` makes.
pub fn climb(
    make: impl Fn(Scope) -> Result<Cluster, String>,
    limits: &Limits,
) -> Result<Option<(&'static str, Report)>, String> {
    for (name, scope) in ladder() {
        let report = search(&make(scope)?, limits);
        if report.counterexample.is_some() {
            return Ok(Some((name, report)));
        }
    }
    Ok(None)
}
