//! Reports of sample runs, and of runs whose every text is hostile.

mod markup;
#[path = "../examples/gallery/sample.rs"]
mod sample;

use std::collections::BTreeSet;

use expect_test::expect;
use report::{
    Check, Colour, Fault, Micros, Objective, ParseError, RecoveryState, Results, SpectrumPoint, Standing, Verdict,
    html, json, junit, parse, terminal,
};

#[test]
fn a_green_run_in_the_terminal() {
    expect![[r#"

        VALID · raft-kv · raft-kv, 5 nodes · loopback · seed 42
          linearizable over 60 000 operations under 4 faults; all 7 objectives met

        checks and objectives
          valid  linearizable                              60 000 operations in 31.0 ms
          met    lost writes    0        none
          met    p50 latency    1.31 ms  at most 5.00 ms
          met    p90 latency    3.92 ms  at most 50.0 ms
          met    achieved rate  1 484/s  at least 1 000/s
          met    error share    1.08 %   at most 10 %
          met    recovery time  1.30 s   at most 5.00 s    after fault #1

        figures
          operations    60 000: 59 351 ok, 380 fail, 269 info
          rate          1 500/s asked, 1 484/s achieved
          latency       p50 1.31 ms, p99 never, p99.9 never
          availability  98.91 % answered, longest gap without an ok 1.31 s at 5.0 s
          elections     3
          errors        380 no-leader, 269 timeout

        faults
                                            from   until  answered  recovered  longest gap
          #1  kill leader (n1)             5.0 s   8.0 s   89.62 %     1.30 s       1.31 s
          #2  pause random (n4)           13.0 s  15.5 s     100 %    at once      2.78 ms
          #3  partition leader (n3)       20.0 s  24.0 s   96.96 %     1.10 s       1.12 s
          #4  partition minority (n2 n5)  29.0 s  32.0 s     100 %    at once       400 ms

        notes
          links between nodes run through relays of the testbed, which drop whole frames

          report  runs/00042/report.html
          $ assize run plans/raft-kv.toml --seed 42  # repeat the schedule
          $ assize check runs/00042  # check again
    "#]]
    .assert_eq(&terminal(&sample::green(), 100, Colour::Off));
}

#[test]
fn a_red_run_in_the_terminal() {
    expect![[r#"

        INVALID · raft-kv-stale-read · raft-kv, 5 nodes · loopback · seed 7
          not linearizable: 2 of 100 keys are broken
          objective missed: p90 latency never, wanted at most 50.0 ms
          objective missed: error share 17.01 %, wanted at most 10 %
          objective missed: recovery time 7.20 s, wanted at most 5.00 s

        checks and objectives
          INVALID  linearizable                              60 000 operations in 31.0 ms
          met      lost writes    0        none
          met      p50 latency    1.52 ms  at most 5.00 ms
          MISSED   p90 latency    never    at most 50.0 ms   too many operations got no answer
          met      achieved rate  1 245/s  at least 1 000/s
          MISSED   error share    17.01 %  at most 10 %
          MISSED   recovery time  7.20 s   at most 5.00 s    after fault #1, #2

        figures
          operations    60 000: 49 792 ok, 6 130 fail, 4 078 info
          rate          1 500/s asked, 1 245/s achieved
          latency       p50 1.52 ms, p99 never, p99.9 never
          availability  82.98 % answered, longest gap without an ok 7.20 s at 6.0 s
          elections     3
          errors        6 130 no-leader, 4 078 timeout

        faults
                                       from   until  answered  recovered  longest gap
          #1  partition leader (n1)   6.0 s  14.0 s   22.47 %     7.20 s       7.20 s  with #2
          #2  kill follower (n4)     10.0 s  12.0 s       0 %     7.20 s       7.20 s  with #1
          #3  pause leader (n2)      25.0 s  28.0 s   96.62 %     1.10 s       1.10 s

        problems
          critical  two values at once of key 17
            3 operations contradict each other; see the counterexample
            p2 wrote 8790 (9.061 s to 9.064 s) had ended before p3 wrote 8812 (9.104 s
            to 9.106 s) began: 8790 came before 8812.
            But p1 read 8790 at 9.240 s, and by then, at 9.106 s, p3 had its write of
            8812 acknowledged: 8812 came before 8790.
            Each value was written once, so 8790 cannot be both before and after 8812.
            $ assize check runs/0007 --model linearizable
          major  recovery from fault #1 took 7.20 s
            goodput below 90 % from 6.0 s to 13.2 s
            wanted: at most 5.00 s

          report  runs/0007/report.html
          $ assize run plans/raft-kv-stale-read.toml --seed 7  # repeat the schedule
          $ assize check runs/0007  # check again
    "#]]
    .assert_eq(&terminal(&sample::red(), 80, Colour::Off));
}

#[test]
fn an_unknown_run_in_the_terminal() {
    expect![[r#"

        UNKNOWN · raft-kv · raft-kv, 5 nodes · loopback · seed 1
          not known whether it is linearizable: key 3: out of budget after 10 000 000
          states
          nothing proves that fault #2 (partition node) bit
          latency and rate cannot be trusted: the load generator was late: p99 3.10 ms
          (the limit is 1.00 ms)

        checks and objectives
          unknown  linearizable                                           60 000 operations in 31.0 ms
          met      lost writes    0                     none
          unknown  p50 latency    1.30 ms               at most 5.00 ms   untrusted
          unknown  p90 latency    3.07 ms               at most 50.0 ms   untrusted
          unknown  achieved rate  1 466/s               at least 1 000/s  untrusted
          met      error share    2.25 %                at most 10 %
          unknown  recovery time  load ended too early  at most 5.00 s    untrusted

        figures
          operations    60 000: 58 647 ok, 822 fail, 531 info
          rate          1 500/s asked, 1 466/s achieved
          latency       p50 1.30 ms, p99 never, p99.9 never (untrusted)
          availability  97.74 % answered, longest gap without an ok 1.90 s at 8.0 s
          elections     3
          errors        822 no-leader, 531 timeout

        faults
                                     from   until  answered   recovered  longest gap
          #1  kill leader (n1)      8.0 s  11.0 s   69.93 %      1.90 s       1.90 s
          #2  partition node (n5)  41.6 s  41.9 s     100 %  load ended      2.29 ms  no evidence

        notes
          no root: partitions of the kernel's packet filter were left out

          report  runs/0001/report.html
          $ assize run plans/raft-kv.toml --seed 1  # repeat the schedule
          $ assize check runs/0001  # check again
    "#]]
    .assert_eq(&terminal(&sample::unknown(), 80, Colour::Off));
}

#[test]
fn colours_change_nothing_but_colours() {
    for (name, results) in sample::all() {
        let coloured = terminal(&results, 90, Colour::On);
        let mut plain = String::new();
        for (i, part) in coloured.split("\u{1b}[").enumerate() {
            plain.push_str(if i == 0 { part } else { part.split_once('m').unwrap().1 });
        }
        let lines = |text: &str| text.lines().map(|line| line.trim_end().to_string()).collect::<Vec<_>>();
        assert_eq!(lines(&plain), lines(&terminal(&results, 90, Colour::Off)), "{name}");
    }
}

#[test]
fn no_text_from_outside_can_steer_the_terminal() {
    let text = terminal(&sample::hostile(), 80, Colour::Off);
    let steers = |c: &char| (c.is_control() && *c != '\n') || ('\u{202a}'..='\u{202e}').contains(c);
    assert_eq!(text.chars().find(steers), None);
}

#[test]
fn junit_of_an_unknown_run() {
    expect![[r##"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites name="raft-kv" tests="10" failures="0" errors="7" time="51.200">
          <testsuite name="check" tests="1" failures="0" errors="1" time="0.031">
            <properties><property name="seed" value="1"/></properties>
            <testcase classname="raft-kv.check" name="linearizable" time="0.031"><error message="unknown: key 3: out of budget after 10 000 000 states" type="error">unknown: key 3: out of budget after 10 000 000 states

        repeat the schedule: assize run plans/raft-kv.toml --seed 1

        check again: assize check runs/0001</error></testcase>
          </testsuite>
          <testsuite name="objectives" tests="7" failures="0" errors="5" time="0.000">
            <properties><property name="seed" value="1"/></properties>
            <testcase classname="raft-kv.objectives" name="linearizable" time="0.000"><error message="unknown: unknown, wanted valid" type="error">unknown: unknown, wanted valid

        repeat the schedule: assize run plans/raft-kv.toml --seed 1

        check again: assize check runs/0001</error></testcase>
            <testcase classname="raft-kv.objectives" name="lost writes" time="0.000"><system-out>met: 0, wanted none</system-out></testcase>
            <testcase classname="raft-kv.objectives" name="p50 latency" time="0.000"><error message="unknown: 1.30 ms, wanted at most 5.00 ms (untrusted: the load generator was late: p99 3.10 ms (the limit is 1.00 ms))" type="error">unknown: 1.30 ms, wanted at most 5.00 ms (untrusted: the load generator was late: p99 3.10 ms (the limit is 1.00 ms))

        repeat the schedule: assize run plans/raft-kv.toml --seed 1

        check again: assize check runs/0001</error></testcase>
            <testcase classname="raft-kv.objectives" name="p90 latency" time="0.000"><error message="unknown: 3.07 ms, wanted at most 50.0 ms (untrusted: the load generator was late: p99 3.10 ms (the limit is 1.00 ms))" type="error">unknown: 3.07 ms, wanted at most 50.0 ms (untrusted: the load generator was late: p99 3.10 ms (the limit is 1.00 ms))

        repeat the schedule: assize run plans/raft-kv.toml --seed 1

        check again: assize check runs/0001</error></testcase>
            <testcase classname="raft-kv.objectives" name="achieved rate" time="0.000"><error message="unknown: 1 466/s, wanted at least 1 000/s (untrusted: the load generator was late: p99 3.10 ms (the limit is 1.00 ms))" type="error">unknown: 1 466/s, wanted at least 1 000/s (untrusted: the load generator was late: p99 3.10 ms (the limit is 1.00 ms))

        repeat the schedule: assize run plans/raft-kv.toml --seed 1

        check again: assize check runs/0001</error></testcase>
            <testcase classname="raft-kv.objectives" name="error share" time="0.000"><system-out>met: 2.25 %, wanted at most 10 %</system-out></testcase>
            <testcase classname="raft-kv.objectives" name="recovery time" time="0.000"><error message="unknown: load ended too early, wanted at most 5.00 s (untrusted: the load generator was late: p99 3.10 ms (the limit is 1.00 ms))" type="error">unknown: load ended too early, wanted at most 5.00 s (untrusted: the load generator was late: p99 3.10 ms (the limit is 1.00 ms))

        repeat the schedule: assize run plans/raft-kv.toml --seed 1

        check again: assize check runs/0001</error></testcase>
          </testsuite>
          <testsuite name="faults" tests="2" failures="0" errors="1" time="3.300">
            <properties><property name="seed" value="1"/></properties>
            <testcase classname="raft-kv.faults" name="#1 kill leader (n1)" time="3.000"><system-out>n1 is gone: process 4711 killed (signal 9)</system-out></testcase>
            <testcase classname="raft-kv.faults" name="#2 partition node (n5)" time="0.300"><error message="nothing proves that it bit" type="error">nothing proves that it bit
        n5 → n1: cut ended: no traffic

        repeat the schedule: assize run plans/raft-kv.toml --seed 1

        check again: assize check runs/0001</error></testcase>
          </testsuite>
        </testsuites>
    "##]].assert_eq(&junit(&sample::unknown()));
}

#[test]
fn junit_is_well_formed_and_counts_right() {
    for (name, results) in sample::all() {
        let xml = junit(&results);
        let elements = markup::elements(&xml, false).unwrap_or_else(|error| panic!("{name}: {error}"));
        let count = |element: &str| elements.iter().filter(|name| *name == element).count();
        let all = results.checks.len() + results.objectives.len() + results.faults.len();
        assert_eq!(count("testcase"), all, "{name}");
        let totals = format!("tests=\"{all}\" failures=\"{}\" errors=\"{}\"", count("failure"), count("error"));
        assert!(xml.lines().nth(1).unwrap().contains(&totals), "{name}: {totals}");
    }
}

#[test]
fn html_is_well_formed_whatever_it_shows() {
    let known: BTreeSet<&str> = ELEMENTS.split_whitespace().collect();
    for (name, results) in sample::all() {
        let page = html(&results);
        let elements = markup::elements(&page, true).unwrap_or_else(|error| panic!("{name}: {error}"));
        let unknown: Vec<&String> = elements.iter().filter(|element| !known.contains(element.as_str())).collect();
        assert!(unknown.is_empty(), "{name}: {unknown:?}");
        let scripts = elements.iter().filter(|element| *element == "script").count();
        assert_eq!(scripts, if results.series.windows.is_empty() { 0 } else { 2 }, "{name}");
    }
}

/// What a report is made of.
const ELEMENTS: &str = "html head meta title style body main header section article figure figcaption p h1 h2 h3 b i em small span div pre details summary \
    code ul ol li dl dt dd table thead tbody tr th td svg path rect img script";

#[test]
fn a_hostile_text_is_shown_and_not_run() {
    let page = html(&sample::hostile());
    assert!(!page.contains("<script>alert") && !page.contains("</script><b>"), "it got through as it is");
    let data = page.split_once("id=\"data\">").unwrap().1.split_once("</script>").unwrap().0;
    let data: serde_json::Value = serde_json::from_str(data).expect("the script's data is whole");
    assert!(data["faults"][0][2].as_str().unwrap().contains("</script><script>alert"));
    assert!(page.contains("&lt;script&gt;alert(&#39;x&#39;)"), "it is not shown");
    assert!(!page.contains('\u{1b}') && !page.contains('\u{202e}'));
}

#[test]
fn html_fetches_nothing() {
    for (name, results) in sample::all() {
        let page = html(&results);
        for reference in ["href=", "url(", "@import", "<link", "fetch(", "src=\"http", "//cdn"] {
            assert!(!page.contains(reference), "{name} has `{reference}`");
        }
        let sources = page.matches(" src=\"").count();
        assert_eq!(sources, page.matches(" src=\"data:image/svg+xml;").count(), "{name}");
        assert!(page.len() < 150_000, "{name} has {} bytes", page.len());
    }
}

#[test]
fn odd_numbers_are_shown_somehow() {
    for odd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, -1.0, 0.0, f64::MIN_POSITIVE] {
        let mut results = sample::red();
        let window = &mut results.series.windows[0];
        (window.start, window.seconds, window.p50_us) = (odd, odd, Some(Micros::Finite(odd)));
        results.series.windows[9].asked = u64::MAX;
        results.spectrum[0] = SpectrumPoint { quantile: odd, latency_us: Micros::Finite(odd) };
        (results.faults[0].start, results.faults[1].end) = (odd, odd);
        results.faults[0].recovery.as_mut().unwrap().seconds = Some(odd);
        (results.rate.asked, results.rate.achieved, results.availability) = (odd, odd, Some(odd));
        (results.seconds, results.load_start, results.leaders[1].at) = (odd, odd, odd);
        assert!(markup::elements(&html(&results), true).is_ok(), "html of {odd}");
        assert!(markup::elements(&junit(&results), false).is_ok(), "junit of {odd}");
        assert!(terminal(&results, 80, Colour::Off).contains("INVALID"), "terminal of {odd}");
    }
}

#[test]
fn html_says_the_verdict_before_anything_else_and_what_a_reader_looks_for() {
    let page = html(&sample::red());
    let places: Vec<usize> =
        ["<h1>Invalid</h1>", "id=\"objectives\"", "id=\"problems\"", "class=\"picture\"", "id=\"time\""]
            .map(|part| page.find(part).unwrap_or_else(|| panic!("{part} is missing")))
            .to_vec();
    assert!(places.is_sorted(), "{places:?}");
    for part in [
        "id=\"faults\"",
        "id=\"spectrum\"",
        "id=\"outcomes\"",
        "id=\"plan\"",
        "id=\"repeat\"",
        "seed",
        "EPYC",
        "8790 cannot be both",
    ] {
        assert!(page.contains(part), "{part} is missing");
    }
}

#[test]
fn results_read_back_are_the_same() {
    for (name, results) in sample::all() {
        let text = json(&results);
        let again = parse(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(json(&again) == text && again == results, "{name} is not the same");
    }
}

#[test]
fn results_have_the_promised_fields() {
    let value: serde_json::Value = serde_json::from_str(&json(&sample::unknown())).unwrap();
    for pointer in
        ["/format", "/seed", "/exit_code", "/elections", "/operations/ok", "/operations/fail", "/operations/info"]
    {
        assert!(value.pointer(pointer).is_some_and(|value| value.is_u64()), "{pointer}");
    }
    for pointer in ["/rate/asked", "/rate/achieved", "/latency_us/p50", "/faults/0/start", "/faults/0/recovery/seconds"]
    {
        assert!(value.pointer(pointer).is_some_and(|value| value.is_number()), "{pointer}");
    }
    assert_eq!(value["latency_us"]["p99"], "never");
    assert_eq!(value["verdict"], "unknown");
    assert_eq!(value["trusted"], false);
    assert_eq!(value["objectives"][0]["standing"], "unknown");
    assert_eq!(value["faults"][0]["evidence"][0], "n1 is gone: process 4711 killed (signal 9)");
}

#[test]
fn an_older_file_is_read_and_a_newer_one_refused_with_the_way_out() {
    let old = parse(r#"{"format": 1, "verdict": "valid", "seed": 7, "some_field_of_then": true}"#).unwrap();
    assert_eq!((old.verdict, old.seed, old.trusted), (Verdict::Valid, 7, false));
    assert_eq!(parse(r#"{"format": 99}"#).unwrap_err(), ParseError::Newer(99));
    assert!(parse("[]").is_err() && parse(r#"{"latency_us": {"p99": "soon"}}"#).is_err());
}

#[test]
fn the_worst_decides() {
    use {
        Standing::{Met, Missed},
        Verdict::{Invalid, Valid},
    };
    // check, objective, fault proven: verdict, exit code
    let table = [
        (Valid, Met, true, Valid, 0),
        (Valid, Standing::Unknown, true, Valid, 2),
        (Valid, Missed, true, Valid, 1),
        (Valid, Met, false, Verdict::Unknown, 2),
        (Verdict::Unknown, Met, true, Verdict::Unknown, 2),
        (Verdict::Unknown, Missed, true, Verdict::Unknown, 1),
        (Invalid, Met, true, Invalid, 1),
        (Invalid, Standing::Unknown, false, Invalid, 1),
    ];
    for (check, standing, proven, verdict, exit_code) in table {
        let mut results = Results {
            checks: vec![Check { model: "linearizable".into(), verdict: check, ..Check::default() }],
            objectives: vec![Objective { standing, ..Objective::default() }],
            faults: vec![Fault { proven, ..Fault::default() }],
            ..Results::default()
        };
        results.conclude();
        assert_eq!((results.verdict, results.exit_code), (verdict, exit_code), "{check:?} {standing:?} {proven}");
        assert_eq!(results.reasons.is_empty(), exit_code == 0, "{:?}", results.reasons);
    }
}

#[test]
fn nothing_checked_or_a_reason_to_doubt_is_never_valid() {
    let mut nothing = Results::default();
    nothing.conclude();
    assert_eq!(
        (nothing.verdict, nothing.exit_code, nothing.reasons[0].as_str()),
        (Verdict::Unknown, 2, "nothing was checked")
    );
    let valid = Check { model: "linearizable".into(), verdict: Verdict::Valid, ..Check::default() };
    let mut doubted =
        Results { checks: vec![valid], reasons: vec!["no write was ever ok".into()], ..Results::default() };
    doubted.conclude();
    assert_eq!((doubted.verdict, doubted.exit_code), (Verdict::Unknown, 2));
}

#[test]
fn what_was_measured_reaches_the_faults() {
    let results = sample::red();
    let recovery = results.faults[0].recovery.as_ref().unwrap();
    assert_eq!((recovery.state, recovery.shared_by.as_slice()), (RecoveryState::Recovered, &[1, 2][..]));
    assert_eq!(results.faults[1].recovery.as_ref(), Some(recovery), "fault 2 overlaps fault 1");
    assert!((recovery.seconds.unwrap() - 7.2).abs() < 0.06, "{recovery:?}");
    let asked: u64 = results.series.windows.iter().map(|window| window.asked).sum();
    assert_eq!(asked, results.operations.asked());
}
