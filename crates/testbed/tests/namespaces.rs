//! Nodes in network namespaces. Needs root, `ip` and `nft`: without them each test says so and passes.
//!
//! Nodes are this very test binary: each sends a datagram to every other node every few milliseconds and tells whoever connects
//! how many it has received from whom.

mod common;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base::NodeId;
use common::{Stage, eventually, run_id, tagged};
use testbed::{Evidence, Guard, Layout, LinkChange, LinkRule, Namespaces, NodeSpec, PortSpec, Registry, Testbed};

const REGISTRY: &str = "TESTBED_VICTIM_REGISTRY";
const RUN: &str = "TESTBED_VICTIM_RUN";
const NODE: &str = "TESTBED_NODE_PROGRAM";

/// Skips by name, loudly, where namespaces cannot be had.
macro_rules! needs_namespaces {
    ($name:literal) => {
        if let Err(lack) = Namespaces::check() {
            // Past the capture of test output, which would hide it.
            let _ = writeln!(std::io::stderr(), "SKIPPED {}: {lack}", $name);
            return;
        }
    };
}

struct Cluster {
    bed: Namespaces,
    layout: Layout,
    guard: Guard,
    stage: Stage,
}

impl Cluster {
    fn new(name: &str, nodes: usize) -> Self {
        let stage = Stage::new();
        let guard = stage.register(&run_id(name));
        let mut bed = Namespaces::new(&guard).unwrap();
        let layout = bed.layout(nodes, &[PortSpec::peer("peer").usually(2380)]).unwrap();
        for node in NodeId::all(nodes) {
            let spec = gossip(&stage, &layout, node);
            bed.start(node, &spec).unwrap();
        }
        Cluster { bed, layout, guard, stage }
    }

    /// How many datagrams the node has received from each address, asked from the namespace of clients.
    fn received(&self, node: NodeId) -> BTreeMap<String, u64> {
        let (client, address) = (self.bed.client_namespace(), self.layout.address(node, "peer").unwrap());
        let asked = std::thread::spawn(move || {
            client.enter().unwrap();
            let mut text = String::new();
            let mut socket = TcpStream::connect_timeout(&address, Duration::from_secs(2)).ok()?;
            socket.read_to_string(&mut text).ok()?;
            Some(text)
        });
        let text = asked.join().unwrap().unwrap_or_default();
        let pairs = text.lines().filter_map(|line| line.split_once(' '));
        pairs.map(|(from, count)| (from.to_string(), count.parse().unwrap())).collect()
    }

    fn from(&self, receiver: u16, sender: u16) -> u64 {
        self.received(NodeId(receiver - 1)).get(&format!("10.77.0.{sender}")).copied().unwrap_or(0)
    }

    /// Whether datagrams from `sender` arrive at `receiver` now.
    fn hears(&self, receiver: u16, sender: u16) -> bool {
        let before = self.from(receiver, sender);
        std::thread::sleep(Duration::from_millis(100));
        self.from(receiver, sender) > before
    }

    fn nft(&self, node: u16, args: &[&str]) -> String {
        let name = format!("assize-{}-n{node}", self.guard.tag().run());
        let output = Command::new("ip").args(["netns", "exec", &name, "nft"]).args(args).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

fn gossip(stage: &Stage, layout: &Layout, node: NodeId) -> NodeSpec {
    let own = layout.address(node, "peer").unwrap().to_string();
    let peers: Vec<String> = layout.peers(node, "peer").iter().map(|(_, address)| address.to_string()).collect();
    NodeSpec {
        program: std::env::current_exe().unwrap(),
        args: ["--exact", "node_program", "--nocapture"].map(String::from).to_vec(),
        env: vec![(NODE.to_string(), format!("{own} {}", peers.join(" ")))],
        dir: stage.dir.path().to_path_buf(),
        log: stage.dir.path().join(format!("{node}.log")),
    }
}

fn cut(from: u16, to: u16) -> LinkChange {
    LinkChange { from: NodeId(from - 1), to: NodeId(to - 1), rule: LinkRule::CUT }
}

fn namespaces_of(run: &str) -> usize {
    let prefix = format!("assize-{run}-");
    let names = std::fs::read_dir("/run/netns").into_iter().flatten().flatten();
    names.filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix)).count()
}

fn mounts_of(run: &str) -> usize {
    std::fs::read_to_string("/proc/self/mounts").unwrap().matches(&format!("assize-{run}-")).count()
}

