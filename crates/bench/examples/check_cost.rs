//! Nanoseconds per operation of the register checker, best of several: a quick look where `cargo bench` takes minutes.

use std::time::Instant;

use bench::Large;
use check::{LINEARIZABLE, Options, check};

fn main() {
    let register = Large::REGISTER;
    for large in [
        register,
        Large { pending: 0.01, ..register },
        Large { keys: 1000, processes: 50, ..register },
        Large { keys: 10, processes: 50, ..register },
        Large { cas: 0.3, ..register },
    ] {
        let history = large.history();
        for threads in [1, 2] {
            let options = Options { threads, ..Options::default() };
            let seconds = |_| {
                let start = Instant::now();
                let report = check(&history, &LINEARIZABLE, &options);
                assert_eq!(report.verdict.name(), "valid");
                start.elapsed().as_secs_f64()
            };
            let best = (0..10).map(seconds).fold(f64::MAX, f64::min);
            println!("{large:?}: {:.1} ns per operation on {threads} threads", best * 1e9 / history.len() as f64);
        }
    }
}
