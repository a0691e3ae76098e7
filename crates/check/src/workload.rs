//! Imported histories: which object or transaction they are of, and the promises that can be asked of it.
//!
//! - [`WORKLOADS`]: the registry. A new workload is one entry in the file of its family and one line there: its name, the models it can
//!   be held against (the first is the default), and the function that turns [`Events`] into columns and asks the checker.
//! - The families: `register`, `transaction`, `object`.
//! - [`recognise()`]: the workload that a history looks like.

mod object;
mod recognise;
mod register;
mod transaction;

use std::collections::BTreeMap;

use history::event::{Events, Wrong};

use crate::model::Options;
use crate::report::Report;
use crate::verdict::Verdict;

pub use recognise::recognise;

/// What is asked of a history.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// The model; the workload's default if `None`.
    pub model: Option<String>,
    /// What the workload needs to know: `permits=3`.
    pub settings: BTreeMap<String, String>,
    /// How to check.
    pub options: Options,
}

impl Question {
    /// The setting of this name as a number.
    fn number<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, Refusal> {
        let parse = |text: &String| {
            text.parse().map_err(|_| Refusal::Unsupported(format!("`{name}` expects a number, not `{text}`")))
        };
        self.settings.get(name).map(parse).transpose()
    }
}

/// Why there is no report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// An event that means nothing to this workload.
    Malformed(Wrong),
    /// The workload has no such model or setting, or there is no such workload.
    Unsupported(String),
}

impl From<Wrong> for Refusal {
    fn from(wrong: Wrong) -> Refusal {
        Refusal::Malformed(wrong)
    }
}

/// An object or kind of transaction whose histories can be judged.
pub struct Workload {
    /// The name on the command line and in tables of questions.
    pub name: &'static str,
    /// Other names of it in use.
    pub aliases: &'static [&'static str],
    /// What its operations do, in a sentence.
    pub summary: &'static str,
    /// The models it can be held against; the first is the default.
    pub models: &'static [&'static str],
    /// What it can be told: name and meaning.
    pub settings: &'static [(&'static str, &'static str)],
    pub(crate) decide: fn(&Events, &str, &Question) -> Result<Report, Refusal>,
}

/// The model of workloads whose promise is the set of rules that Jepsen's checker of the same name holds them against.
pub const JEPSEN: &str = "jepsen";

/// Every workload of imported histories.
pub static WORKLOADS: &[&Workload] = &[
    &register::REGISTER,
    &register::CAS_REGISTER,
    &object::MULTI_REGISTER,
    &object::KV,
    &transaction::LIST_APPEND,
    &transaction::RW_REGISTER,
    &object::FIFO_QUEUE,
    &object::AT_LEAST_ONCE,
    &object::TOTAL_QUEUE,
    &object::STACK,
    &object::PRIORITY_QUEUE,
    &object::SET,
    &object::SET_FULL,
    &object::COMMENTS,
    &object::COUNTER,
    &object::PN_COUNTER,
    &object::MUTEX,
    &object::OWNED_MUTEX,
    &object::REENTRANT,
    &object::FENCED_MUTEX,
    &object::SEMAPHORE,
    &object::BANK,
    &object::UNIQUE_IDS,
    &object::KAFKA,
    &object::LONG_FORK,
    &object::BROADCAST,
    &object::LEADER,
    &object::WATCH,
];

impl Workload {
    /// The workload of this name.
    pub fn find(name: &str) -> Option<&'static Workload> {
        WORKLOADS.iter().copied().find(|workload| workload.name == name || workload.aliases.contains(&name))
    }

    /// Answers the question. A checker that panics says `unknown`.
    pub fn judge(&self, events: &Events, question: &Question) -> Result<Report, Refusal> {
        let model = question.model.as_deref().unwrap_or(self.models[0]);
        let Some(model) = self.models.iter().copied().find(|known| *known == model) else {
            let known = self.models.join("`, `");
            return Err(Refusal::Unsupported(format!(
                "`{}` cannot be held against `{model}`, only against `{known}`",
                self.name
            )));
        };
        if let Some(name) = question.settings.keys().find(|name| !self.settings.iter().any(|(known, _)| known == name))
        {
            return Err(Refusal::Unsupported(format!("`{}` has no setting `{name}`", self.name)));
        }
        let decide = std::panic::AssertUnwindSafe(|| (self.decide)(events, model, question));
        let judged = std::panic::catch_unwind(decide)
            .unwrap_or_else(|_| Ok(Report::new(model, Verdict::bug("the checker failed"), events.len())));
        judged.map(|report| Report { model, ..report })
    }
}
