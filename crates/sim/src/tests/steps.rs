//! Runs written down as steps, and played again.

use base::Rng;
use history::Operation;

use crate::explore::{Case, Faults, Finding, Scope, Specimen, Steps, shrink};
use crate::{Act, Options, Step, Transcript, World};

use super::store::Store;

/// The toy store, told to acknowledge before it has synced or not to.
struct Toy {
    hasty: bool,
}

impl Specimen for Toy {
    fn world(&self, case: &Case, options: Options) -> Result<World, String> {
        Ok(World::new(Store { hasty: self.hasty }, case.nodes, options))
    }

    fn knobs(&self, _rng: &mut Rng, _nodes: usize) -> proto::Parameters {
        proto::Parameters::new()
    }

    fn judge(&self, _history: &[Operation]) -> Option<(String, String)> {
        None
    }
}

fn scope() -> Scope {
    Scope { calm: std::time::Duration::ZERO, storm: super::ms(2_000), ..Scope::default() }
}

fn steps(case: &Case) -> &Steps {
    let Faults::Steps(steps) = &case.faults else { panic!("not in steps") };
    steps
}

/// A server that answers every greeting by two.
struct Chatter;

impl Specimen for Chatter {
    fn world(&self, case: &Case, options: Options) -> Result<World, String> {
        Ok(super::probe::chatter(case.nodes, options))
    }

    fn judge(&self, _history: &[Operation]) -> Option<(String, String)> {
        None
    }
}

#[test]
fn a_storm_of_messages_is_a_livelock_and_its_case_is_kept() {
    let case = Case { faults: Faults::Script(Vec::new()), ..Case::draw(1, &scope(), &Chatter) };
    let run = case.run(&Chatter, Transcript::Off).expect("it runs");
    let finding = run.finding.expect("a livelock");
    assert_eq!(finding.by, "livelock", "{}", finding.sentence);
    assert!(run.messages < 1_000_000, "{} messages", run.messages);
    let shrunk = shrink(&case, &finding, &Chatter, 500_000, &|| false).expect("it runs");
    assert_eq!(shrunk.run.finding.map(|finding| finding.by).as_deref(), Some("livelock"), "it repeats");
}

#[test]
fn what_a_run_did_happens_again_step_by_step() {
    let toy = Toy { hasty: false };
    for seed in 0..30 {
        let case = Case::draw(seed, &scope(), &toy);
        let first = case.run(&toy, Transcript::Off).expect("it runs");
        let again = case.in_steps(&toy).expect("it runs");
        let run = again.run(&toy, Transcript::Off).expect("it runs");
        let missing = steps(&again).stages.iter().find(|stage| run.steps.iter().all(|told| told.stage.id != stage.id));
        assert_eq!(missing, None, "seed {seed}: every step can be taken again");
        assert_eq!((run.operations, run.finding), (first.operations, None), "seed {seed}");
    }
}

/// Any part of a run is a run: the correct store keeps its promise in all of them.
#[test]
fn a_part_of_a_correct_run_is_correct() {
    let toy = Toy { hasty: false };
    let mut taken = 0;
    for seed in 0..60 {
        let mut case = Case::draw(seed, &scope(), &toy).in_steps(&toy).expect("it runs");
        let mut rng = Rng::new(base::Seed(seed));
        let share = [0.1, 0.5, 0.9][rng.below(3) as usize];
        let Faults::Steps(steps) = &mut case.faults else { panic!("not in steps") };
        steps.stages.retain(|_| rng.chance(share));
        let run = case.run(&toy, Transcript::Off).expect("it runs");
        assert_eq!(run.finding, None, "seed {seed}");
        taken += run.steps.len();
    }
    assert!(taken > 1_000, "{taken} steps say something");
}

#[test]
fn a_find_is_cut_to_the_steps_that_matter() {
    let toy = Toy { hasty: true };
    let found = |seed: &u64| -> Option<(Case, Finding)> {
        let case = Case::draw(*seed, &scope(), &toy);
        let finding = case.run(&toy, Transcript::Off).expect("it runs").finding?;
        Some((case, finding))
    };
    let (case, finding) = (0..100).find_map(|seed| found(&seed)).expect("one of the seeds finds it");
    let shrunk = shrink(&case, &finding, &toy, 5_000_000, &|| false).expect("it runs");
    let stages = &steps(&shrunk.case).stages;
    // A write, its arrival, the crash that forgets it, and the boot that shows it.
    assert!((3..=6).contains(&stages.len()), "{stages:?}");
    assert!(stages.iter().any(|stage| matches!(&stage.step, Step::Act(Act::Crash(_) | Act::CrashBetween(..), ..))));
    assert_eq!(shrunk.run.finding.map(|finding| finding.by), Some(finding.by));
    let text = shrunk.run.story.iter().map(|line| line.text.as_str()).collect::<Vec<_>>().join("\n");
    assert!(text.contains("crashes") && text.contains("restarts"), "{text}");
}