#[test]
fn a_one_way_cut_stops_one_direction_and_is_counted() {
    needs_namespaces!("a_one_way_cut_stops_one_direction_and_is_counted");
    let mut cluster = Cluster::new("oneway", 3);
    eventually("everybody hears everybody", || {
        [(1, 2), (1, 3), (2, 1), (2, 3), (3, 1), (3, 2)].iter().all(|(to, from)| cluster.from(*to, *from) > 0)
    });
    cluster.bed.set_links(&[cut(1, 2), cut(3, 2)]).unwrap();
    eventually("n2 hears nobody", || !cluster.hears(2, 1) && !cluster.hears(2, 3));
    eventually("the rest goes on", || cluster.hears(1, 2) && cluster.hears(3, 1));
    let counters = cluster.bed.link_counters().unwrap();
    assert!(counters.iter().all(|(_, to, count)| (*to == NodeId(1)) == (count.dropped > 0)), "{counters:?}");

    // One of two rules ends: the other keeps its counter.
    let open = LinkChange { rule: LinkRule::CLEAR, ..cut(1, 2) };
    let ended = cluster.bed.set_links(&[open]).unwrap();
    assert!(ended.len() == 1 && ended[0].holds(), "{ended:?}");
    eventually("n2 hears n1 again, and not n3", || cluster.hears(2, 1) && !cluster.hears(2, 3));

    let healed = cluster.bed.heal_links(true).unwrap();
    let Evidence::RuleEnded { during, .. } = &healed[0] else { panic!("{healed:?}") };
    assert!(during.dropped >= 5, "at least 200 ms at a datagram every 5 ms: {during}");
    eventually("n2 hears n3 again", || cluster.hears(2, 3));
    assert_eq!(cluster.nft(2, &["list", "tables"]), "", "the table is gone");
    let last = cluster.bed.link_counters().unwrap();
    assert!(
        last.iter().any(|(from, to, count)| (*from, *to) == (NodeId(2), NodeId(1)) && count.dropped >= during.dropped)
    );
}

#[test]
fn loss_is_about_as_frequent_as_asked_and_delay_is_refused() {
    needs_namespaces!("loss_is_about_as_frequent_as_asked_and_delay_is_refused");
    let mut cluster = Cluster::new("loss", 2);
    eventually("n1 hears n2", || cluster.from(1, 2) > 0);
    let (from, to) = (NodeId(1), NodeId(0));
    cluster.bed.set_link(from, to, LinkRule { loss: 0.5, ..LinkRule::CLEAR }).unwrap();
    let before = cluster.from(1, 2);
    std::thread::sleep(Duration::from_millis(1000));
    let arrived = cluster.from(1, 2) - before;
    let healed = cluster.bed.heal_links(false).unwrap();
    let Evidence::RuleEnded { during, .. } = &healed[0] else { panic!("{healed:?}") };
    let share = during.dropped as f64 / (during.dropped + arrived) as f64;
    assert!((0.3..0.7).contains(&share), "{share}");
    let slow = LinkRule { delay: Duration::from_millis(5), ..LinkRule::CLEAR };
    assert!(cluster.bed.set_link(from, to, slow).unwrap_err().is_unavailable());
}

#[test]
fn a_daemon_that_hides_is_found_by_its_namespace() {
    needs_namespaces!("a_daemon_that_hides_is_found_by_its_namespace");
    let stage = Stage::new();
    let guard = stage.register(&run_id("hide"));
    let mut bed = Namespaces::new(&guard).unwrap();
    bed.layout(1, &[]).unwrap();
    // Neither in the session nor with the tag.
    let node = stage.shell("setsid env -i sleep 300 & sleep 0.1");
    bed.start(NodeId(0), &node).unwrap();
    eventually("the first process has ended", || bed.exit_status(NodeId(0)).is_some());
    assert!(bed.is_running(NodeId(0)));
    assert!(bed.pause(NodeId(0)).unwrap().holds());
    assert!(bed.kill(NodeId(0)).unwrap().holds());
    assert!(!bed.is_running(NodeId(0)));
}

#[test]
fn two_runs_use_the_same_addresses_side_by_side_and_leave_nothing() {
    needs_namespaces!("two_runs_use_the_same_addresses_side_by_side_and_leave_nothing");
    let interfaces = || std::fs::read_to_string("/proc/net/dev").unwrap().lines().count();
    let before = interfaces();
    let (one, other) = (Cluster::new("one", 2), Cluster::new("other", 2));
    assert_eq!(interfaces(), before, "nothing is added to the machine's own network");
    eventually("both clusters talk", || one.from(1, 2) > 0 && other.from(1, 2) > 0);
    let runs = [&one, &other].map(|cluster| cluster.guard.tag().run().to_string());
    assert!(runs.iter().all(|run| namespaces_of(run) == 4 && mounts_of(run) >= 4));
    drop((one, other));
    assert!(runs.iter().all(|run| namespaces_of(run) == 0 && mounts_of(run) == 0 && tagged(run).is_empty()));
}

