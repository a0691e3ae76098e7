//! Strings, several registers at once and comments against brute force from their definitions.

use base::{Rng, Seed};
use check::{Object, Options, Verdict, check_object};
use history::Outcome;
use history::object::{Action, Call, NOTHING, Objects};
use testkit::brute_objects::{self as brute, Contents, Rule};

fn rounds() -> u64 {
    std::env::var("ASSIZE_HISTORIES").ok().and_then(|text| text.parse().ok()).unwrap_or(20_000)
}

/// Random executions, with intervals drawn around the instants of effect, some of them falsified or of unknown outcome.
fn random(rng: &mut Rng, rule: Rule, ask: fn(&mut Rng) -> (Call, Vec<i64>)) -> Objects {
    let mut contents = Contents::default();
    let mut made: Vec<(Call, Vec<i64>)> = Vec::new();
    for i in 0..rng.within(2..=8) {
        let at = i * 3 + 10;
        let (mut call, mut list) = ask(rng);
        (call.invoked, call.completed) = (at - rng.within(0..=8), at + rng.within(0..=8));
        answer(&mut contents, &mut call, &mut list, rule);
        if rng.chance(0.2) {
            (call.outcome, call.result) = (Outcome::Info, NOTHING);
            list.chunks_mut(3).filter(|access| access[0] == 0).for_each(|access| access[2] = NOTHING);
        } else if rng.chance(0.15) {
            call.completed += rng.within(0..=6);
            call.invoked += rng.within(0..=6).min(call.completed - call.invoked);
            if let Some(last) = list.last_mut() {
                *last = rng.within(0..=3) as i64;
            }
            if call.action == Action::Get {
                call.result = *rng.pick(&[NOTHING, 1, 12, 121]);
            }
        }
        made.push((call, list));
    }
    made.sort_by_key(|(call, _)| call.invoked);
    let mut history = Objects::default();
    made.iter().for_each(|(call, list)| history.push(*call, list));
    history
}

/// What the object would answer now.
fn answer(contents: &mut Contents, call: &mut Call, list: &mut [i64], rule: Rule) {
    call.result = if contents.number == 0 { NOTHING } else { contents.number };
    let mut held = contents.values.clone();
    held.resize(3, brute::UNKNOWN);
    for access in list.chunks_mut(3) {
        let register = &mut held[access[1] as usize];
        if access[0] == 1 {
            *register = access[2];
        } else {
            access[2] = if *register == brute::UNKNOWN { 0 } else { *register };
        }
    }
    assert!(rule(contents, call, list), "an execution fits");
}

fn agrees(name: &str, rule: Rule, ask: fn(&mut Rng) -> (Call, Vec<i64>)) {
    let checker = Object::find(name).expect("the object is in the registry");
    let mut rng = Rng::new(Seed(1).derive(name));
    let (mut valid, mut invalid) = (0, 0);
    for _ in 0..rounds() {
        let history = random(&mut rng, rule, ask);
        let expected = brute::linearizable(&history, rule);
        let report = check_object(&history, checker, &Options::default());
        assert_eq!(report.verdict, if expected { Verdict::Valid } else { Verdict::Invalid }, "{history:#?}");
        if expected {
            valid += 1;
            continue;
        }
        invalid += 1;
        let witness = history.part(&report.anomalies[0].indices);
        assert!(!brute::linearizable(&witness, rule), "no contradiction alone: {witness:#?}");
    }
    println!("{name}: {valid} valid, {invalid} invalid, all as brute force says");
    assert!(valid.min(invalid) > rounds() / 50, "one-sided: {valid} {invalid}");
}

#[test]
fn strings_agree() {
    agrees("kv", brute::digits, |rng| {
        let action = *rng.pick(&[Action::Append, Action::Append, Action::Put, Action::Get, Action::Get]);
        let mut call = Call::new(rng.below(3) as u32, action, 0, 0);
        if action != Action::Get {
            call.argument = *rng.pick(&[1, 2, 12, 21]);
        }
        (call, Vec::new())
    });
}

/// Without puts the string only grows, and the search prunes more.
#[test]
fn strings_that_grow_agree() {
    agrees("kv", brute::digits, |rng| {
        let action = *rng.pick(&[Action::Append, Action::Get]);
        let mut call = Call::new(rng.below(3) as u32, action, 0, 0);
        if action == Action::Append {
            call.argument = *rng.pick(&[1, 2, 12]);
        }
        (call, Vec::new())
    });
}

#[test]
fn registers_agree() {
    agrees("multi-register", brute::registers, |rng| {
        let access = |rng: &mut Rng| [rng.below(2) as i64, rng.below(3) as i64, rng.within(0..=3) as i64];
        let list = (0..rng.within(1..=3)).flat_map(|_| access(rng)).collect();
        (Call::new(rng.below(3) as u32, Action::Transact, 0, 0), list)
    });
}

/// The definition itself: some read sees a row, and not one that was acknowledged before that row was inserted.
fn reversed(history: &Objects) -> bool {
    let calls = &history.calls;
    let adds = || calls.iter().filter(|call| call.action == Action::Add && call.outcome != Outcome::Fail);
    calls.iter().filter(|call| call.action == Action::Read && call.is_ok()).any(|read| {
        let seen = |call: &Call| history.list(read).contains(&call.argument);
        adds()
            .filter(|reply| seen(reply))
            .any(|reply| adds().any(|comment| comment.is_ok() && !seen(comment) && comment.completed < reply.invoked))
    })
}

#[test]
fn comments_agree() {
    let checker = Object::find("comments").expect("the object is in the registry");
    let mut rng = Rng::new(Seed(7));
    let (mut valid, mut invalid) = (0, 0);
    for _ in 0..rounds() {
        let mut history = Objects::default();
        for row in 1..=rng.within(2..=6) {
            let at = row * 4;
            let mut call = Call::new(0, Action::Add, at, at + rng.within(0..=9));
            call.argument = row as i64;
            call.outcome = *rng.pick(&[Outcome::Ok, Outcome::Ok, Outcome::Info, Outcome::Fail]);
            history.push(call, &[]);
        }
        for _ in 0..2 {
            let seen: Vec<i64> = (1..=6).filter(|_| rng.chance(0.6)).collect();
            history.push(Call::new(1, Action::Read, 40, 50), &seen);
        }
        let expected = reversed(&history);
        let report = check_object(&history, checker, &Options::default());
        assert_eq!(report.verdict == Verdict::Invalid, expected, "{history:#?}");
        assert!(report.anomalies.iter().all(|anomaly| reversed(&history.part(&anomaly.indices))));
        *(if expected { &mut invalid } else { &mut valid }) += 1;
    }
    assert!(valid.min(invalid) > rounds() / 50, "one-sided: {valid} {invalid}");
}
