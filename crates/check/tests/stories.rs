//! What people are told: verdicts, witnesses in words, lost writes.

use check::{LINEARIZABLE, Model, Options, Report, Verdict, check, lost_writes};
use expect_test::{Expect, expect};
use history::History;
use testkit::timeline;

fn judge(drawing: &str) -> Report {
    check(&timeline(drawing), &LINEARIZABLE, &Options { own_run: true, ..Options::default() })
}

fn tells(drawing: &str, expected: &Expect) {
    let report = judge(drawing);
    let mut out = format!("{}\n", report.verdict);
    for anomaly in &report.anomalies {
        out.push_str(&format!("{}\n", anomaly.title));
        anomaly.story.iter().for_each(|sentence| out.push_str(&format!("  {sentence}\n")));
        let svg = anomaly.svg();
        assert!(svg.starts_with("<svg") && svg.ends_with("</svg>") && !svg.contains("script"));
        assert_eq!(svg.matches("<rect").count(), anomaly.operations.len(), "a bar per operation");
    }
    expected.assert_eq(&out);
}

#[test]
fn a_read_must_not_go_back_in_time() {
    tells(
        "p0: [w x=1]
         p1:         [r x=1]
         p2:                 [r x=nil]",
        &expect![[r#"
            invalid
            stale read, key 0
              At first the key held nothing; then p0 wrote 1 (0.001000 s to 0.007000 s).
              But at 0.017000 s p2 asked n1 and read nothing, 10.0 ms after p0's write of 1 had returned: so nothing came after 1.
              Nothing deletes, so a key is empty only before its first write.
        "#]],
    );
}

#[test]
fn a_value_that_was_replaced_must_not_come_back() {
    tells(
        "p0: [w x=1]  [w x=2]
         p1:                   [r x=2]
         p2: [r x=1]                    [r x=1]",
        &expect![[r#"
            invalid
            stale read, key 0
              p0 wrote 1 (0.001000 s to 0.007000 s). After that p0 wrote 2 (0.010000 s to 0.016000 s): so 2 came after 1.
              But at 0.028000 s p2 asked n1 and read 1, 12.0 ms after p0's write of 2 had returned: so 1 came after 2.
              Each value was written once, so 1 cannot come both before and after 2.
        "#]],
    );
}

#[test]
fn an_acknowledged_write_must_be_seen() {
    tells(
        "p0: [w x=1]  [w x=2]
         p1:                   [r x=1]",
        &expect![[r#"
            invalid
            stale read, key 0
              p0 wrote 1 (0.001000 s to 0.007000 s). After that p0 wrote 2 (0.010000 s to 0.016000 s): so 2 came after 1.
              But at 0.019000 s p1 asked n1 and read 1, 3.00 ms after p0's write of 2 had returned: so 1 came after 2.
              Each value was written once, so 1 cannot come both before and after 2.
        "#]],
    );
}

#[test]
fn a_value_must_have_been_written_and_before_it_is_read() {
    tells(
        "p0: [r x=7]\np1: [w x=1]",
        &expect![[r#"
            invalid
            phantom read, key 0
              p0 read 7 (0.001000 s to 0.007000 s), but nobody ever wrote 7.
        "#]],
    );
    tells(
        "p0: [w x=7 !]\np1:            [r x=7]",
        &expect![[r#"
            invalid
            aborted read, key 0
              p0 failed to write 7 (other) (0.001000 s to 0.009000 s), so that value 7 must never be seen.
              But p1 read 7 (0.012000 s to 0.018000 s).
        "#]],
    );
    tells(
        "p0: [r x=7]\np1:           [w x=7]",
        &expect![[r#"
            invalid
            read from the future, key 0
              p0 read 7 (0.001000 s to 0.007000 s).
              But the only write of 7 was invoked by p1 later, at 0.011000 s.
        "#]],
    );
}

#[test]
fn one_value_is_replaced_once() {
    tells(
        "p0: [w x=1]
         p1:          [cas x=1->2]
         p2:           [cas x=1->3]",
        &expect![[r#"
            invalid
            lost update, key 0
              p1 replaced 1 by 2 (0.010000 s to 0.021000 s).
              p2 replaced 1 by 3 (0.011000 s to 0.022000 s).
              Both replaced 1, but 1 was written only once: one of the two updates was lost.
        "#]],
    );
}

#[test]
fn a_failed_cas_saw_another_value() {
    tells(
        "p0: [w x=1]                 [r x=1]
         p1:         [cas x=1->2 !]",
        &expect![[r#"
            invalid
            no order explains what was seen, key 0
              p0 wrote 1 (0.001000 s to 0.007000 s).
              p1 failed to replace 1 by 2 (precondition-failed) (0.009000 s to 0.022000 s).
              No order of these operations that respects their times explains what they returned.
        "#]],
    );
    // An unknown write may have been there for a moment.
    tells(
        "p0: [w x=1]                 [r x=2]
         p1:         [cas x=1->3 !]  [cas x=2->4]
         p2:    [w x=2 ?]",
        &expect![[r#"
            valid
        "#]],
    );
}

#[test]
fn an_unknown_write_may_happen_late_or_never() {
    tells(
        "p0: [w x=1]                 [r x=1]   [r x=2]\np1:  [w x=2 ?]",
        &expect![[r#"
        valid
    "#]],
    );
    tells(
        "p0: [w x=1]                 [r x=1]\np1:  [w x=2 ?]   [w y=1]",
        &expect![[r#"
        valid
    "#]],
    );
}

#[test]
fn a_run_that_never_succeeds_has_proved_nothing() {
    tells(
        "p0: [w x=1 ?]   [w x=2 !]\np1: [r x=nil]",
        &expect![[r#"
        unknown: no write was ever ok
    "#]],
    );
    let nothing = check(&History::default(), &LINEARIZABLE, &Options { own_run: true, ..Options::default() });
    assert_eq!(nothing.verdict.name(), "unknown");
    let imported = check(&timeline("p0: [w x=1 ?]"), &LINEARIZABLE, &Options::default());
    assert_eq!(imported.verdict, Verdict::Valid, "an imported history is judged as it is");
}

#[test]
fn what_the_budget_does_not_reach_is_unknown() {
    let history = timeline("p0: [w x=1 ]\np1: [w x=1 ]\np2: [w x=2 ]\np3: [r x=2 ]\np4: [r x=1 ]");
    let report = check(&history, &LINEARIZABLE, &Options { budget: 1, ..Options::default() });
    expect!["unknown: key 0: the budget of the exact search ran out at 0.008 s; it is consistent up to there"]
        .assert_eq(&report.verdict.to_string());
}

#[test]
fn the_worst_verdict_wins() {
    let unknown = || Verdict::unknown("why");
    assert_eq!(Verdict::Valid.merge(unknown()), unknown());
    assert_eq!(unknown().merge(Verdict::Invalid), Verdict::Invalid);
    assert_eq!(Verdict::Valid.merge(Verdict::Valid), Verdict::Valid);
    assert_eq!(Model::find("linearizable").map(|model| model.name), Some("linearizable"));
    assert!(Model::find("linearisable").is_none());
}

fn loses(drawing: &str, expected: &Expect) {
    let history = timeline(drawing);
    let told = |lost: check::LostWrite| {
        let (write, read) = (history.operations.get(lost.write as usize), history.operations.get(lost.read as usize));
        format!("{} of {} by {}, final read {}\n", check::explain::deed(&write), lost.key, write.process, read.process)
    };
    expected.assert_eq(&lost_writes(&history).into_iter().map(told).collect::<String>());
}

#[test]
fn a_write_is_lost_when_the_final_reads_leave_no_room_for_it() {
    // Acknowledged, gone: the final value is older.
    loses(
        "p0: [w x=1]  [w x=2]\np1:                   [final r x=1]",
        &expect![[r#"
        wrote 2 of 0 by p0, final read p1
    "#]],
    );
    loses(
        "p0: [w x=1]  [w x=2 ?]\np1:                    [final r x=nil]",
        &expect![[r#"
        wrote 1 of 0 by p0, final read p1
    "#]],
    );
    // Overwritten is not lost, nor is what may have been before the final value.
    loses("p0: [w x=1]  [w x=2]\np1:                   [final r x=2]", &expect![[r#""#]]);
    loses("p0: [w x=1]  \np1:  [w x=2]\np2:             [final r x=1]", &expect![[r#""#]]);
    // Without final reads nobody can say.
    loses("p0: [w x=1]  [w x=2]\np1:                   [r x=1]", &expect![[r#""#]]);
}
