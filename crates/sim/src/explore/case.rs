//! What one run is made of, and how it is drawn from a seed.

use std::time::Duration;

use base::{NodeId, Rng, Seed, Time};
use history::{Action, Request};
use proto::{Parameters, Target};
use serde::{Deserialize, Serialize};

use crate::act::Act;
use crate::core::Options;
use crate::disk::{Disk, Unsynced};
use crate::explore::run::Specimen;
use crate::explore::steps::Steps;
use crate::explore::swarm::{Level, draw_triggers, stage};
use crate::faults::FaultMix;
use crate::network::{Late, Network};
use crate::trigger::Blow;

/// What every case of a hunt has in common.
#[derive(Clone, Debug, PartialEq)]
pub struct Scope {
    /// Sizes of cluster to draw from.
    pub nodes: Vec<usize>,
    /// How long faults strike, in simulated time.
    pub storm: Duration,
    /// How long after it a server may take to do a write, in simulated time; zero does not ask for progress.
    pub calm: Duration,
    /// Settings of the protocol that are the same in every case: the planted bug, say.
    pub parameters: Parameters,
    /// How clever it is.
    pub level: Level,
}

impl Default for Scope {
    fn default() -> Self {
        Scope {
            nodes: vec![3, 3, 3, 4, 4, 5, 5],
            storm: Duration::from_secs(10),
            calm: Duration::from_secs(8),
            parameters: Parameters::new(),
            level: Level::default(),
        }
    }
}

/// Everything that one run is made of, but for the protocol's code. Equal cases give equal runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Case {
    /// For all that is not written down here.
    pub seed: u64,
    /// Servers.
    pub nodes: usize,
    /// Settings of the protocol.
    pub parameters: Parameters,
    /// Clients, each with one operation after another.
    pub clients: usize,
    /// How long a client thinks in between, at most.
    pub think: Duration,
    /// Keys that they ask for.
    pub keys: u32,
    /// Least and most latency.
    pub latency: (Duration, Duration),
    /// The share of messages that take longer, and up to how long.
    pub tail: (f64, Duration),
    /// The share of messages that are lost.
    pub loss: f64,
    /// The share of messages between servers that arrive twice.
    pub duplicate: f64,
    /// Kinds of messages between servers that come late, if some do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub late: Option<Late>,
    /// Least and most time of a sync.
    pub sync: (Duration, Duration),
    /// Whether a crash loses all that was not synced, instead of some of it.
    pub lose_unsynced: bool,
    /// What strikes.
    pub faults: Faults,
    /// From when on all that is not written down here is drawn anew.
    #[serde(default)]
    pub forks: Vec<Fork>,
    /// How long.
    pub storm: Duration,
    /// How long a server may then take to do a write; zero does not ask for progress.
    pub calm: Duration,
    /// How long each of two operators waits between two actions, at least; zero: nobody asks for any.
    #[serde(default)]
    pub operator: Duration,
}

/// Another future of the same past.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fork {
    /// When it begins (ns).
    pub at: u64,
    /// Which.
    pub salt: u64,
    /// Whether other faults strike from then on, and the network is another.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub anew: bool,
}

/// What strikes in a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Faults {
    /// At random, as often as this says.
    Drawn(Box<FaultMix>),
    /// These things, at these instants (ns).
    Script(Vec<(u64, Act)>),
    /// Just these inputs of participants, in this order.
    Steps(Steps),
}

/// Many times what the busiest of correct runs do.
const LIVELOCK: (u32, Duration) = (200_000, Duration::from_millis(100));

/// So many things an operator may ask for, at most.
const ACTIONS: usize = 400;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

impl Case {
    /// The case of a seed. Kinds of fault are left out by the toss of a coin each; how rough the rest is varies over
    /// more than an order of magnitude.
    pub fn draw(seed: u64, scope: &Scope, specimen: &dyn Specimen) -> Case {
        let mut rng = Seed(seed).nth(0xca5e).rng();
        let rng = &mut rng;
        let nodes = pick(rng, &scope.nodes);
        let mut parameters = specimen.knobs(rng, nodes);
        parameters.extend(scope.parameters.clone());
        let Network { latency, tail, loss, duplicate, late, .. } = draw_network(rng);
        let case = Case {
            seed,
            nodes,
            parameters,
            clients: pick(rng, &[3, 5, 5, 15, 30]),
            think: pick(rng, &[ms(5), ms(20), ms(20), ms(100)]),
            keys: pick(rng, &[1, 1, 3]),
            latency,
            tail,
            loss,
            duplicate,
            late,
            sync: pick(rng, &[(ms(0), ms(2)), (ms(1), ms(5)), (ms(1), ms(20)), (ms(5), ms(40))]),
            lose_unsynced: rng.chance(0.5),
            faults: Faults::Drawn(Box::new(draw_mix(rng))),
            forks: Vec::new(),
            storm: scope.storm,
            calm: scope.calm,
            operator: Duration::ZERO,
        };
        let case = if scope.level >= Level::Triggers { case.staged(rng) } else { case };
        scope.level.limit(case.with_operator(rng, specimen))
    }

