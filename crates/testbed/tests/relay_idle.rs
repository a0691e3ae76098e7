//! A relay with nothing to forward uses no CPU, in whatever state its connections are. Alone in its file: it looks at threads.

use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use base::{NodeId, Seed};
use fault::LinkRule;
use testbed::{Framing, Relay, Route};

#[test]
fn connections_that_ended_in_every_way_keep_no_relay_busy() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (from, to) = (NodeId(0), NodeId(1));
    let route = Route { from, to, target: listener.local_addr().unwrap() };
    let relay = Relay::start(&[route], Framing::Bytes, Seed(1)).unwrap();
    let dial = || TcpStream::connect(relay.addresses()[0]).unwrap();
    let connected = || (dial(), listener.accept().unwrap().0);

    let _open = connected();
    let (gone_up, _down) = connected();
    let (_up, gone_down) = connected();
    let (reset_up, _down2) = connected();
    let (lost_up, lost_down) = connected();
    relay.set_rules(&[(from, to, LinkRule::CUT), (to, from, LinkRule::CUT)], false).unwrap();
    rustix::net::sockopt::set_socket_linger(&reset_up, Some(Duration::ZERO)).unwrap();
    drop((gone_up, gone_down, reset_up, lost_up, lost_down));
    let _deferred = dial();
    drop(dial());
    std::thread::sleep(Duration::from_millis(50));
    let before = relay_cpu();
    std::thread::sleep(Duration::from_millis(300));
    let spent = relay_cpu() - before;
    assert!(spent < Duration::from_millis(5), "{spent:?} of CPU for nothing");
}

fn relay_cpu() -> Duration {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let is_relay = |name: String| name.trim() == "relay";
    let mut relays = tasks.filter(|task| std::fs::read_to_string(task.path().join("comm")).is_ok_and(is_relay));
    let text = std::fs::read_to_string(relays.next().expect("the relay's thread").path().join("schedstat")).unwrap();
    Duration::from_nanos(text.split_whitespace().next().unwrap().parse().unwrap())
}
