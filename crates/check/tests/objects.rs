//! Objects against brute force from the definition: no false alarm, no miss; and what each checker says.

use base::{Rng, Seed};
use check::{Object, Options, Verdict, check_object, object};
use expect_test::expect;
use history::Outcome;
use history::object::{Action, Call, NOTHING, Objects};
use testkit::brute_objects::{self as brute, ObjectMix, Rule, random_objects};
use testkit::{brute_promises as promises, brute_seen as seen};

fn show(history: &Objects) -> String {
    let line = |call| object::sentence(history, call);
    history.calls.iter().map(|call| format!("[{}, {}] {}\n", call.invoked, call.completed as i64, line(call))).collect()
}

/// Histories of each type: 20 000, or as many as `ASSIZE_HISTORIES` says (the acceptance runs, in release, take a million).
fn rounds() -> u64 {
    std::env::var("ASSIZE_HISTORIES").ok().and_then(|text| text.parse().ok()).unwrap_or(20_000)
}

/// Random histories with and without pending operations, unique values and lies.
fn agrees(name: &str, rule: Rule, actions: &'static [Action]) {
    let checker = Object::find(name).expect("the object is in the registry");
    let base = ObjectMix { rule, actions, operations: 8, unique: true, pending: 0.0, lies: 0.15, sequential: false };
    let mixes = [
        base,
        ObjectMix { pending: 0.25, ..base },
        ObjectMix { pending: 0.4, lies: 0.05, ..base },
        ObjectMix { unique: false, pending: 0.2, ..base },
        ObjectMix { sequential: true, operations: 10, pending: 0.2, ..base },
        ObjectMix { sequential: true, operations: 10, lies: 0.05, ..base },
    ];
    let rounds = rounds() / mixes.len() as u64;
    for (i, mix) in mixes.into_iter().enumerate() {
        let mut rng = Rng::new(Seed(i as u64).derive(name));
        let (mut valid, mut invalid) = (0, 0);
        for _ in 0..rounds {
            let history = random_objects(&mut rng, mix);
            *if compare(checker, rule, &history) { &mut valid } else { &mut invalid } += 1;
        }
        println!("{name}, mix {i}: {valid} valid, {invalid} invalid, all as brute force says");
        assert!(valid.min(invalid) > rounds / 100, "{name}, mix {i} is one-sided: {valid} {invalid}");
    }
}

fn compare(checker: &Object, rule: Rule, history: &Objects) -> bool {
    let report = check_object(history, checker, &Options { recheck: true, ..Options::default() });
    let expected = brute::linearizable(history, rule);
    match &report.verdict {
        Verdict::Valid => assert!(expected, "missed:\n{}", show(history)),
        Verdict::Invalid => {
            let story = &report.anomalies[0].story;
            assert!(!expected, "false alarm {story:#?}:\n{}", show(history));
            assert!(report.anomalies.iter().all(|anomaly| !anomaly.indices.is_empty()), "{story:#?}");
            let witness = history.part(&report.anomalies[0].indices);
            assert!(!alone(checker) || !brute::linearizable(&witness, rule), "no contradiction alone: {story:#?}");
        }
        Verdict::Unknown { reason } => panic!("undecided, {reason}:\n{}", show(history)),
    }
    expected
}

/// Whether a witness must be a contradiction alone. Of sets and counters, it shows a read and what it should have seen; the additions
/// that make it so are counted in words.
fn alone(checker: &Object) -> bool {
    !matches!(checker.name, "linearizable-set" | "linearizable-counter")
}

#[test]
fn fifo_queue_agrees() {
    agrees("fifo-queue", brute::fifo, &[Action::Enqueue, Action::Dequeue]);
}

#[test]
fn stack_agrees() {
    agrees("stack", brute::stack, &[Action::Push, Action::Pop]);
}

#[test]
fn priority_queue_agrees() {
    agrees("priority-queue", brute::priority_queue, &[Action::Enqueue, Action::Dequeue]);
}

