//! Links on loopback: real sockets through relays.

mod common;

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use base::NodeId;
use common::{Stage, run_id};
use fault::Change;
use proto::wire::{self, Hello, Kind};
use testbed::{Evidence, Framing, Guard, Layout, LinkChange, LinkRule, Loopback, LoopbackOptions, PortSpec, Testbed};

const N1: NodeId = NodeId(0);
const N2: NodeId = NodeId(1);
const CUT: LinkRule = LinkRule::CUT;

/// Two nodes played by the test: n1 dials n2.
struct Pair {
    bed: Loopback,
    layout: Layout,
    listener: TcpListener,
    _guard: Guard,
    _stage: Stage,
}

impl Pair {
    fn new(name: &str) -> Self {
        let stage = Stage::new();
        let guard = stage.register(&run_id(name));
        let options = LoopbackOptions { relay: Some(Framing::Frames), ..LoopbackOptions::default() };
        let mut bed = Loopback::new(&guard, options).unwrap();
        let layout = bed.layout(2, &[PortSpec::peer("peer"), PortSpec::client("client")]).unwrap();
        let listener = TcpListener::bind(layout.address(N2, "peer").unwrap()).unwrap();
        Pair { bed, layout, listener, _guard: guard, _stage: stage }
    }

    fn dial(&self) -> TcpStream {
        let socket = TcpStream::connect(self.layout.dial(N1, N2, "peer").unwrap()).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        send(&socket, Kind::Hello, &Hello::Node(N1).encode());
        socket
    }

    fn accept(&self) -> TcpStream {
        let (socket, _) = self.listener.accept().unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        assert_eq!(receive(&socket).0, Kind::Hello as u8);
        socket
    }

    fn connected(&self) -> (TcpStream, TcpStream) {
        (self.dial(), self.accept())
    }
}

fn send(mut socket: &TcpStream, kind: Kind, payload: &[u8]) {
    let mut frame = Vec::new();
    wire::put_frame(&mut frame, kind, payload);
    socket.write_all(&frame).unwrap();
}

fn say(socket: &TcpStream, text: &str) {
    send(socket, Kind::Message, text.as_bytes());
}

fn receive(mut socket: &TcpStream) -> (u8, String) {
    let mut header = [0; 5];
    socket.read_exact(&mut header).unwrap();
    let length = u32::from_le_bytes([header[0], header[1], header[2], header[3]]) as usize;
    let mut payload = vec![0; length - 1];
    socket.read_exact(&mut payload).unwrap();
    (header[4], String::from_utf8_lossy(&payload).into_owned())
}

fn hear(socket: &TcpStream) -> String {
    receive(socket).1
}

/// Whether nothing arrives for a while.
fn silent(mut socket: &TcpStream) -> bool {
    socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let outcome = socket.read(&mut [0]);
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    matches!(outcome, Err(error) if error.kind() == ErrorKind::WouldBlock)
}

fn sentences(evidence: &[Evidence]) -> Vec<String> {
    evidence.iter().map(ToString::to_string).collect()
}

#[test]
fn a_cut_is_one_way_silent_and_counted() {
    let mut pair = Pair::new("cut");
    let (up, down) = pair.connected();
    say(&up, "a");
    assert_eq!(hear(&down), "a");
    let set = pair.bed.set_link(N1, N2, CUT).unwrap();
    assert_eq!(sentences(&set), ["n1 → n2: cut"]);
    say(&up, "b");
    say(&up, "c");
    assert!(silent(&down));
    say(&down, "other way");
    assert_eq!(hear(&up), "other way");
    let healed = pair.bed.heal_links(false).unwrap();
    assert_eq!(sentences(&healed), ["n1 → n2: cut ended: 2 dropped"]);
    assert!(healed.iter().all(Evidence::holds));
    say(&up, "d");
    assert_eq!(hear(&down), "d", "the connection stayed up");
}

#[test]
fn a_rule_that_met_no_traffic_proves_nothing() {
    let mut pair = Pair::new("idle");
    pair.bed.set_link(N1, N2, CUT).unwrap();
    let healed = pair.bed.heal_links(true).unwrap();
    assert_eq!(sentences(&healed), ["n1 → n2: cut ended: no traffic"]);
    assert!(!healed[0].holds());
    assert!(pair.bed.heal_links(true).unwrap().is_empty(), "nothing is left to heal");
}

