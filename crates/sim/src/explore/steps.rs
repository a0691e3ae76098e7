//! A case as the steps of its participants: written down from a run, and played again.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::core::Options;
use crate::disk::Disk;
use crate::explore::case::{Case, Faults};
use crate::explore::run::{Finding, Run, Specimen};
use crate::network::Network;
use crate::steps::{Puppet, Stage, Step};
use crate::trace::{Line, Transcript};
use crate::world::World;

/// What happens, and nothing else does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Steps {
    /// Servers whose syncs are steps of their own; all others' disks are done at once.
    pub slow: Vec<u16>,
    /// Whether any message like the one that a step names will do.
    #[serde(default)]
    pub loose: bool,
    /// How long a step takes at least, so that what follows it is later.
    pub tick: Duration,
    /// What happens, in order.
    pub stages: Vec<Stage>,
}

/// A step that was taken, and what came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// The step.
    pub stage: Stage,
    /// When it was taken (ns).
    pub at: u64,
    /// For a message: its name, from whom, to whom, by place; and its kind.
    pub message: Option<(u64, u16, u16, &'static str)>,
    /// What it is in words, if that was asked for.
    pub lines: Vec<Line>,
    /// Clients whose operation it completed.
    pub completed: Vec<u32>,
}

impl Case {
    /// The same run as the steps of its participants. The case then has no faults and no load of its own.
    ///
    /// # Errors
    /// What is wrong with its parameters.
    pub(crate) fn in_steps(&self, specimen: &dyn Specimen) -> Result<Case, String> {
        let mut world = specimen.world(self, Options { record: true, ..self.options() })?;
        world.log_steps();
        self.go(&mut world, specimen);
        let stages = world.take_steps();
        let slow = (0..self.nodes as u16).collect();
        Ok(Case {
            faults: Faults::Steps(Steps { slow, stages, loose: false, tick: Duration::ZERO }),
            forks: Vec::new(),
            ..self.clone()
        })
    }

    /// Takes one step after another; those that cannot be taken are left out.
    pub(super) fn run_steps(
        &self,
        steps: &Steps,
        specimen: &dyn Specimen,
        transcript: Transcript,
    ) -> Result<Run, String> {
        let mut puppet = Puppet::new(
            specimen.world(self, self.still(transcript))?,
            steps.clients(),
            &steps.slow,
            steps.loose,
            steps.tick,
        );
        let mut taken = Vec::new();
        for stage in &steps.stages {
            let message = puppet.message(&stage.step);
            let waiting = puppet.waiting();
            if puppet.take(stage) {
                let completed = waiting.into_iter().filter(|client| !puppet.world.is_waiting(*client)).collect();
                let (at, lines) = (puppet.world.now().0, puppet.world.take_transcript());
                taken.push(Told { stage: stage.clone(), at, message, lines, completed });
            }
            if puppet.world.violation().is_some() {
                break;
            }
        }
        let finding = broken(&puppet.world).or_else(|| {
            let (by, sentence) = specimen.judge(&puppet.world.history())?;
            Some(Finding { by, sentence })
        });
        let story = taken.iter().flat_map(|told| told.lines.clone()).collect();
        Ok(Run { finding, story, steps: taken, ..Run::of(&puppet.world) })
    }

    /// A world in which nothing happens by itself.
    fn still(&self, transcript: Transcript) -> Options {
        let network = Network { latency: (Duration::ZERO, Duration::ZERO), ..Network::reliable() };
        let usual = self.options();
        let disk = Disk { sync: (Duration::ZERO, Duration::ZERO), ..usual.disk };
        Options { network, disk, record: true, codec_share: 0.0, coverage: false, transcript, ..usual }
    }
}

fn broken(world: &World) -> Option<Finding> {
    let violation = world.violation()?;
    let sentence = format!("{} (step of {})", violation.sentence, violation.node);
    Some(Finding { by: violation.oracle.clone(), sentence })
}

impl Steps {
    /// How many clients there must be.
    fn clients(&self) -> u32 {
        let clients = self.stages.iter().filter_map(|stage| match stage.step {
            Step::Invoke(client, _) | Step::Administer(client, ..) | Step::GiveUp(client) => Some(client + 1),
            _ => None,
        });
        clients.max().unwrap_or(0)
    }

    /// The clients that are asked for something.
    pub(super) fn asked(&self) -> BTreeSet<u32> {
        let asked = self.stages.iter().filter_map(|stage| match stage.step {
            Step::Invoke(client, _) | Step::Administer(client, ..) => Some(client),
            _ => None,
        });
        asked.collect()
    }
}
