//! Nodes over real sockets and disks.

mod toy;

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use base::NodeId;
use host::{Disk, HostError, Options, Stop};
use proto::wire::Kind;
use toy::{Caller, Cluster, Toy};

const PATIENCE: Duration = Duration::from_secs(10);

fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "{what} did not come to pass");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn values(addr: SocketAddr) -> Option<u64> {
    host::probe(addr, PATIENCE).ok()?.gauges.get("values").copied()
}

#[test]
fn a_client_is_answered_in_order() {
    let root = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(root.path(), 1);
    let mut caller = Caller::dial(cluster.addrs[0]);
    (0..1000).for_each(|i| caller.say(format!("e{i}").as_bytes()));
    for i in 0..1000 {
        assert_eq!(caller.hear(), format!("e{i}").as_bytes());
    }
    // Larger than any buffer of ours or of the kernel.
    let big = vec![b'e'; 9 << 20];
    let mut writer = Caller::dial(cluster.addrs[0]);
    let mut half = writer.stream.try_clone().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut frame = Vec::new();
            proto::wire::put_frame(&mut frame, Kind::Message, &big);
            half.write_all(&frame).unwrap();
        });
        assert!(writer.hear() == big);
    });
    cluster.stop_all();
}

#[test]
fn values_are_replicated_and_survive_a_restart() {
    let root = tempfile::tempdir().unwrap();
    for life in 0..3u64 {
        let cluster = Cluster::start(root.path(), 3);
        let mut caller = Caller::dial(cluster.addrs[0]);
        for i in 0..100 {
            assert_eq!(caller.ask(format!("value {i}").as_bytes()), b"ok");
        }
        for addr in &cluster.addrs {
            wait_for("replication", || values(*addr) == Some((life + 1) * 100));
        }
        let syncs: u64 = cluster.addrs.iter().map(|addr| host::probe(*addr, PATIENCE).unwrap().fsyncs).sum();
        assert!(syncs >= 200, "a value at a time needs two syncs each, and there were {syncs}");
        let seen = host::probe(cluster.addrs[0], PATIENCE).unwrap();
        assert_eq!((seen.node.as_str(), seen.role.as_str(), seen.epoch), ("n1", "primary", 1));
        assert!(seen.appended_bytes > 0 && seen.cpu_us > 0 && seen.received > 100, "{seen:?}");
        assert!(seen.malformed == 0 && seen.clients >= 2, "the caller and the probe: {seen:?}");
        cluster.stop_all();
    }
}

#[test]
fn many_writes_share_a_sync() {
    let root = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(root.path(), 3);
    let mut callers: Vec<_> = (0..32).map(|_| Caller::dial(cluster.addrs[0])).collect();
    for _ in 0..20 {
        callers.iter_mut().for_each(|caller| caller.say(b"value"));
        callers.iter_mut().for_each(|caller| assert_eq!(caller.hear(), b"ok"));
    }
    let seen = host::probe(cluster.addrs[0], PATIENCE).unwrap();
    assert!(seen.fsyncs < 640 / 2, "{} syncs for 640 values", seen.fsyncs);
    cluster.stop_all();
}

#[test]
fn a_peer_that_comes_back_is_dialled_again() {
    let root = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(root.path(), 3);
    let mut caller = Caller::dial(cluster.addrs[0]);
    assert_eq!(caller.ask(b"one"), b"ok");
    cluster.stop(1).unwrap();
    assert_eq!(caller.ask(b"two"), b"ok", "a majority is enough");
    let lost = || host::probe(cluster.addrs[0], PATIENCE).unwrap().gauges["lost"];
    wait_for("news of the loss", || lost() >= 1);
    let listener = TcpListener::bind(cluster.addrs[1]).unwrap();
    cluster.start_node(root.path(), 1, listener);
    cluster.stop(2).unwrap();
    assert_eq!(caller.ask(b"three"), b"ok", "the one that came back makes the majority");
    wait_for("catching up", || values(cluster.addrs[1]) == Some(3));
    cluster.stop_all();
}