    /// Sets a scene, now and then. In some of these little is asked, so that what one client begins is not overtaken by others; in some much
    /// happens within a short time, so that the scene is not over before.
    fn staged(mut self, rng: &mut Rng) -> Case {
        let Faults::Drawn(mix) = &mut self.faults else { return self };
        if !stage(rng, mix) {
            return self;
        }
        match rng.below(3) {
            0 => (self.clients, self.think) = (pick(rng, &[2, 3]), pick(rng, &[ms(20), ms(100)])),
            1 => {
                (self.clients, self.think, self.keys) = (15, ms(20), 1);
                (self.latency, self.sync) = ((ms(0), ms(2)), (ms(0), ms(2)));
            }
            _ => {}
        }
        self
    }

    /// Now and then somebody changes the cluster meanwhile, if the protocol has such a thing. Servers are not lost for good then: of
    /// few members each may be needed.
    fn with_operator(mut self, rng: &mut Rng, specimen: &dyn Specimen) -> Case {
        let wanted =
            matches!(&self.faults, Faults::Drawn(mix) if mix.triggers.iter().any(|t| t.what == Blow::Administer));
        if (rng.chance(0.5) || wanted) && !specimen.actions(rng, self.nodes, 1).is_empty() {
            // Who is asked at a certain moment must find somebody who has time.
            self.operator = if wanted {
                pick(rng, &[ms(50), ms(800), ms(5_000)])
            } else {
                pick(rng, &[ms(30), ms(50), ms(200), ms(800)])
            };
            if let Faults::Drawn(mix) = &mut self.faults {
                (mix.wipe, mix.rot) = (FaultMix::none().wipe, FaultMix::none().rot);
            }
        }
        self
    }

    /// What an operator asks for while the storm lasts.
    pub(super) fn actions(&self, specimen: &dyn Specimen, operator: u64) -> Vec<(Action, Target)> {
        let mut rng = Seed(self.seed).derive("operator").nth(operator).rng();
        specimen.actions(&mut rng, self.nodes, ACTIONS)
    }

    /// What a fork that begins anew goes on with: another mix of faults, on another network.
    pub(super) fn anew(&self, salt: u64) -> (FaultMix, Network) {
        let rng = &mut Seed(salt).derive("anew").rng();
        let network = draw_network(rng);
        let mut mix = draw_mix(rng);
        stage(rng, &mut mix);
        if !self.operator.is_zero() {
            (mix.wipe, mix.rot) = (FaultMix::none().wipe, FaultMix::none().rot);
        }
        (mix, network)
    }

    /// How the world of the case behaves.
    pub(super) fn options(&self) -> Options {
        let unsynced = if self.lose_unsynced { Unsynced::Lost } else { Unsynced::Any };
        let Case { latency, tail, loss, duplicate, late, .. } = *self;
        Options {
            seed: Seed(self.seed),
            network: Network { latency, tail, loss, duplicate, late, ..remembering() },
            disk: Disk { sync: self.sync, unsynced },
            operation_timeout: ms(500),
            codec_share: 0.01,
            coverage: true,
            livelock: LIVELOCK,
            ..Options::default()
        }
    }

    /// The operation of this index: a mix of reads, writes of new values and compare-and-sets that often match, asked of any server
    /// or of whoever leads. How much of each is a matter of the seed.
    pub(super) fn operation(seed: u64, nodes: usize, keys: u32, index: u64) -> (Request, Target) {
        let mut rng = Rng::new(Seed(seed).nth(index));
        let mix = &mut Seed(seed).derive("load").rng();
        let (reads, leader) = (pick(mix, &[2, 4, 4, 7]), pick(mix, &[1, 4, 4, 7]));
        let key = rng.below(u64::from(keys)) as u32;
        let request = match rng.below(10) {
            draw if draw < reads => Request::read(key),
            draw if draw < 8 => Request::write(key, index + 1),
            _ => Request::cas(key, rng.within(index.saturating_sub(10)..=index), index + 1),
        };
        let node = NodeId(rng.below(nodes as u64) as u16);
        let target = match rng.below(10) {
            draw if draw <= leader => Target::Leader,
            draw if draw <= leader + 2 => Target::Node(node),
            _ if request.function.is_mutation() && leader > 1 => Target::Leader,
            _ if request.function.is_mutation() => Target::Node(node),
            _ => Target::Only(node),
        };
        (request, target)
    }

