//! What it costs to check a verdict again by the definitions: CPU time of a million operations, with and without, on one thread.

use bench::{Kind, Large, LargeObject, LargeTxn, Usage};
use check::txn::check_transactions_with;
use check::{LINEARIZABLE, Object, Options, check, check_object};

fn main() {
    let register = Large::REGISTER;
    for (name, large) in [
        ("register", register),
        ("kv, 1000 keys", Large { keys: 1000, processes: 50, ..register }),
        ("cas, 30 %", Large { cas: 0.3, ..register }),
        ("register, 1 % unknown", Large { pending: 0.01, ..register }),
    ] {
        let history = large.history();
        tell(name, history.len(), |options| {
            assert_eq!(check(&history, &LINEARIZABLE, options).verdict.name(), "valid");
        });
    }
    for (object, kind) in [
        ("fifo-queue", Kind::Queue),
        ("linearizable-set", Kind::Set),
        ("linearizable-counter", Kind::Counter),
        ("owned-mutex", Kind::Lock),
    ] {
        let history = LargeObject::million(kind).history();
        let checker = Object::find(object).expect("the object is in the registry");
        tell(object, history.len(), |options| {
            assert_eq!(check_object(&history, checker, options).verdict.name(), "valid");
        });
    }
    for (name, large) in [("list-append", LargeTxn::LISTS), ("rw-register", LargeTxn::REGISTERS)] {
        let history = large.history();
        tell(name, history.len(), |options| {
            let report = check_transactions_with(&history, options);
            assert_eq!(report.verdict("causal").name(), "valid");
        });
    }
}

fn tell(name: &str, operations: usize, judge: impl Fn(&Options)) {
    let best = |recheck: bool| {
        let options = Options { recheck, ..Options::default() };
        (0..3).map(|_| Usage::of(|| judge(&options)).cpu).fold(f64::MAX, f64::min)
    };
    let (once, twice) = (best(false), best(true));
    let per = |seconds: f64| seconds * 1e9 / operations as f64;
    println!(
        "{name}: {:.0} ns per operation, checked again {:.0} ns more ({:.0} %)",
        per(once),
        per(twice - once),
        (twice / once - 1.0) * 100.0
    );
}
