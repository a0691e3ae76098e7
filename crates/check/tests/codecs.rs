//! Histories written as text and read again: the same operations, the same verdict; and what bad files are told.

use base::{NodeId, Rng, Seed, Time};
use check::{LINEARIZABLE, Options, check};
use expect_test::{Expect, expect};
use history::{ErrorKind, History, Outcome, Phase, edn, jsonl};
use testkit::{Mix, random_history};

/// A random history with everything that a run of ours records.
fn recorded(rng: &mut Rng, keys: u64) -> History {
    let mix = Mix { operations: 14, keys, unique: true, cas: 0.3, pending: 0.2, lies: 0.05 };
    let mut operations = random_history(rng, mix);
    for op in &mut operations {
        op.node = NodeId(rng.below(5) as u16);
        op.due = Time(rng.below(op.sent.0 + 1));
        op.phase = *rng.pick(Phase::ALL);
        op.request.size = rng.below(300) as u32;
        if op.completion.outcome == Outcome::Info && rng.chance(0.3) {
            op.completion.error = ErrorKind::Abandoned;
        }
        if op.completion.outcome == Outcome::Fail && op.completion.error == ErrorKind::Other && rng.chance(0.5) {
            (op.completion.error, op.done) = (ErrorKind::NeverSent, Time::MAX);
        }
    }
    History::from_operations(operations)
}

/// Writing and reading keeps the operations; those that began at the same instant may change places.
fn sorted(history: &History) -> Vec<String> {
    let mut operations: Vec<_> = history.iter().chain(history.never_sent.iter()).map(|op| format!("{op:?}")).collect();
    operations.sort();
    operations
}

#[test]
fn both_formats_give_the_same_operations_and_verdict_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut rng = Rng::new(Seed(5));
    let mut verdicts = std::collections::BTreeSet::new();
    for round in 0..400 {
        let history = recorded(&mut rng, 1 + round % 3);
        let report = check(&history, &LINEARIZABLE, &Options::default());
        verdicts.insert(report.verdict.name());
        for (name, text) in [("h.jsonl", jsonl::export(&history)), ("h.edn", edn::export(&history))] {
            let path = dir.path().join(name);
            std::fs::write(&path, &text).unwrap();
            let again = History::open(&path).unwrap();
            assert_eq!(sorted(&again), sorted(&history), "round {round}: {text}");
            let verdict = check(&again, &LINEARIZABLE, &Options::default()).verdict;
            assert_eq!(verdict, report.verdict, "round {round}: {text}");
        }
    }
    assert_eq!(verdicts.into_iter().collect::<Vec<_>>(), ["invalid", "valid"]);
}

fn opens(text: &str, expected: &Expect) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("history");
    std::fs::write(&path, text).unwrap();
    let shown = match History::open(&path) {
        Ok(history) => history
            .iter()
            .map(|op| format!("{} key {}: {:?}\n", op.process, history.key_name(op.request.key), op.completion))
            .collect(),
        Err(error) => error.to_string().replace(&path.display().to_string(), "FILE"),
    };
    expected.assert_eq(&shown);
}

#[test]
fn a_bad_file_is_told_where_it_is_bad_and_what_was_expected() {
    opens("", &expect!["`FILE` is not a history: it is empty"]);
    opens(
        "hello\n",
        &expect![[
            r#"`FILE` is not a history: it opens neither like JSON Lines (`{"process": ...`) nor like EDN (`{:type ...`)"#
        ]],
    );
    opens(
        "{\"process\":1,\"f\":\"read\",\"key\":0,\"value\":null,\"sent\":1,\"done\":2,\"outcome\":\"ok\"}\n{\"process\":1,",
        &expect!["FILE:2:14: expected `}` for the `{` that is open"],
    );
    opens(
        "{\"process\":1,\"f\":\"raed\",\"key\":0,\"value\":null,\"sent\":1,\"done\":2,\"outcome\":\"ok\"}",
        &expect!["FILE:1:18: expected one of `read`, `write`, `cas`, not `raed`"],
    );
    opens(
        "{\"process\":1,\"f\":\"read\",\"key\":-3,\"sent\":1,\"done\":2,\"outcome\":\"ok\"}",
        &expect!["FILE:1:31: expected a key: a number of 32 bits or a name"],
    );
    opens(
        "{\"process\":1,\"f\":\"read\",\"key\":3,\"sent\":1,\"done\":null,\"outcome\":\"ok\"}",
        &expect!["FILE:1:64: expected a number in `done`: the operation is `ok`"],
    );
    opens(
        "{:type :invoke, :f :read, :process 1}\n{:type :okay, :f :read, :process 1}",
        &expect!["FILE:2:8: expected `:invoke`, `:ok`, `:fail` or `:info`"],
    );
    opens(
        "{:type :invoke, :f :txn, :process 1}",
        &expect!["FILE:1:1: expected `:read`, `:write` or `:cas`, not `:txn`"],
    );
    opens(
        "[{:type :invoke, :f :read, :process 1}\n {:type :ok :f :write :process 1}]",
        &expect!["FILE:2:2: expected the completion of a read, not of a write"],
    );
    opens(
        "{:type :ok, :f :read, :process 1}",
        &expect!["FILE:1:1: process 1 completes an operation that it did not invoke"],
    );
    opens("{:type :invoke, :f :read, :process 1", &expect!["FILE:1:37: expected `}` for the `{` that is open"]);
    opens("{:type :invoke, :f :write, :process 1 :value {:a 1}}", &expect!["FILE:1:46: expected a value, not a map"]);
}

#[test]
fn jepsen_histories_are_read_as_they_are_found() {
    opens(
        "; a comment\n[#jepsen.history.Op{:index 0, :type :invoke, :f :write, :process 0, :value [:x 1]}\n\
         #_ {:ignored true} {:type :info, :process :nemesis, :f :kill}\n\
         {:type :ok, :f :write, :process 0, :value [:x 1]}\n\
         {:type :invoke, :f :cas, :process 1, :value [7 [1 2]]}\n\
         {:type :invoke, :f :read, :process 2, :value [\"y\" nil]} {:type :fail :f :cas :process 1 :value [7 [1 2]]}\n\
         {:type :ok, :f :read, :process 2, :value [\"y\" \"seven\"]}]",
        &expect![[r#"
            p0 key x: Completion { outcome: Ok, result: 18446744073709551615, error: None }
            p1 key 7: Completion { outcome: Fail, result: 18446744073709551615, error: None }
            p2 key y: Completion { outcome: Ok, result: 9223372036854775808, error: None }
        "#]],
    );
}
