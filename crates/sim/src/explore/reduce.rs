//! From a failing run to the few steps of it that matter.
//!
//! The run is written down as steps ([`Steps`]) and steps are deleted while the rest still fails: whole groups first, then halves,
//! quarters and so on, down to single ones (delta debugging: Zeller & Hildebrandt 2002). A deleted message never arrives, a deleted timer
//! never fires, and what depends on them falls away by itself.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::explore::case::{Case, Faults};
use crate::explore::run::Run;
use crate::explore::shrink::{Shrinker, is_endless};
use crate::explore::steps::{Steps, Told};
use crate::steps::{Stage, Step};

/// Passes over single steps: each deletion may make another possible.
const PASSES: usize = 4;

impl Shrinker<'_> {
    /// Turns the case into the steps that matter. `false` if its steps alone do not fail, as when nobody makes progress.
    pub(super) fn reduce_to_steps(&mut self, best: &mut Case) -> Result<bool, String> {
        if is_endless(self.by) {
            return Ok(false);
        }
        let mut steps = best.in_steps(self.specimen)?;
        let Some(run) = self.fails(&steps)? else { return Ok(false) };
        keep(&mut steps, &run);
        self.hasten_disks(&mut steps)?;
        self.delete_groups(&mut steps)?;
        self.delete_kinds(&mut steps)?;
        self.delete_chunks(&mut steps, usize::MAX)?;
        self.hasten(&mut steps)?;
        self.hasten_disks(&mut steps)?;
        self.ask_directly(&mut steps)?;
        for _ in 0..PASSES {
            let before = stages(&steps).len();
            self.delete_chunks(&mut steps, 8)?;
            if stages(&steps).len() == before {
                break;
            }
        }
        *best = steps;
        Ok(true)
    }

    /// Takes an edit of the steps over if they still fail.
    fn try_steps(&mut self, best: &mut Case, edit: impl FnOnce(&mut Steps)) -> Result<bool, String> {
        if self.left == 0 {
            return Ok(false);
        }
        let mut candidate = best.clone();
        let Faults::Steps(steps) = &mut candidate.faults else { return Ok(false) };
        edit(steps);
        let Some(run) = self.fails(&candidate)? else { return Ok(false) };
        keep(&mut candidate, &run);
        *best = candidate;
        Ok(true)
    }

    /// Disks that do not matter are done at once.
    fn hasten_disks(&mut self, best: &mut Case) -> Result<(), String> {
        let faster = |steps: &mut Steps, node: Option<u16>| {
            steps.slow.retain(|slow| node.is_some_and(|node| *slow != node));
            steps.loose = true;
        };
        if !self.try_steps(best, |steps| faster(steps, None))? {
            for node in 0..best.nodes as u16 {
                self.try_steps(best, |steps| faster(steps, Some(node)))?;
            }
        }
        Ok(())
    }

    /// Time passes only while somebody waits for a timer.
    fn hasten(&mut self, best: &mut Case) -> Result<(), String> {
        let hasten = |steps: &mut Steps| {
            steps.tick = Duration::from_micros(100);
            steps.stages.iter_mut().for_each(|stage| stage.at = 0);
        };
        self.try_steps(best, hasten).map(drop)
    }

    /// Clients ask the server that will do it, instead of looking for it.
    fn ask_directly(&mut self, best: &mut Case) -> Result<(), String> {
        let mut place = 0;
        while self.left > 0 && place < stages(best).len() {
            if let Step::Invoke(..) = &stages(best)[place].step {
                for node in 0..best.nodes as u16 {
                    let before = stages(best).len();
                    let direct = |steps: &mut Steps| {
                        steps.loose = true;
                        if let Step::Invoke(_, ask) = &mut steps.stages[place].step {
                            ask.aim_at(node);
                        }
                    };
                    let mut candidate = best.clone();
                    if self.try_steps(&mut candidate, direct)? && stages(&candidate).len() < before {
                        *best = candidate;
                    }
                }
            }
            place += 1;
        }
        Ok(())
    }

    /// Clients, servers and kinds of steps.
    fn delete_groups(&mut self, best: &mut Case) -> Result<(), String> {
        let Faults::Steps(steps) = &best.faults else { return Ok(()) };
        let clients: BTreeSet<u32> = steps.asked();
        self.try_steps(best, |steps| steps.stages.iter_mut().for_each(|stage| stage.more = false))?;
        self.try_steps(best, |steps| steps.stages.retain(|stage| !matches!(stage.step, Step::Lost(..))))?;
        self.try_steps(best, |steps| steps.stages.retain(|stage| !matches!(stage.step, Step::GiveUp(_))))?;
        for client in clients {
            self.try_steps(best, |steps| steps.stages.retain(|stage| !is_of_client(stage, client)))?;
        }
        for node in 0..best.nodes as u16 {
            self.try_steps(best, |steps| steps.stages.retain(|stage| !is_of_server(stage, node)))?;
        }
        Ok(())
    }

    /// All steps that are alike: messages of a kind, a timer of everybody, and so on; then those of one link or participant. What a protocol
    /// does all the time is most of a long run, and seldom why it fails.
    fn delete_kinds(&mut self, best: &mut Case) -> Result<(), String> {
        for look in [everywhere, of_one] {
            let kinds: BTreeSet<String> = stages(best).iter().filter_map(|stage| look(&stage.step)).collect();
            for kind in kinds {
                self.try_steps(best, |steps| steps.stages.retain(|stage| look(&stage.step).as_ref() != Some(&kind)))?;
            }
        }
        Ok(())
    }

    /// Deletes stretches of the steps, from the longest of at most `size` to single steps, the last first.
    fn delete_chunks(&mut self, best: &mut Case, size: usize) -> Result<(), String> {
        let mut size = (stages(best).len() / 2).min(size).max(1);
        loop {
            let mut end = stages(best).len();
            while end > 0 && self.left > 0 {
                let start = end.saturating_sub(size);
                self.try_steps(best, |steps| drop(steps.stages.drain(start..end)))?;
                end = start.min(stages(best).len());
            }
            if size == 1 {
                return Ok(());
            }
            size /= 2;
        }
    }
}