#[test]
fn nonsense_closes_its_connection_and_no_other() {
    let root = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(root.path(), 1);
    let mut good = Caller::dial(cluster.addrs[0]);
    let nonsense: [&[u8]; 6] = [
        b"GET / HTTP/1.1\r\n\r\n",
        &[0, 0, 0, 0, 0],
        &[2, 0, 0, 0, 99, 1],
        &[4, 0, 0, 0, 1, 1, 9, 0],                          // a node that the cluster has not
        &[12, 0, 0, 0, 1, 1, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8], // a node of another cluster
        &[1, 0, 0, 0, 4],                                   // an observation
    ];
    for bytes in nonsense {
        let mut bad = Caller::dial(cluster.addrs[0]);
        bad.stream.write_all(bytes).unwrap();
        assert_eq!(bad.try_hear(), None, "{bytes:?} must close the connection");
    }
    let mut mute = std::net::TcpStream::connect(cluster.addrs[0]).unwrap();
    mute.write_all(&[2, 0, 0, 0, 2, b'e']).unwrap();
    assert_eq!(std::io::Read::read(&mut mute, &mut [0; 9]).unwrap_or(0), 0, "a message before hello");
    assert_eq!(good.ask(b"echo"), b"echo");
    assert_eq!(host::probe(cluster.addrs[0], PATIENCE).unwrap().malformed, 7);
    cluster.stop_all();
}

#[test]
fn a_client_that_does_not_read_is_not_read_and_harms_no_other() {
    let root = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(root.path(), 1);
    let mut deaf = Caller::dial(cluster.addrs[0]);
    deaf.stream.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
    let mut frame = Vec::new();
    proto::wire::put_frame(&mut frame, Kind::Message, &[b'e'; 60_000]);
    let taken = (0..2000).take_while(|_| deaf.stream.write_all(&frame).is_ok()).count();
    assert!(taken < 600, "{taken} requests of 60 kB were taken from a client that reads no answer");
    let mut good = Caller::dial(cluster.addrs[0]);
    assert_eq!(good.ask(b"echo"), b"echo");
    assert_eq!(host::probe(cluster.addrs[0], PATIENCE).unwrap().clients, 3, "it is kept waiting, not closed");
    drop(deaf);
    wait_for("the deaf client to be forgotten", || host::probe(cluster.addrs[0], PATIENCE).unwrap().clients == 2);
    cluster.stop_all();
}

fn start_alone(dir: &Path, addr: &str) -> HostError {
    let addr: SocketAddr = addr.parse().unwrap();
    let (_stopper, stop) = Stop::by_drop().unwrap();
    let options = toy::options(0, vec![addr], dir, stop);
    host::serve(options, |me, disk, ctx| Box::new(Toy::boot(1, me, disk, ctx))).expect_err("it must not start")
}

#[test]
fn a_start_that_cannot_succeed_says_what_to_do() {
    let root = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(root.path(), 1);
    let addr = cluster.addrs[0].to_string();
    assert_eq!(Caller::dial(cluster.addrs[0]).ask(b"value"), b"ok");
    assert_eq!(Caller::dial(cluster.addrs[0]).ask(b"value"), b"ok");

    let error = start_alone(&root.path().join("other"), &addr);
    assert!(error.is_transient() && error.to_string().contains("in use"), "{error}");
    let error = start_alone(&root.path().join("n1"), "127.0.0.1:0");
    assert!(error.is_transient() && error.to_string().contains("belongs to a node that is running"), "{error}");
    std::fs::write(root.path().join("file"), b"").unwrap();
    let error = start_alone(&root.path().join("file"), "127.0.0.1:0");
    assert!(error.to_string().contains("must be writable"), "{error}");

    cluster.stop(0).unwrap();
    let segment = root.path().join("n1/log-0000000000.seg");
    let mut bytes = std::fs::read(&segment).unwrap();
    let place = bytes.windows(5).position(|window| window == b"value").unwrap();
    bytes[place] = b'V';
    std::fs::write(&segment, bytes).unwrap();
    let error = start_alone(&root.path().join("n1"), "127.0.0.1:0");
    let text = error.to_string();
    assert!(text.starts_with("refusing to start: `") && text.contains("is corrupt at offset 112"), "{text}");
}

#[test]
fn a_node_whose_disk_fails_stops_and_says_so() {
    let root = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(root.path(), 1);
    let mut caller = Caller::dial(cluster.addrs[0]);
    assert_eq!(caller.ask(b"value"), b"ok");
    std::fs::remove_dir_all(root.path().join("n1")).unwrap();
    // The next segment cannot be made.
    let unanswered = (0..5).find(|_| {
        caller.say(&[b'v'; 40_000]);
        caller.try_hear().is_none()
    });
    assert!(unanswered.is_some(), "a value that is not durable must not be acknowledged");
    let error = cluster.stop(0).expect_err("the disk failed");
    assert!(matches!(&error, HostError::Disk(_)), "{error}");
    assert!(error.to_string().contains("No such file"), "{error}");
}

