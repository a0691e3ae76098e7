//! Large valid histories: they stay valid when less is known of them, and one planted contradiction in them is found.

use base::{Rng, Seed};
use check::{Object, Options, Verdict, check_object};
use history::Outcome;
use history::object::{Action, Call, NEVER, NOTHING, Objects};
use testkit::brute_objects::{self as brute, ObjectMix, Rule, random_objects};

const QUEUE: &[Action] = &[Action::Enqueue, Action::Dequeue];
const SET: &[Action] = &[Action::Add, Action::Remove, Action::Contains];
const LOCK: &[Action] = &[Action::Acquire, Action::Release];

fn large(rule: Rule, actions: &'static [Action], sequential: bool, operations: u64) -> Objects {
    let mix = ObjectMix { rule, actions, operations, unique: true, pending: 0.0, lies: 0.0, sequential };
    let histories = (0..).map(|seed| random_objects(&mut Rng::new(Seed(seed).derive("large")), mix));
    histories.take(64).find(|history| history.len() as u64 > operations / 8).expect("most are long enough")
}

fn judge(name: &str, history: &Objects) -> (Verdict, Vec<String>) {
    let object = Object::find(name).expect("the object is in the registry");
    let report = check_object(history, object, &Options::default());
    (report.verdict, report.anomalies.into_iter().map(|anomaly| anomaly.title).collect())
}

/// Plants one thing and expects one of these anomalies.
fn planted(name: &str, history: &Objects, titles: &[&str], plant: impl Fn(&mut Vec<Call>)) {
    let mut planted = history.clone();
    plant(&mut planted.calls);
    planted.sort();
    let (verdict, found) = judge(name, &planted);
    assert_eq!(verdict, Verdict::Invalid, "{name}: {titles:?}");
    let expected = |found: &String| titles.iter().any(|title| found.starts_with(title));
    assert!(found.iter().any(expected), "{name}: {found:?} instead of {titles:?}");
}

/// The `n`-th call from the middle on that fits.
fn nth(calls: &[Call], n: usize, fits: impl Fn(&Call) -> bool) -> usize {
    let middle = calls.len() / 2;
    (middle..calls.len()).filter(|&i| fits(&calls[i])).nth(n).expect("there are enough")
}

#[test]
fn what_is_wrong_with_a_queue_is_found() {
    let history = large(brute::fifo, QUEUE, false, 4_000);
    assert_eq!(judge("fifo-queue", &history).0, Verdict::Valid);
    let taken = |call: &Call| call.action == Action::Dequeue && call.result != NOTHING;
    planted("fifo-queue", &history, &["phantom value"], |calls| {
        let i = nth(calls, 0, taken);
        calls[i].result = -7;
    });
    planted("fifo-queue", &history, &["duplicate"], |calls| {
        let (i, j) = (nth(calls, 0, taken), nth(calls, 30, taken));
        calls[j].result = calls[i].result;
    });
    planted("fifo-queue", &history, &["out of order"], |calls| {
        let (i, j) = (nth(calls, 0, taken), nth(calls, 30, taken));
        (calls[i].result, calls[j].result) = (calls[j].result, calls[i].result);
    });
    planted("fifo-queue", &history, &["lost value"], |calls| {
        let i = nth(calls, 0, taken);
        calls.remove(i);
    });
    planted("fifo-queue", &history, &["not empty", "lost value"], |calls| {
        let i = nth(calls, 0, taken);
        calls[i].result = NOTHING;
    });
    planted("fifo-queue", &history, &["value from the future"], |calls| {
        let i = nth(calls, 0, |call| call.action == Action::Enqueue);
        let value = calls[i].argument;
        let j = calls.iter().position(|call| call.result == value).expect("it was dequeued");
        (calls[i].invoked, calls[i].completed) = (calls[j].completed + 1, calls[j].completed + 9);
    });
}

