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
    (Moment::Said, &[Blow::Crash]),
];

const ANY: &[Blow] = &[
    Blow::Crash,
    Blow::Crash,
    Blow::CrashOther,
    Blow::Pause,
    Blow::Isolate,
    Blow::Part,
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

fn draw_trigger(rng: &mut Rng) -> Trigger {
    let ms = Duration::from_millis;
    let (when, blows) = pick(rng, PAIRS);
    // The commoner the moment, the rarer the blow.
    let chances: &[f64] = match when {
        Moment::Step | Moment::Heard | Moment::Said => &[0.002, 0.01, 0.03],
        Moment::Wrote | Moment::Synced | Moment::Turned => &[0.01, 0.05, 0.2],
        Moment::WroteMore | Moment::Epoch | Moment::Timer => &[0.05, 0.2, 0.6],
        Moment::Alone => &[0.2, 0.6, 1.0],
    };
    let what = pick(rng, blows);
    let mut lasts = vec![(ms(1), ms(10)), (ms(20), ms(200)), (ms(100), ms(800)), (ms(500), ms(2_500))];
    if matches!(what, Blow::Crash | Blow::CrashBetween | Blow::CrashAll) {
        // Back before any message has missed it: all that is lost is what it should have written down.
        lasts.extend([(ms(0), Duration::from_micros(10)), (ms(0), ms(1)), (ms(0), ms(1))]);
    }
    let focus = if rng.chance(0.5) { 0 } else { rng.within(1..=8) as u8 };
    let often = if focus == 0 { 1.0 } else { 3.0 };
    Trigger {
        when,
        focus: if matches!(when, Moment::Timer | Moment::Alone | Moment::Synced) { 0 } else { focus },
        what,
        chance: (pick(rng, chances) * often).min(1.0),
        delay: pick(rng, &[ms(0), ms(2), ms(20), ms(100)]),
        lasts: pick(rng, &lasts),
    }
}