#[test]
fn set_agrees() {
    agrees("linearizable-set", brute::set, &[Action::Add, Action::Remove, Action::Contains]);
    agrees("linearizable-set", brute::set, &[Action::Add, Action::Remove, Action::Contains, Action::Read]);
}

#[test]
fn growing_set_agrees() {
    agrees("linearizable-set", brute::set, &[Action::Add, Action::Read]);
}

#[test]
fn counter_agrees() {
    agrees("linearizable-counter", brute::counter, &[Action::Add, Action::Read]);
}

#[test]
fn locks_agree() {
    const LOCK: &[Action] = &[Action::Acquire, Action::Release];
    agrees("mutex", brute::mutex, LOCK);
    agrees("owned-mutex", brute::owned, LOCK);
    agrees("fenced-mutex", brute::fenced, LOCK);
    agrees("reentrant-mutex", brute::reentrant, LOCK);
    agrees("semaphore", brute::semaphore, LOCK);
}

/// As many histories of what is only seen.
fn agrees_on_seen(name: &str, brute: fn(&Objects) -> Option<bool>, random: fn(&mut Rng) -> Objects) {
    let checker = Object::find(name).expect("the object is in the registry");
    let mut rng = Rng::new(Seed(0).derive(name));
    let (mut valid, mut invalid, mut unknown) = (0, 0, 0);
    for _ in 0..rounds() {
        let history = random(&mut rng);
        let report = check_object(&history, checker, &Options::default());
        let expected = brute(&history).map_or("unknown", |keeps| if keeps { "valid" } else { "invalid" });
        assert_eq!(report.verdict.name(), expected, "{:#?}\n{}", report.anomalies, show(&history));
        // Of a sum, the read is shown; the additions that make it wrong are counted in words.
        if let Some(anomaly) = report.anomalies.first().filter(|_| name != "pn-counter") {
            let witness = history.part(&anomaly.indices);
            assert_eq!(brute(&witness), Some(false), "no contradiction alone: {:#?}", anomaly.story);
        }
        *match expected {
            "valid" => &mut valid,
            "invalid" => &mut invalid,
            _ => &mut unknown,
        } += 1;
    }
    println!("{name}: {valid} valid, {invalid} invalid, {unknown} unknown, all as brute force says");
    assert!(valid.min(invalid) > rounds() / 100, "{name} is one-sided: {valid} {invalid}");
}

#[test]
fn broadcast_agrees() {
    agrees_on_seen("broadcast", seen::broadcast, seen::random_broadcast);
}

#[test]
fn leaders_agree() {
    agrees_on_seen("leader", |history| Some(seen::leader(history)), seen::random_leaders);
}

#[test]
fn watchers_agree() {
    agrees_on_seen("watch", |history| Some(seen::watch(history)), seen::random_watchers);
}

#[test]
fn banks_agree() {
    agrees_on_seen("bank", |history| Some(promises::bank(history)), promises::random_bank);
}

#[test]
fn ids_agree() {
    agrees_on_seen("unique-ids", |history| Some(promises::unique_ids(history)), promises::random_ids);
}

#[test]
fn long_forks_agree() {
    agrees_on_seen("long-fork", |history| Some(promises::long_fork(history)), promises::random_forks);
}

#[test]
fn deliveries_agree() {
    agrees_on_seen("total-queue", |history| Some(promises::total_queue(history)), promises::random_deliveries);
    agrees_on_seen(
        "at-least-once-queue",
        |history| Some(promises::at_least_once(history)),
        promises::random_deliveries,
    );
}

#[test]
fn sums_agree() {
    agrees_on_seen("pn-counter", |history| Some(promises::pn_counter(history)), promises::random_sums);
}

#[test]
fn logs_agree() {
    agrees_on_seen("kafka", |history| Some(promises::log(history)), promises::random_logs);
}

