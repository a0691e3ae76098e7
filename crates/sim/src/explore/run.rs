//! One run of a case, and what it showed.

use std::time::Duration;

use base::{NodeId, Rng, Seed};
use history::{Action, Operation, Outcome, Request};
use proto::{Parameters, Target};

use crate::act::Act;
use crate::core::{Options, Violation};
use crate::explore::case::{Case, Faults, Fork};
use crate::explore::steps::Told;
use crate::faults::Failure;
use crate::network::Network;
use crate::trace::{Line, Transcript};
use crate::world::World;

/// A protocol as the hunt sees it.
pub trait Specimen {
    /// A world of the case's servers, booted.
    ///
    /// # Errors
    /// What is wrong with the case's parameters.
    fn world(&self, case: &Case, options: Options) -> Result<World, String>;

    /// Settings of the protocol that may differ from case to case: what is legal, and rarely chosen, finds what the defaults hide.
    fn knobs(&self, _rng: &mut Rng, _nodes: usize) -> Parameters {
        Parameters::new()
    }

    /// At most so many things that an operator of such a cluster may ask for, one after another; none if the protocol has no such things.
    fn actions(&self, _rng: &mut Rng, _nodes: usize, _most: usize) -> Vec<(Action, Target)> {
        Vec::new()
    }

    /// The names of the rare paths that its actors speak of.
    fn marks(&self) -> &'static [&'static str] {
        &[]
    }

    /// What clients saw: the name of the model that it breaks, and why; `None` if it breaks none.
    fn judge(&self, history: &[Operation]) -> Option<(String, String)>;
}

/// What a run showed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Run {
    /// Events that happened.
    pub events: u64,
    /// Messages that were sent.
    pub messages: u64,
    /// Simulated time that went by.
    pub simulated: Duration,
    /// Operations that clients asked for.
    pub operations: usize,
    /// The trace hash.
    pub hash: u64,
    /// What went wrong.
    pub finding: Option<Finding>,
    /// What the storm did, with its instants (ns).
    pub acts: Vec<(u64, Act)>,
    /// The story, if it was asked for.
    pub story: Vec<Line>,
    /// The steps that were taken, if the case consists of steps.
    pub steps: Vec<Told>,
    /// Edges between abstract states that servers went over: [`World::coverage`].
    pub coverage: Vec<(u16, u64)>,
    /// Rare paths that were taken, a bit for each of [`Specimen::marks`].
    pub marks: u64,
}

/// What it took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Events that happened.
    pub events: u64,
    /// Messages that were sent.
    pub messages: u64,
    /// Operations that clients asked for.
    pub operations: usize,
    /// Simulated time that went by.
    pub simulated: Duration,
}

/// Something that must not happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The oracle or model that says so; `progress` if clients are left without answers.
    pub by: String,
    /// What happened, in a sentence.
    pub sentence: String,
}

impl Run {
    /// What it took, from the beginning.
    pub fn figures(&self) -> Figures {
        let Run { events, messages, operations, simulated, .. } = *self;
        Figures { events, messages, operations, simulated }
    }

    /// The figures of a world.
    pub(super) fn of(world: &World) -> Run {
        Run {
            events: world.events(),
            messages: world.messages(),
            simulated: Duration::from_nanos(world.now().0),
            operations: world.history().len(),
            hash: world.trace_hash(),
            acts: world.storm_so_far().iter().map(|(at, act)| (at.0, act.clone())).collect(),
            coverage: world.coverage().to_vec(),
            marks: world.marks(),
            ..Run::default()
        }
    }
}

impl Case {
    /// Runs the case: a storm, then calm and a demand for progress, then judgement on what clients saw.
    ///
    /// # Errors
    /// What is wrong with its parameters.
    pub fn run(&self, specimen: &dyn Specimen, transcript: Transcript) -> Result<Run, String> {
        if let Faults::Steps(steps) = &self.faults {
            return self.run_steps(steps, specimen, transcript);
        }
        let mut world = specimen.world(self, Options { transcript, ..self.options() })?;
        let finding = self.go(&mut world, specimen);
        Ok(judged(world, finding, specimen))
    }

    /// Runs cases that have this case's past, and each its own last fork at the same instant: the past once, if the world can be copied,
    /// and not once for each. The first run's figures count the past, those of the others do not.
    ///
    /// # Errors
    /// What is wrong with its parameters.
    pub fn run_futures(&self, futures: &[Case], specimen: &dyn Specimen) -> Result<Vec<(Run, Figures)>, String> {
        let Some(at) = futures.first().and_then(|future| future.forks.last()).map(|fork| fork.at) else {
            return Ok(Vec::new());
        };
        let mut world = specimen.world(self, self.options())?;
        self.begin(&mut world, specimen);
        let past = self.branch(&mut world, &self.forks).and_then(|()| reach(&mut world, at));
        let shared = Run::of(&world).figures();
        let mut runs = Vec::with_capacity(futures.len());
        for future in futures {
            let (run, shared) = match world.copy().filter(|_| past.is_ok()) {
                Some(mut world) => {
                    let fork = future.forks.len() - 1;
                    let finding = future.endure(&mut world, &future.forks[fork..]);
                    (judged(world, finding, specimen), if runs.is_empty() { Figures::default() } else { shared })
                }
                None => (future.run(specimen, Transcript::Off)?, Figures::default()),
            };
            let figures = run.figures().minus(shared);
            runs.push((run, figures));
        }
        Ok(runs)
    }

