//! What plans say about workload and load, and what is said about wrong plans.

use std::time::Duration;

use base::Seed;
use expect_test::{Expect, expect};
use history::Function;
use plan::Document;
use workload::{Arrivals, Piece, Profile, Shape, Spacing, Workload};

/// Reads both sections; what is wrong, or what they say and the plan with its defaults.
fn check(text: &str, expected: Expect) {
    let document = Document::parse("my.toml", text).unwrap();
    let root = document.root();
    let workload = Workload::from_plan(&root.section("workload"), Seed(1));
    let profile = Profile::from_plan(&root.section("load"), Seed(1));
    match document.finish() {
        Err(wrong) => expected.assert_eq(&wrong.to_string()),
        Ok(()) => {
            let (workload, mut generator) = workload.expect("nothing is wrong");
            let mut counts = [0; Function::ALL.len()];
            (0..1000).for_each(|i| counts[generator.request(i).function as usize] += 1);
            let said = format!("{} {counts:?} {:?}\n{}", workload.name, profile.unwrap(), document.effective());
            expected.assert_eq(&said);
        }
    }
}

#[test]
fn a_plan_needs_a_rate_and_nothing_else() {
    check(
        "[load]\nrate = '500/s'",
        expect![[r#"
            register [485, 515, 0] Open(Arrivals { shape: Constant { rate: 500.0 }, spacing: Even })
            format = 1

            [load]
            rate = "500/s"
            profile = "constant"

            [workload]
            kind = "register"
            keys = 50
            distribution = "uniform"
            value_size = "16B"

            [workload.mix]
            read = "50%"
            write = "50%"
        "#]],
    );
}

#[test]
fn everything_can_be_chosen() {
    check(
        "[workload]
kind = 'cas-register'
keys = 7
distribution = 'zipfian'
theta = 0.8
value_size = '1KiB'
mix = { read = '20%', write = '40%', cas = '40%' }
[load]
profile = 'closed'
processes = 8
think = '5ms'",
        expect![[r#"
            cas-register [165, 431, 404] Closed { processes: 8, think: 5ms }
            format = 1

            [workload]
            kind = "cas-register"
            keys = 7
            distribution = "zipfian"
            theta = 0.8
            value_size = "1KiB"

            [workload.mix]
            read = "20%"
            write = "40%"
            cas = "40%"

            [load]
            profile = "closed"
            processes = 8
            think = "5ms"
        "#]],
    );
}

#[test]
fn everything_wrong_is_told_at_once() {
    check(
        "[workload]
kind = 'cas-register'
mix = { read = '60%', cas = '30%' }
value_size = '4B'
[load]
profile = 'sine'
rate = '100/s'
amplitude = '200/s'
perod = '2s'",
        expect![[r#"
            error: the shares of `workload.mix` are 90.0 % together
             --> my.toml:3:7
              |
            3 | mix = { read = '60%', cas = '30%' }
              |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
              = help: make them 100 %

            error: a value of 4 bytes
             --> my.toml:4:14
              |
            4 | value_size = '4B'
              |              ^^^^
              = help: choose from 8 bytes to less than 16 MiB

            error: missing setting `load.period`
             --> my.toml:5:2
              |
            5 | [load]
              |  ^^^^
              = help: add `period`, a duration like `250ms`

            error: unknown setting `perod` in `[load]`
             --> my.toml:9:1
              |
            9 | perod = '2s'
              | ^^^^^
              = help: did you mean `period`?
        "#]],
    );
}

#[test]
fn a_wrong_name_gets_a_suggestion() {
    check(
        "[workload]\nkind = 'regster'\n[load]\nprofile = 'poison'\nrate = '1/s'",
        expect![[r#"
        error: `workload.kind`: there is no `regster`
         --> my.toml:2:8
          |
        2 | kind = 'regster'
          |        ^^^^^^^^^
          = help: did you mean `register`?

        error: `load.profile`: there is no `poison`
         --> my.toml:4:11
          |
        4 | profile = 'poison'
          |           ^^^^^^^^
          = help: did you mean `poisson`?
    "#]],
    );
}

#[test]
fn a_mix_without_writes_cannot_repair_its_guesses() {
    check(
        "[workload]\nkind = 'cas-register'\nmix = { read = '50%', cas = '50%' }\n[load]\nrate = '1/s'",
        expect![[r#"
        error: compare-and-sets without writes: after one wrong guess no guess comes true again
         --> my.toml:3:7
          |
        3 | mix = { read = '50%', cas = '50%' }
          |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
          = help: give `write` a share of `mix`
    "#]],
    );
}

#[test]
fn shapes_are_read_as_written() {
    let read = |text: &str| {
        let document = Document::parse("my.toml", text).unwrap();
        let profile = Profile::from_plan(&document.root().section("load"), Seed(1));
        document.finish().unwrap();
        profile.unwrap()
    };
    let piece = |rate, seconds| Piece { rate, lasts: Duration::from_secs(seconds) };
    let Profile::Open(Arrivals { shape, spacing }) = read("[load]\nprofile='steps'\nsteps=['1/s','2/s']\nevery='3s'")
    else {
        panic!("an open loop")
    };
    assert_eq!((shape, spacing), (Shape::Steps(vec![piece(1.0, 3), piece(2.0, 3)]), Spacing::Even));
    let spike = read("[load]\nprofile='spike'\nrate='10/s'\npeak='100/s'\nat='2s'\nlasts='1s'\nspacing='poisson'");
    assert_eq!(spike.asked_by(Duration::from_secs(10)), Some(20.0 + 100.0 + 70.0));
    let ramp = read("[load]\nprofile='ramp'\nto='100/s'\nover='10s'");
    assert_eq!(ramp.asked_by(Duration::from_secs(10)), Some(500.0));
}

#[test]
fn every_setting_is_documented() {
    let sections = [workload::sections(), workload::LOAD.to_vec()].concat();
    for profile in ["constant", "poisson", "ramp", "steps", "spike", "sine", "closed"] {
        for (kind, distribution) in [("register", "zipfian"), ("cas-register", "hotspot")] {
            let text = format!(
                "[workload]\nkind='{kind}'\ndistribution='{distribution}'\n[load]\nprofile='{profile}'\nrate='1/s'"
            );
            let document = Document::parse("my.toml", &text).unwrap();
            let _ = Workload::from_plan(&document.root().section("workload"), Seed(1));
            let _ = Profile::from_plan(&document.root().section("load"), Seed(1));
            assert_eq!(plan::reference::undocumented(&document, &sections), Vec::<String>::new());
        }
    }
}
