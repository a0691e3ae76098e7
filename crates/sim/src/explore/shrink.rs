//! From a run that fails to the smallest that fails in the same way.
//!
//! Three steps. First *sooner*: other seeds under the same conditions, in runs half as long, and half of that. Then *simpler conditions*: without loss, tails, kinds of fault, with fewer servers, clients and keys; a change of conditions
//! shifts everything, so that each is tried with several seeds. Then the faults of that run are written down, and *single faults* deleted
//! (delta debugging: Zeller & Hildebrandt 2002), each with its relief; the rest of the run stays as it is, because every
//! participant draws from a stream of its own.

use std::time::Duration;

use crate::act::Act;
use crate::explore::case::{Case, Faults};
use crate::explore::run::{Finding, Run, Specimen};
use crate::faults::FaultMix;
use crate::trace::Transcript;

/// The smallest failing case that was found.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// The case.
    pub case: Case,
    /// Its run, with the story.
    pub run: Run,
    /// Runs that it took to find it.
    pub tries: u32,
}

/// A run that fails within this time is short enough.
const SHORTEST: Duration = Duration::from_millis(300);

/// Seeds that are tried for each simpler condition.
const SEEDS: u64 = 4;

/// Shrinks a case that fails with `finding`, within about so many events of further runs, or until somebody wants an end. The result fails by
/// the same oracle or model, and is the case itself if nothing smaller does.
///
/// # Errors
/// What is wrong with the case's parameters.
pub fn shrink(
    case: &Case,
    finding: &Finding,
    specimen: &dyn Specimen,
    events: u64,
    stop: &dyn Fn() -> bool,
) -> Result<Shrunk, String> {
    // Conditions are only the way to fewer steps: most of the time is for these.
    let mut shrinker = Shrinker { by: &finding.by, specimen, stop, left: events / 2, longest: u64::MAX, tries: 0 };
    let mut best = case.clone();
    shrinker.longest = case.run(specimen, Transcript::Off)?.events;
    shrinker.sooner(&mut best)?;
    shrinker.simplify(&mut best)?;
    shrinker.left += if stop() { 0 } else { events / 2 };
    if !shrinker.reduce_to_steps(&mut best)? {
        shrinker.write_down(&mut best)?;
        shrinker.delete_faults(&mut best)?;
    }
    let run = best.run(specimen, Transcript::Kinds)?;
    Ok(Shrunk { case: best, run, tries: shrinker.tries })
}

pub(super) struct Shrinker<'a> {
    pub(super) by: &'a str,
    pub(super) specimen: &'a dyn Specimen,
    /// Whether somebody wants an end.
    stop: &'a dyn Fn() -> bool,
    /// Events that may still be spent.
    pub(super) left: u64,
    /// Events of the shortest failing run so far: what is simpler and takes longer to fail costs more than it explains.
    longest: u64,
    tries: u32,
}

impl Shrinker<'_> {
    /// The run of a case if it fails in the same way. Settings that do not go together, as of a smaller cluster, fail in another.
    pub(super) fn fails(&mut self, case: &Case) -> Result<Option<Run>, String> {
        if self.left == 0 || (self.stop)() {
            self.left = 0;
            return Ok(None);
        }
        let Ok(run) = case.run(self.specimen, Transcript::Off) else { return Ok(None) };
        self.left = self.left.saturating_sub(cost(case, &run));
        self.tries += 1;
        let same = run.finding.as_ref().is_some_and(|finding| finding.by == self.by);
        Ok(same.then_some(run))
    }

    /// A run under the same conditions that fails in half of the time, by another seed; then in half of that. What leads to a failure late in
    /// a long run usually does so early in one of many short ones, and a short run has little to be deleted.
    fn sooner(&mut self, best: &mut Case) -> Result<(), String> {
        if is_endless(self.by) {
            return Ok(());
        }
        let enough = self.left / 2;
        let mut fails_at = best.run(self.specimen, Transcript::Off)?.simulated.min(best.storm);
        while fails_at > SHORTEST {
            let shorter = Case { forks: Vec::new(), storm: fails_at / 2, calm: Duration::ZERO, ..best.clone() };
            let mut found = None;
            while found.is_none() && self.left > enough {
                let seed = best.seed.wrapping_add(u64::from(self.tries) + 1);
                let case = Case { seed, ..shorter.clone() };
                found = self.fails(&case)?.map(|run| (case, run));
            }
            let Some((case, run)) = found else { return Ok(()) };
            (self.longest, fails_at) = (run.events, run.simulated.min(case.storm));
            *best = case;
        }
        Ok(())
    }

    /// Each simpler condition in turn, again and again until none can be kept.
    fn simplify(&mut self, best: &mut Case) -> Result<(), String> {
        loop {
            let mut simpler = false;
            for simplify in SIMPLER {
                let mut candidate = best.clone();
                simplify(&mut candidate);
                if candidate != *best
                    && let Some(found) = self.with_some_seed(&candidate)?
                {
                    (*best, simpler) = (found, true);
                }
            }
            for name in best.parameters.keys().cloned().collect::<Vec<_>>() {
                let mut candidate = best.clone();
                candidate.parameters.remove(&name);
                if let Some(found) = self.with_some_seed(&candidate)? {
                    (*best, simpler) = (found, true);
                }
            }
            if !simpler {
                return Ok(());
            }
        }
    }

    fn with_some_seed(&mut self, candidate: &Case) -> Result<Option<Case>, String> {
        for offset in 0..SEEDS {
            let case = Case { seed: candidate.seed.wrapping_add(offset), ..candidate.clone() };
            if let Some(run) = self.fails(&case)?.filter(|run| run.events <= self.longest) {
                self.longest = run.events;
                return Ok(Some(case));
            }
        }
        Ok(None)
    }

    /// From faults at random to the list of what they did, and no longer than until it fails.
    fn write_down(&mut self, best: &mut Case) -> Result<(), String> {
        let Some(run) = self.fails(best)? else { return Ok(()) };
        let by_oracle = run.simulated < best.storm;
        let storm = if by_oracle { run.simulated + Duration::from_nanos(1) } else { best.storm };
        let script = Case { faults: Faults::Script(run.acts), storm, ..best.clone() };
        if self.fails(&script)?.is_some() {
            *best = script;
        }
        Ok(())
    }

    /// Deletes halves, quarters and so on of the faults, down to single ones.
    fn delete_faults(&mut self, best: &mut Case) -> Result<(), String> {
        let Faults::Script(acts) = &best.faults else { return Ok(()) };
        let mut faults = pairs(acts);
        let mut size = faults.len().max(1);
        while size > 0 {
            let mut at = 0;
            while at < faults.len() {
                let kept: Vec<_> = faults
                    .iter()
                    .enumerate()
                    .filter(|(i, _)| *i < at || *i >= at + size)
                    .map(|(_, f)| f.clone())
                    .collect();
                let candidate = Case { faults: Faults::Script(flat(&kept)), ..best.clone() };
                if self.fails(&candidate)?.is_some() {
                    (*best, faults) = (candidate, kept);
                } else {
                    at += size;
                }
            }
            size /= 2;
        }
        Ok(())
    }
}

