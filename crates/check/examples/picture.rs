//! Draws the witness of a history file: `cargo run -p assize-check --example picture -- FILE > witness.svg`.

use check::{LINEARIZABLE, Options, check};
use history::History;

fn main() {
    let Some(path) = std::env::args().nth(1) else { return eprintln!("usage: picture FILE > witness.svg") };
    match History::open(&path) {
        Err(error) => eprintln!("{error}"),
        Ok(history) => {
            let report = check(&history, &LINEARIZABLE, &Options::default());
            eprintln!("{}", report.verdict);
            for anomaly in report.anomalies.iter().take(1) {
                anomaly.story.iter().for_each(|sentence| eprintln!("{sentence}"));
                println!("{}", anomaly.svg());
            }
        }
    }
}