/// Every history of up to so many operations, each of one of these kinds; a kind is an action, an argument and an answer (`None`: unknown).
fn every(count: usize, kinds: &[(Action, i64, Option<i64>)], each: &mut dyn FnMut(&Objects)) {
    fn extend(
        calls: &mut Vec<Call>,
        open: &[usize],
        at: u64,
        count: usize,
        kinds: &[(Action, i64, Option<i64>)],
        each: &mut dyn FnMut(&Objects),
    ) {
        if calls.len() == count && open.is_empty() {
            let mut history = Objects::default();
            calls.iter().for_each(|call| history.push(*call, &[]));
            return each(&history);
        }
        for (place, &returning) in open.iter().enumerate() {
            calls[returning].completed = at;
            let rest: Vec<usize> =
                open.iter().copied().enumerate().filter(|(i, _)| *i != place).map(|(_, o)| o).collect();
            extend(calls, &rest, at + 1, count, kinds, each);
        }
        if calls.len() == count {
            return;
        }
        for (action, argument, answer) in kinds {
            let mut call = Call::new(calls.len() as u32 % 2, *action, at, at);
            (call.argument, call.result) = (*argument, answer.unwrap_or(NOTHING));
            call.outcome = if answer.is_some() { Outcome::Ok } else { Outcome::Info };
            let mut open = open.to_vec();
            if answer.is_some() {
                open.push(calls.len());
            }
            calls.push(call);
            extend(calls, &open, at + 1, count, kinds, each);
            calls.pop();
        }
    }
    (1..=count).for_each(|count| extend(&mut Vec::new(), &[], 1, count, kinds, each));
}

/// Every history of up to three operations, and of four when a million random ones are asked for.
fn exhaust(name: &str, rule: Rule, kinds: &[(Action, i64, Option<i64>)]) {
    let checker = Object::find(name).expect("the object is in the registry");
    let (mut valid, mut invalid) = (0, 0);
    every(if rounds() > 100_000 { 4 } else { 3 }, kinds, &mut |history| {
        *if compare(checker, rule, history) { &mut valid } else { &mut invalid } += 1;
    });
    println!("{name}: {valid} valid, {invalid} invalid, all that there are, as brute force says");
    assert!(valid > 40 && invalid > 40, "{valid} {invalid}");
}

/// What can be put in (1 or 2) and taken out (those, or nothing), with and without an answer.
fn put_and_take(put: Action, take: Action) -> [(Action, i64, Option<i64>); 8] {
    let none = Some(NOTHING);
    [
        (put, 1, none),
        (put, 2, none),
        (put, 1, None),
        (put, 2, None),
        (take, NOTHING, Some(1)),
        (take, NOTHING, Some(2)),
        (take, NOTHING, none),
        (take, NOTHING, None),
    ]
}

#[test]
fn every_small_history_agrees() {
    let none = Some(NOTHING);
    exhaust("fifo-queue", brute::fifo, &put_and_take(Action::Enqueue, Action::Dequeue));
    exhaust("stack", brute::stack, &put_and_take(Action::Push, Action::Pop));
    exhaust("priority-queue", brute::priority_queue, &put_and_take(Action::Enqueue, Action::Dequeue));
    let add_and_ask =
        [(Action::Add, 1, none), (Action::Add, 1, None), (Action::Remove, 1, none), (Action::Remove, 1, None)];
    let asked = [(Action::Contains, 1, Some(0)), (Action::Contains, 1, Some(1))];
    exhaust("linearizable-set", brute::set, &[&add_and_ask[..], &asked].concat());
    let adds = [1, -1, 2].map(|amount| [(Action::Add, amount, none), (Action::Add, amount, None)]);
    let reads = [0, 1, 2, -1].map(|sum| (Action::Read, NOTHING, Some(sum)));
    exhaust("linearizable-counter", brute::counter, &[adds.as_flattened(), &reads].concat());
    let lock = [(Action::Acquire, NOTHING), (Action::Release, NOTHING)];
    let lock: Vec<_> =
        lock.iter().flat_map(|(action, argument)| [(*action, *argument, none), (*action, *argument, None)]).collect();
    for (name, rule) in [
        ("mutex", brute::mutex as Rule),
        ("owned-mutex", brute::owned),
        ("reentrant-mutex", brute::reentrant),
        ("semaphore", brute::semaphore),
    ] {
        exhaust(name, rule, &lock);
    }
    let tokens = [1, 2].map(|token| (Action::Acquire, NOTHING, Some(token)));
    exhaust("fenced-mutex", brute::fenced, &[&lock[..], &tokens].concat());
}

