//! Any object by exact search: from calls to a [`SequentialModel`], key by key.

use base::Time;
use history::object::{Action, Call, NEVER, Objects};

use super::{Findings, by_key, happened};
use crate::model::Options;
use crate::sequential::{Interval, IntervalOf, Linearized, SequentialModel, contradiction, linearize};

/// What a call asks: by whom, what, with which argument. The process is 0 where it makes no difference.
pub type Asked = (u32, Action, i64);

/// Decides each key by search. `owned`: who asks makes a difference.
pub(crate) fn by_search<M>(history: &Objects, options: &Options, model: &M, owned: bool) -> Findings
where
    M: SequentialModel<Call = Asked, Answer = Vec<i64>>,
{
    let mut findings = Findings::default();
    let keys = by_key(history);
    options.limit.expect(history.len() as u64);
    for (done, (key, places)) in keys.iter().enumerate() {
        if let Some(reason) = options.limit.exceeded() {
            findings.undecided(format!("{reason}; {done} of {} keys are decided", keys.len()));
            break;
        }
        findings.extend(decide(history, places, *key, options, model, owned));
    }
    findings
}

/// Decides the calls at these places.
pub(crate) fn decide<M>(
    history: &Objects,
    places: &[usize],
    key: u32,
    options: &Options,
    model: &M,
    owned: bool,
) -> Findings
where
    M: SequentialModel<Call = Asked, Answer = Vec<i64>>,
{
    let (places, intervals): (Vec<usize>, Vec<IntervalOf<M>>) =
        happened(history, places).map(|(i, call)| (i, interval(history, call, owned))).unzip();
    let mut findings = Findings::default();
    match linearize(model, &intervals, options) {
        Linearized::Order(_) => {}
        Linearized::Undecided { from, at, reason } => findings.undecided(format!(
            "{reason}, key {key}, in the window from {} to {}; it is consistent up to there",
            Time(from),
            Time(at)
        )),
        Linearized::Contradiction { at, .. } => {
            let witness = contradiction(model, &intervals, options).unwrap_or_default();
            let because = format!("no order of these explains what came back; it is certain from {} on", Time(at));
            let witness = witness.into_iter().map(|i| places[i as usize]);
            findings.add("no order explains what was seen", format!("key {key}"), because, witness);
        }
    }
    findings
}

fn interval(history: &Objects, call: &Call, owned: bool) -> Interval<Asked, Vec<i64>> {
    let asked = (if owned { call.process } else { 0 }, call.action, call.argument);
    let list = history.list(call);
    let answer = call.is_ok().then(|| if list.is_empty() { vec![call.result] } else { list.to_vec() });
    let completed = (call.completed != NEVER).then_some(call.completed);
    Interval { process: call.process, call: asked, answer, invoked: call.invoked, completed }
}

/// Whether the calls are linearizable (Herlihy & Wing, 1990) as `model`; `None`: not decided.
pub fn linearizable<M>(history: &Objects, model: &M, options: &Options) -> Option<bool>
where
    M: SequentialModel<Call = Asked, Answer = Vec<i64>>,
{
    let findings = by_search(history, options, model, true);
    if findings.is_empty() && !findings.undecided.is_empty() { None } else { Some(findings.is_empty()) }
}
