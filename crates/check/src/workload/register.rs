//! Registers, one or one for each key.

use history::event::Events;
use history::register::from_events;

use super::{Question, Refusal, Workload};
use crate::model::{LINEARIZABLE, Model, NAMES, check};
use crate::report::Report;

pub(super) static REGISTER: Workload = Workload {
    name: "register",
    aliases: &[],
    summary: "`read` and `write` of one value, or of one for each key",
    models: NAMES,
    settings: &[],
    decide,
};

pub(super) static CAS_REGISTER: Workload = Workload {
    name: "cas-register",
    aliases: &[],
    summary: "registers with `cas` of `[old new]`",
    models: NAMES,
    settings: &[],
    decide,
};

fn decide(events: &Events, model: &str, question: &Question) -> Result<Report, Refusal> {
    let history = from_events(events)?;
    let model = Model::find(model).unwrap_or(&LINEARIZABLE);
    Ok(check(&history, model, &question.options))
}
