//! Certificates as files on trial: every verdict that has a proof survives the way to text and back, nothing false is ever proven, and
//! whatever is changed in a proof is refused, with its place.

use std::collections::BTreeMap;
use std::path::Path;

use base::{Rng, Seed};
use check::certificate::{Certificate, Proof, Standing, Subject, certify, verify};
use check::txn::{LEVELS, check_transactions};
use check::workload::{Question, Workload};
use check::{LINEARIZABLE, Object, Options, Report, Verdict, check, check_object};
use history::object::Action;
use history::{History, import};
use testkit::brute;
use testkit::brute_objects::{self, ObjectMix, Rule, random_objects};
use testkit::brute_txn::{Shape, random_transactions};
use testkit::{Mix, random_history};

fn options() -> Options {
    Options { certificate: true, ..Options::default() }
}

fn of(subject: &Subject, workload: &str, report: &Report) -> Certificate {
    certify(subject, workload, &BTreeMap::new(), report, &options())
}

/// Through text and back.
fn again(certificate: &Certificate) -> Certificate {
    let read = Certificate::parse(&certificate.to_string()).expect("what was written can be read");
    assert_eq!(read, Certificate { remarks: Vec::new(), ..certificate.clone() });
    read
}

fn proves(subject: &Subject, certificate: &Certificate) -> bool {
    verify(subject, certificate) == Ok(Standing::Proven)
}

/// Makes the certificate, sends it through text, and tries to have something false proven. Whether it proves its verdict.
fn round_trip(rng: &mut Rng, subject: &Subject, workload: &str, report: &Report) -> bool {
    let certificate = again(&of(subject, workload, report));
    for _ in 0..6 {
        let forged = forged(rng, &certificate, subject.len());
        let holds = proves(subject, &forged);
        assert!(!holds || forged.verdict == report.verdict, "{} is proven:\n{forged}\n{subject:?}", forged.verdict);
    }
    proves(subject, &certificate)
}

/// The same certificate with something changed.
fn forged(rng: &mut Rng, certificate: &Certificate, operations: usize) -> Certificate {
    let count = operations.max(1) as u64;
    let mut all: Vec<u32> = match &certificate.proof {
        Proof::Order(numbers) | Proof::Witness(numbers) => numbers.all.clone(),
        _ => (0..operations as u32).collect(),
    };
    for _ in 0..rng.within(0..=3) {
        let (a, b) = (rng.below(all.len().max(1) as u64) as usize, rng.below(all.len().max(1) as u64) as usize);
        match rng.below(4) {
            0 if a < all.len() => _ = all.remove(a),
            1 => all.push(rng.below(count) as u32),
            2 if b < all.len() => all.swap(a, b),
            _ => all.truncate(a),
        }
    }
    let order = rng.chance(0.5);
    let proof = if order { Proof::Order(all.into()) } else { Proof::Witness(all.into()) };
    Certificate { proof, verdict: if order { Verdict::Valid } else { Verdict::Invalid }, ..certificate.clone() }
}

/// How many verdicts were proven, of how many.
#[derive(Debug, Default)]
struct Share {
    valid: (u32, u32),
    invalid: (u32, u32),
}

impl Share {
    fn note(&mut self, verdict: &Verdict, proven: bool) {
        let (some, all) = if *verdict == Verdict::Valid { &mut self.valid } else { &mut self.invalid };
        (*some, *all) = (*some + u32::from(proven), *all + 1);
    }

    /// At least these shares, in percent.
    fn at_least(&self, what: &str, valid: u32, invalid: u32) {
        let enough = |(some, all): (u32, u32), share| all > 100 && some * 100 >= all * share;
        assert!(enough(self.valid, valid) && enough(self.invalid, invalid), "{what}: {self:?}");
    }
}

#[test]
fn registers_are_proven_both_ways() {
    let base = Mix { operations: 6, keys: 1, unique: true, cas: 0.3, pending: 0.2, lies: 0.3 };
    for mix in [base, Mix { unique: false, ..base }, Mix { keys: 2, ..base }] {
        let (mut rng, mut share) = (Rng::new(Seed(1)), Share::default());
        for _ in 0..3_000 {
            let operations = random_history(&mut rng, mix);
            let valid = brute::linearizable(&operations);
            let subject = Subject::Registers(Box::new(History::from_operations(operations)));
            let Subject::Registers(history) = &subject else { continue };
            let report = check(history, &LINEARIZABLE, &options());
            assert_eq!(report.verdict == Verdict::Valid, valid);
            share.note(&report.verdict, round_trip(&mut rng, &subject, "register", &report));
        }
        share.at_least("registers", 100, 100);
    }
}