/// Whether it is a failure of a whole run, which no list of single steps shows: that nothing comes of it, or that there is no end of it.
pub(super) fn is_endless(by: &str) -> bool {
    matches!(by, "progress" | "livelock")
}

/// What a run cost, in events of an ordinary one: steps are looked up one by one, and a message that is like another is searched for.
fn cost(case: &Case, run: &Run) -> u64 {
    match &case.faults {
        Faults::Steps(steps) if steps.loose => 100 + 50 * steps.stages.len() as u64,
        Faults::Steps(steps) => 100 + 4 * steps.stages.len() as u64,
        _ => run.events.max(1),
    }
}

/// Changes that make a case simpler to understand.
const SIMPLER: &[fn(&mut Case)] = &[
    |case| edit(case, |mix| mix.partition = FaultMix::none().partition),
    |case| edit(case, |mix| mix.crash = FaultMix::none().crash),
    |case| edit(case, |mix| mix.crash_after_write = 0.0),
    |case| edit(case, |mix| mix.triggers.clear()),
    |case| edit(case, |mix| _ = mix.triggers.pop()),
    |case| edit(case, |mix| mix.pause = FaultMix::none().pause),
    |case| edit(case, |mix| mix.drift = FaultMix::none().drift),
    |case| edit(case, |mix| mix.jump = FaultMix::none().jump),
    |case| edit(case, |mix| mix.slow_link = FaultMix::none().slow_link),
    |case| edit(case, |mix| mix.flaky_link = FaultMix::none().flaky_link),
    |case| edit(case, |mix| mix.replay = FaultMix::none().replay),
    |case| edit(case, |mix| mix.slow_disk = FaultMix::none().slow_disk),
    |case| edit(case, |mix| mix.fail_disk = FaultMix::none().fail_disk),
    |case| edit(case, |mix| mix.fill_disk = FaultMix::none().fill_disk),
    |case| edit(case, |mix| mix.wipe = FaultMix::none().wipe),
    |case| edit(case, |mix| mix.rot = FaultMix::none().rot),
    |case| case.operator = Duration::ZERO,
    |case| case.nodes = case.nodes.min(3),
    |case| case.late = None,
    |case| case.loss = 0.0,
    |case| case.duplicate = 0.0,
    |case| case.tail = (0.0, Duration::ZERO),
    |case| case.keys = 1,
    |case| case.clients = case.clients.div_ceil(2).max(2),
    |case| case.storm = (case.storm / 2).max(Duration::from_millis(200)),
];

fn edit(case: &mut Case, change: impl FnOnce(&mut FaultMix)) {
    if let Faults::Drawn(mix) = &mut case.faults {
        change(mix);
    }
}

/// A fault and what undoes it.
type Fault = Vec<(u64, Act)>;

/// Acts by fault: each with its relief, so that they are deleted together.
fn pairs(acts: &[(u64, Act)]) -> Vec<Fault> {
    let mut faults: Vec<Fault> = Vec::new();
    for (at, act) in acts {
        let open = |fault: &&mut Fault| fault.len() == 1 && act.undoes(&fault[0].1);
        match faults.iter_mut().find(open) {
            Some(fault) => fault.push((*at, act.clone())),
            None => faults.push(vec![(*at, act.clone())]),
        }
    }
    faults
}

fn flat(faults: &[Fault]) -> Vec<(u64, Act)> {
    let mut acts: Vec<(u64, Act)> = faults.concat();
    acts.sort_by_key(|(at, _)| *at);
    acts
}