#[test]
fn a_sweep_removes_the_namespaces_of_the_dead_and_leaves_the_living_alone() {
    needs_namespaces!("a_sweep_removes_the_namespaces_of_the_dead_and_leaves_the_living_alone");
    let living = Cluster::new("alive", 2);
    let stage = &living.stage;
    let dead = run_id("slain");
    let mut bench = victim(stage, &dead);
    assert_eq!(namespaces_of(&dead), 3);
    bench.kill().unwrap();
    bench.wait().unwrap();
    assert_eq!(namespaces_of(&dead), 3, "nobody could undo them");
    let swept = stage.registry.sweep().unwrap();
    assert_eq!((swept.len(), swept[0].run.as_str()), (1, dead.as_str()), "{swept:?}");
    assert!(swept[0].left.is_empty(), "{}", swept[0]);
    assert_eq!((namespaces_of(&dead), mounts_of(&dead), tagged(&dead).len()), (0, 0, 0));
    assert!(!stage.state_file(&dead).exists());
    assert_eq!(namespaces_of(living.guard.tag().run()), 4);
    eventually("the living run goes on", || living.hears(1, 2));
}

#[test]
fn a_bench_that_is_killed_at_any_moment_leaves_nothing_after_the_sweep() {
    needs_namespaces!("a_bench_that_is_killed_at_any_moment_leaves_nothing_after_the_sweep");
    let stage = Stage::new();
    for (number, moment) in [2, 5, 10, 15, 20, 30, 45, 70, 100].into_iter().enumerate() {
        let run = run_id(&format!("moment{number}"));
        let mut bench = bench(&stage, &run).spawn().unwrap();
        let registered = || stage.state_file(&run).exists();
        eventually("the run is registered", registered);
        std::thread::sleep(Duration::from_millis(moment));
        bench.kill().unwrap();
        bench.wait().unwrap();
        let swept = stage.registry.sweep().unwrap();
        assert!(swept.len() == 1 && swept[0].left.is_empty(), "{swept:?}");
        let left = (namespaces_of(&run), mounts_of(&run), tagged(&run).len(), registered());
        assert_eq!(left, (0, 0, 0, false), "killed {moment} ms after it was registered");
    }
    let left: Vec<_> = std::fs::read_dir(stage.state_file("").parent().unwrap()).unwrap().flatten().collect();
    assert_eq!(left.len(), 1, "only the lock: {left:?}");
}

/// Not a test of its own: the bench that is killed.
#[test]
fn victim_bench() {
    let Some(registry) = std::env::var_os(REGISTRY) else { return };
    let run = std::env::var(RUN).unwrap();
    let guard = Registry::at(Path::new(&registry)).unwrap().register(&run, Path::new("/")).unwrap();
    let mut bed = Namespaces::new(&guard).unwrap();
    bed.layout(1, &[]).unwrap();
    let stage = Stage::new();
    let node =
        NodeSpec { dir: "/".into(), log: "/dev/null".into(), ..stage.shell("setsid env -i sleep 300 & sleep 300") };
    drop(stage);
    bed.start(NodeId(0), &node).unwrap();
    println!("victim ready");
    std::thread::sleep(Duration::from_secs(60));
}

fn bench(stage: &Stage, run: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "victim_bench", "--nocapture", "--test-threads=1"]);
    command.env(REGISTRY, stage.dir.path().join("registry")).env(RUN, run).stdout(Stdio::piped());
    command
}

fn victim(stage: &Stage, run: &str) -> Child {
    let mut child = bench(stage, run).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains("victim ready")), "the bench came up");
    child
}

/// Not a test of its own: the program of every node.
#[test]
fn node_program() {
    let Ok(addresses) = std::env::var(NODE) else { return };
    let addresses: Vec<SocketAddr> = addresses.split_whitespace().map(|text| text.parse().unwrap()).collect();
    let (own, peers) = addresses.split_first().unwrap();
    let socket = UdpSocket::bind(own).unwrap();
    let listener = TcpListener::bind(own).unwrap();
    let counts: Arc<Mutex<BTreeMap<String, u64>>> = Arc::default();
    let (hearing, heard) = (socket.try_clone().unwrap(), counts.clone());
    std::thread::spawn(move || {
        while let Ok((_, from)) = hearing.recv_from(&mut [0]) {
            *heard.lock().unwrap().entry(from.ip().to_string()).or_default() += 1;
        }
    });
    std::thread::spawn(move || {
        for mut asker in listener.incoming().flatten() {
            let lines: Vec<String> =
                counts.lock().unwrap().iter().map(|(from, count)| format!("{from} {count}\n")).collect();
            let _ = asker.write_all(lines.concat().as_bytes());
        }
    });
    loop {
        // A peer that is not there yet answers with an error on a later call.
        peers.iter().for_each(|peer| drop(socket.send_to(&[1], peer)));
        std::thread::sleep(Duration::from_millis(5));
    }
}
