//! Registers, one or one for each key.

use history::event::Events;
use history::register::from_events;

use super::{Question, Refusal, Workload};
use crate::consistency::bound;
use crate::model::{LINEARIZABLE, Model, NAMES, Options, check};
use crate::report::Report;

pub(super) static REGISTER: Workload = Workload {
    name: "register",
    aliases: &[],
    summary: "`read` and `write` of one value, or of one for each key",
    models: NAMES,
    settings: STALENESS,
    decide,
};

pub(super) static CAS_REGISTER: Workload = Workload {
    name: "cas-register",
    aliases: &[],
    summary: "registers with `cas` of `[old new]`",
    models: NAMES,
    settings: STALENESS,
    decide,
};

/// What bounded staleness can be told.
const STALENESS: &[(&str, &str)] = &[
    ("max-staleness", "for `bounded-staleness`: how old a read may be, as `250ms`"),
    ("max-versions", "for `bounded-staleness`: how many writes a read may have missed"),
];

fn decide(events: &Events, model: &str, question: &Question) -> Result<Report, Refusal> {
    let history = from_events(events)?;
    let model = Model::find(model).unwrap_or(&LINEARIZABLE);
    let staleness = bound(&question.settings).map_err(Refusal::Unsupported)?;
    Ok(check(&history, model, &Options { staleness, ..question.options.clone() }))
}
