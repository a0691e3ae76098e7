use base::{Rng, Seed, Time};
use check::Verdict;
use check::stream::{Appends, Step};
use check::txn::check_transactions;
use history::Outcome;
use history::txn::{Builder, Kind, NEVER, Transactions};
use testkit::brute_txn::{Keep, Shape, random_transactions, serializable};

use crate::{Played, Tally, rounds};

/// When a transaction begins or ends, and which.
type Event = (u32, bool, u32);

/// All events. Transactions of unknown outcome end last, when their clients give up.
fn events(history: &Transactions) -> Vec<Event> {
    let mut events: Vec<Event> = Vec::new();
    for t in 0..history.len() as u32 {
        let at = t as usize;
        events.extend([(history.invoked[at], false, t), (history.completed[at], true, t)]);
    }
    events.sort_unstable();
    events
}

fn steps(history: &Transactions, t: u32) -> Vec<Step> {
    let step = |op: &history::txn::Micro| match op.kind {
        Kind::Append => Step::Append { key: op.key, value: history.version_value[op.value as usize] },
        _ => Step::Read { key: op.key },
    };
    history.ops(t).iter().map(step).collect()
}

fn lists(history: &Transactions, t: u32) -> Vec<Vec<i64>> {
    let reads = history.ops(t).iter().filter(|op| op.kind == Kind::ReadList);
    let values = |op| history.list(op).iter().map(|version| history.version_value[*version as usize]).collect();
    reads.map(values).collect()
}

/// Plays the events, with their places as times; returns the first alarm, after so many events, and what is known at the end.
fn play(history: &Transactions, events: &[Event], every: usize) -> Played {
    let mut appends = Appends::new(every);
    let mut tickets = vec![None; history.len()];
    let mut first = None;
    for (place, &(_, ends, t)) in events.iter().enumerate() {
        if !ends {
            tickets[t as usize] = Some(appends.invoke(history.process[t as usize], &steps(history, t)));
        } else if let Some(ticket) = tickets[t as usize] {
            let lists = lists(history, t);
            let lists: Vec<&[i64]> = lists.iter().map(Vec::as_slice).collect();
            let alarm = appends.complete(ticket, history.outcome[t as usize], &lists, place as u64);
            first = first.or(alarm);
        }
    }
    let last = appends.finish();
    let first = first.or(last).map(|alarm| (alarm.at as usize + 1, alarm));
    (first, appends.progress().clone())
}

/// What had happened after some events: what was under way is unknown.
fn prefix(history: &Transactions, events: &[Event]) -> Transactions {
    let mut builder = Builder::new(true);
    for t in 0..history.len() as u32 {
        if !events.iter().any(|(_, ends, which)| *which == t && !ends) {
            continue;
        }
        let ended =
            history.completed[t as usize] != NEVER && events.iter().any(|(_, ends, which)| *which == t && *ends);
        let outcome = if ended { history.outcome[t as usize] } else { Outcome::Info };
        let invoked = u64::from(history.invoked[t as usize]);
        builder.begin(history.process[t as usize], invoked, Time(invoked));
        for op in history.ops(t) {
            let key = builder.key(&history.keys[op.key as usize]);
            let mut version = |version: u32| builder.version(key, history.version_value[version as usize]);
            match op.kind {
                Kind::Append => {
                    let version = version(op.value);
                    builder.append(version);
                }
                _ if outcome == Outcome::Ok => {
                    let list: Vec<u32> = history.list(op).iter().map(|v| version(*v)).collect();
                    builder.read_list(key, &list);
                }
                _ => builder.unread(Kind::ReadList, key),
            }
        }
        builder.end(u64::from(history.completed[t as usize]), Time(0), outcome);
    }
    builder.finish().expect("small")
}

fn afterwards(history: &Transactions) -> Option<bool> {
    match check_transactions(history).verdict("strict-serializable") {
        Verdict::Valid => Some(true),
        Verdict::Invalid => Some(false),
        Verdict::Unknown { .. } => None,
    }
}

