//! `assize check --time-limit` and `--memory-limit`: they hold, and say what is known.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use base::Rng;

use crate::bench::{Bench, Ended};

/// One register, a hundred clients that all overlap and write five values: far too hard for any search.
fn hard() -> String {
    let (mut rng, mut lines) = (Rng::new(base::Seed(1)), String::new());
    for round in 0..4 {
        for process in 0..100 {
            let (sent, done) = (round * 1000 + rng.below(100), round * 1000 + 850 + rng.below(450));
            let (expected, value) = (rng.below(5), rng.below(5));
            let what = match rng.below(4) {
                0 => "\"f\":\"read\"".to_string(),
                1 => "\"f\":\"write\"".to_string(),
                _ => format!("\"f\":\"cas\",\"expected\":{expected}"),
            };
            let _ = writeln!(
                lines,
                "{{\"process\":{process},{what},\"key\":0,\"value\":{value},\"sent\":{sent},\"done\":{done},\"outcome\":\"ok\"}}"
            );
        }
    }
    lines
}

/// Ends the command, and says the most memory it used, in bytes.
#[expect(clippy::zombie_processes, reason = "it is waited for by `wait4`, which tells the memory")]
fn peak(bench: &Bench, arguments: &[&str]) -> (Ended, u64) {
    let out = std::fs::File::create(bench.path("out")).expect("a file");
    let child = bench.command(arguments).stdout(out).spawn().expect("the binary runs");
    let (mut status, mut usage) = (0, std::mem::MaybeUninit::<libc::rusage>::zeroed());
    // SAFETY: the child is ours and nobody else waits for it; both pointers are to values that live through the call.
    let waited = unsafe { libc::wait4(child.id() as i32, &mut status, 0, usage.as_mut_ptr()) };
    assert_eq!(waited, child.id() as i32);
    // SAFETY: zeros are a `rusage`, and the call has filled it.
    let most = unsafe { usage.assume_init() }.ru_maxrss as u64 * 1024;
    let out = std::fs::read_to_string(bench.path("out")).expect("its output");
    (Ended { code: libc::WEXITSTATUS(status), out, err: String::new() }, most)
}

#[test]
fn a_time_limit_stops_a_hard_search_with_what_is_known() {
    let bench = Bench::new();
    bench.write("hard.jsonl", &hard());
    let began = Instant::now();
    let ended = bench.assize(&["check", "--time-limit", "1s", "hard.jsonl", "hard.jsonl"]).expect(2);
    // It takes 1.01 s; this machine may be busy.
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let lines: Vec<&str> = ended.out.lines().collect();
    assert_eq!(lines.len(), 2, "{}", ended.out);
    assert!(lines[0].contains("the time limit of 1s was reached"), "{}", lines[0]);
    let known = ["it is consistent up to there", "% done"];
    assert!(known.iter().any(|known| lines[0].contains(known)), "{}", lines[0]);
    assert!(lines[1].contains("the time limit of 1s was reached: not begun"), "{}", lines[1]);
}

#[test]
fn a_memory_limit_holds_for_a_search() {
    let bench = Bench::new();
    bench.write("hard.jsonl", &hard());
    let (ended, most) = peak(&bench, &["check", "--memory-limit", "60MB", "hard.jsonl"]);
    let ended = ended.expect(2);
    assert!(ended.out.contains("the memory limit of 60MB"), "{}", ended.out);
    assert!(ended.out.contains("it is consistent up to there"), "{}", ended.out);
    assert!(most < 66_000_000, "{most} bytes");
    assert!(most > 30_000_000, "{most} bytes: it was stopped long before it had to be");
}

#[test]
fn a_memory_limit_holds_for_one_big_request() {
    let bench = Bench::new();
    // Nothing of the file is on disk, but all of it would be in memory.
    std::fs::File::create(bench.path("big.jsonl")).and_then(|file| file.set_len(1 << 30)).expect("a sparse file");
    let (ended, most) = peak(&bench, &["check", "--memory-limit", "50MB", "--json", "big.jsonl"]);
    let line = &ended.expect(2).json()[0];
    assert_eq!(line["verdict"], "unknown");
    let reason = line["reason"].as_str().expect("a reason");
    assert!(reason.contains("the memory limit of 50MB leaves no room for 1073 MB more: reading big.jsonl"), "{reason}");
    assert!(most < 55_000_000, "{most} bytes");
}

/// A history that takes minutes to read: one operation and thirteen gigabytes of empty lines, compressed.
fn endless() -> Vec<u8> {
    let first = b"{:type :invoke :process 0 :f :write :value 1}\n{:type :ok :process 0 :f :write :value 1}\n";
    let header = |kind: u32, size: u32, last: bool| (size << 3 | kind << 1 | u32::from(last)).to_le_bytes();
    let mut bytes = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x38];
    bytes.extend_from_slice(&header(0, first.len() as u32, false)[..3]);
    bytes.extend_from_slice(first);
    for block in 1..=100_000 {
        bytes.extend_from_slice(&header(1, 1 << 17, block == 100_000)[..3]);
        bytes.push(b'\n');
    }
    bytes
}

#[test]
fn a_time_limit_stops_reading_too() {
    let bench = Bench::new();
    std::fs::write(bench.path("endless.edn.zst"), endless()).expect("a file");
    let began = Instant::now();
    let ended = bench.assize(&["check", "--time-limit", "500ms", "endless.edn.zst"]).expect(2);
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    assert!(ended.out.contains("the time limit of 500ms was reached: reading endless.edn.zst"), "{}", ended.out);
}

#[test]
fn each_question_of_a_table_has_the_limits() {
    let bench = Bench::new();
    std::fs::write(bench.path("endless.edn.zst"), endless()).expect("a file");
    bench.write(
        "good.edn",
        "{:type :invoke :process 0 :f :write :value 1}\n{:type :ok :process 0 :f :write :value 1}\n",
    );
    let row = |file: &str| format!("{file}\tregister\t\t\tvalid\n");
    let table = ["file\tworkload\tmodel\toptions\tverdict\n".to_string(), row("endless.edn.zst"), row("good.edn")];
    bench.write("table.tsv", &table.concat());
    let ended = bench.assize(&["check", "--questions", "table.tsv", "--time-limit", "300ms"]).expect(2);
    let told = "endless.edn.zst [register]: unknown (the time limit of 300ms was reached: reading endless.edn.zst)";
    assert!(ended.out.contains(told), "{}", ended.out);
    assert!(ended.out.contains("1 of 2 agree, 1 undecided"), "{}", ended.out);
}

#[test]
fn limits_are_read_as_quantities() {
    let bench = Bench::new();
    bench.assize(&["check", "--time-limit", "10", "x"]).expect(64);
    bench.assize(&["check", "--memory-limit", "much", "x"]).expect(64);
}