/// What is found in a history in Jepsen's notation, `[process type f value]` per event, a millisecond apart.
fn told(object: &str, events: &str) -> String {
    let mut text = String::new();
    for (i, event) in events.lines().map(str::trim).filter(|line| !line.is_empty()).enumerate() {
        let mut words = event.splitn(4, ' ');
        let mut word = || words.next().unwrap_or("nil");
        let (process, kind, function, value) = (word(), word(), word(), word());
        let time = (i + 1) * 1_000_000;
        text += &format!("{{:process {process}, :type :{kind}, :f :{function}, :value {value}, :time {time}}}\n");
    }
    let events =
        history::import::read(text.as_bytes(), history::import::Format::JepsenEdn).expect("the notation is read");
    let history = history::object::from_events(&events).expect("the functions are known");
    let object = Object::find(object).expect("the object is in the registry");
    let report = check_object(&history, object, &Options::default());
    let stories =
        report.anomalies.iter().map(|anomaly| format!("\n{}\n  {}", anomaly.title, anomaly.story.join("\n  ")));
    format!("{}{}\n", report.verdict, stories.collect::<String>())
}

#[test]
fn a_queue_must_not_pass_a_value_over() {
    expect![[r#"
        invalid
        lost value, key 0
          p0 enqueued 7, from 0.001 s to 0.002 s
          p0 enqueued 8, from 0.003 s to 0.004 s
          p1 dequeued 8, from 0.005 s to 0.006 s
          7 was in the queue before 8, but 8 was dequeued and 7 never was
    "#]]
    .assert_eq(&told(
        "fifo-queue",
        "0 invoke enqueue 7
         0 ok enqueue 7
         0 invoke enqueue 8
         0 ok enqueue 8
         1 invoke dequeue nil
         1 ok dequeue 8",
    ));
}

#[test]
fn a_queue_with_a_value_in_it_is_not_empty() {
    expect![[r#"
        invalid
        not empty, key 0
          p0 enqueued 7, from 0.001 s to 0.002 s
          p1 found nothing to dequeue, from 0.003 s to 0.004 s
          p1 dequeued 7, from 0.005 s to 0.006 s
          p1 found the queue empty, but all the time some value was in it
    "#]]
    .assert_eq(&told(
        "fifo-queue",
        "0 invoke enqueue 7
         0 ok enqueue 7
         1 invoke dequeue nil
         1 ok dequeue nil
         1 invoke dequeue nil
         1 ok dequeue 7",
    ));
}

#[test]
fn an_unknown_dequeue_may_have_taken_the_value() {
    expect![[r#"
        valid
    "#]]
    .assert_eq(&told(
        "fifo-queue",
        "0 invoke enqueue 7
         0 ok enqueue 7
         1 invoke dequeue nil
         1 info dequeue nil
         2 invoke dequeue nil
         2 ok dequeue nil",
    ));
}

#[test]
fn deliveries_keep_a_producers_order() {
    expect![[r#"
        invalid
        reordered, key 0, producer p0
          p0 enqueued 7, from 0.001 s to 0.002 s
          p0 enqueued 8, from 0.003 s to 0.004 s
          p1 dequeued 8, from 0.005 s to 0.006 s
          p1 dequeued 7, from 0.007 s to 0.008 s
          p0 sent these in one order, and they were first delivered in the other
    "#]]
    .assert_eq(&told(
        "at-least-once-queue",
        "0 invoke enqueue 7
         0 ok enqueue 7
         0 invoke enqueue 8
         0 ok enqueue 8
         1 invoke dequeue nil
         1 ok dequeue 8
         1 invoke dequeue nil
         1 ok dequeue 7
         1 invoke dequeue nil
         1 ok dequeue 7",
    ));
}

#[test]
fn a_lock_has_one_holder_and_growing_tokens() {
    let events = "0 invoke acquire nil
         0 ok acquire 5
         0 invoke release nil
         0 ok release nil
         1 invoke acquire nil
         1 ok acquire 6
         1 invoke release nil
         1 ok release nil
         2 invoke acquire nil
         2 ok acquire 4";
    assert_eq!(told("mutex", events), "valid\n");
    expect![[r#"
        invalid
        no order explains what was seen, key 0
          p0 acquired with token 5, from 0.001 s to 0.002 s
          p0 released, from 0.003 s to 0.004 s
          p2 acquired with token 4, from 0.009 s to 0.010 s
          no order of these explains what came back; it is certain from 0.010 s on
    "#]]
    .assert_eq(&told("fenced-mutex", events));
    expect![[r#"
        invalid
        no order explains what was seen, key 0
          p0 acquired, from 0.001 s to 0.002 s
          p1 acquired, from 0.003 s to 0.004 s
          no order of these explains what came back; it is certain from 0.004 s on
    "#]]
    .assert_eq(&told(
        "owned-mutex",
        "0 invoke acquire nil
         0 ok acquire nil
         1 invoke acquire nil
         1 ok acquire nil
         0 invoke release nil
         0 ok release nil",
    ));
}

#[test]
fn a_log_loses_nothing_and_says_one_thing() {
    expect![[r#"
        invalid
        inconsistent offset, log x
          p0 sent 1 to log x at offset 0, from 0.001 s to 0.002 s
          p1 polled 9 from log x at offset 0, polled 2 from log x at offset 1, from 0.005 s to 0.006 s
          offset 0 of log x holds 1 and 9
        phantom value, log x
          p1 polled 9 from log x at offset 0, polled 2 from log x at offset 1, from 0.005 s to 0.006 s
          9 was polled from log x, but nobody sent it
        lost value, log x
          p0 sent 1 to log x at offset 0, from 0.001 s to 0.002 s
          p1 polled 9 from log x at offset 0, polled 2 from log x at offset 1, from 0.005 s to 0.006 s
          1 was acknowledged at offset 0 of log x; offset 1 was polled, it never was
    "#]]
    .assert_eq(&told(
        "kafka",
        "0 invoke send [[:send x 1]]
         0 ok send [[:send x [0 1]]]
         0 invoke send [[:send x 2]]
         0 ok send [[:send x [1 2]]]
         1 invoke poll [[:poll]]
         1 ok poll [[:poll {x [[0 9] [1 2]]}]]",
    ));
}

#[test]
fn ids_are_given_out_once() {
    expect![[r#"
        invalid
        duplicate id, id a
          p0 was given the id a, from 0.001 s to 0.002 s
          p1 was given the id a, from 0.003 s to 0.004 s
          the id a was given out twice
    "#]]
    .assert_eq(&told(
        "unique-ids",
        "0 invoke generate nil
         0 ok generate \"a\"
         1 invoke generate nil
         1 ok generate \"a\"",
    ));
}

#[test]
fn a_growing_set_is_read_in_one_order() {
    expect![[r#"
        invalid
        reads that disagree, key 0
          p2 read [1], from 0.003 s to 0.004 s
          p2 read [2], from 0.005 s to 0.006 s
          neither read sees all that the other sees, or one sees an element twice
    "#]]
    .assert_eq(&told(
        "linearizable-set",
        "0 invoke add 1
         1 invoke add 2
         2 invoke read nil
         2 ok read [1]
         2 invoke read nil
         2 ok read [2]
         0 ok add 1
         1 ok add 2",
    ));
}
