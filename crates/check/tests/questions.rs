//! The sample of recorded histories in `corpus/histories`, whose verdicts are known: every question that can be asked is answered so.

use std::path::Path;

use check::workload::{Question, Workload, recognise};
use history::import;

#[test]
fn recorded_histories_get_their_known_verdicts() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/histories");
    let table = std::fs::read_to_string(folder.join("QUESTIONS.tsv")).expect("the table is there");
    let mut wrong = Vec::new();
    let mut asked = 0;
    for line in table.lines().skip(1) {
        let fields: Vec<&str> = line.split('\t').collect();
        let [file, workload, model, _, expected] = fields[..] else { panic!("five columns: {line}") };
        let import = import::open(&folder.join(file), &import::ImportOptions::default()).expect("it can be read");
        // Without a single cas a register is as good as one with.
        let recognised = recognise(&import.events).filter(|name| (*name, workload) != ("register", "cas-register"));
        assert_eq!(recognised.unwrap_or(workload), workload, "{file}");
        let question = Question { model: (!model.is_empty()).then(|| model.to_string()), ..Question::default() };
        let report = Workload::find(workload).expect("a workload").judge(&import.events, &question).expect("a report");
        asked += 1;
        if report.verdict.name() != expected {
            wrong.push(format!("{file} {model}: {}, expected {expected}", report.verdict));
        }
    }
    assert!(asked >= 5, "only {asked} questions");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
