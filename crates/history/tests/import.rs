//! Importers on damaged files: an error with a place or a history, never a panic; and the same events from every notation.

use base::{Rng, Seed};
use history::event::{Events, Notation};
use history::import::{self, Format, ImportOptions};

const SAMPLES: &[(Format, &str)] = &[
    (
        Format::JepsenEdn,
        "; c\n[#jepsen.history.Op{:index 0, :time 5, :type :invoke, :process 0, :f :txn, :value [[:r \"x\" nil] [:w :y #{1 2}]]}\n\
         #_ {:a 1} {:index 1, :type :ok, :process 0, :f :txn, :value [[:r \"x\" (1 2)] [:w :y {1 -2N}]] :error [:a 1.5]}]",
    ),
    (
        Format::JepsenJson,
        "[{\"index\":0,\"type\":\"invoke\",\"process\":1,\"f\":\"read\",\"value\":null},\n\
         {\"index\":1,\"type\":\"ok\",\"process\":1,\"f\":\"read\",\"value\":{\"0\":[1,\"\\u00e9\\ud83d\\ude00\\n\"]}}]",
    ),
    (
        Format::JepsenTable,
        "0\t:invoke\t:cas\t[1 2]\n:nemesis\t:info\t:start\tnil\n0\t:fail\t:cas\t[1 2]\t:precondition\n",
    ),
    (
        Format::JepsenLog,
        "INFO  jepsen.util - 0\t:invoke\t:read\tnil\nINFO  jepsen.util - 0   :fail   :read   :timed-out\n",
    ),
    (Format::Plume, "w(1,2,0,0)\nr(1,2,1,1)\nr(1,9,1,2)\n"),
    (Format::Awdit, "w 0 1\n-----\nr 0 1\n=====\nr 0 1\n"),
    (
        Format::DbcopJson,
        "{\"params\":{},\"data\":[[{\"events\":[{\"Write\":{\"variable\":0,\"version\":1}},{\"Read\":{\"variable\":0,\"version\":1}}],\"committed\":true}]]}",
    ),
    (Format::DbcopBincode, include_str!("import_bincode.bin")),
];

#[test]
fn every_sample_is_recognised_and_read() {
    for (format, text) in SAMPLES {
        assert_eq!(Format::recognise(text.as_bytes()), Ok(*format), "{text}");
        let events = import::read(text.as_bytes(), *format).unwrap_or_else(|wrong| panic!("{format:?}: {wrong:?}"));
        assert!(events.operations().is_ok_and(|operations| !operations.is_empty()), "{format:?}");
    }
}

#[test]
fn damaged_bytes_are_an_error_or_a_history_but_never_a_panic() {
    let mut rng = Rng::new(Seed(11));
    let mut read = 0;
    for round in 0..20_000 {
        let (format, text) = SAMPLES[round % SAMPLES.len()];
        let bytes = damage(&mut rng, text.as_bytes());
        let _ = Format::recognise(&bytes);
        let _ = import::read_lenient(&bytes, format).map(|(events, _)| walk(&events));
        if let Ok(events) = import::read(&bytes, format) {
            read += usize::from(walk(&events) > 0);
        }
    }
    assert!(read > 1_000, "only {read} damaged histories could be read");
}

