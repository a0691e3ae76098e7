//! Registers, one or one for each key.

use history::event::Events;
use history::register::from_events;

use super::{Question, Refusal, Workload};
use crate::model::{LINEARIZABLE, check};
use crate::report::Report;

pub(super) static REGISTER: Workload = Workload {
    name: "register",
    aliases: &[],
    summary: "`read` and `write` of one value, or of one for each key",
    models: &["linearizable"],
    settings: &[],
    decide,
};

pub(super) static CAS_REGISTER: Workload = Workload {
    name: "cas-register",
    aliases: &[],
    summary: "registers with `cas` of `[old new]`",
    models: &["linearizable"],
    settings: &[],
    decide,
};

fn decide(events: &Events, _model: &str, question: &Question) -> Result<Report, Refusal> {
    let history = from_events(events)?;
    Ok(check(&history, &LINEARIZABLE, &question.options))
}
