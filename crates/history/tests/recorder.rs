//! The recorder on trial: what it keeps, what survives a kill, and whether its intervals tell the truth.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use base::{NodeId, ProcessId, Time};
use history::{Claim, ClockDomain, Completion, ErrorKind, History, NIL, Outcome, Phase, Recorder, Request};

fn claim(process: u32, request: Request, sent: u64) -> Claim {
    Claim {
        process: ProcessId(process),
        node: NodeId(2),
        request,
        due: Time(sent - 1),
        sent: Time(sent),
        phase: Phase::Load,
    }
}

#[test]
fn what_was_recorded_reads_back() {
    let dir = tempfile::tempdir().unwrap();
    let clock = ClockDomain { name: "agent-1".into(), offset_bound: Duration::from_micros(3), epoch_unix_ns: 17 };
    let mut recorder = Recorder::create(dir.path(), 0, &clock).unwrap();
    let write = recorder.claim(&claim(1, Request::write(7, 5), 10));
    let read = recorder.claim(&Claim { phase: Phase::Final, ..claim(2, Request::read(7), 11) });
    let cas = recorder.claim(&claim(3, Request::cas(7, 5, 6), 12));
    recorder.never_sent(&claim(4, Request::read(1), 13));
    let _open = recorder.claim(&claim(5, Request::write(7, 9), 14));
    recorder.complete(read, Time(20), Completion::ok(5));
    recorder.complete(write, Time(21), Completion::ok(NIL));
    recorder.complete(cas, Time(22), Completion::info(ErrorKind::Timeout));
    assert_eq!(recorder.finish().unwrap(), 5);

    let history = History::open(dir.path()).unwrap();
    let seen: Vec<_> = history
        .iter()
        .map(|op| (op.process.0, op.done, op.completion.outcome, op.completion.error, op.phase))
        .collect();
    assert_eq!(
        seen,
        [
            (1, Time(21), Outcome::Ok, ErrorKind::None, Phase::Load),
            (2, Time(20), Outcome::Ok, ErrorKind::None, Phase::Final),
            (3, Time::MAX, Outcome::Info, ErrorKind::Timeout, Phase::Load),
            (5, Time::MAX, Outcome::Info, ErrorKind::Abandoned, Phase::Load),
        ]
    );
    assert_eq!(history.operations.get(1).completion.result, 5);
    assert_eq!(history.operations.get(2).request, Request::cas(7, 5, 6));
    assert_eq!(history.never_sent.len(), 1);
    assert_eq!(history.origin, history::Origin::Records(vec![clock]));
}

#[test]
fn segments_follow_each_other_and_give_back_their_room() {
    let dir = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::create(dir.path(), 3, &ClockDomain::default()).unwrap();
    let count = 70_000; // More than the first segment holds.
    let slots: Vec<_> = (1..=count).map(|i| recorder.claim(&claim(1, Request::write(0, i), i * 10))).collect();
    for (i, slot) in slots.into_iter().enumerate() {
        recorder.complete(slot, Time(i as u64 * 10 + 15), Completion::ok(NIL));
    }
    recorder.finish().unwrap();
    let history = History::open(dir.path()).unwrap();
    assert_eq!(history.len() as u64, count);
    assert!(history.operations.outcome.iter().all(|outcome| *outcome == Outcome::Ok));
    assert_eq!(bytes_in(dir.path()), count * 64 + 2 * 4096);
}

fn bytes_in(dir: &Path) -> u64 {
    std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
}

/// Not a test of its own: the body of the process that the next test kills.
#[test]
fn writer_to_be_killed() {
    let Some(dir) = std::env::var_os("ASSIZE_TEST_KILLED_WRITER") else { return };
    let mut recorder = Recorder::create(Path::new(&dir), 0, &ClockDomain::default()).unwrap();
    let open = recorder.claim(&claim(9, Request::write(0, u64::MAX - 1), 5));
    let start = Instant::now();
    for value in 1.. {
        let slot = recorder.claim(&claim(1, Request::write(0, value), value * 10));
        recorder.complete(slot, Time(value * 10 + 5), Completion::ok(NIL));
        // What was completed before this line was printed must be there.
        if value % 1000 == 0 {
            println!("completed {value}");
        }
        if start.elapsed() > Duration::from_secs(20) {
            break;
        }
    }
    let _ = open;
}