#[test]
fn a_file_in_portions_is_read_like_the_whole() {
    let mut rng = Rng::new(Seed(12));
    let told = |events: Events| text(&events, Notation::Edn);
    for round in 0..6_000 {
        let (format, sample) = SAMPLES[round % SAMPLES.len()];
        let bytes = if round < 600 { sample.as_bytes().to_vec() } else { damage(&mut rng, sample.as_bytes()) };
        let portion = rng.within(1..=80) as usize;
        let whole = import::read(&bytes, format).map(told);
        let parts = import::read_stream(bytes.as_slice(), format, portion).map(told);
        // Which of two mistakes is found first may depend on the portions: whether they are text is seen before what it says.
        assert_eq!(whole.ok(), parts.ok(), "{portion} bytes at a time: {}", String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn exported_events_are_read_again() {
    for (format, sample) in SAMPLES {
        let events = import::read(sample.as_bytes(), *format).expect("a good sample");
        for (notation, format) in [(Notation::Edn, Format::JepsenEdn), (Notation::JsonLines, Format::JepsenJson)] {
            let exported = text(&events, notation);
            assert_eq!(Format::recognise(exported.as_bytes()), Ok(format), "{exported}");
            let again =
                import::read(exported.as_bytes(), format).unwrap_or_else(|wrong| panic!("{wrong:?}: {exported}"));
            assert_eq!(again.real_time, events.real_time, "{exported}");
            assert_eq!(again.len(), events.len(), "{exported}");
            for (a, b) in events.iter().zip(again.iter()) {
                assert_eq!((a.process, a.kind, a.function, a.time), (b.process, b.kind, b.function, b.time));
                let both = [(a.key, b.key), (a.value, b.value), (a.error, b.error), (a.extra, b.extra)];
                both.iter().for_each(|(a, b)| assert!(a.same(*b), "{a} is not {b}"));
            }
            // Written once more, nothing changes.
            assert_eq!(text(&again, notation), exported);
        }
    }
}

fn text(events: &Events, notation: Notation) -> String {
    let mut out = Vec::new();
    history::event::export(events, notation, &mut out).expect("memory");
    String::from_utf8(out).expect("UTF-8")
}

#[test]
fn a_mistake_is_told_with_its_place_and_what_was_expected() {
    let folder = tempfile::tempdir().expect("a folder");
    let cases = [
        ("{:type :invoke, :f :read, :process 0}\n{:type :never}", "2:8: expected `:invoke`, `:ok`, `:fail` or `:info`"),
        ("{:type :invoke, :f :read, :process 0}\n  {:process 1}", "2:3: expected `:type` in the event"),
        ("{:type :invoke, :value [1 2}", "1:28: expected `]` for the `[` that is open"),
        ("[{:type :invoke, :value 1}\n\n", "3:1: expected `]` at the end of the history"),
        ("{:type :invoke, :value \"a}\n", "1:24: expected `\"` at the end of the string"),
        ("0\t:invoke\t:read\tnil\n0\t:oops\t:read\tnil\n", "2:3: expected `:invoke`, `:ok`, `:fail` or `:info`"),
        ("w(1,2,0,0)\nr(1,2,0)\n", "2:1: expected `r(key,value,session,txn)` or `w(...)`"),
        ("w 0 1\nr 0\n", "2:1: expected `r key value`, `w key value`, `-----` or `=====`"),
    ];
    for (number, (bytes, expected)) in cases.iter().enumerate() {
        let path = folder.path().join(number.to_string());
        std::fs::write(&path, bytes).expect("written");
        let error = import::open(&path, &ImportOptions::default()).expect_err(bytes).to_string();
        assert_eq!(error, format!("{}:{expected}", path.display()));
    }
}

#[test]
fn a_lenient_import_skips_what_is_malformed_and_counts_it() {
    let good = "{:process 0, :type :invoke, :f :read, :value nil}\n{:process 0, :type :ok, :f :read, :value 1}\n";
    for (bad, mistakes) in [
        ("{:process 0, :type :invoke, :value [1 2\n", 1),
        ("{:process 0 :type}\nnonsense\n", 1),
        ("{:process 0, :type :never}\n{:process 0, :value \"}\n", 2),
        ("{:process 5, :type :ok, :f :read, :value 1}\n", 1),
        ("]\n", 1),
    ] {
        let text = [good, bad, good].concat();
        assert!(
            import::read(text.as_bytes(), Format::JepsenEdn)
                .and_then(|events| events.operations().map(|_| ()))
                .is_err()
        );
        let (events, count) = import::read_lenient(text.as_bytes(), Format::JepsenEdn).expect("lenient");
        assert_eq!((events.operations().expect("repaired").len(), count), (2, mistakes), "{bad}");
    }
}

#[test]
fn an_operation_of_nobody_borrows_no_number_that_a_process_has() {
    let text = "{:type :invoke, :f :add, :process 0}{:type :invoke, :f :add}{:type :ok, :f :add}{:type :ok, :f :add, :process 0}";
    let events = import::read(text.as_bytes(), Format::JepsenEdn).expect("well formed");
    let processes = events.operations().expect("well formed").iter().map(|pair| pair.process).collect::<Vec<_>>();
    assert_eq!(processes, [0, 1]);
}

#[test]
fn our_own_lines_are_read_leniently_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let good = "{\"process\":0,\"f\":\"write\",\"key\":0,\"value\":1,\"sent\":1,\"done\":2,\"outcome\":\"ok\"}\n";
    let bad = "{\"process\":0,\"f\":\"write\",\"key\":0,\"value\":1,\"sent\":-1}\nnonsense\n";
    let path = folder.path().join("own.jsonl");
    std::fs::write(&path, [good, bad, good].concat()).expect("written");
    let told = |message: &str| format!("{}:{message}", path.display());
    let error = history::History::open(&path).expect_err("strict").to_string();
    assert_eq!(error, told("2:53: expected `outcome` in the operation"));
    let (history, skipped) = history::History::open_lenient(&path).expect("lenient");
    let (count, first) = skipped.expect("something was skipped");
    assert_eq!((history.len(), count, first.to_string()), (2, 2, error));
}

#[test]
fn compressed_files_are_read_frame_by_frame() {
    // `{:type :invoke, :f :read}` and a line feed, by gzip and by zstd, twice each.
    let gzip = include_bytes!("import_event.gz");
    let zstandard = include_bytes!("import_event.zst");
    let folder = tempfile::tempdir().expect("a folder");
    for (name, bytes) in [("gz", &gzip[..]), ("zst", &zstandard[..])] {
        let path = folder.path().join(name);
        std::fs::write(&path, [bytes, bytes].concat()).expect("written");
        let import = import::open(&path, &ImportOptions::default()).expect("it can be read");
        assert_eq!((import.events.len(), import.format), (2, Format::JepsenEdn), "{name}");
        std::fs::write(&path, &bytes[..bytes.len() - 6]).expect("written");
        assert!(import::open(&path, &ImportOptions::default()).is_err(), "{name}, cut short");
    }
}

fn damage(rng: &mut Rng, bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..1 + rng.below(4) {
        let at = rng.below(bytes.len() as u64 + 1) as usize;
        match rng.below(4) {
            0 if at < bytes.len() => bytes[at] = rng.below(256) as u8,
            1 => bytes.truncate(at),
            2 => bytes.insert(at, *rng.pick(b"[]{}()\"#\\:;_ \n\t-9n\0")),
            _ if at < bytes.len() => drop(bytes.remove(at)),
            _ => {}
        }
    }
    bytes
}

/// Touches every value; the number of operations.
fn walk(events: &Events) -> usize {
    let shown: usize =
        events.iter().map(|event| format!("{}{}{:?}", event.value, event.error, event.extra).len()).sum();
    let _ = history::register::from_events(events);
    events
        .operations()
        .map_or(0, |operations| operations.iter().filter(|pair| pair.value().describe().len() <= shown + 16).count())
}
