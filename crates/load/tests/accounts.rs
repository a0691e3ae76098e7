//! Every operation is accounted for, whatever becomes of it, and the history says the same as the figures.

mod toy;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::{Duration, Instant};

use base::{NodeId, Time};
use history::{ClockDomain, ErrorKind, History, Operation, Outcome, Phase, Recorder, Request};
use load::{Control, Engine, EngineOptions, Limit, Spin, Stage, StageReport, TargetPolicy, Work};
use proto::Target;
use toy::{Reply, Server, Stall, ToyClient, Writes};
use workload::Profile;

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn options(endpoints: &[SocketAddr], processes: usize, concurrency: usize) -> EngineOptions {
    let mut options = EngineOptions::new(endpoints.to_vec(), move |_| Box::new(ToyClient::new(concurrency)));
    options.processes = processes;
    options.target = TargetPolicy::Fixed;
    options.timeout = ms(200);
    options
}

fn engine(options: EngineOptions, dir: &Path) -> Engine {
    let recorder = Recorder::create(dir, 0, &ClockDomain::default()).unwrap();
    Engine::new(options, recorder, Instant::now()).unwrap()
}

fn load(engine: &mut Engine, profile: Profile, limit: Limit, drain: Duration) -> StageReport {
    let work = Work::Load { profile: &profile, generator: &mut Writes, limit };
    let stage = Stage { phase: Phase::Load, work, drain };
    engine.run(stage, &Control::new(), |_| {}).unwrap()
}

fn operations(engine: Engine, dir: &Path) -> Vec<Operation> {
    engine.finish().unwrap().finish().unwrap();
    History::open(dir).unwrap().iter().collect()
}

/// An address where nobody listens.
fn nowhere() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A process has one operation at a time, and goes on under a new id after `info`.
fn check_processes(operations: &[Operation]) {
    let mut last: BTreeMap<u32, &Operation> = BTreeMap::new();
    for operation in operations {
        assert!(operation.due <= operation.sent && operation.sent <= operation.done, "{operation:?}");
        if let Some(before) = last.insert(operation.process.0, operation) {
            assert_ne!(before.completion.outcome, Outcome::Info, "{operation:?} after {before:?}");
            assert!(before.done <= operation.sent, "{operation:?} overlaps {before:?}");
        }
    }
}

#[test]
fn what_is_not_answered_in_time_is_unknown_and_its_process_goes_on_under_a_new_name() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(|value| if value % 10 == 0 { Reply::Never } else { Reply::After(ms(1)) }, None);
    // One connection for all: late or missing answers must not shift to other operations.
    let mut engine = engine(options(&[server.address], 32, 32), dir.path());
    let report = load(&mut engine, Profile::constant(200.0), Limit::Time(ms(1000)), ms(1000));
    assert_eq!((report.asked, report.counts.ok, report.counts.info), (200, 180, 20), "{report}");
    assert_eq!(report.counts.errors().collect::<Vec<_>>(), [(ErrorKind::Timeout, 20)]);
    assert_eq!((report.latency.count(), report.latency.infinite()), (200, 20));

    let operations = operations(engine, dir.path());
    assert_eq!(operations.len(), 200);
    check_processes(&operations);
    let unknown: BTreeSet<u64> =
        operations.iter().filter(|it| it.completion.outcome == Outcome::Info).map(|it| it.request.argument).collect();
    assert_eq!(unknown, (1..=20).map(|i| i * 10).collect());
    assert!(operations.iter().filter(|it| unknown.contains(&it.request.argument)).all(|it| it.done == Time::MAX));
    assert!(operations.iter().any(|it| it.process.0 >= 32), "a new id after info");
}

#[test]
fn what_is_still_queued_at_its_deadline_is_never_sent() {
    let dir = tempfile::tempdir().unwrap();
    // Both processes are stuck for 600 ms in pieces of their timeout of 200 ms; arrivals every 10 ms queue behind them.
    let server = Server::start(|_| Reply::After(ms(1)), Some(Stall { at: ms(100), lasts: ms(600) }));
    let mut engine = engine(options(&[server.address], 2, 1), dir.path());
    let report = load(&mut engine, Profile::constant(100.0), Limit::Time(ms(1000)), ms(1000));
    let counts = &report.counts;
    assert_eq!((report.asked, counts.total()), (100, 100), "{report}");
    assert!(counts.never_sent > 10, "{report}");
    assert!((2..=8).contains(&counts.info), "two processes, stuck three times at most: {report}");
    assert_eq!(report.latency.infinite(), counts.never_sent + counts.info);
    assert!(report.most_queued >= 15, "200 ms of arrivals wait: {}", report.most_queued);

    engine.finish().unwrap().finish().unwrap();
    let history = History::open(dir.path()).unwrap();
    check_processes(&history.iter().collect::<Vec<_>>());
    assert_eq!((history.never_sent.len() + history.len(), history.never_sent.len() as u64), (100, counts.never_sent));
}

