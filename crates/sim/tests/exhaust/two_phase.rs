//! Two-phase commit as in J. Gray and L. Lamport, *Consensus on Transaction Commit* (2006), and as in the example `2pc` of stateright:
//! the same steps under the same conditions, so the same states. Messages are never taken out of the network.

use sim::exhaust::{Broken, Model};

/// So many resource managers and one transaction manager.
pub struct TwoPhase {
    pub managers: u32,
}

/// Two bits for each resource manager, a bit for each one whose `prepared` is in the network or has been received, the messages of
/// the transaction manager, and its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    managers: u32,
    sent_prepared: u16,
    got_prepared: u16,
    decision: Decision,
    commit_sent: bool,
    abort_sent: bool,
}

/// Where a resource manager stands.
const WORKING: u32 = 0;
const PREPARED: u32 = 1;
const COMMITTED: u32 = 2;
const ABORTED: u32 = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Decision {
    Open,
    Committed,
    Aborted,
}

#[derive(Clone, Copy, Debug)]
#[allow(dead_code, reason = "which manager takes a step is told by `Debug` alone")]
pub enum Step {
    Commit,
    Abort,
    ReceivePrepared(u32),
    Prepare(u32),
    ChooseToAbort(u32),
    ReceiveCommit(u32),
    ReceiveAbort(u32),
}

impl State {
    fn manager(self, index: u32) -> u32 {
        self.managers >> (2 * index) & 3
    }

    fn with(self, index: u32, state: u32) -> State {
        State { managers: self.managers & !(3 << (2 * index)) | state << (2 * index), ..self }
    }

    /// How many resource managers are in this state: bit by bit, all at once.
    fn count(self, state: u32, managers: u32) -> u32 {
        let differs = self.managers ^ (state * 0x5555_5555);
        let mask = ((1u64 << (2 * managers)) - 1) as u32 & 0x5555_5555;
        (!(differs | differs >> 1) & mask).count_ones()
    }
}

impl Model for TwoPhase {
    type State = State;
    type Step = Step;
    type Scratch = ();

    fn initial(&self) -> Vec<State> {
        vec![State {
            managers: 0,
            sent_prepared: 0,
            got_prepared: 0,
            decision: Decision::Open,
            commit_sent: false,
            abort_sent: false,
        }]
    }

    fn expand(&self, (): &mut (), &state: &State, found: &mut Vec<(Step, State)>) {
        let open = state.decision == Decision::Open;
        if open && state.got_prepared.count_ones() == self.managers {
            found.push((Step::Commit, State { decision: Decision::Committed, commit_sent: true, ..state }));
        }
        if open {
            found.push((Step::Abort, State { decision: Decision::Aborted, abort_sent: true, ..state }));
        }
        for index in 0..self.managers {
            let bit = 1 << index;
            if open && state.sent_prepared & bit != 0 {
                found.push((Step::ReceivePrepared(index), State { got_prepared: state.got_prepared | bit, ..state }));
            }
            if state.manager(index) == WORKING {
                let prepared = State { sent_prepared: state.sent_prepared | bit, ..state };
                found.push((Step::Prepare(index), prepared.with(index, PREPARED)));
                found.push((Step::ChooseToAbort(index), state.with(index, ABORTED)));
            }
            if state.commit_sent {
                found.push((Step::ReceiveCommit(index), state.with(index, COMMITTED)));
            }
            if state.abort_sent {
                found.push((Step::ReceiveAbort(index), state.with(index, ABORTED)));
            }
        }
    }

    fn fingerprint(&self, state: &State) -> u64 {
        let State { managers, sent_prepared, got_prepared, decision, commit_sent, abort_sent } = *state;
        let flags = decision as u64 | u64::from(commit_sent) << 2 | u64::from(abort_sent) << 3;
        base::mix(u64::from(managers) | u64::from(sent_prepared) << 32 | u64::from(got_prepared) << 48, flags)
    }

    fn check(&self, state: &State) -> Option<Broken> {
        let mixed = state.count(ABORTED, self.managers) > 0 && state.count(COMMITTED, self.managers) > 0;
        mixed.then(|| Broken { property: "consistent".into(), sentence: "one aborted and one committed".into() })
    }

    fn sometimes(&self) -> &[&'static str] {
        &["abort agreement", "commit agreement"]
    }

    fn marks(&self, state: &State) -> u64 {
        let all = |kind| u64::from(state.count(kind, self.managers) == self.managers);
        all(ABORTED) | all(COMMITTED) << 1
    }

    fn tell(&self, _before: &State, step: Step, after: &State) -> Vec<String> {
        vec![format!("{step:?}: {after:?}")]
    }
}
