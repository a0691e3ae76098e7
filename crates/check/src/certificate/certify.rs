//! Makes certificates: what a check found, brought into a form that is checked again without it.

use std::collections::{BTreeMap, BTreeSet};

use history::History;
use history::object::Objects;
use history::txn::Transactions;

use super::closed::Trial;
use super::definition::{Settings, State};
use super::file::{Certificate, Proof, Shown};
use super::find;
use super::subject::Subject;
use super::verify::{Standing, of_objects, of_registers, verify};
use crate::consistency;
use crate::model::Options;
use crate::report::Report;
use crate::txn::{EdgeKind, TxnAnomaly};
use crate::verdict::Verdict;

/// Most operations of a witness.
const MOST: usize = 128;

/// The certificate of a report on this history, which was asked for with [`Options::certificate`]. What cannot be proven it says so; a
/// proof that does not hold is none.
pub fn certify(
    subject: &Subject,
    workload: &str,
    settings: &BTreeMap<String, String>,
    report: &Report,
    options: &Options,
) -> Certificate {
    let proof = match (&report.verdict, subject) {
        (Verdict::Unknown { reason }, _) => Proof::None(reason.clone()),
        (Verdict::Valid, subject) => order(subject, workload, settings, report, options),
        (Verdict::Invalid, subject) => contradiction(subject, workload, settings, report),
    };
    let mut certificate = Certificate {
        workload: workload.to_string(),
        model: report.model.to_string(),
        settings: settings.clone(),
        operations: subject.len(),
        fingerprint: subject.fingerprint(),
        verdict: report.verdict.clone(),
        proof,
        remarks: remarks(report),
    };
    match verify(subject, &certificate) {
        Ok(Standing::Proven) => {}
        Ok(Standing::Unproven(why)) => certificate.proof = Proof::None(why),
        Err(refused) => certificate.proof = Proof::None(refused.why),
    }
    certificate
}

/// The words of the report; of transactions what holds and what does not.
fn remarks(report: &Report) -> Vec<String> {
    let told = report.anomalies.iter().flat_map(|anomaly| std::iter::once(&anomaly.title).chain(&anomaly.story));
    let levels = report.isolation.iter().flat_map(|isolation| &isolation.levels);
    told.cloned().chain(levels.map(|(name, verdict)| format!("level {name} {}", verdict.name()))).collect()
}

fn order(subject: &Subject, workload: &str, settings: &Settings, report: &Report, options: &Options) -> Proof {
    let found = match subject {
        Subject::Registers(history) => linearization(history, report, options),
        Subject::Objects(history) => {
            State::first(workload, report.model, settings).and_then(|first| find::order(history, &first, options))
        }
        Subject::Transactions(_) => report.order.clone(),
    };
    let why = || format!("no order proves `{}` of this history", report.model);
    found.map_or_else(|| Proof::None(why()), |order| Proof::Order(order.into()))
}

/// What is linearizable keeps whatever linearizability implies.
fn linearization(history: &History, report: &Report, options: &Options) -> Option<Vec<u32>> {
    if report.order.is_some() || !consistency::is_implied(report.model) {
        return report.order.clone();
    }
    let options = Options { certificate: true, own_run: false, ..options.clone() };
    crate::register::linearizable(history, &options).order
}

fn contradiction(subject: &Subject, workload: &str, settings: &Settings, report: &Report) -> Proof {
    let found = match subject {
        Subject::Registers(history) => {
            let (columns, keys) = (&history.operations, &history.operations.key);
            let trial = |witness: &[u32]| of_registers(columns, witness);
            let beside = |i: u32| (0..keys.len() as u32).filter(|at| keys[*at as usize] == keys[i as usize]).collect();
            widened(report, &trial, beside).filter(|_| report.model == "linearizable")
        }
        Subject::Objects(history) => of_object(history, workload, settings, report),
        Subject::Transactions(history) => return anomalies(history, report),
    };
    let why = || "the operations of the witness are no proof alone".to_string();
    found.map_or_else(|| Proof::None(why()), |witness| Proof::Witness(witness.into()))
}

fn of_object(history: &Objects, workload: &str, settings: &Settings, report: &Report) -> Option<Vec<u32>> {
    let first = State::first(workload, report.model, settings)?;
    let key = |i: u32| history.calls[i as usize].key;
    let beside = |i: u32| (0..history.len() as u32).filter(|at| key(*at) == key(i)).collect();
    widened(report, &|witness| of_objects(history, &first, witness), beside)
}

/// The first witness that is a proof, with whatever it lacked.
fn witness(report: &Report, trial: &dyn Fn(&[u32]) -> Trial) -> Option<Vec<u32>> {
    report.anomalies.iter().find_map(|anomaly| closed_witness(&anomaly.indices, trial))
}

fn closed_witness(start: &[u32], trial: &dyn Fn(&[u32]) -> Trial) -> Option<Vec<u32>> {
    let mut witness: BTreeSet<u32> = start.iter().copied().collect();
    loop {
        let all: Vec<u32> = witness.iter().copied().collect();
        match trial(&all) {
            Trial::Contradiction => return Some(all),
            Trial::Lacks(more) if witness.len() + more.len() <= MOST => witness.extend(more),
            _ => return None,
        }
    }
}

/// The witness; if that proves nothing, all operations on its key.
fn widened(report: &Report, trial: &dyn Fn(&[u32]) -> Trial, beside: impl Fn(u32) -> Vec<u32>) -> Option<Vec<u32>> {
    let wide = || {
        let first = report.anomalies.first()?.indices.first()?;
        Some(beside(*first)).filter(|all| all.len() <= MOST).and_then(|all| closed_witness(&all, trial))
    };
    witness(report, trial).or_else(wide)
}

/// The anomalies that the history shows.
fn anomalies(history: &Transactions, report: &Report) -> Proof {
    let evidence = report.isolation.iter().flat_map(|isolation| &isolation.evidence);
    let shown = evidence.filter(|anomaly| super::cycle::refute(history, anomaly).is_none());
    let shown: Vec<Shown> = shown.map(|anomaly| show(history, anomaly)).collect();
    if shown.is_empty() {
        return Proof::None("the anomaly rests on a search for the order of versions".to_string());
    }
    Proof::Anomalies(shown)
}

fn show(history: &Transactions, anomaly: &TxnAnomaly) -> Shown {
    let key = |kind: EdgeKind, key: u32| match kind {
        EdgeKind::So | EdgeKind::Rt => String::new(),
        _ => history.keys[key as usize].escape_default().to_string(),
    };
    let edges = anomaly.cycle.iter();
    let edges = edges.map(|edge| {
        let kind = edge.kind();
        (kind.name().to_string(), edge.from, edge.to, key(kind, edge.key()))
    });
    let (class, variant, transactions) = (anomaly.class, anomaly.variant, anomaly.transactions.clone());
    Shown { class, variant, transactions, edges: edges.collect(), line: 0 }
}