const LOCK: &[Action] = &[Action::Acquire, Action::Release];
const QUEUE: &[Action] = &[Action::Enqueue, Action::Dequeue];
const SET: &[Action] = &[Action::Add, Action::Remove, Action::Contains];

#[test]
fn objects_are_proven_both_ways() {
    let mut kinds: Vec<(&str, &str, Rule, &'static [Action])> = vec![
        ("fifo-queue", "fifo-queue", brute_objects::fifo, QUEUE),
        ("stack", "stack", brute_objects::stack, &[Action::Push, Action::Pop]),
        ("priority-queue", "priority-queue", brute_objects::priority_queue, QUEUE),
        ("set", "linearizable-set", brute_objects::set, SET),
        ("set", "linearizable-set", brute_objects::set, &[Action::Add, Action::Read]),
        ("set", "linearizable-set", brute_objects::set, &[Action::Add, Action::Remove, Action::Read]),
        ("counter", "linearizable-counter", brute_objects::counter, &[Action::Add, Action::Read]),
    ];
    kinds.extend([
        ("mutex", "mutex", brute_objects::mutex as Rule, LOCK),
        ("owned-mutex", "owned-mutex", brute_objects::owned, LOCK),
        ("reentrant-mutex", "reentrant-mutex", brute_objects::reentrant, LOCK),
        ("fenced-mutex", "fenced-mutex", brute_objects::fenced, LOCK),
        ("semaphore", "semaphore", brute_objects::semaphore, LOCK),
    ]);
    for (workload, object, rule, actions) in kinds {
        let checker = Object::find(object).expect("the object is in the registry");
        let (mut rng, mut share) = (Rng::new(Seed(2).derive(object)), Share::default());
        let base =
            ObjectMix { rule, actions, operations: 8, unique: true, pending: 0.2, lies: 0.15, sequential: false };
        for mix in [base, ObjectMix { unique: false, ..base }, ObjectMix { sequential: true, operations: 10, ..base }] {
            for _ in 0..500 {
                let subject = Subject::Objects(random_objects(&mut rng, mix));
                let Subject::Objects(history) = &subject else { continue };
                let report = check_object(history, checker, &options());
                let report = Report { model: "linearizable", ..report };
                assert_eq!(report.verdict == Verdict::Valid, brute_objects::linearizable(history, rule));
                share.note(&report.verdict, round_trip(&mut rng, &subject, workload, &report));
            }
        }
        println!("{workload}: {share:?}");
        share.at_least(workload, 100, 95);
    }
}

#[test]
fn no_anomaly_is_proven_that_a_level_does_not_forbid() {
    for lists in [true, false] {
        let (mut share, mut levels) = (Share::default(), (0, 0));
        for round in 0..1_500 {
            let history = random_transactions(&mut Rng::new(Seed(3).nth(round)), Shape { lists, ..Shape::LISTS });
            let found = check_transactions(&history);
            let subject = Subject::Transactions(Box::new(history.clone()));
            let workload = if lists { "list-append" } else { "rw-register" };
            let strict = again(&of(&subject, workload, &found.answer(&history, "strict-serializable")));
            share.note(&strict.verdict, proves(&subject, &strict));
            for (level, verdict) in &found.levels {
                // The proof of one level is shown for another.
                let forged = Certificate { model: level.name.to_string(), ..strict.clone() };
                let right = *verdict == forged.verdict || matches!(verdict, Verdict::Unknown { .. });
                assert!(right || !proves(&subject, &forged), "{} is {verdict}, but\n{forged}", level.name);
                if *verdict == Verdict::Invalid {
                    let own = again(&of(&subject, workload, &found.answer(&history, level.name)));
                    levels = (levels.0 + u32::from(proves(&subject, &own)), levels.1 + 1);
                }
            }
        }
        println!("lists {lists}: {share:?}, levels violated and shown {levels:?} of {}", LEVELS.len());
        share.at_least("transactions", 100, if lists { 90 } else { 50 });
        assert!(levels.0 * 10 > levels.1 * if lists { 8 } else { 4 }, "{levels:?}");
    }
}

