//! Records read while they are written: every event, once, in an order that real time allows.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use base::{NodeId, ProcessId, Time};
use history::{Claim, ClockDomain, Completion, ErrorKind, History, Phase, Recorder, Request, Slot, Told};

fn claim(process: u32, value: u64, sent: u64) -> Claim {
    let (process, node, due) = (ProcessId(process), NodeId(0), Time(sent));
    Claim { process, node, request: Request::write(0, value), due, sent: due, phase: Phase::Load }
}

#[test]
fn events_are_told_in_the_order_of_time() {
    let dir = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::create(dir.path(), 0, &ClockDomain::default()).unwrap();
    let mut tail = recorder.tail();
    let mut poll = || {
        let mut events = Vec::new();
        assert!(tail.poll(&mut |told| events.push(told)).unwrap());
        let show = |told: &Told| match told {
            Told::Invoked { slot, request, at, .. } => format!("{} +{} in {slot}", at.0, request.argument),
            Told::Ended { slot, completion, at } => format!("{} -{} in {slot}", at.0, completion.outcome),
        };
        events.iter().map(show).collect::<Vec<_>>()
    };
    assert_eq!(poll(), [""; 0]);
    let first = recorder.claim(&claim(0, 1, 10));
    let second = recorder.claim(&claim(1, 2, 12));
    assert_eq!(poll(), ["10 +1 in 0", "12 +2 in 1"]);
    recorder.complete(second, Time(14), Completion::ok(0));
    assert_eq!(poll(), [""; 0], "something earlier may still come");
    recorder.never_sent(&claim(9, 9, 15));
    recorder.complete(first, Time(20), Completion::info(ErrorKind::Timeout));
    let third = recorder.claim(&claim(2, 3, 16));
    recorder.complete(third, Time(17), Completion::fail(ErrorKind::Other));
    recorder.claim(&claim(3, 4, 17));
    assert_eq!(poll(), ["14 -ok in 1", "16 +3 in 2", "17 +4 in 3"], "at the same instant, invocations come first");
    recorder.claim(&claim(4, 5, 30));
    assert_eq!(poll(), ["17 -info in 0", "17 -fail in 2", "30 +5 in 1"]);
    let long = recorder.claim(&claim(5, 6, 31));
    assert_eq!(poll(), ["31 +6 in 2"]);
    recorder.claim(&claim(6, 7, 32));
    recorder.complete(long, Time(40), Completion::ok(0));
    assert_eq!(poll(), ["32 +7 in 0"], "not over yet, though the end is known");
    recorder.claim(&claim(7, 8, 35));
    recorder.claim(&claim(8, 9, 50));
    assert_eq!(poll(), ["35 +8 in 4", "40 -ok in 2", "50 +9 in 5"], "an end after an invocation is told after it");
    recorder.finish().unwrap();
    assert!(!tail.poll(&mut |told| panic!("{told:?}")).unwrap(), "the recorder has ended");
}

/// A writer at full speed, over several segments, and a tail beside it: what it tells is what the files hold.
#[test]
fn a_tail_follows_a_writer_at_full_speed() {
    const OPERATIONS: u64 = 600_000;
    let dir = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::create(dir.path(), 0, &ClockDomain::default()).unwrap();
    let mut tail = recorder.tail();
    let (epoch, over) = (Instant::now(), AtomicBool::new(false));
    let now = || 1 + epoch.elapsed().as_nanos() as u64;
    let mut told: Vec<Told> = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                tail.poll(&mut |event| told.push(event)).unwrap();
                std::thread::yield_now();
            }
            tail.poll(&mut |event| told.push(event)).unwrap();
        });
        let mut slots: [Option<Slot>; 16] = [None; 16];
        for i in 0..OPERATIONS {
            let place = (i * 7 % 16) as usize;
            if let Some(slot) = slots[place].take() {
                recorder.complete(slot, Time(now()), Completion::ok(i));
            }
            slots[place] = Some(recorder.claim(&claim(place as u32, i, now())));
        }
        over.store(true, Ordering::Relaxed);
    });
    recorder.finish().unwrap();

    let mut open: BTreeMap<u32, (Request, Time)> = BTreeMap::new();
    let (mut last, mut late, mut seen) = (Time(0), 0, Vec::new());
    for event in told {
        match event {
            Told::Invoked { slot, request, at, .. } => {
                assert!(at >= last, "invocations are in order");
                last = at;
                assert_eq!(open.insert(slot, (request, at)), None, "a slot is given once");
            }
            Told::Ended { slot, completion, at } => {
                late += u64::from(at < last);
                let (request, sent) = open.remove(&slot).expect("it was invoked");
                seen.push((request.argument, sent, at, completion));
            }
        }
    }
    assert_eq!(late, 0, "one thread stores in order, so nothing is told late");
    assert!(seen.len() as u64 > OPERATIONS - 64, "{} of {OPERATIONS} were told", seen.len());
    seen.sort_by_key(|(value, ..)| *value);
    let history = History::open(dir.path()).unwrap();
    let recorded: BTreeMap<u64, _> = history.iter().map(|op| (op.request.argument, op)).collect();
    for (value, sent, at, completion) in seen {
        let op = recorded[&value];
        assert_eq!((op.sent, op.done, op.completion), (sent, at, completion));
    }
}
