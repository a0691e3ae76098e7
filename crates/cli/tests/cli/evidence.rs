//! `assize check`: what a verdict on an imported history is told with, as text, as JSON and as pictures; and whole tables of questions.

use serde_json::json;

use crate::bench::{Bench, root};

fn history(name: &str) -> String {
    root().join("corpus/histories/constructed").join(name).display().to_string()
}

#[test]
fn json_of_transactions_names_every_level_and_every_anomaly() {
    let lines = Bench::new().assize(&["check", "--json", &history("list-append/write-skew.edn")]).expect(1).json();
    let line = &lines[0];
    let verdicts = ["read-committed", "snapshot-isolation", "serializable", "strict-serializable"]
        .map(|level| &line["levels"][level]);
    assert_eq!(verdicts, ["valid", "valid", "invalid", "invalid"]);
    assert!(
        line["strongest"].as_array().is_some_and(|levels| levels.contains(&json!("strong-snapshot-isolation"))),
        "{line}"
    );
    let weakest = line["weakest_violated"].as_array().expect("levels");
    assert!(weakest.contains(&json!("repeatable-read")) && !weakest.contains(&json!("serializable")), "{weakest:?}");
    let found = line["found"].as_array().expect("anomalies").iter().find(|found| found["name"] == "G2-item");
    let found = found.expect("the write skew");
    assert_eq!(found["count"], 1);
    let step = &found["witness"]["steps"][0];
    assert_eq!(step["argument"], json!([["r", "x", null], ["append", "y", 1]]));
    assert_eq!(step["result"], json!([["r", "x", []], ["append", "y", 1]]));
    assert_eq!((&step["invoked_ns"], &step["completed_ns"]), (&json!(1_000_000), &json!(3_000_000)));
    let text = Bench::new().assize(&["check", &history("list-append/write-skew.edn")]).expect(1).out;
    assert!(text.contains("weakest violated: repeatable-read"), "{text}");
}

#[test]
fn a_witness_of_an_object_has_its_operations_and_a_picture() {
    let bench = Bench::new();
    let file = history("fifo-queue/swapped.edn");
    let lines = bench.assize(&["check", "--json", "--draw", "pictures", &file]).expect(1).json();
    let steps = lines[0]["witness"]["steps"].as_array().expect("the operations");
    let shown: Vec<_> = steps.iter().map(|step| (&step["function"], &step["argument"], &step["result"])).collect();
    assert!(shown.contains(&(&json!("enqueue"), &json!(1), &json!(1))), "{shown:?}");
    assert!(shown.contains(&(&json!("dequeue"), &json!(null), &json!(2))), "{shown:?}");
    let drawn: Vec<_> = std::fs::read_dir(bench.path("pictures")).expect("the folder").flatten().collect();
    assert_eq!(drawn.len(), 1);
    let svg = std::fs::read_to_string(drawn[0].path()).expect("the picture");
    assert!(svg.starts_with("<svg") && svg.contains("dequeue 2") && svg.contains("prefers-color-scheme:dark"), "{svg}");
}

#[test]
fn a_table_is_asked_whole_and_a_wrong_one_is_corrected() {
    let table = root().join("corpus/histories/QUESTIONS.tsv").display().to_string();
    let all = Bench::new().assize(&["check", "--questions", &table]).expect(0).out;
    assert!(!all.contains("disagree") && !all.contains("unsupported"), "{all}");

    let bench = Bench::new();
    let file = history("fifo-queue/swapped.edn");
    bench.write("table.tsv", &format!("file\tworkload\tmodel\toptions\tverdict\n{file}\tfifo-queue\t\t\tvalid\n"));
    let wrong = bench.assize(&["check", "--questions", "table.tsv"]).expect(1).out;
    assert!(wrong.contains("0 of 1 agree, 1 disagree"), "{wrong}");
    let correction =
        "file\tworkload\tmodel\tverdict\treason\nfifo-queue/swapped.edn\tfifo-queue\t\tinvalid\t2 came out before 1\n";
    bench.write("corrections.tsv", correction);
    let told = bench.assize(&["check", "--questions", "table.tsv", "--corrections", "corrections.tsv"]).expect(0).out;
    assert!(told.contains("0 of 1 agree, 1 corrected") && told.contains("corrected: 2 came out before 1"), "{told}");
}