#[test]
fn what_is_wrong_with_a_set_a_counter_or_a_lock_is_found() {
    let history = large(brute::set, SET, false, 4_000);
    assert_eq!(judge("linearizable-set", &history).0, Verdict::Valid);
    planted("linearizable-set", &history, &["no order"], |calls| {
        let i = nth(calls, 0, |call| call.action == Action::Contains);
        // Of an element that nobody ever touched.
        (calls[i].argument, calls[i].result) = (-1, 1);
    });
    let history = large(brute::counter, &[Action::Add, Action::Read], false, 4_000);
    assert_eq!(judge("linearizable-counter", &history).0, Verdict::Valid);
    let read = |call: &Call| call.action == Action::Read;
    for (more, title) in [(100, "counter too high"), (-100, "counter too low")] {
        planted("linearizable-counter", &history, &[title], |calls| {
            let i = nth(calls, 0, read);
            calls[i].result += more;
        });
    }
    for (name, rule) in
        [("owned-mutex", brute::owned as Rule), ("reentrant-mutex", brute::reentrant), ("mutex", brute::mutex)]
    {
        let history = large(rule, LOCK, true, 2_000);
        assert_eq!(judge(name, &history).0, Verdict::Valid, "{name}");
        planted(name, &history, &["no order"], |calls| {
            let i = nth(calls, 0, |call| call.action == Action::Release);
            // One more release, by somebody who holds nothing, and before that another.
            let at = calls[i].completed;
            for process in [90, 91] {
                calls.push(Call::new(process, Action::Release, at, at));
            }
        });
    }
    let history = large(brute::fenced, LOCK, true, 2_000);
    assert_eq!(judge("fenced-mutex", &history).0, Verdict::Valid);
    planted("fenced-mutex", &history, &["no order"], |calls| {
        let acquired = |call: &Call| call.action == Action::Acquire;
        let (i, j) = (nth(calls, 0, acquired), nth(calls, 20, acquired));
        calls[j].result = calls[i].result;
    });
}

/// Everything that a fast checker decides, with what makes its histories.
const TYPES: &[(&str, Rule, &[Action], bool)] = &[
    ("fifo-queue", brute::fifo, QUEUE, false),
    ("stack", brute::stack, &[Action::Push, Action::Pop], false),
    ("priority-queue", brute::priority_queue, QUEUE, false),
    ("linearizable-set", brute::set, SET, false),
    ("linearizable-set", brute::set, &[Action::Add, Action::Read], false),
    ("linearizable-counter", brute::counter, &[Action::Add, Action::Read], false),
    ("mutex", brute::mutex, LOCK, true),
    ("owned-mutex", brute::owned, LOCK, true),
    ("reentrant-mutex", brute::reentrant, LOCK, true),
    ("fenced-mutex", brute::fenced, LOCK, true),
    ("semaphore", brute::semaphore, LOCK, true),
];

/// A client that never heard what came of some operations knows less, and a history that ends earlier promises less.
#[test]
fn a_valid_history_stays_valid_when_less_is_known() {
    for (name, rule, actions, sequential) in TYPES {
        for seed in 0..60 {
            let mut rng = Rng::new(Seed(seed).derive(name));
            let mix = ObjectMix {
                rule: *rule,
                actions,
                operations: 40,
                unique: true,
                pending: 0.1,
                lies: 0.0,
                sequential: *sequential,
            };
            let history = random_objects(&mut rng, mix);
            assert_eq!(judge(name, &history).0, Verdict::Valid, "{name}, seed {seed}");
            let lost = forget(&history, |_| rng.chance(0.1));
            assert_eq!(judge(name, &lost).0, Verdict::Valid, "{name}, seed {seed}: some answers are lost");
            let last = history.calls.last().map_or(0, |call| call.invoked);
            let end = rng.below(last + 1);
            let mut cut = forget(&history, |call| call.completed > end);
            cut.calls.retain(|call| call.invoked <= end);
            assert_eq!(judge(name, &cut).0, Verdict::Valid, "{name}, seed {seed}: it ends at {end}");
        }
    }
}

/// The same history, but of some operations nobody heard what came of them.
fn forget(history: &Objects, mut lost: impl FnMut(&Call) -> bool) -> Objects {
    let mut less = history.clone();
    let process = history.calls.iter().map(|call| call.process).max().unwrap_or(0);
    for (i, call) in less.calls.iter_mut().enumerate() {
        if call.outcome == Outcome::Ok && lost(call) {
            (call.outcome, call.result, call.completed) = (Outcome::Info, NOTHING, NEVER);
            call.list.len = 0;
            // An owner must stay who it is for its later releases; others go on under another name.
            if !matches!(call.action, Action::Acquire | Action::Release) {
                call.process = process + 1 + i as u32;
            }
        }
    }
    less
}
