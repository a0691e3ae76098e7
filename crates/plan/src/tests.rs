//! Plans as people get them wrong, and what they are told.

use crate::{Document, DurationRange, FromValue, Rate, Share, Size, reference};
use base::{NodeId, Rng, Seed};
use expect_test::{Expect, expect};
use std::collections::BTreeMap;
use std::time::Duration;

/// A reader as stages have them: sections, a choice that decides what else is read, a list of sections.
fn read(document: &Document) -> String {
    let root = document.root();
    let mut out = format!("seed={:?}", root.get::<u64>("seed"));
    let load = root.section("load");
    let rate: Rate = load.or("rate", Rate(100.0));
    let duration: Duration = load.or("duration", Duration::from_secs(30));
    let processes: Option<usize> = load.need("processes");
    out += &format!(" load={rate:?} {duration:?} {processes:?} {:?}", load.get::<NodeId>("node"));
    let system = root.section("system");
    match system.choice_needed("kind", &[("raft-kv", 1), ("command", 2)]) {
        Some(1) => out += &format!(" raft-kv {}", system.or("nodes", 5usize)),
        Some(_) => {
            let environment: BTreeMap<String, String> = system.or("environment", BTreeMap::new());
            out += &format!(" command {:?} {environment:?}", system.need::<Vec<String>>("start"));
        }
        None => {}
    }
    for fault in root.section("faults").tables("at") {
        let at: Option<DurationRange> = fault.need("at");
        let kind = fault.choice_needed("kind", &[("kill", "kill"), ("pause", "pause"), ("partition", "partition")]);
        out += &format!(" fault {at:?} {kind:?} {:?}", fault.or("loss", Share(0.05)));
    }
    let workload = root.section("workload");
    out += &format!(" value={:?}", workload.or("value", Size(16)));
    out += &format!(" weights={:?}", workload.get::<BTreeMap<String, f64>>("weights"));
    out
}

fn diagnose(text: &str) -> String {
    let document = match Document::parse("plan.toml", text) {
        Ok(document) => document,
        Err(diagnostics) => return diagnostics.to_string(),
    };
    let values = read(&document);
    document.finish().map_or_else(|diagnostics| diagnostics.to_string(), |()| values)
}

fn check(text: &str, expected: Expect) {
    expected.assert_eq(&diagnose(text));
}

