//! What it costs to check a verdict again by the definitions: CPU time of a million operations, one thread, best of several; beside it that of the
//! check, and of reading the history from Jepsen's EDN, which a user waits for too. With a word as argument, only what has it in its name.

use bench::{Kind, Large, LargeObject, LargeTxn, Usage, edn_of_objects, edn_of_registers, edn_of_transactions};
use check::txn::check_transactions_with;
use check::{LINEARIZABLE, Object, Options, check, check_object};
use history::event::Events;
use history::import::{self, Format};

fn main() {
    let only = std::env::args().nth(1).unwrap_or_default();
    let wanted = |name: &str| name.contains(&only);
    let register = Large::REGISTER;
    let registers = [
        ("register", register),
        ("register, 1 % unknown", Large { pending: 0.01, ..register }),
        ("kv, 1000 keys", Large { keys: 1000, processes: 50, ..register }),
        ("cas, 30 %", Large { cas: 0.3, ..register }),
        ("cas, 45 %, 70 % failing", Large { cas: 0.45, failing: 0.7, ..register }),
    ];
    for (name, large) in registers.into_iter().filter(|(name, _)| wanted(name)) {
        let history = large.history();
        let read = reading(&edn_of_registers(&history), |events| {
            let registers = history::register::from_events(events);
            registers.expect("registers").len()
        });
        tell(name, history.len(), read, |options| {
            assert_eq!(check(&history, &LINEARIZABLE, options).verdict.name(), "valid");
        });
    }
    let queue = LargeObject::million(Kind::Queue);
    let objects = [
        ("fifo-queue", "fifo-queue", queue),
        ("fifo-queue", "fifo-queue, 1 % unknown", LargeObject { pending: 0.01, ..queue }),
        ("fifo-queue", "100 fifo-queues", LargeObject { keys: 100, ..queue }),
        ("linearizable-set", "linearizable-set", LargeObject::million(Kind::Set)),
        ("linearizable-counter", "linearizable-counter", LargeObject::million(Kind::Counter)),
        ("owned-mutex", "owned-mutex", LargeObject::million(Kind::Lock)),
    ];
    for (object, name, large) in objects.into_iter().filter(|(_, name, _)| wanted(name)) {
        let history = large.history();
        let read = reading(&edn_of_objects(&history), |events| {
            let objects = history::object::from_events(events);
            objects.expect("an object").len()
        });
        let checker = Object::find(object).expect("the object is in the registry");
        tell(name, history.len(), read, |options| {
            assert_eq!(check_object(&history, checker, options).verdict.name(), "valid");
        });
    }
    let transactions = [("list-append", LargeTxn::LISTS), ("rw-register", LargeTxn::REGISTERS)];
    for (name, large) in transactions.into_iter().filter(|(name, _)| wanted(name)) {
        let history = large.history();
        let read = reading(&edn_of_transactions(&history), |events| {
            let transactions = history::txn::from_events(events, name == "list-append");
            transactions.expect("transactions").len()
        });
        tell(name, history.len(), read, |options| {
            let report = check_transactions_with(&history, options);
            assert_eq!(report.verdict("causal").name(), "valid");
        });
    }
}

/// Seconds from text to what is checked.
fn reading(text: &str, columns: impl Fn(&Events) -> usize) -> f64 {
    let read = || {
        let events = import::read(text.as_bytes(), Format::JepsenEdn).expect("it is well formed");
        assert!(columns(&events) > 0);
    };
    Usage::least(3, read).cpu
}

fn tell(name: &str, operations: usize, read: f64, judge: impl Fn(&Options)) {
    let best = |recheck: bool| {
        let options = Options { recheck, ..Options::default() };
        Usage::least(7, || judge(&options)).cpu
    };
    let (once, twice) = (best(false), best(true));
    let per = |seconds: f64| seconds * 1e9 / operations as f64;
    println!(
        "{name}: read in {:.0} ns per operation, checked in {:.0} ns, checked again in {:.0} ns: {:.1} % more of a file",
        per(read),
        per(once),
        per(twice - once),
        (twice - once) / (read + once) * 100.0
    );
}
