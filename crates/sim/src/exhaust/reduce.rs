//! Which steps need not be taken, because another state of the same level leads to the same.
//!
//! Say g led to a state S, from P, and f could have happened in P just as well, to someone else, with the same outcome in both
//! orders. Then f after g leads to a state T that g after f reaches too. If f may be left out in S whenever it happens to a participant of a
//! smaller number than g, T is reached all the same: either from P+f by g, or, if g is left out there because of the h that led to P+f, from
//! another state by h, and so on. The numbers of f, g, h, ... grow, so this ends. (All these states are as many steps from the start as S is, so
//! none is missing yet; hence breadth first only. With sleep sets, P. Godefroid 1996, states would have to remember what was left out.)
//!
//! So no state is lost, and each is found after as few steps as ever; what is saved is to generate it again and again.

use super::cluster::{Arrival, Cluster, Happening, MEMORY, Scratch, State, Step};
use super::players::Cue;

impl Cluster {
    /// Whether `step` leads to a state that is met by another step from this level.
    pub(super) fn is_met_elsewhere(&self, scratch: &mut Scratch, state: &State, step: Step) -> bool {
        let (Some(arrival), Step::Cue(happening)) = (state.arrival, step) else { return false };
        happening.who < usize::from(arrival.who)
            && self.is_apart(happening, arrival)
            && self.oracles_agree(scratch, state, happening, arrival)
    }

    /// Whether neither had a part in the other. Clients share the history of what was asked and answered, in its order.
    fn is_apart(&self, Happening { who, cue }: Happening, arrival: Arrival) -> bool {
        let from = |cue| match cue {
            Cue::Deliver(mail) => Some(self.players.header(mail).from),
            _ => None,
        };
        let sent_by_the_other = from(cue) == Some(arrival.who as u8);
        // Where only so many messages may be under way, the arrival of one makes room for the next.
        let makes_room = self.scope.in_flight.is_some() && from(arrival.cue) == Some(who as u8);
        who < self.scope.servers && !sent_by_the_other && !makes_room
    }

    /// Whether the oracles remember the same in both orders.
    fn oracles_agree(&self, scratch: &mut Scratch, state: &State, step: Happening, arrival: Arrival) -> bool {
        let Arrival { who, cue, local, memory } = arrival;
        let mine = self.local(state, step.who);
        let first = scratch.remember(self, memory, step.who, mine, step.cue);
        let swapped = scratch.remember(self, first, usize::from(who), local, cue);
        swapped == scratch.remember(self, state.words[MEMORY], step.who, mine, step.cue)
    }
}