#[test]
fn everything_wrong_is_told_at_once_in_the_order_of_the_file() {
    check(
        "sead = 1\n\n[load]\nrate = 500\nprocesses = -1\nduraton = \"10s\"\n\n[system]\nkind = \"raft\"\nnodes = \"five\"\n\n[lod]\nx = 1\n",
        expect![[r#"
            error: unknown setting `sead`
             --> plan.toml:1:1
              |
            1 | sead = 1
              | ^^^^
              = help: did you mean `seed`?

            error: `load.rate`: `500` has no unit
             --> plan.toml:4:8
              |
            4 | rate = 500
              |        ^^^
              = help: write it in quotes, like `"500/s"`

            error: `load.processes`: `-1` is too small
             --> plan.toml:5:13
              |
            5 | processes = -1
              |             ^^
              = help: take a whole number up to 18446744073709551615

            error: unknown setting `duraton` in `[load]`
             --> plan.toml:6:1
              |
            6 | duraton = "10s"
              | ^^^^^^^
              = help: did you mean `duration`?

            error: `system.kind`: there is no `raft`
             --> plan.toml:9:8
              |
            9 | kind = "raft"
              |        ^^^^^^
              = help: did you mean `raft-kv`?

            error: unknown section `lod`
              --> plan.toml:12:2
               |
            12 | [lod]
               |  ^^^
               = help: did you mean `load`?
        "#]],
    );
}

#[test]
fn quantities_say_how_they_are_written() {
    check(
        "[load]\nprocesses = 1\nrate = 'fast'\nduration = '30'\nnode = 'n0'\n[system]\nkind='raft-kv'\n[workload]\nvalue = '4 kilobytes'\nweights = { a = 1, b = 'x' }\n",
        expect![[r#"
            error: `load.rate`: `fast` is not a rate
             --> plan.toml:3:8
              |
            3 | rate = 'fast'
              |        ^^^^^^
              = help: write it like `2000/s` or `60/m`

            error: `load.duration`: `30` is not a duration
             --> plan.toml:4:12
              |
            4 | duration = '30'
              |            ^^^^
              = help: write it like `250ms`, `1.5s` or `2m`

            error: `load.node`: `n0` is not a node
             --> plan.toml:5:8
              |
            5 | node = 'n0'
              |        ^^^^
              = help: nodes are `n1`, `n2`, ...

            error: `workload.value`: `4 kilobytes` is not a size
             --> plan.toml:9:9
              |
            9 | value = '4 kilobytes'
              |         ^^^^^^^^^^^^^
              = help: write it like `256B` or `4KiB`

            error: `workload.weights`: expected a number, found the string `x`
              --> plan.toml:10:24
               |
            10 | weights = { a = 1, b = 'x' }
               |                        ^^^
        "#]],
    );
}

#[test]
fn a_long_line_is_cut_and_control_characters_are_not_printed() {
    let text = format!(
        "[load]\nprocesses = '\t{}'\n[system]\nkind = 'raft-kv'\n[workload]\nvalue = \"\\u001b[31m\"",
        "x".repeat(10_000)
    );
    let told = diagnose(&text);
    assert!(told.len() < 1500 && !told.contains(['\u{1b}', '\t']), "{told}");
    check(
        "[load]\nprocesses = 1\n[system]\nkind = 'raft-kv'\n[[faults.at]]\nat = '1s'\nkind = 'kill'\nloss = 5\n",
        expect![[r#"
            error: `faults.at[0].loss`: `5` is not between 0 % and 100 %
             --> plan.toml:8:8
              |
            8 | loss = 5
              |        ^
              = help: write it like `"5%"`, or as a part of 1
        "#]],
    );
}

#[test]
fn what_is_missing_is_shown_where_it_belongs() {
    check(
        "[system]\n\n[[faults.at]]\nkind = 'kill'\n",
        expect![[r#"
        error: missing setting `system.kind`
         --> plan.toml:1:2
          |
        1 | [system]
          |  ^^^^^^
          = help: add `kind`, one of `raft-kv` and `command`

        error: missing setting `faults.at[0].at`
         --> plan.toml:3:1
          |
        3 | [[faults.at]]
          | ^^^^^^^^^^^^^
          = help: add `at`, a duration like `2s` or a range like `1s..3s`

        error: missing setting `load.processes`
         --> plan.toml:4:14
          |
        4 | kind = 'kill'
          |              ^
          = help: add a section `[load]` with `processes`, a whole number
    "#]],
    );
}

#[test]
fn a_section_of_the_wrong_form_says_how_it_is_written() {
    check(
        "load = 3\nsystem = []\n[faults]\nat = { kind = 'kill' }\n",
        expect![[r#"
            error: `load` is a section, not the integer `3`
             --> plan.toml:1:8
              |
            1 | load = 3
              |        ^
              = help: write `[load]` on a line of its own

            error: `system` is a section, not an array
             --> plan.toml:2:10
              |
            2 | system = []
              |          ^^
              = help: write `[system]` on a line of its own

            error: `faults.at` is a list of sections, not a table
             --> plan.toml:4:6
              |
            4 | at = { kind = 'kill' }
              |      ^^^^^^^^^^^^^^^^^
              = help: write `[[faults.at]]` above each of them
        "#]],
    );
    check(
        "faults.at = [1, {}]\nload.processes = 1\nsystem.kind='raft-kv'",
        expect![[r#"
        error: `faults.at` is a list of sections and has the integer `1` in it
         --> plan.toml:1:14
          |
        1 | faults.at = [1, {}]
          |              ^
          = help: write `[[faults.at]]` above each of them

        error: missing setting `faults.at[1].at`
         --> plan.toml:1:17
          |
        1 | faults.at = [1, {}]
          |                 ^^
          = help: add `at`, a duration like `2s` or a range like `1s..3s`

        error: missing setting `faults.at[1].kind`
         --> plan.toml:1:17
          |
        1 | faults.at = [1, {}]
          |                 ^^
          = help: add `kind`, one of `kill`, `pause` and `partition`
    "#]],
    );
}

#[test]
fn syntax_errors_look_the_same() {
    check(
        "[load]\nrate = '500/s\nprocesses = 3\n[load]\nprocesses = = 4\nrate = 1\nrate = 2\n",
        expect![[r#"
            error: invalid literal string, expected `'`
             --> plan.toml:2:14
              |
            2 | rate = '500/s
              |              ^

            error: `load` is set twice
             --> plan.toml:4:2
              |
            4 | [load]
              |  ^^^^
              = help: remove one of the two

            error: `processes` is set twice
             --> plan.toml:5:1
              |
            5 | processes = = 4
              | ^^^^^^^^^
              = help: remove one of the two

            error: extra `=`, expected nothing
             --> plan.toml:5:13
              |
            5 | processes = = 4
              |             ^

            error: unexpected key or value, expected newline, `#`
             --> plan.toml:5:15
              |
            5 | processes = = 4
              |               ^

            error: `rate` is set twice
             --> plan.toml:6:1
              |
            6 | rate = 1
              | ^^^^
              = help: remove one of the two

            error: `rate` is set twice
             --> plan.toml:7:1
              |
            7 | rate = 2
              | ^^^^
              = help: remove one of the two
        "#]],
    );
}

#[test]
fn a_plan_of_a_later_format_is_refused() {
    check(
        "format = 2\n",
        expect![[r#"
        error: `format`: this assize reads plans of format 1, found the integer `2`
         --> plan.toml:1:10
          |
        1 | format = 2
          |          ^
          = help: use a newer assize
    "#]],
    );
}

#[test]
fn a_value_without_its_quotes_or_brackets_is_shown_with_them() {
    check(
        "[load]\nprocesses = 1\n[system]\nkind = 3.4\n[faults]\n[[faults.at]]\nkind = 'kill'\nat = true\n",
        expect![[r#"
            error: `system.kind`: expected a string in quotes, found the float `3.4`
             --> plan.toml:4:8
              |
            4 | kind = 3.4
              |        ^^^
              = help: put it in quotes: `"3.4"`

            error: `faults.at[0].at`: expected a duration like `2s` or a range like `1s..3s`, found the boolean `true`
             --> plan.toml:8:6
              |
            8 | at = true
              |      ^^^^
        "#]],
    );
    check(
        "load.processes = 1\n[system]\nkind = 'command'\nstart = 'sh -c x'\n",
        expect![[r#"
        error: `system.start`: expected a list in brackets, each a string in quotes, found the string `sh -c x`
         --> plan.toml:4:9
          |
        4 | start = 'sh -c x'
          |         ^^^^^^^^^
          = help: put it in brackets: `["sh -c x"]`
    "#]],
    );
}

#[test]
fn a_setting_in_the_wrong_section_is_sent_home() {
    check(
        "rate = '500/s'\n[load]\nprocesses = 1\nseed = 4\n[system]\nkind = 'raft-kv'\n",
        expect![[r#"
        error: unknown setting `rate`
         --> plan.toml:1:1
          |
        1 | rate = '500/s'
          | ^^^^
          = help: it belongs to `[load]`

        error: unknown setting `seed` in `[load]`
         --> plan.toml:4:1
          |
        4 | seed = 4
          | ^^^^
          = help: it belongs to the top of the plan, before every section
    "#]],
    );
}

#[test]
fn overrides_are_blamed_for_what_they_break() {
    let mut document = Document::parse("plan.toml", "[load]\nprocesses = 8\n[system]\nkind = 'raft-kv'\n").unwrap();
    document.set("load.rate", "500/s").unwrap();
    document.set("load.processes", "many").unwrap();
    document.set("faults.at", "[{ at = '1s', kind = 'kil' }]").unwrap();
    document.set("sytem.nodes", "3").unwrap();
    let values = read(&document);
    assert!(values.contains("Rate(500.0)"), "{values}");
    expect![[r#"
        error: `load.processes`: expected a whole number, found the string `many`
         --> --set:1:16
          |
        1 | load.processes=many
          |                ^^^^

        error: `faults.at[0].kind`: there is no `kil`
         --> --set:1:32
          |
        1 | faults.at=[{ at = '1s', kind = 'kil' }]
          |                                ^^^^^
          = help: did you mean `kill`?

        error: unknown section `sytem`
         --> --set:1:1
          |
        1 | sytem.nodes=3
          | ^^^^^^^^^^^
          = help: did you mean `system`?
    "#]]
    .assert_eq(&document.finish().unwrap_err().to_string());
}

#[test]
fn an_override_that_cannot_be_made_is_refused() {
    let wrong = |key: &str, value: &str| {
        let mut document = Document::parse("plan.toml", "seed = 1\n[[faults.at]]\nat = '1s'\n").unwrap();
        document.set(key, value).unwrap_err().to_string()
    };
    let all = [
        wrong("", "1"),
        wrong("a..b", "1"),
        wrong("seed.x", "1"),
        wrong("faults.at.1.kind", "kill"),
        wrong("x", "[1,"),
        wrong(&"x.".repeat(100_000), "1").lines().next().unwrap().to_owned(),
    ];
    expect![[r#"
        error: `--set` names no setting
         --> --set:1:1
          |
        1 | =1
          | ^
          = help: write it like `--set load.rate=500/s`

        error: `--set` names no setting
         --> --set:1:1
          |
        1 | a..b=1
          | ^^^^
          = help: write it like `--set load.rate=500/s`

        error: `seed` is not a section: nothing can be set in it
         --> --set:1:1
          |
        1 | seed.x=1
          | ^^^^^^
          = help: write it like `--set load.rate=500/s`

        error: `1` is not one of the 1 elements of `at`
         --> --set:1:1
          |
        1 | faults.at.1.kind=kill
          | ^^^^^^^^^^^^^^^^
          = help: write it like `--set load.rate=500/s`

        error: unclosed array, expected `]`
         --> --set:1:6
          |
        1 | x=[1,
          |      ^

        error: `--set` reaches at most 32 deep"#]]
    .assert_eq(&all.join("\n"));
}

#[test]
fn an_override_reaches_into_lists() {
    let mut document = Document::parse("plan.toml", "[[faults.at]]\nat = '1s'\nkind = 'kill'\n").unwrap();
    document.set("faults.at.0.at", "2s..3s").unwrap();
    document.set("load.processes", "4").unwrap();
    document.set("system.kind", "raft-kv").unwrap();
    let values = read(&document);
    document.finish().unwrap();
    assert!(values.contains("fault Some(DurationRange { min: 2s, max: 3s }) Some(\"kill\")"), "{values}");
}

const WHOLE: &str = r#"# A comment.
seed = 18446744073709551615
[system]
kind = "command"
start = ["sh", "-c", "exec \"$0\"\n\t\u0001", '''multi
line''']
environment = { "a.b" = "1", C = "é" }
[load]
processes = 0x10
rate = "1.5k/s"
[[faults.at]]
at = "1500ms..2s"
kind = "kill"
loss = 0.07
[[faults.at]]
at = "10s"
kind = "pause"
[workload]
weights = { read = 1e-3, write = 2 }
"#;

#[test]
fn the_effective_plan_gives_the_same_values_again() {
    let mut document = Document::parse("plan.toml", WHOLE).unwrap();
    document.set("load.node", "n3").unwrap();
    document.set("workload.weights.cas", "0.5").unwrap();
    let values = read(&document);
    document.finish().unwrap();
    let effective = document.effective();
    expect![[r#"
        format = 1
        seed = 18446744073709551615

        [system]
        kind = "command"
        start = ["sh", "-c", "exec \"$0\"\n\t\u0001", "multi\nline"]

        [system.environment]
        "a.b" = "1"
        C = "é"

        [load]
        processes = 16
        rate = "1.5k/s"
        node = "n3"
        duration = "30s"

        [[faults.at]]
        at = "1500ms..2s"
        kind = "kill"
        loss = 0.07

        [[faults.at]]
        at = "10s"
        kind = "pause"
        loss = "5%"

        [workload]
        value = "16B"

        [workload.weights]
        read = 1e-3
        write = 2
        cas = 0.5
    "#]]
    .assert_eq(&effective);
    let again = Document::parse("effective.toml", &effective).unwrap();
    assert_eq!(read(&again), values);
    again.finish().unwrap();
    assert_eq!(again.effective(), effective, "the effective plan is its own effective plan");
}

#[test]
fn a_plan_extends_another_and_wins() {
    let base = "seed = 1\n[load]\nrate = '5/s'\nprocesses = 2\n[system]\nkind = 'raft-kv'\nnodes = 'x'\n";
    let load = |from: &str, path: &str| match path {
        "base.toml" => Ok((format!("{from}/../base.toml"), base.to_owned())),
        "loop.toml" => Ok(("loop.toml".to_owned(), "extends = 'loop.toml'".to_owned())),
        _ => Err("no such file".to_owned()),
    };
    let text = "extends = 'base.toml'\n[load]\nprocesses = 3\n";
    let document = Document::parse_with("plan.toml", text, &load).unwrap();
    expect!["seed=Some(1) load=Rate(5.0) 30s Some(3) None raft-kv 5 value=Size(16) weights=None"]
        .assert_eq(&read(&document));
    expect![[r#"
        error: `system.nodes`: expected a whole number, found the string `x`
         --> plan.toml/../base.toml:7:9
          |
        7 | nodes = 'x'
          |         ^^^
    "#]]
    .assert_eq(&document.finish().unwrap_err().to_string());
    let wrong = |text: &str| Document::parse_with("plan.toml", text, &load).unwrap_err().to_string();
    expect![[r#"
        error: cannot extend `bose.toml`: no such file
         --> plan.toml:1:11
          |
        1 | extends = 'bose.toml'
          |           ^^^^^^^^^^^
          = help: name a plan beside this one

        error: `extends` wants the path of a plan, not the integer `3`
         --> plan.toml:1:11
          |
        1 | extends = 3
          |           ^
          = help: name a plan beside this one

        error: plans extend each other more than 8 deep
         --> loop.toml:1:11
          |
        1 | extends = 'loop.toml'
          |           ^^^^^^^^^^^
          = help: name a plan beside this one
    "#]]
    .assert_eq(&[wrong("extends = 'bose.toml'"), wrong("extends = 3"), wrong("extends = 'loop.toml'")].join("\n"));
}

#[test]
fn a_warning_does_not_stop_a_plan() {
    let document = Document::parse("plan.toml", "[load]\nrate = '5/s'\n").unwrap();
    let load = document.root().section("load");
    let _: Option<Rate> = load.get("rate");
    load.warning("rate", "`load.rate` is low", "take more");
    document.finish().unwrap();
    expect![[r#"
        warning: `load.rate` is low
         --> plan.toml:2:8
          |
        2 | rate = '5/s'
          |        ^^^^^
          = help: take more
    "#]]
    .assert_eq(&document.warnings().to_string());
}

#[test]
fn every_quantity_reads_back_what_it_writes() {
    fn round_trip<T: FromValue + PartialEq + std::fmt::Debug>(value: T) {
        let text = format!("x = {}", value.literal());
        let document = Document::parse("x", &text).unwrap();
        assert_eq!(document.root().get::<T>("x").as_ref(), Some(&value), "{text}");
        document.finish().unwrap();
    }
    let mut rng = Seed(3).rng();
    for _ in 0..2000 {
        let nanos = rng.next_u64() >> (12 + rng.below(50));
        let span = Duration::from_nanos(nanos);
        round_trip(span);
        round_trip(Duration::from_millis(nanos % 100_000));
        round_trip(DurationRange { min: span / 3, max: span });
        round_trip(Rate(rng.unit() * 1e6));
        round_trip(Share(rng.unit()));
        round_trip(Share(rng.below(101) as f64 / 100.0));
        round_trip(Size(rng.next_u64() >> 12));
        round_trip(NodeId(rng.below(60_000) as u16));
        round_trip(rng.unit() * 1e9 - 5e8);
        round_trip(vec![rng.next_u64(), 0]);
        round_trip(BTreeMap::from([(random_text(&mut rng), random_text(&mut rng))]));
    }
}

fn random_text(rng: &mut Rng) -> String {
    (0..rng.below(12)).filter_map(|_| char::from_u32(rng.below(300) as u32)).collect()
}

/// Reads whatever comes. Only that it comes back matters.
fn survive(text: &str) -> bool {
    let Ok(mut document) = Document::parse("plan.toml", text) else { return false };
    let _ = document.set("load.rate", text);
    let _ = document.set(text, "1");
    read(&document);
    let _ = document.finish().map_err(|diagnostics| diagnostics.to_string());
    let effective = document.effective();
    let again = Document::parse("effective.toml", &effective);
    again.unwrap_or_else(|diagnostics| panic!("the effective plan does not parse:\n{effective}\n{diagnostics}"));
    true
}

#[test]
fn no_bytes_make_the_reader_panic() {
    let mut rng = Seed(11).rng();
    let mut parsed = 0;
    for _ in 0..4000 {
        let mut bytes = WHOLE.as_bytes().to_vec();
        for _ in 0..=rng.below(2) {
            mutate(&mut bytes, &mut rng);
        }
        parsed += u32::from(survive(&String::from_utf8_lossy(&bytes)));
    }
    assert!(parsed > 500, "mutations that still parse reach deeper: {parsed}");
}

fn mutate(bytes: &mut Vec<u8>, rng: &mut Rng) {
    let at = rng.below(bytes.len() as u64) as usize;
    let length = (rng.below(8) as usize + 1).min(bytes.len() - at);
    match rng.below(5) {
        0 => bytes[at] = rng.below(256) as u8,
        1 => drop(bytes.drain(at..at + length)),
        2 => bytes.insert(at, *rng.pick(b"[]{}=.,\"'#\n 0e-_\\\r\t")),
        3 => {
            let copy: Vec<u8> = bytes[at..at + length].to_vec();
            let to = rng.below(bytes.len() as u64) as usize;
            bytes.splice(to..to, copy);
        }
        _ => {
            let number = *rng.pick(&["1e400", "-1", "nan", "999999999999999999999999", "[[a]]", "1979-05-27"]);
            bytes.splice(at..at + length, number.bytes());
        }
    }
}

#[test]
fn depth_and_length_do_not_make_the_reader_panic() {
    for text in [
        "[".repeat(100_000),
        format!("a = {}", "[".repeat(100_000)),
        format!("a = {}1{}", "[".repeat(60), "]".repeat(60)),
        format!("a = {}", "{ a = ".repeat(100_000)),
        format!("{}b = 1", "a.".repeat(20_000)),
        format!("[{}b]\nx = 1", "a.".repeat(20_000)),
        "a = \"é".repeat(1000),
        "\u{feff}seed = 1\r\n[load]\r\nrate = 3\r\n".to_owned(),
    ] {
        survive(&text);
    }
}

#[test]
fn the_reference_names_what_no_section_describes() {
    let section = reference::Section {
        path: "faults.at[]",
        when: None,
        about: "One fault.",
        fields: &[reference::Field { key: "at", kind: "duration", default: "required", about: "when" }],
    };
    let document = Document::parse("plan.toml", WHOLE).unwrap();
    for fault in document.root().section("faults").tables("at") {
        let (_, _) = (fault.get::<DurationRange>("at"), fault.get::<String>("kind"));
    }
    assert_eq!(reference::undocumented(&document, &[section]), ["faults.at[].kind"]);
    expect![[r#"
        ## `[[faults.at]]`

        One fault.

        | setting | takes | default | |
        | --- | --- | --- | --- |
        | `at` | duration | required | when |

    "#]]
    .assert_eq(&reference::markdown(&[section]));
}

/// Each plan in `corpus/bad-plans` stands beside what its author is told. `UPDATE_EXPECT=1` writes it.
#[test]
fn bad_plans_are_diagnosed_as_recorded() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/bad-plans/format");
    let mut plans: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    plans.retain(|path| path.extension().is_some_and(|it| it == "toml"));
    plans.sort();
    assert!(!plans.is_empty());
    for path in plans {
        let told = diagnose(&std::fs::read_to_string(&path).unwrap());
        assert!(told.contains("error: "), "{} is not a bad plan", path.display());
        expect_test::expect_file![path.with_extension("txt")].assert_eq(&told);
    }
}
