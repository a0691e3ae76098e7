//! Importers on damaged files: an error with a place or a history, never a panic; and the same events from every notation.

use base::{Rng, Seed};
use history::event::Events;
use history::import::{self, Format};

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
        if let Ok(events) = import::read(&bytes, format) {
            read += usize::from(walk(&events) > 0);
        }
    }
    assert!(read > 1_000, "only {read} damaged histories could be read");
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
