//! A toy that writes down what it is handed: the world's promises, one at a time.

use std::time::Duration;

use base::{Bytes, NodeId, Seed, Time};
use expect_test::{Expect, expect};
use fault::LinkRule;
use proto::{Actor, Address, Context, Input, Protocol, Recovered, TimerId};

use super::ms;
use crate::*;

const N1: NodeId = NodeId(0);
const N2: NodeId = NodeId(1);

/// What a server does when it boots and with each input, as a function.
type Script = fn(NodeId, &mut Context<'_, Bytes>, Option<&Input<Bytes>>);

struct Probe(Script);

struct Server {
    me: NodeId,
    script: Script,
    log: Vec<String>,
}

struct Client;

impl Actor for Server {
    type Message = Bytes;

    fn step(&mut self, ctx: &mut Context<'_, Bytes>, input: Input<Bytes>) {
        let at = ctx.now.monotonic.0 / 1_000_000;
        match &input {
            Input::Message { from, message } => self.log.push(format!("{at}ms {from} {message:?}")),
            Input::Timer(timer) => self.log.push(format!("{at}ms timer {}", timer.0)),
            Input::Lost { peer, unsent } => self.log.push(format!("{at}ms lost {peer} unsent={unsent}")),
            Input::Durable(barrier) => self.log.push(format!("{at}ms durable {}", barrier.0)),
            Input::DiskFailed { error } => self.log.push(format!("{at}ms disk failed: {error}")),
            Input::BatchEnd => return,
            _ => {}
        }
        (self.script)(self.me, ctx, Some(&input));
    }
}

impl Actor for Client {
    type Message = Bytes;

    fn step(&mut self, _ctx: &mut Context<'_, Bytes>, _input: Input<Bytes>) {}
}

impl Protocol for Probe {
    type Message = Bytes;
    type Server = Server;
    type Client = Client;

    fn boot(&self, me: NodeId, _disk: Recovered, ctx: &mut Context<'_, Bytes>) -> Server {
        (self.0)(me, ctx, None);
        Server { me, script: self.0, log: Vec::new() }
    }

    fn client(&self, _ctx: &mut Context<'_, Bytes>) -> Client {
        Client
    }
}

fn world(script: Script, options: Options) -> World {
    World::new(Probe(script), 2, options)
}

/// A network that takes 5 ms, always.
fn steady() -> Options {
    Options { network: Network { latency: (ms(5), ms(5)), ..Network::reliable() }, ..Options::default() }
}

/// Servers that answer every greeting by two.
pub(super) fn chatter(servers: usize, options: Options) -> World {
    let script: Script = |me, ctx, input| {
        let to = if me == N1 { N2 } else { N1 };
        match input {
            None => say(ctx, to, "hello"),
            Some(Input::Message { .. }) => (0..2).for_each(|_| say(ctx, to, "hello")),
            _ => {}
        }
    };
    World::new(Probe(script), servers, options)
}

fn log(world: &World, node: NodeId) -> String {
    world.server::<Probe>(node).map_or("down".into(), |server| server.log.join("\n"))
}

fn check(world: &mut World, span: Duration, node: NodeId, expected: Expect) {
    world.run_for(span).expect("a probe has no oracles");
    expected.assert_eq(&log(world, node));
}

fn say(ctx: &mut Context<'_, Bytes>, to: NodeId, text: &'static str) {
    ctx.out.send(Address::Node(to), Bytes::from_static(text.as_bytes()));
}

#[test]
fn a_server_chokes_on_what_it_says_and_nothing_of_it_arrives() {
    let script: Script = |me, ctx, input| match input {
        None if me == N1 => ctx.out.set_timer(TimerId(0), ms(10)),
        Some(Input::Timer(_)) => ["a", "b", "c"].into_iter().for_each(|text| say(ctx, N2, text)),
        _ => {}
    };
    let (when, what, span) = (Moment::Said, Blow::Choke, (ms(20), ms(20)));
    let choke = Trigger { when, focus: 0, rare: false, what, chance: 1.0, delay: ms(5), lasts: span };
    let mut world = world(script, steady());
    world.begin_storm(FaultMix { triggers: vec![choke], ..FaultMix::none() });
    check(&mut world, ms(20), N2, expect![[""]]);
    assert!(!world.is_up(N1), "it died of it");
    check(&mut world, ms(15), N1, expect![[""]]);
}

#[test]
fn a_timer_that_is_moved_fires_once_at_its_last_time() {
    let script: Script = |me, ctx, input| match input {
        None if me == N1 => {
            ctx.out.set_timer(TimerId(1), ms(10));
            ctx.out.set_timer(TimerId(1), ms(30)); // later
            ctx.out.set_timer(TimerId(2), ms(30));
            ctx.out.set_timer(TimerId(2), ms(10)); // earlier
            ctx.out.set_timer(TimerId(3), ms(20));
            ctx.out.cancel_timer(TimerId(3));
            ctx.out.set_timer(TimerId(4), ms(20));
            ctx.out.cancel_timer(TimerId(4));
            ctx.out.set_timer(TimerId(4), ms(40)); // set again
        }
        _ => {}
    };
    check(
        &mut world(script, steady()),
        ms(100),
        N1,
        expect![[r#"
        10ms timer 2
        30ms timer 1
        40ms timer 4"#]],
    );
}

#[test]
fn a_timer_dies_with_its_life_and_waits_for_a_pause() {
    let script: Script = |_, ctx, input| {
        if input.is_none() {
            ctx.out.set_timer(TimerId(1), ms(20));
        }
    };
    let mut world = world(script, steady());
    world.run_for(ms(15)).expect("fine");
    world.crash(N1);
    world.restart(N1);
    world.pause(N2);
    check(&mut world, ms(50), N1, expect!["20ms timer 1"]);
    check(&mut world, ms(0), N2, expect![""]);
    world.resume(N2);
    check(&mut world, ms(50), N2, expect!["65ms timer 1"]);
}

#[test]
fn clocks_drift_and_the_monotonic_one_begins_at_boot() {
    let script: Script = |_, ctx, input| {
        if !matches!(input, Some(Input::Message { .. })) {
            ctx.out.set_timer(TimerId(0), ms(100));
            let wall = ctx.now.wall.0 / 1_000_000;
            ctx.out.send(Address::Node(N2), Bytes::from(format!("wall {wall}")));
        }
    };
    let mut world = world(script, steady());
    world.run_for(ms(50)).expect("fine");
    world.crash(N1);
    world.set_clock(N1, Clock { wall_offset_ns: 7_000_000_000, drift_ppm: 1_000_000 });
    world.restart(N1); // its clocks run twice as fast: 100 ms of its own are 50 ms
    check(
        &mut world,
        ms(110),
        N1,
        expect![[r#"
        100ms timer 0
        200ms timer 0"#]],
    );
    assert!(log(&world, N2).contains("n1 b\"wall 7050\""), "{}", log(&world, N2));
}

#[test]
fn a_lost_connection_is_told_once_and_a_refused_one_as_unsent() {
    let script: Script = |me, ctx, input| match input {
        None | Some(Input::Timer(_)) if me == N1 => {
            say(ctx, N2, "hello");
            ctx.out.set_timer(TimerId(0), ms(20));
        }
        _ => {}
    };
    let mut world = world(script, steady());
    world.run_for(ms(10)).expect("fine");
    world.crash(N2);
    check(
        &mut world,
        ms(50),
        N1,
        expect![[r#"
        15ms lost n2 unsent=false
        20ms timer 0
        30ms lost n2 unsent=true
        40ms timer 0
        50ms lost n2 unsent=true
        60ms timer 0"#]],
    );
}

#[test]
fn links_are_cut_one_way_and_a_fifo_network_keeps_order() {
    let script: Script = |me, ctx, input| match input {
        None => ctx.out.set_timer(TimerId(0), ms(1)),
        Some(Input::Timer(_)) => {
            let other = if me == N1 { N2 } else { N1 };
            (0..20).for_each(|i| ctx.out.send(Address::Node(other), Bytes::from(vec![i])));
        }
        _ => {}
    };
    let orders = |fifo: bool| {
        let network = Network { fifo, duplicate: 0.2, ..Network::reliable() };
        let mut world = world(script, Options { network, ..Options::default() });
        world.set_link(Address::Node(N2), Address::Node(N1), LinkRule::CUT);
        world.run_for(ms(50)).expect("fine");
        assert_eq!(log(&world, N1), "1ms timer 0", "nothing comes through the cut");
        world.server::<Probe>(N2).expect("up").log.clone()
    };
    let numbers = |log: Vec<String>| -> Vec<String> {
        log.iter().filter_map(|line| Some(line.split_once("n1 ")?.1.to_owned())).collect()
    };
    let (ordered, shuffled) = (numbers(orders(true)), numbers(orders(false)));
    assert!(ordered.len() > 20, "some arrive twice");
    let mut firsts = ordered.clone();
    firsts.dedup();
    let distinct: std::collections::BTreeSet<_> = shuffled.iter().collect();
    assert_eq!((firsts.len(), distinct.len()), (20, 20));
    assert_ne!(ordered, shuffled);
}

#[test]
fn an_answer_leaves_at_its_barrier_and_send_now_before_it() {
    let script: Script = |me, ctx, input| match input {
        None if me == N1 => {
            ctx.out.append(Bytes::from_static(b"record"));
            say(ctx, N2, "after");
            ctx.out.send_now(Address::Node(N2), Bytes::from_static(b"now"));
        }
        _ => {}
    };
    let disk = Disk { sync: (ms(20), ms(20)), ..Disk::default() };
    let mut world = world(script, Options { disk, ..steady() });
    check(
        &mut world,
        ms(50),
        N2,
        expect![[r#"
        5ms n1 b"now"
        25ms n1 b"after""#]],
    );
    check(&mut world, ms(0), N1, expect!["20ms durable 1"]);
}

#[test]
fn a_busy_server_takes_its_inputs_one_after_another() {
    let script: Script = |me, ctx, input| match input {
        None if me == N1 => (0..3).for_each(|_| say(ctx, N2, "work")),
        Some(Input::Message { .. }) if me == N2 => ctx.out.busy(ms(10)),
        _ => {}
    };
    check(
        &mut world(script, steady()),
        ms(50),
        N2,
        expect![[r#"
        5ms n1 b"work"
        15ms n1 b"work"
        25ms n1 b"work""#]],
    );
}

#[test]
fn a_server_that_halts_is_down_and_says_why() {
    let script: Script = |me, ctx, input| match input {
        None if me == N2 => say(ctx, N1, "hello"),
        Some(Input::Message { .. }) => ctx.out.halt("the disk is corrupt"),
        _ => {}
    };
    let mut world = world(script, steady());
    world.run_for(ms(10)).expect("fine");
    assert_eq!((world.is_up(N1), world.halted(N1)), (false, Some("the disk is corrupt")));
    assert_eq!(world.now(), Time(10_000_000));
    world.restart(N1);
    assert_eq!(world.halted(N1), None);
}

#[test]
fn a_change_of_the_fault_vocabulary_is_made_and_undone() {
    let script: Script = |_, _, _| {};
    let mut world = world(script, Options { seed: Seed(9), transcript: Transcript::Story, ..steady() });
    let rule = LinkRule { loss: 0.5, ..LinkRule::CLEAR };
    let changes = [fault::Change::Kill(N1), fault::Change::Pause(N2), fault::Change::Link { from: N1, to: N2, rule }];
    changes.iter().for_each(|change| world.apply(change));
    fault::undo(&changes).iter().for_each(|change| world.apply(change));
    let told: Vec<String> = world.take_transcript().iter().map(|line| line.to_string().trim().to_owned()).collect();
    expect![[r#"
        0.000  n1 crashes
        0.000  n2 is paused
        0.000  n1 -> n2: loss 50.0 %
        0.000  n1 -> n2: clear
        0.000  n1 restarts
        0.000  n2 goes on"#]]
    .assert_eq(&told.join("\n"));
}

#[test]
fn regions_are_far_from_each_other_the_shorter_way_round() {
    let script: Script = |me, ctx, input| match input {
        None if me == N1 => (1..5).for_each(|node| say(ctx, NodeId(node), "far")),
        _ => {}
    };
    let regions = Some(Regions { count: 4, apart: ms(100) });
    let network = Network { regions, ..steady().network };
    let mut world = World::new(Probe(script), 5, Options { network, ..steady() });
    world.run_for(ms(500)).expect("fine");
    let came: Vec<String> = (1..5).map(|node| log(&world, NodeId(node))).collect();
    let far = ["105ms n1 b\"far\"", "205ms n1 b\"far\"", "105ms n1 b\"far\"", "5ms n1 b\"far\""];
    assert_eq!(came, far, "n5 is where n1 is, n4 next to it");
}

#[test]
fn an_old_message_comes_again_in_the_life_of_a_new_machine() {
    let script: Script = |me, ctx, input| match input {
        None if me == N1 && ctx.now.wall.0 == 0 => say(ctx, N2, "old"),
        _ => {}
    };
    let network = Network { remembered: 1.0, ..steady().network };
    let mut world = world(script, Options { network, ..steady() });
    world.run_for(ms(1000)).expect("fine");
    world.act(Act::Replace(N2.0));
    world.act(Act::Replay(7));
    check(&mut world, ms(50), N2, expect![[r#"0ms n1 b"old""#]]);
    assert_eq!(world.messages_under_way(), 0);
}

#[test]
fn a_failed_sync_is_told_and_nothing_that_waits_for_it_is_said() {
    let script: Script = |me, ctx, input| match input {
        Some(Input::Timer(_)) | None if me == N1 => {
            ctx.out.append(Bytes::from_static(b"record"));
            say(ctx, N2, "durable");
            ctx.out.set_timer(TimerId(0), ms(50));
        }
        _ => {}
    };
    let mut world = world(script, Options { disk: Disk { sync: (ms(1), ms(1)), ..Disk::default() }, ..steady() });
    world.act(Act::SlowDisk(N1.0, 20));
    world.run_for(ms(60)).expect("fine");
    world.act(Act::FillDisk(N1.0));
    check(
        &mut world,
        ms(140),
        N1,
        expect![[r#"
        1ms durable 1
        50ms timer 0
        70ms disk failed: no space left on device
        100ms timer 0
        150ms timer 0
        200ms timer 0"#]],
    );
    check(&mut world, ms(0), N2, expect![[r#"6ms n1 b"durable""#]]);
}

#[test]
fn a_clock_jumps_both_ways_and_never_below_zero() {
    let script: Script = |me, ctx, input| {
        if me == N1 && !matches!(input, Some(Input::Message { .. })) {
            let text = format!("{} {}", ctx.now.monotonic.0 / 1_000_000, ctx.now.wall.0 / 1_000_000);
            ctx.out.send(Address::Node(N2), Bytes::from(text));
            ctx.out.set_timer(TimerId(0), ms(100));
        }
    };
    let mut world = world(script, steady());
    for jump in [5_000_000_000, -3_000_000_000, -9_000_000_000] {
        world.run_for(ms(50)).expect("fine");
        world.act(Act::Jump(N1.0, jump));
        world.run_for(ms(50)).expect("fine");
    }
    let told: Vec<String> =
        log(&world, N2).lines().filter_map(|line| Some(line.split_once('"')?.1.to_owned())).collect();
    assert_eq!(told, ["0 0\"", "100 5100\"", "200 2200\""]);
}