#[test]
fn a_refused_connection_certainly_did_nothing_and_does_not_spin() {
    let dir = tempfile::tempdir().unwrap();
    let mut engine = engine(options(&[nowhere()], 4, 4), dir.path());
    let report = load(&mut engine, Profile::closed(4), Limit::Time(ms(500)), ms(500));
    assert_eq!(report.counts.fail, report.counts.total(), "{report}");
    assert_eq!(report.counts.errors().map(|(kind, _)| kind).collect::<Vec<_>>(), [ErrorKind::Unreachable]);
    assert!((4..500).contains(&report.counts.fail), "attempts are spaced: {report}");
    assert!(report.machine.cpu < ms(100), "{}", report.machine);
    let operations = operations(engine, dir.path());
    assert_eq!(operations.iter().map(|it| it.process).collect::<BTreeSet<_>>().len(), 4, "nobody was renamed");
}

#[test]
fn a_broken_connection_leaves_its_operations_unknown_and_is_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(|value| if value == 50 { Reply::Close } else { Reply::After(ms(2)) }, None);
    let mut engine = engine(options(&[server.address], 8, 8), dir.path());
    let report = load(&mut engine, Profile::closed(8), Limit::Operations(200), ms(500));
    assert_eq!(report.counts.total(), 200);
    assert!((1..=8).contains(&report.counts.info), "{report}");
    assert_eq!(report.counts.ok, 200 - report.counts.info, "{report}");
    assert_eq!(report.counts.errors().map(|(kind, _)| kind).collect::<Vec<_>>(), [ErrorKind::Disconnected]);
    check_processes(&operations(engine, dir.path()));
}

#[test]
fn a_list_is_asked_once_each_of_the_nodes_it_names() {
    let dir = tempfile::tempdir().unwrap();
    let servers = [(); 3].map(|()| Server::start(|_| Reply::After(ms(1)), None));
    let mut endpoints: Vec<SocketAddr> = servers.iter().map(|server| server.address).collect();
    endpoints.push(nowhere());
    let mut engine = engine(options(&endpoints, 5, 1), dir.path());
    let list: Vec<(Request, Target)> =
        (0..40).map(|i| (Request::read(i / 4), Target::Only(NodeId((i % 4) as u16)))).collect();
    let work = Work::List { requests: &list, within: ms(2000) };
    let stage = Stage { phase: Phase::Final, work, drain: ms(500) };
    let report = engine.run(stage, &Control::new(), |_| {}).unwrap();
    assert_eq!(report.answers.len(), 40);
    for (place, answer) in report.answers.iter().enumerate() {
        let answer = answer.expect("everything was asked");
        assert_eq!(answer.outcome == Outcome::Ok, place % 4 != 3, "entry {place}: {answer:?}");
    }
    assert!(report.lasted() < ms(1500), "a list does not wait for its limit: {:?}", report.lasted());
    let operations = operations(engine, dir.path());
    assert!(operations.iter().all(|it| it.phase == Phase::Final));
    let asked: Vec<(u32, NodeId)> = operations.iter().map(|it| (it.request.key, it.node)).collect();
    let mut expected: Vec<(u32, NodeId)> = (0..40).map(|i| (i / 4, NodeId((i % 4) as u16))).collect();
    expected.sort();
    assert_eq!(asked.into_iter().collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>(), expected);
}

#[test]
fn an_abort_leaves_at_once_and_nothing_unaccounted() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(|_| Reply::Never, None);
    let mut options = options(&[server.address], 4, 4);
    options.timeout = ms(10_000);
    let mut engine = engine(options, dir.path());
    let control = Control::new();
    let started = Instant::now();
    let profile = Profile::constant(100.0);
    let work = Work::Load { profile: &profile, generator: &mut Writes, limit: Limit::Time(ms(10_000)) };
    let stage = Stage { phase: Phase::Load, work, drain: ms(10_000) };
    let report = std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(ms(300));
            control.abort();
        });
        engine.run(stage, &control, |_| {}).unwrap()
    });
    assert!(started.elapsed() < ms(900), "{:?}", started.elapsed());
    assert_eq!((report.counts.info, report.counts.total()), (4, report.asked), "{report}");
    assert_eq!(report.counts.never_sent, report.asked - 4);
    assert!((20..60).contains(&report.asked), "{report}");
}

