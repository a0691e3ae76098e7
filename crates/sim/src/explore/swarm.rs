//! Which triggers a case gets.

use std::time::Duration;

use base::Rng;

use crate::explore::case::{Case, Faults, pick};
use crate::faults::FaultMix;
use crate::trigger::{Blow, Moment, Trigger};

/// How clever a hunt is: each level has what those before it have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Every kind of fault now and then, by the clock, in every run.
    Clock,
    /// Each run leaves most kinds of fault out, and has conditions of its own.
    Swarm,
    /// Faults placed by what actors do.
    Triggers,
    /// Runs that begin again in states that few runs have reached.
    #[default]
    Guided,
}

impl Level {
    /// Leaves out of a case what this level does not have.
    pub(super) fn limit(self, mut case: Case) -> Case {
        let Faults::Drawn(mix) = &mut case.faults else { return case };
        if self < Level::Triggers {
            mix.triggers.clear();
            mix.crash_after_write = 0.0;
        }
        if self == Level::Clock {
            **mix = FaultMix { crash_after_write: 0.0, ..FaultMix::rough() };
            let ms = Duration::from_millis;
            (case.tail, case.loss, case.duplicate) = ((0.01, ms(200)), 0.02, 0.01);
            (case.latency, case.sync) = ((ms(1), ms(10)), (ms(0), ms(2)));
        }
        case
    }
}

/// Moments, and what can befall a server at each.
const PAIRS: &[(Moment, &[Blow])] = &[
    (Moment::Wrote, &[Blow::Crash, Blow::Crash, Blow::Pause, Blow::Isolate]),
    (Moment::WroteMore, &[Blow::CrashBetween, Blow::CrashBetween, Blow::Crash]),
    (Moment::Synced, &[Blow::CrashBetween, Blow::Crash, Blow::Pause]),
    (Moment::Turned, ANY),
    (Moment::Epoch, EPOCH),
    (Moment::Epoch, EPOCH),
    (Moment::Alone, EPOCH),
    (Moment::Alone, EPOCH),
    (Moment::Timer, &[Blow::Tie]),
    (Moment::Timer, &[Blow::Tie]),
    (Moment::Step, ANY),
    (Moment::Heard, ANY),
    (Moment::Said, ANY),
    (Moment::Said, &[Blow::Crash, Blow::Choke, Blow::Choke]),
];

const ANY: &[Blow] = &[
    Blow::Crash,
    Blow::Crash,
    Blow::CrashOther,
    Blow::SlowDisk,
    Blow::Pause,
    Blow::Isolate,
    Blow::Part,
    Blow::Regroup,
    Blow::Deafen,
    Blow::Usurp,
    Blow::Hold,
    Blow::Release,
    Blow::Replay,
    Blow::Administer,
];

const EPOCH: &[Blow] = &[
    Blow::Crash,
    Blow::Pause,
    Blow::Isolate,
    Blow::Isolate,
    Blow::Part,
    Blow::Part,
    Blow::Regroup,
    Blow::Deafen,
    Blow::Outrun,
    Blow::Usurp,
    Blow::Usurp,
    Blow::CrashOther,
    Blow::CrashAll,
    Blow::Hold,
    Blow::Release,
    Blow::Replay,
    Blow::Echo,
    Blow::Ask,
    Blow::Administer,
];

/// None in a third of the cases, a few in the others: each pair of a moment and a blow is rare, so that the few can do what others would
/// prevent.
pub(super) fn draw_triggers(rng: &mut Rng) -> Vec<Trigger> {
    let count = pick(rng, &[0, 0, 1, 1, 2, 2, 3, 4]);
    (0..count).map(|_| draw_trigger(rng)).collect()
}

/// What parts a server from others, or keeps it from knowing.
const APART: &[Blow] = &[
    Blow::Isolate,
    Blow::Isolate,
    Blow::Part,
    Blow::Regroup,
    Blow::Regroup,
    Blow::Deafen,
    Blow::Usurp,
    Blow::Pause,
    Blow::Crash,
    Blow::SlowDisk,
];

/// What happens meanwhile.
const MEANWHILE: &[Blow] = &[
    Blow::Administer,
    Blow::Administer,
    Blow::Ask,
    Blow::Crash,
    Blow::CrashOther,
    Blow::Outrun,
    Blow::Hold,
    Blow::Release,
    Blow::Echo,
];