    /// The script, with its instants.
    pub(super) fn script(&self) -> Option<Vec<(Time, Act)>> {
        match &self.faults {
            Faults::Drawn(_) | Faults::Steps(_) => None,
            Faults::Script(acts) => Some(acts.iter().map(|(at, act)| (Time(*at), act.clone())).collect()),
        }
    }
}

/// A network without faults, from which old messages may come again.
fn remembering() -> Network {
    Network { remembered: 0.05, ..Network::reliable() }
}

/// Latency, the tail of it, loss and repetition; now and then nothing of these, so that what triggers do is all that goes wrong.
fn draw_network(rng: &mut Rng) -> Network {
    let tails = [(0.0, ms(0)), (0.01, ms(200)), (0.05, ms(200)), (0.3, ms(60)), (0.3, ms(500)), (0.1, ms(1_500))];
    let drawn = Network {
        latency: pick(rng, &[(ms(1), ms(10)), (ms(0), ms(2)), (ms(1), ms(30))]),
        tail: pick(rng, &tails),
        loss: pick(rng, &[0.0, 0.02, 0.02, 0.1, 0.2]),
        duplicate: pick(rng, &[0.0, 0.01, 0.2]),
        ..remembering()
    };
    let late = Late {
        focus: rng.within(1..=8) as u8,
        share: pick(rng, &[0.1, 0.5, 1.0]),
        most: pick(rng, &[ms(20), ms(100), ms(500), ms(2_000)]),
    };
    match rng.below(8) {
        0 => Network { latency: drawn.latency, ..remembering() },
        1 => Network { latency: drawn.latency, late: Some(late), ..remembering() },
        2 | 3 => Network { late: Some(late), ..drawn },
        _ => drawn,
    }
}

fn draw_mix(rng: &mut Rng) -> FaultMix {
    let often = [ms(60), ms(200), ms(500), ms(2_000)];
    let mut kind = |share: f64, lasts: &[(Duration, Duration)]| match rng.chance(share) {
        true => (pick(rng, &often), pick(rng, lasts)),
        false => (Duration::ZERO, (Duration::ZERO, Duration::ZERO)),
    };
    let crash = kind(0.6, &[(ms(1), ms(10)), (ms(20), ms(200)), (ms(50), ms(1_000))]);
    let partition = kind(0.6, &[(ms(20), ms(200)), (ms(100), ms(800)), (ms(500), ms(3_000))]);
    let pause = kind(0.3, &[(ms(20), ms(200)), (ms(50), ms(1_000))]);
    let drift = kind(0.2, &[(ms(500), ms(3_000))]);
    let crash_after_write = pick(rng, &[0.0, 0.0, 0.002, 0.01, 0.1, 0.2]);
    // What disks and links do beside that came later and is drawn last, so that what a seed gave before it still gives.
    let mut kind = |share: f64, lasts: (Duration, Duration)| match rng.chance(share) {
        true => (pick(rng, &often), lasts),
        false => (Duration::ZERO, lasts),
    };
    FaultMix {
        crash,
        partition,
        pause,
        drift,
        crash_after_write,
        jump: kind(0.1, (ms(0), ms(0))),
        slow_link: kind(0.15, (ms(50), ms(1_000))),
        flaky_link: kind(0.15, (ms(50), ms(1_000))),
        replay: kind(0.2, (ms(0), ms(0))),
        slow_disk: kind(0.15, (ms(50), ms(1_000))),
        fail_disk: kind(0.1, (ms(10), ms(500))),
        fill_disk: kind(0.1, (ms(50), ms(1_000))),
        wipe: kind(0.1, (ms(10), ms(500))),
        rot: kind(0.1, (ms(50), ms(1_000))),
        triggers: draw_triggers(rng),
        most_down: usize::MAX,
    }
}

pub(super) fn pick<T: Clone>(rng: &mut Rng, from: &[T]) -> T {
    from[rng.below(from.len() as u64) as usize].clone()
}