#[test]
fn a_stop_waits_for_what_is_under_way() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(|_| Reply::After(ms(100)), None);
    let mut engine = engine(options(&[server.address], 4, 4), dir.path());
    let control = Control::new();
    let profile = Profile::closed(4);
    let work = Work::Load { profile: &profile, generator: &mut Writes, limit: Limit::Time(ms(10_000)) };
    let report = engine.run(Stage { phase: Phase::Load, work, drain: ms(1000) }, &control, |tick| {
        if tick.elapsed > ms(240) {
            control.stop();
        }
    });
    let report = report.unwrap();
    assert!(report.lasted() < ms(500), "{:?}", report.lasted());
    assert_eq!(report.counts.ok, report.asked, "{report}");
    assert_eq!(report.asked % 4, 0, "{report}");
}

#[test]
fn values_stay_unique_over_stages() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(|_| Reply::After(ms(1)), None);
    let mut engine = engine(options(&[server.address], 4, 1), dir.path());
    load(&mut engine, Profile::constant(200.0), Limit::Time(ms(200)), ms(500));
    load(&mut engine, Profile::closed(4), Limit::Operations(40), ms(500));
    load(&mut engine, Profile::constant(200.0), Limit::Operations(20), ms(500));
    let operations = operations(engine, dir.path());
    let values: BTreeSet<u64> = operations.iter().map(|it| it.request.argument).collect();
    assert_eq!((operations.len(), values), (100, (1..=100).collect()));
    check_processes(&operations);
}

#[test]
fn too_few_connections_are_refused_and_too_many_processes() {
    let mut few = options(&[nowhere()], 8, 2);
    few.connections = Some(3);
    let error = Engine::new(few, None, Instant::now()).err().expect("8 processes, 3 connections, 2 on each");
    assert_eq!(
        error.to_string(),
        "8 processes need at least 4 connections: this client has at most 2 under way on one"
    );
    let mut engine = Engine::new(options(&[nowhere()], 8, 2), None, Instant::now()).unwrap();
    let work = Work::Load { profile: &Profile::closed(9), generator: &mut Writes, limit: Limit::Operations(1) };
    let stage = Stage { phase: Phase::Load, work, drain: ms(1) };
    assert!(engine.run(stage, &Control::new(), |_| {}).is_err());
}

#[test]
fn a_rotating_process_turns_to_the_next_node_when_one_does_not_answer() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(|_| Reply::After(ms(1)), None);
    let mut options = options(&[nowhere(), server.address], 2, 1);
    options.target = TargetPolicy::Rotating;
    let mut engine = engine(options, dir.path());
    let report = load(&mut engine, Profile::closed(2), Limit::Operations(50), ms(500));
    assert_eq!((report.counts.fail, report.counts.ok), (1, 49), "process 0 begins at the dead node: {report}");
}

/// Writes that do not fit into a socket's buffers.
struct Large;

impl workload::Generator for Large {
    fn request(&mut self, index: u64) -> Request {
        Request { size: 6 << 20, ..Request::write(0, index + 1) }
    }

    fn final_reads(&self) -> Vec<Request> {
        Vec::new()
    }
}

#[test]
fn what_does_not_fit_into_the_socket_is_written_when_it_does() {
    let server = Server::start(|_| Reply::After(ms(0)), None);
    let mut options = options(&[server.address], 2, 2);
    options.timeout = ms(20_000);
    let mut engine = Engine::new(options, None, Instant::now()).unwrap();
    let work = Work::Load { profile: &Profile::closed(2), generator: &mut Large, limit: Limit::Operations(4) };
    let report = engine.run(Stage { phase: Phase::Load, work, drain: ms(20_000) }, &Control::new(), |_| {}).unwrap();
    assert_eq!(report.counts.ok, 4, "{report}");
}

#[test]
fn an_answer_that_comes_in_parts_is_put_together() {
    let server = Server::start(|_| Reply::InTwoParts, None);
    let mut engine = Engine::new(options(&[server.address], 3, 3), None, Instant::now()).unwrap();
    let report = load(&mut engine, Profile::closed(3), Limit::Operations(30), ms(500));
    assert_eq!(report.counts.ok, 30, "{report}");
    assert!(report.latency.min().unwrap() >= 2_000_000, "done is when the whole answer is there: {report}");
}

#[test]
fn spinning_asks_the_same() {
    let server = Server::start(|_| Reply::After(ms(0)), None);
    let mut options = options(&[server.address], 4, 1);
    options.spin = Spin::On;
    let mut engine = Engine::new(options, None, Instant::now()).unwrap();
    let report = load(&mut engine, Profile::constant(500.0), Limit::Time(ms(200)), ms(500));
    assert_eq!((report.asked, report.counts.ok), (100, 100), "{report}");
}

#[test]
fn an_engine_can_be_handed_to_a_thread() {
    fn check<T: Send>() {}
    check::<Engine>();
}
