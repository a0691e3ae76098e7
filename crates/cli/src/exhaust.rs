//! `assize sim SPECIMEN --exhaustive`: every state of a small cluster, and the shortest story that breaks a promise.

use std::time::Instant;

use ::sim::exhaust::{Cluster, Disk, Invocations, Limits, Network, Order, Report, Scope, Stopped, search};
use base::NodeId;
use base::units::{show_count, show_duration};
use history::Request;
use proto::{Parameters, Target};
use system::specimen;

use crate::arguments::{ExhaustiveOptions, NetworkKind, SimOptions};
use crate::exit::Exit;

/// Searches, and tells what was found.
pub fn command(options: &SimOptions) -> Exit {
    match cluster(options) {
        Ok(cluster) => run(&cluster, options),
        Err(message) => {
            eprintln!("error: {message}");
            Exit::Usage
        }
    }
}

fn run(cluster: &Cluster, options: &SimOptions) -> Exit {
    let began = Instant::now();
    let report = search(cluster, &limits(options));
    if options.json {
        println!("{}", json(&report));
    } else {
        println!("{} · {}", figures(&report), show_duration(began.elapsed()));
        cluster.unchecked().iter().for_each(|name| println!("  not checked: {name} (it cannot be copied along)"));
        tell(&report);
    }
    match report.stopped {
        None => Exit::Success,
        Some(Stopped::Broken) => Exit::Invalid,
        Some(_) => Exit::Unknown,
    }
}

fn cluster(options: &SimOptions) -> Result<Cluster, String> {
    let name = options.specimen.as_deref().unwrap_or("raft-kv");
    let info = specimen::find(name).ok_or_else(|| format!("there is no specimen `{name}`"))?;
    let mut parameters = Parameters::new();
    for text in &options.set {
        let (name, value) = text.split_once('=').ok_or_else(|| format!("expected `name=value`, not `{text}`"))?;
        parameters.insert(name.trim().into(), value.trim().into());
    }
    parameters.extend(options.bug.iter().map(|bug| ("bug".to_string(), bug.clone())));
    info.cluster(&parameters, scope(options))
}

fn scope(options: &SimOptions) -> Scope {
    let servers = options.nodes.first().copied().unwrap_or(2);
    let ExhaustiveOptions { operations, clients, terms, crashes, timeouts, abandons, in_flight, .. } =
        options.exhaustive;
    let mut asks = vec![Vec::new(); clients.clamp(1, operations.max(1))];
    for operation in 0..operations {
        // Writes and reads in turn, each of another server, so that a read can miss what a write left elsewhere.
        let request = if operation % 2 == 0 { Request::write(0, operation as u64 + 1) } else { Request::read(0) };
        let place = operation % asks.len();
        asks[place].push((request, Target::Only(NodeId((operation % servers.max(1)) as u16))));
    }
    let network = match options.exhaustive.network {
        NetworkKind::Unordered => Network::Unordered,
        NetworkKind::Repeating => Network::Repeating,
        NetworkKind::Ordered => Network::Ordered,
        NetworkKind::OrderedLossy => Network::OrderedLossy,
    };
    let late = crashes > 0 && !options.exhaustive.safe_disk;
    Scope {
        network,
        crashes,
        timeouts,
        abandons,
        in_flight,
        epoch: terms,
        disk: if late { Disk::Later } else { Disk::Immediate },
        invocations: if options.exhaustive.at_once { Invocations::AtOnce } else { Invocations::AnyTime },
        ..Scope::new(servers, asks)
    }
}

fn limits(options: &SimOptions) -> Limits {
    let ExhaustiveOptions { depth, states, depth_first, .. } = options.exhaustive;
    let threads = options.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let order = if depth_first { Order::Depth } else { Order::Breadth };
    Limits { order, threads, depth, states, ..Limits::default() }
}

fn figures(report: &Report) -> String {
    format!(
        "{} states ({} generated), {} steps deep · {} bytes each · two with one fingerprint: 1 in {:.0e}",
        show_count(report.unique),
        show_count(report.generated),
        report.depth,
        report.bytes / report.unique.max(1),
        1.0 / report.collision().max(f64::MIN_POSITIVE),
    )
}

fn tell(report: &Report) {
    report.missed.iter().for_each(|name| println!("  never: {name}"));
    match (&report.counterexample, report.stopped) {
        (Some(found), _) => {
            println!("INVALID · {} in {} steps", found.broken, found.steps);
            found.lines.iter().for_each(|line| println!("  {line}"));
        }
        (None, None) => println!("VALID · every state within this scope was seen"),
        (None, Some(Stopped::Depth)) => {
            println!("UNKNOWN · nothing is broken up to here; there are states beyond `--depth`")
        }
        (None, Some(Stopped::States)) => {
            println!("UNKNOWN · nothing is broken up to here; there are more states than `--states`")
        }
        (None, Some(_)) => println!("UNKNOWN · nothing is broken up to here; memory is used up"),
    }
}

fn json(report: &Report) -> String {
    let found = report.counterexample.as_ref();
    serde_json::json!({
        "states": report.unique,
        "generated": report.generated,
        "depth": report.depth,
        "bytes": report.bytes,
        "collision": report.collision(),
        "stopped": report.stopped.map(|why| format!("{why:?}").to_lowercase()),
        "reached": report.reached,
        "missed": report.missed,
        "broken": found.map(|found| found.broken.property.clone()),
        "sentence": found.map(|found| found.broken.sentence.clone()),
        "story": found.map(|found| found.lines.clone()),
    })
    .to_string()
}