/// The certificate of a recorded history.
fn recorded(file: &str, workload: &str, model: &str) -> (Subject, Certificate) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/histories").join(file);
    let import = import::open(&path, &import::ImportOptions::default()).unwrap_or_else(|error| panic!("{error}"));
    let workload = Workload::find(workload).expect("the workload is in the registry");
    let model = (!model.is_empty()).then(|| model.to_string());
    let question = Question { model, options: options(), ..Question::default() };
    let report = workload.judge(&import.events, &question).expect("the history can be judged");
    let subject = Subject::of(&import.events, workload).expect("the history can be read");
    let certificate = again(&of(&subject, workload.name, &report));
    (subject, certificate)
}

#[test]
fn recorded_histories_are_certified() {
    let table = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/histories/QUESTIONS.tsv");
    let text = std::fs::read_to_string(table).expect("the table is there");
    let (mut proven, mut unproven) = (0, Vec::new());
    for line in text.lines().skip(1) {
        let fields: Vec<&str> = line.split('\t').collect();
        let [file, workload, model, "", _] = fields[..] else { continue };
        let (subject, certificate) = recorded(file, workload, model);
        match verify(&subject, &certificate) {
            Ok(Standing::Proven) => proven += 1,
            Ok(Standing::Unproven(why)) => unproven.push(format!("{file} [{workload} {model}]: {why}")),
            Err(refused) => panic!("{file} [{workload} {model}]: {refused}"),
        }
    }
    println!("{proven} proven; not: {unproven:#?}");
    assert!(proven > unproven.len(), "{proven} proven; not: {unproven:#?}");
}

#[test]
fn a_changed_line_is_refused_where_it_stands() {
    let history = testkit::timeline(
        "p0: [w x=1]         [w x=2]
         p1:         [r x=1]         [r x=2]",
    );
    let report = check(&history, &LINEARIZABLE, &options());
    let subject = Subject::Registers(Box::new(history));
    let text = of(&subject, "register", &report).to_string();
    let refused = |text: &str| match Certificate::parse(text).and_then(|read| verify(&subject, &read).map(|_| ())) {
        Ok(()) => panic!("accepted:\n{text}"),
        Err(refused) => refused.to_string(),
    };
    let numbers = text.lines().position(|line| line.starts_with("order")).expect("an order") + 2;
    assert!(Certificate::parse(&text).is_ok_and(|read| proves(&subject, &read)), "{text}");
    let changed = |from: &str, to: &str| refused(&text.replace(from, to));
    assert_eq!(
        changed("\n0 1 1 1\n", "\n1 -1 2 1\n"),
        format!("{numbers}: operation 1 does not fit after what came before it")
    );
    assert_eq!(changed("\n0 1 1 1\n", "\n0 1 1 x\n"), format!("{numbers}: expected a number, not `x`"));
    assert_eq!(
        changed("\n0 1 1 1\n", "\n0 1 1 9\n"),
        format!("{numbers}: operation 11 is in the order twice, or does not exist")
    );
    assert_eq!(
        changed("order 4\n0 1 1 1\n", "order 3\n0 1 1\n"),
        format!("{numbers}: operation 3 is not in the order")
    );
    assert_eq!(changed("order 4", "order 5"), format!("{}: expected a number, not `end`", numbers + 1));
    assert_eq!(changed("verdict valid", "verdict invalid"), "0: this is no proof of `invalid`");
    assert_eq!(changed("operations 4", "operations 5"), "0: it is of another history: 5 operations, not 4");
    assert_eq!(changed("fingerprint ", "fingerprint 0"), "5: expected sixteen hexadecimal digits");
    let other =
        text.lines().map(|line| if line.starts_with("fingerprint") { "fingerprint 0123456789abcdef" } else { line });
    let other: String = other.map(|line| format!("{line}\n")).collect();
    assert_eq!(refused(&other), "0: it is of another history: the fingerprints differ");
    assert_eq!(changed("model linearizable", "model kind"), "0: an order proves nothing of `kind` of `register`");
    assert_eq!(changed("assize-certificate 1", "certificate"), "1: expected `assize-certificate 1`");
    assert_eq!(changed("end\n", ""), format!("{numbers}: expected `end`, and nothing behind it"));
}