#[test]
fn an_actor_that_halts_stops_its_node() {
    let root = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(root.path(), 1);
    Caller::dial(cluster.addrs[0]).say(b"x");
    let (_stopper, thread) = cluster.nodes[0].take().unwrap();
    let error = thread.join().unwrap().expect_err("it halted");
    assert_eq!(error.to_string(), "stopped by the protocol: asked to");
}

#[test]
fn messages_to_a_peer_that_is_away_are_bounded_and_counted() {
    let root = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(root.path(), 3);
    let mut caller = Caller::dial(cluster.addrs[0]);
    assert_eq!(caller.ask(b"first"), b"ok");
    cluster.stop(2).unwrap();
    for _ in 0..40 {
        assert_eq!(caller.ask(&[b'v'; 20_000]), b"ok");
    }
    let dropped = host::probe(cluster.addrs[0], PATIENCE).unwrap().dropped;
    assert!(dropped > 0, "800 kB were sent to a peer that is away");
    let listener = TcpListener::bind(cluster.addrs[2]).unwrap();
    cluster.start_node(root.path(), 2, listener);
    wait_for("catching up", || values(cluster.addrs[2]) == Some(41));
    cluster.stop_all();
}

/// A node in a process of its own, so that it can be killed. It is this very test, run with an environment variable.
#[test]
fn node_process() {
    let Ok(settings) = std::env::var("HOST_TEST_NODE") else { return };
    let (dir, disk) = settings.split_once('|').unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let mut options = Options::new(NodeId(0), addr, vec![addr], dir);
    if disk != "durable" {
        options.disk = Disk::Volatile { sync_every: base::units::parse_duration(disk).unwrap() };
    }
    options.stop_on_stdin_eof = true;
    options.stop = Some(Stop::by_signal().unwrap());
    println!("\nlistening {addr}");
    host::serve_on(listener, options, |me, disk, ctx| Box::new(Toy::boot(1, me, disk, ctx))).unwrap();
}

struct Process {
    child: Child,
    addr: SocketAddr,
    /// Open, so that the test harness in the process can write its result.
    _stdout: std::io::Lines<BufReader<ChildStdout>>,
}

fn spawn(dir: &Path, disk: &str) -> Process {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["node_process", "--exact", "--nocapture"])
        .env("HOST_TEST_NODE", format!("{}|{disk}", dir.display()))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines.by_ref().map_while(Result::ok).find(|line| line.starts_with("listening ")).expect("an address");
    Process { addr: line["listening ".len()..].parse().unwrap(), child, _stdout: lines }
}

#[test]
fn what_was_acknowledged_survives_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    for life in 0..5 {
        let mut node = spawn(dir.path(), "durable");
        let mut caller = Caller::dial(node.addr);
        wait_for("the values of earlier lives", || values(node.addr).is_some_and(|kept| kept >= life * 50));
        for _ in 0..50 {
            assert_eq!(caller.ask(b"value"), b"ok");
        }
        node.child.kill().unwrap();
        node.child.wait().unwrap();
    }
}

#[test]
fn a_volatile_disk_loses_what_was_not_synced_and_acknowledges_none_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut node = spawn(dir.path(), "400ms");
    let mut caller = Caller::dial(node.addr);
    let start = Instant::now();
    assert_eq!(caller.ask(b"kept"), b"ok");
    assert!(start.elapsed() >= Duration::from_millis(390), "the acknowledgement waits for the sync");
    (0..10).for_each(|_| caller.say(b"lost"));
    wait_for("the values to arrive", || values(node.addr) == Some(11));
    node.child.kill().unwrap();
    node.child.wait().unwrap();
    assert_eq!(caller.try_hear(), None);

    let mut node = spawn(dir.path(), "1h");
    assert_eq!(values(node.addr), Some(1), "exactly what was synced");
    let mut caller = Caller::dial(node.addr);
    caller.say(b"kept by an orderly stop");
    assert_eq!(caller.ask(b"echo"), b"echo", "what is sent now waits for no disk");
    assert_eq!(values(node.addr), Some(2));
    drop(node.child.stdin.take());
    assert!(node.child.wait().unwrap().success(), "the end of standard input stops it");

    let mut node = spawn(dir.path(), "durable");
    assert_eq!(values(node.addr), Some(2));
    let pid = rustix::process::Pid::from_child(&node.child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let status = node.child.wait().unwrap();
    assert_eq!((status.code(), status.signal()), (Some(0), None), "SIGTERM stops it in order");
}