#[test]
fn a_kill_loses_nothing_that_was_claimed() {
    use std::io::BufRead;
    let dir = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "writer_to_be_killed", "--nocapture"])
        .env("ASSIZE_TEST_KILLED_WRITER", dir.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut completed = 0;
    for line in lines.by_ref() {
        if let Some(count) = line.strip_prefix("completed ") {
            completed = count.parse::<usize>().unwrap();
        }
        if completed >= 200_000 {
            break;
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();

    let history = History::open(dir.path()).unwrap();
    let ok = history.operations.outcome.iter().filter(|outcome| **outcome == Outcome::Ok).count();
    assert!(completed >= 200_000 && ok >= completed, "{ok} of at least {completed} completed operations are there");
    let open: Vec<_> = history.iter().filter(|op| op.completion.outcome == Outcome::Info).collect();
    assert_eq!(open[0].process, ProcessId(9), "the operation under way is there");
    assert!(open.len() <= 2, "at most one more was between claim and completion: {}", open.len());
    assert!(open.iter().all(|op| op.completion.error == ErrorKind::Abandoned && op.done == Time::MAX));
}

/// The truth test. An in-process store takes effect in one atomic step, whose ticket tells the order of all effects, and stamps
/// the instant. Every stamp must lie inside its recorded interval, and the intervals must allow the order of the tickets.
fn truth(operations: u64) {
    let dir = tempfile::tempdir().unwrap();
    let threads = std::thread::available_parallelism().map_or(2, |n| n.get() as u64).clamp(2, 16);
    let (epoch, tickets) = (Instant::now(), AtomicU64::new(0));
    let now = || 1 + epoch.elapsed().as_nanos() as u64;
    let client = |thread: u64| {
        let mut recorder = Recorder::create(dir.path(), thread as u16, &ClockDomain::default()).unwrap();
        let mut stamps = Vec::with_capacity((operations / threads) as usize);
        for _ in 0..operations / threads {
            let slot = recorder.claim(&claim(thread as u32, Request::read(0), now()));
            let ticket = tickets.fetch_add(1, Ordering::SeqCst);
            stamps.push(now());
            recorder.complete(slot, Time(now()), Completion::ok(ticket));
        }
        recorder.finish().unwrap();
        stamps
    };
    let stamps: Vec<Vec<u64>> = std::thread::scope(|scope| {
        let client = &client;
        let handles: Vec<_> = (0..threads).map(|thread| scope.spawn(move || client(thread))).collect();
        handles.into_iter().map(|handle| handle.join().unwrap()).collect()
    });

    let mut recorded: Vec<_> = History::open(dir.path()).unwrap().iter().collect();
    assert_eq!(recorded.len() as u64, operations / threads * threads);
    recorded.sort_by_key(|op| op.completion.result);
    let mut next = vec![0; threads as usize];
    let mut latest_sent = 0;
    for (ticket, op) in recorded.iter().enumerate() {
        assert_eq!(op.completion.result, ticket as u64, "every effect is recorded once");
        let thread = op.process.0 as usize;
        let stamp = stamps[thread][next[thread]];
        next[thread] += 1;
        assert!(op.sent.0 <= stamp && stamp <= op.done.0, "{stamp} is outside of {op:?}");
        latest_sent = op.sent.0.max(latest_sent);
        assert!(op.done.0 >= latest_sent, "an operation that took effect earlier was sent after {op:?}");
    }
}

#[test]
fn every_effect_is_inside_its_recorded_interval() {
    truth(1_000_000);
}

#[test]
#[ignore = "ten million operations: part of the acceptance runs, in release"]
fn accept_every_effect_is_inside_its_recorded_interval() {
    truth(10_000_000);
}
