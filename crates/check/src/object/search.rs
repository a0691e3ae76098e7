//! Any object by exact search: from calls to a [`SequentialModel`], key by key.

use base::Time;
use history::object::{Action, Call, NEVER, Objects};

use super::{Findings, Part, each_key};
use crate::certificate;
use crate::model::Options;
use crate::sequential::{Interval, IntervalOf, Linearized, SequentialModel, contradiction, linearize};
use crate::verdict::BUG;

/// What a call asks: by whom, what, with which argument. The process is 0 where it makes no difference.
pub type Asked = (u32, Action, i64);

/// Decides each key by search. `owned`: who asks makes a difference.
pub(crate) fn by_search<M>(history: &Objects, options: &Options, model: &M, owned: bool) -> Findings
where
    M: SequentialModel<Call = Asked, Answer = Vec<i64>> + Sync,
{
    each_key(history, options, &|part| decide(part, options, model, owned))
}

/// Decides the calls at these places.
pub(crate) fn decide<M>(part: Part<'_>, options: &Options, model: &M, owned: bool) -> Findings
where
    M: SequentialModel<Call = Asked, Answer = Vec<i64>> + Sync,
{
    let (places, intervals): (Vec<usize>, Vec<IntervalOf<M>>) =
        part.happened().map(|(i, call)| (i, interval(part.history, call, owned))).unzip();
    options.limit.expect(intervals.len() as u64);
    let found = linearize(model, &intervals, options);
    let (mut findings, mut witness) = (Findings::default(), Vec::new());
    match &found {
        Linearized::Order(order) => {
            let doubt = options.recheck.then(|| certificate::object::refute_order(model, &intervals, order)).flatten();
            doubt.into_iter().for_each(|doubt| findings.undecided(format!("{doubt} {BUG}")));
            if options.certificate {
                findings.certify(part.key, order.iter().map(|i| places[*i as usize] as u32));
            }
        }
        Linearized::Contradiction { .. } => {
            witness = contradiction(model, &intervals, options).unwrap_or_default();
            if options.recheck && certificate::object::contradicts(model, &intervals, &witness) == Some(false) {
                findings.undecided(format!("the witness of key {} is no contradiction {BUG}", part.key));
                return findings;
            }
        }
        Linearized::Undecided { .. } => {}
    }
    findings.extend(conclude(found, &places, part.name(), || witness));
    findings
}

/// What the search of the operations at these `places` means. `shrink` finds the few of them that contradict each other.
pub(super) fn conclude(
    found: Linearized,
    places: &[usize],
    place: String,
    shrink: impl FnOnce() -> Vec<u32>,
) -> Findings {
    let mut findings = Findings::default();
    match found {
        Linearized::Order(_) => {}
        Linearized::Undecided { from, at, reason } => findings.undecided(format!(
            "{reason}{}{place}, in the window from {} to {}; it is consistent up to there",
            if place.is_empty() { "" } else { ", " },
            Time(from),
            Time(at)
        )),
        Linearized::Contradiction { at, .. } => {
            let because = format!("no order of these explains what came back; it is certain from {} on", Time(at));
            let witness = shrink().into_iter().map(|i| places[i as usize]);
            findings.add("no order explains what was seen", place, because, witness);
        }
    }
    findings
}

/// A call as the search asks it. `owned`: who asks makes a difference.
pub(super) fn interval(history: &Objects, call: &Call, owned: bool) -> Interval<Asked, Vec<i64>> {
    let asked = (if owned { call.process } else { 0 }, call.action, call.argument);
    let list = history.list(call);
    let answer = call.is_ok().then(|| if list.is_empty() { vec![call.result] } else { list.to_vec() });
    let completed = (call.completed != NEVER).then_some(call.completed);
    Interval { process: call.process, call: asked, answer, invoked: call.invoked, completed }
}

/// Whether the calls are linearizable (Herlihy & Wing, 1990) as `model`; `None`: not decided.
pub fn linearizable<M>(history: &Objects, model: &M, options: &Options) -> Option<bool>
where
    M: SequentialModel<Call = Asked, Answer = Vec<i64>> + Sync,
{
    let findings = by_search(history, options, model, true);
    if findings.is_empty() && !findings.undecided.is_empty() { None } else { Some(findings.is_empty()) }
}