fn stages(case: &Case) -> &[Stage] {
    match &case.faults {
        Faults::Steps(steps) => &steps.stages,
        _ => &[],
    }
}

/// Leaves only what was taken.
fn keep(case: &mut Case, run: &Run) {
    if let Faults::Steps(steps) = &mut case.faults {
        steps.stages = run.steps.iter().map(taken).collect();
        steps.loose = false;
    }
}

/// A step as it was taken: with the message that came.
fn taken(told: &Told) -> Stage {
    let step = match (&told.stage.step, told.message) {
        (Step::Deliver(..), Some((name, from, to, kind))) => Step::Deliver(name, from, to, kind.into()),
        (step, _) => step.clone(),
    };
    Stage { step, ..told.stage.clone() }
}

/// What a step is like, wherever it happens.
fn everywhere(step: &Step) -> Option<String> {
    match step {
        Step::Deliver(.., kind) => Some(kind.clone()),
        Step::Timer(_, timer) => Some(format!("timer {timer}")),
        Step::Sync(..) | Step::Told(_) => Some("disk".into()),
        Step::Administer(..) => Some("operator".into()),
        Step::Act(..) => Some("act".into()),
        Step::Lost(..) | Step::Invoke(..) | Step::GiveUp(_) => None,
    }
}

/// What it is like, and whose it is.
fn of_one(step: &Step) -> Option<String> {
    match step {
        Step::Deliver(_, from, to, kind) => Some(format!("{kind} {from} {to}")),
        Step::Timer(who, timer) => Some(format!("timer {timer} {who}")),
        Step::Act(act, ..) => Some(format!("act {:?}", act.server())),
        _ => None,
    }
}

fn is_of_client(stage: &Stage, client: u32) -> bool {
    matches!(stage.step, Step::Invoke(other, _) | Step::Administer(other, ..) | Step::GiveUp(other) if other == client)
}

fn is_of_server(stage: &Stage, node: u16) -> bool {
    match &stage.step {
        Step::Timer(who, _) | Step::Sync(who, _) | Step::Told(who) | Step::Lost(who, ..) => *who == node,
        Step::Act(act, ..) => act.server() == Some(node),
        Step::Deliver(..) | Step::Invoke(..) | Step::Administer(..) | Step::GiveUp(_) => false,
    }
}