    /// Load and both phases, without judgement on what clients saw.
    pub(super) fn go(&self, world: &mut World, specimen: &dyn Specimen) -> Option<Finding> {
        self.begin(world, specimen);
        self.endure(world, &self.forks)
    }

    /// Everybody begins to ask, and faults to strike.
    fn begin(&self, world: &mut World, specimen: &dyn Specimen) {
        let (seed, nodes, keys) = (self.seed, self.nodes, self.keys);
        world.drive(self.clients, (Duration::ZERO, self.think), move |index| {
            Some(Case::operation(seed, nodes, keys, index))
        });
        if !self.operator.is_zero() {
            // Two of them, who know nothing of each other.
            for operator in 0..2 {
                world.operate((self.operator, self.operator * 3), self.actions(specimen, operator));
            }
        }
        match &self.faults {
            Faults::Drawn(mix) => world.begin_storm((**mix).clone()),
            Faults::Steps(_) => {}
            Faults::Script(_) => world.play_storm(&self.script().unwrap_or_default()),
        }
    }

    /// Both phases, from before these forks on. What they break is found by oracles, or by an operation that waits in vain.
    fn endure(&self, world: &mut World, forks: &[Fork]) -> Option<Finding> {
        let storm = self.branch(world, forks).and_then(|()| reach(world, self.storm.as_nanos() as u64));
        let outcome = storm.map_err(Failure::from).and_then(|()| match self.calm.is_zero() {
            true => Ok(()),
            false => self.ask_everyone(world),
        });
        match outcome {
            Err(Failure::Unsafe(violation)) => {
                let sentence = format!("{} (step of {} at {})", violation.sentence, violation.node, violation.at);
                Some(Finding { by: violation.oracle, sentence })
            }
            Err(stuck @ Failure::Stuck { .. }) => Some(Finding { by: "progress".into(), sentence: stuck.to_string() }),
            Ok(()) => None,
        }
    }

    /// Takes another future from each fork on.
    fn branch(&self, world: &mut World, forks: &[Fork]) -> Result<(), Violation> {
        for fork in forks {
            reach(world, fork.at)?;
            world.fork(fork.salt);
            if fork.anew && matches!(self.faults, Faults::Drawn(_)) {
                let (mix, network) = self.anew(fork.salt);
                world.change_storm(mix);
                *world.network_mut() = network;
            }
        }
        Ok(())
    }

    /// With servers, clocks and network well again and nobody else asking, every server must do a write within the time. More cannot be
    /// demanded of all protocols: rivals may keep each other from it (Fischer, Lynch & Paterson 1985).
    fn ask_everyone(&self, world: &mut World) -> Result<(), Failure> {
        let ms = Duration::from_millis;
        world.calm();
        *world.network_mut() = Network { latency: (ms(1), ms(2)), ..Network::reliable() };
        world.stop_load();
        world.run_until(ms(1_000), |world| world.under_way() == 0)?;
        // A server that lost what it promised to keep stays down: nobody can ask it for anything.
        for node in NodeId::all(self.nodes).filter(|node| world.is_up(*node)).collect::<Vec<_>>() {
            let (client, end) = (world.add_client(), world.now() + self.calm);
            let mut value = u64::from(client) << 32;
            loop {
                value += 1;
                let token = world.invoke(client, Request::write(0, value), Target::Node(node));
                world.run_until(self.calm, |world| !world.is_waiting(client))?;
                let done = token.and_then(|token| world.operation(token));
                if done.is_some_and(|operation| operation.completion.outcome == Outcome::Ok) {
                    break;
                }
                if world.now() >= end {
                    return Err(Failure::Stuck { clients: vec![client], waited: self.calm, seed: Seed(self.seed) });
                }
            }
        }
        Ok(())
    }
}

impl Figures {
    fn minus(self, past: Figures) -> Figures {
        Figures {
            events: self.events - past.events,
            messages: self.messages - past.messages,
            operations: self.operations - past.operations,
            simulated: self.simulated - past.simulated,
        }
    }
}

/// Lets time pass up to an instant (ns).
fn reach(world: &mut World, at: u64) -> Result<(), Violation> {
    world.run_for(Duration::from_nanos(at.saturating_sub(world.now().0)))
}

/// A run that is over, with judgement on what clients saw.
fn judged(mut world: World, finding: Option<Finding>, specimen: &dyn Specimen) -> Run {
    let finding = finding.or_else(|| {
        let (by, sentence) = specimen.judge(&world.history())?;
        Some(Finding { by, sentence })
    });
    Run { finding, story: world.take_transcript(), ..Run::of(&world) }
}