/// Blows that belong together: each would be rare by itself, and all of them in one run never seen.
const SCENES: &[&[(Moment, Blow)]] = &[
    // Whoever comes into office stands alone or with a few others, and is asked for something before it has heard from them.
    &[(Moment::Alone, Blow::Regroup), (Moment::Alone, Blow::Administer)],
    &[(Moment::Alone, Blow::Regroup), (Moment::Alone, Blow::Ask)],
    // Whoever is in office goes on hearing of the past.
    &[(Moment::Alone, Blow::Usurp)],
    // What is seldom said is said, and whoever said it hears no more.
    &[(Moment::Said, Blow::Isolate)],
    // Writes take long, and whoever made them dies in the middle of a sentence.
    &[(Moment::Said, Blow::SlowDisk), (Moment::Said, Blow::Choke)],
];

/// A scene that is known to lead somewhere, or two blows at one moment: a stage is set, and something happens on it.
fn draw_scene(rng: &mut Rng) -> Vec<Trigger> {
    let place = rng.below(SCENES.len() as u64 + 1) as usize;
    let known = SCENES.get(place).map(|scene| scene.to_vec());
    let scene = known.unwrap_or_else(|| {
        let when =
            pick(rng, &[Moment::Alone, Moment::Alone, Moment::Epoch, Moment::Said, Moment::Heard, Moment::Turned]);
        [APART, MEANWHILE].map(|blows| (when, pick(rng, blows))).to_vec()
    });
    let (chance, role) = (pick(rng, &[0.3, 1.0]), pick(rng, ROLES));
    let trigger = |(when, what)| {
        let alone = when == Moment::Alone;
        let (delay, lasts) = (pick(rng, DELAYS), draw_span(rng, what));
        Trigger { when, focus: if alone { role } else { 0 }, rare: !alone, what, chance, delay, lasts }
    };
    scene.into_iter().map(trigger).collect()
}

/// Sets a scene, now and then; mostly nothing else goes wrong then.
pub(super) fn stage(rng: &mut Rng, mix: &mut FaultMix) -> bool {
    let staged = rng.chance(0.4);
    if staged {
        mix.triggers = draw_scene(rng);
        if rng.chance(0.6) {
            *mix = FaultMix { triggers: std::mem::take(&mut mix.triggers), ..FaultMix::none() };
        }
    }
    staged
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn draw_trigger(rng: &mut Rng) -> Trigger {
    let (when, blows) = pick(rng, PAIRS);
    // The commoner the moment, the rarer the blow.
    let chances: &[f64] = match when {
        Moment::Step | Moment::Heard | Moment::Said => &[0.002, 0.01, 0.03],
        Moment::Wrote | Moment::Synced | Moment::Turned => &[0.01, 0.05, 0.2],
        Moment::WroteMore | Moment::Epoch | Moment::Timer => &[0.05, 0.2, 0.6],
        Moment::Alone => &[0.2, 0.6, 1.0],
    };
    let what = pick(rng, blows);
    let lasts = draw_span(rng, what);
    let all_alike = matches!(when, Moment::Timer | Moment::Synced);
    let (focus, rare) = match rng.below(4) {
        _ if all_alike => (0, false),
        0 => (0, true),
        1 => (0, false),
        _ if when == Moment::Alone => (pick(rng, ROLES), false),
        _ => (rng.within(1..=8) as u8, false),
    };
    let chance = match pick(rng, chances) {
        _ if rare => pick(rng, &[0.3, 1.0]),
        chance if focus > 0 => (chance * 3.0).min(1.0),
        chance => chance,
    };
    Trigger { when, focus, rare, what, chance, delay: pick(rng, DELAYS), lasts }
}

/// Which role a server takes: what it is first matters least.
const ROLES: &[u8] = &[0, 2, 3, 3];

const DELAYS: &[Duration] = &[ms(0), ms(2), ms(20), ms(100)];

/// How long what befalls a server lasts.
fn draw_span(rng: &mut Rng, what: Blow) -> (Duration, Duration) {
    let mut spans = vec![(ms(1), ms(10)), (ms(20), ms(200)), (ms(100), ms(800)), (ms(500), ms(2_500))];
    if matches!(what, Blow::Crash | Blow::CrashBetween | Blow::CrashAll | Blow::Choke) {
        // Back before any message has missed it: all that is lost is what it should have written down.
        spans.extend([(ms(0), Duration::from_micros(10)), (ms(0), ms(1)), (ms(0), ms(1))]);
    }
    pick(rng, &spans)
}
