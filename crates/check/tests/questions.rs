//! The sample of recorded histories in `corpus/histories`, whose verdicts are known: every question is answered so, and every workload
//! is asked for every model, with an answer of each kind.
//!
//! `ASSIZE_QUESTIONS=TABLE` asks another table instead.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use check::workload::{Question, WORKLOADS, Workload, recognise};
use history::import;

/// One line of the table.
struct Row {
    file: String,
    workload: &'static Workload,
    question: Question,
    expected: String,
}

fn table() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/histories/QUESTIONS.tsv");
    std::env::var_os("ASSIZE_QUESTIONS").map_or(own, PathBuf::from)
}

fn rows(table: &Path) -> Vec<Row> {
    let text = std::fs::read_to_string(table).expect("the table is there");
    let row = |line: &str| {
        let fields: Vec<&str> = line.split('\t').collect();
        let [file, workload, model, options, expected] = fields[..] else { panic!("five columns: {line}") };
        let settings = options.split_whitespace().filter_map(|option| option.split_once('='));
        let question = Question {
            model: (!model.is_empty()).then(|| model.to_string()),
            settings: settings.map(|(key, value)| (key.to_string(), value.to_string())).collect(),
            ..Question::default()
        };
        let workload = Workload::find(workload).unwrap_or_else(|| panic!("a workload `{workload}`"));
        Row { file: file.to_string(), workload, question, expected: expected.to_string() }
    };
    text.lines().skip(1).map(row).collect()
}

#[test]
fn recorded_histories_get_their_known_verdicts() {
    let table = table();
    let mut wrong = Vec::new();
    let rows = rows(&table);
    for Row { file, workload, question, expected } in &rows {
        let path = table.with_file_name(file);
        let import = import::open(&path, &import::ImportOptions::default()).unwrap_or_else(|error| panic!("{error}"));
        let model = question.model.as_deref().unwrap_or("");
        match workload.judge(&import.events, question) {
            Ok(report) if report.verdict.name() == expected => {}
            Ok(report) => {
                wrong.push(format!("{file} [{} {model}]: {}, expected {expected}", workload.name, report.verdict))
            }
            Err(refusal) => wrong.push(format!("{file} [{} {model}]: {refusal:?}", workload.name)),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Of workloads with many models: a history that keeps them all, and some of which at least one breaks each.
const EVERY: [(&str, &str, &[&str]); 4] = [
    ("register", "register/overlapping-write", &REGISTERS),
    ("cas-register", "register/overlapping-write", &REGISTERS),
    ("list-append", "list-append/serial", &["list-append/G0-write-cycle"]),
    ("rw-register", "rw-register/serial", &["rw-register/garbage-read"]),
];
const REGISTERS: [&str; 5] = [
    "register/stale-read",
    "register/own-write-missed",
    "register/two-orders",
    "register/backwards",
    "register/nobody-wrote-it",
];

#[test]
fn every_promise_is_asked_of_a_history_that_keeps_it_and_of_one_that_does_not() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/histories");
    let rows = rows(&folder.join("QUESTIONS.tsv"));
    let mut asked: BTreeSet<(&str, &str, &str)> = rows
        .iter()
        .map(|row| (row.workload.name, row.question.model.as_deref().unwrap_or(row.workload.models[0]), &*row.expected))
        .collect();
    for (workload, keeps, breaks) in EVERY {
        let workload = Workload::find(workload).expect("a workload");
        let verdict = |file: &str, model: &str| {
            let path = folder.join(format!("constructed/{file}.edn"));
            let import = import::open(&path, &import::ImportOptions::default()).expect("it is readable");
            // Without a bound, staleness is told and not judged.
            let bound = (model == "bounded-staleness").then(|| ("max-versions".to_string(), "0".to_string()));
            let settings = bound.into_iter().collect();
            let question = Question { model: Some(model.to_string()), settings, ..Question::default() };
            workload.judge(&import.events, &question).expect("a report").verdict
        };
        for model in workload.models {
            assert_eq!(verdict(keeps, model).name(), "valid", "{keeps} {} {model}", workload.name);
            let broken = breaks.iter().any(|file| verdict(file, model).name() == "invalid");
            assert!(broken, "nothing breaks {} {model}", workload.name);
            asked.extend(["valid", "invalid"].map(|verdict| (workload.name, *model, verdict)));
        }
    }
    for workload in WORKLOADS {
        for model in workload.models {
            for verdict in ["valid", "invalid"] {
                assert!(asked.contains(&(workload.name, model, verdict)), "no {verdict} {} {model}", workload.name);
            }
        }
    }
}

/// Where functions and values tell; a mutex and a semaphore, or two kinds of queue, look alike.
#[test]
fn workloads_are_recognised_by_their_content() {
    const ALIKE: [&str; 6] =
        ["at-least-once", "priority-queue", "semaphore", "owned-mutex", "reentrant-mutex", "pn-counter"];
    let table = table();
    for Row { file, workload, .. } in rows(&table).iter().filter(|row| row.file.contains(row.workload.name)) {
        let import =
            import::open(&table.with_file_name(file), &import::ImportOptions::default()).expect("it is readable");
        let found = recognise(&import.events);
        assert!(found.is_some(), "{file} is of no known workload");
        // Without a single cas a register is as good as one with.
        let without_cas = (found, workload.name) == (Some("register"), "cas-register");
        if !without_cas && !ALIKE.contains(&workload.name) {
            assert_eq!(found, Some(workload.name), "{file}");
        }
    }
}