fn show(history: &Transactions) -> String {
    let line = |t: u32| {
        let ops: Vec<String> = history.ops(t).iter().map(|op| history.show(op)).collect();
        let at = t as usize;
        let (invoked, completed) = (history.invoked[at], history.completed[at] as i32);
        format!("[{invoked}, {completed}] {} {}\n", ops.join(", "), history.outcome[at])
    };
    (0..history.len() as u32).map(line).collect()
}

fn compare(history: &Transactions, every: usize, judge: &dyn Fn(&Transactions) -> Option<bool>, tally: &mut Tally) {
    let events = events(history);
    let judge = |n: usize| judge(&prefix(history, &events[..n]));
    tally.note(events.len(), play(history, &events, every), &judge, true, &|| show(history));
}

#[test]
fn agrees_with_brute_force() {
    let brute = |history: &Transactions| Some(serializable(history, Keep::RealTime));
    let mut rng = Rng::new(Seed(1).derive("streamed appends"));
    let mut tally = Tally::default();
    for _ in 0..rounds() / 4 {
        let history = random_transactions(&mut rng, Shape::LISTS);
        compare(&history, rng.within(1..=3) as usize, &brute, &mut tally);
    }
    println!("{tally:?}");
    assert!(tally.valid.min(tally.invalid) > rounds() / 40 && tally.undecided < rounds() / 100, "{tally:?}");
}

#[test]
fn agrees_with_the_check_afterwards() {
    for (i, shape) in [
        Shape { transactions: 12, lies: 0.03, ..Shape::LISTS },
        Shape { transactions: 30, keys: 3, processes: 4, lies: 0.01, pending: 0.05, ..Shape::LISTS },
        Shape { transactions: 12, processes: 2, lies: 0.02, pending: 0.0, ..Shape::LISTS },
    ]
    .into_iter()
    .enumerate()
    {
        let mut rng = Rng::new(Seed(i as u64).derive("streamed appends"));
        let mut tally = Tally::default();
        for _ in 0..rounds() / 4 {
            let history = random_transactions(&mut rng, shape);
            compare(&history, rng.within(1..=4) as usize, &afterwards, &mut tally);
        }
        println!("{shape:?}: {tally:?}");
        assert!(tally.valid.min(tally.invalid) > rounds() / 100 && tally.undecided < rounds() / 50, "{tally:?}");
    }
}

/// Processes that overlap append to a few lists and read them; the lists are short, but there are always new ones.
#[test]
fn keeps_only_what_can_still_be_contradicted() {
    let mut appends = Appends::new(64);
    let mut rng = Rng::new(Seed(1).derive("long appends"));
    let mut lists: Vec<(u32, Vec<i64>)> = (0..8).map(|key| (key, Vec::new())).collect();
    let mut open = Vec::new();
    let (mut keys, mut most) = (8, [0, 0]);
    for i in 0..20_000i64 {
        let (key, list) = &mut lists[rng.below(8) as usize];
        if list.len() == 32 {
            (*key, keys) = (keys, keys + 1);
            list.clear();
        }
        let ticket = appends.invoke(0, &[Step::Append { key: *key, value: i }, Step::Read { key: *key }]);
        list.push(i);
        open.push((ticket, list.clone()));
        if open.len() > 10 {
            let (ticket, list) = open.swap_remove(rng.below(10) as usize);
            assert_eq!(appends.complete(ticket, Outcome::Ok, &[&list], i as u64), None);
        }
        let half = &mut most[usize::from(i >= 2_000)];
        *half = appends.entries().saturating_sub(keys as usize).max(*half);
    }
    println!("beside {keys} lists, at most {most:?} entries");
    assert!(most[1] < 3 * most[0] && most[1] < 1_000, "{most:?}");
}
