//! Transactions, held against isolation levels.

use history::event::Events;
use history::txn::from_events;

use super::{Question, Refusal, Workload};
use crate::report::Report;
use crate::txn::{check_transactions_with, level};

pub(super) static LIST_APPEND: Workload = Workload {
    name: "list-append",
    aliases: &[],
    summary: "transactions that append to lists and read whole lists",
    models: level::NAMES,
    settings: &[],
    decide: |events, model, question| decide(events, model, question, true),
};

pub(super) static RW_REGISTER: Workload = Workload {
    name: "rw-register",
    aliases: &[],
    summary: "transactions that write and read registers, every value once",
    models: level::NAMES,
    settings: &[],
    decide: |events, model, question| decide(events, model, question, false),
};

fn decide(events: &Events, level: &str, question: &Question, lists: bool) -> Result<Report, Refusal> {
    let transactions = from_events(events, lists)?;
    Ok(check_transactions_with(&transactions, &question.options).answer(&transactions, level))
}