#[test]
fn healing_can_reset_the_connections_of_the_link() {
    let mut pair = Pair::new("reset");
    let (mut up, mut down) = pair.connected();
    pair.bed.set_link(N1, N2, CUT).unwrap();
    pair.bed.heal_links(true).unwrap();
    for socket in [&mut up, &mut down] {
        assert_eq!(socket.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    }
    let counters = pair.bed.link_counters().unwrap();
    assert_eq!(counters.iter().map(|(_, _, count)| count.resets).sum::<u64>(), 1);
    let (up, down) = pair.connected();
    say(&up, "again");
    assert_eq!(hear(&down), "again");
}

#[test]
fn a_connection_dialled_during_a_cut_is_made_after_it() {
    let mut pair = Pair::new("dial");
    pair.bed.set_links(&[LinkChange { from: N2, to: N1, rule: CUT }]).unwrap();
    let up = pair.dial();
    say(&up, "first");
    pair.listener.set_nonblocking(true).unwrap();
    std::thread::sleep(Duration::from_millis(50));
    assert!(pair.listener.accept().is_err(), "an answer could not come back, so there is no connection");
    pair.listener.set_nonblocking(false).unwrap();
    pair.bed.heal_links(false).unwrap();
    assert_eq!(hear(&pair.accept()), "first");
}

#[test]
fn an_end_is_passed_on_but_not_through_a_cut() {
    let mut pair = Pair::new("end");
    let (up, mut down) = pair.connected();
    say(&up, "last words");
    drop(up);
    assert_eq!(hear(&down), "last words");
    assert_eq!(down.read(&mut [0]).unwrap(), 0);

    let (up, mut down) = pair.connected();
    pair.bed.set_link(N1, N2, CUT).unwrap();
    drop(up);
    assert!(silent(&down));
    pair.bed.heal_links(false).unwrap();
    assert_eq!(down.read(&mut [0]).unwrap(), 0);
}

#[test]
fn dialling_a_dead_node_breaks_at_once() {
    let pair = Pair::new("dead");
    let mut up = TcpStream::connect(pair.layout.dial(N2, N1, "peer").unwrap()).unwrap();
    up.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    assert_eq!(up.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_delay_is_kept_to_the_millisecond_and_in_order() {
    let mut pair = Pair::new("delay");
    let (up, down) = pair.connected();
    let slow = LinkRule { delay: Duration::from_millis(20), jitter: Duration::from_millis(10), ..LinkRule::CLEAR };
    pair.bed.set_link(N1, N2, slow).unwrap();
    let began = Instant::now();
    let words = ["a", "b", "c", "d"];
    words.iter().for_each(|word| say(&up, word));
    assert_eq!(words.map(|_| hear(&down)), words);
    let took = began.elapsed();
    assert!((Duration::from_millis(10)..Duration::from_millis(500)).contains(&took), "{took:?}");
    let healed = pair.bed.heal_links(false).unwrap();
    assert_eq!(sentences(&healed), ["n1 → n2: delay 20.0 ms, jitter 10.0 ms ended: 4 delayed, 4 forwarded"]);
}

#[test]
fn a_receiver_that_stops_reading_makes_the_sender_wait_and_loses_nothing() {
    let pair = Pair::new("pressure");
    let (up, down) = pair.connected();
    let (count, text) = (3_000, "x".repeat(10_000));
    let sender = std::thread::spawn(move || {
        let began = Instant::now();
        (0..count).for_each(|_| say(&up, &text));
        (began.elapsed(), up)
    });
    std::thread::sleep(Duration::from_millis(300));
    assert!(!sender.is_finished(), "30 MB do not fit into the buffers of a link");
    for _ in 0..count {
        assert_eq!(hear(&down).len(), 10_000);
    }
    sender.join().unwrap();
}

#[test]
fn a_rule_can_ask_for_a_reset_when_it_ends() {
    let mut pair = Pair::new("asks");
    let (mut up, _down) = pair.connected();
    let rule = LinkRule { reset_on_heal: true, ..CUT };
    let change = |rule| Change::Link { from: N1, to: N2, rule };
    pair.bed.apply(&[change(rule)]).unwrap();
    pair.bed.apply(&[change(LinkRule::CLEAR)]).unwrap();
    assert_eq!(up.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[test]
fn what_a_testbed_can_do_is_named_as_in_plans() {
    let kinds: Vec<&str> = fault::FAULTS.iter().map(|kind| kind.name).collect();
    let pair = Pair::new("names");
    let known: Vec<&str> = pair.bed.capabilities().iter().map(|capability| capability.fault).collect();
    assert!(known.iter().all(|name| kinds.contains(name)), "{known:?} and {kinds:?}");
    assert!(pair.bed.capabilities().iter().all(|capability| capability.lack.is_none()));
    let guard = pair._stage.register(&run_id("direct"));
    let direct = Loopback::new(&guard, LoopbackOptions::default()).unwrap();
    let lacking = direct.capabilities().into_iter().filter(|capability| capability.lack.is_some());
    assert_eq!(lacking.map(|capability| capability.fault).collect::<Vec<_>>(), ["partition", "loss", "delay"]);
}

#[test]
fn a_stream_of_another_protocol_is_refused() {
    let pair = Pair::new("foreign");
    let mut up = TcpStream::connect(pair.layout.dial(N1, N2, "peer").unwrap()).unwrap();
    up.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    up.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    assert_eq!(up.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
}
