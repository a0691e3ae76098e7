//! A certificate against its history, by the definitions alone.

use history::Columns;
use history::object::Objects;
use history::txn::Transactions;

use super::closed::{self, Trial};
use super::definition::State;
use super::file::{Certificate, Doubt, Numbers, Proof, Refused, Shown};
use super::subject::Subject;
use super::{classes, cycle, register, replay, single, transaction};
use crate::consistency;
use crate::txn::{Edge, EdgeKind, Level, TxnAnomaly};
use crate::verdict::Verdict;

/// What a certificate that is not refused is worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It proves its verdict.
    Proven,
    /// It holds no proof of its verdict, because of this.
    Unproven(String),
}

/// Checks a certificate again, from the history and nothing else: by the definition of each object, by replaying an order, by trying all
/// orders of a witness, by showing each edge of a cycle. Linear in the history, but for the few operations of a witness.
pub fn verify(subject: &Subject, certificate: &Certificate) -> Result<Standing, Refused> {
    if certificate.operations != subject.len() {
        let (said, are) = (certificate.operations, subject.len());
        return Err(Refused::at(0, format!("it is of another history: {said} operations, not {are}")));
    }
    if certificate.fingerprint != subject.fingerprint() {
        return Err(Refused::at(0, "it is of another history: the fingerprints differ"));
    }
    let mismatch = || Refused::at(0, format!("this is no proof of `{}`", certificate.verdict.name()));
    let (proof, verdict) = (&certificate.proof, &certificate.verdict);
    match (proof, verdict) {
        (Proof::None(why), _) => Ok(Standing::Unproven(why.clone())),
        (Proof::Order(order), Verdict::Valid) => refuse(order, order_of(subject, certificate, order)?),
        (Proof::Witness(witness), Verdict::Invalid) => refuse(witness, witness_of(subject, certificate, witness)?),
        (Proof::Anomalies(all), Verdict::Invalid) => match subject {
            Subject::Transactions(history) => anomalies(history, &certificate.model, all),
            _ => Err(mismatch()),
        },
        _ => Err(mismatch()),
    }
}

fn refuse(numbers: &Numbers, doubt: Option<Doubt>) -> Result<Standing, Refused> {
    match doubt {
        None => Ok(Standing::Proven),
        Some(doubt) => Err(Refused::at(numbers.line(doubt.place), doubt.why)),
    }
}

fn no_proof(certificate: &Certificate, what: &str) -> Refused {
    Refused::at(0, format!("{what} proves nothing of `{}` of `{}`", certificate.model, certificate.workload))
}

fn order_of(subject: &Subject, certificate: &Certificate, order: &Numbers) -> Result<Option<Doubt>, Refused> {
    let Certificate { workload, model, settings, .. } = certificate;
    match subject {
        Subject::Registers(history) if consistency::is_implied(model) => {
            Ok(register::doubt(&history.operations, &order.all, |_| true))
        }
        Subject::Objects(history) => match State::first(workload, model, settings) {
            Some(first) => Ok(replay::refute(history, &first, &order.all)),
            None => Err(no_proof(certificate, "an order")),
        },
        Subject::Transactions(history) if Level::find(model).is_some() => Ok(transaction::doubt(history, &order.all)),
        _ => Err(no_proof(certificate, "an order")),
    }
}

fn witness_of(subject: &Subject, certificate: &Certificate, witness: &Numbers) -> Result<Option<Doubt>, Refused> {
    let Certificate { workload, model, settings, .. } = certificate;
    let mut sorted = witness.all.clone();
    sorted.sort_unstable();
    sorted.dedup();
    if sorted.len() != witness.all.len() || sorted.last().is_some_and(|last| *last as usize >= subject.len()) {
        return Ok(Some(Doubt::of_all("an operation is there twice, or does not exist")));
    }
    let trial = match subject {
        Subject::Registers(history) if model == "linearizable" => of_registers(&history.operations, &sorted),
        Subject::Objects(history) => match State::first(workload, model, settings) {
            Some(first) => of_objects(history, &first, &sorted),
            None => return Err(no_proof(certificate, "a witness")),
        },
        _ => return Err(no_proof(certificate, "a witness")),
    };
    Ok(match trial {
        Trial::Contradiction => None,
        Trial::Explained => Some(Doubt::of_all("an order explains these operations")),
        Trial::TooMany => Some(Doubt::of_all("these are too many operations to try all orders")),
        Trial::Lacks(those) => {
            let one = those.first().copied().unwrap_or(0);
            Some(Doubt::of_all(format!("operation {one} may explain these, and is not among them")))
        }
    })
}

pub(super) fn of_registers(columns: &Columns, witness: &[u32]) -> Trial {
    closed::registers(columns, witness)
}

pub(super) fn of_objects(history: &Objects, first: &State, witness: &[u32]) -> Trial {
    closed::objects(history, first, witness)
}

/// Every anomaly must be one, and the level must forbid one that is shown whole.
fn anomalies(history: &Transactions, level: &str, all: &[Shown]) -> Result<Standing, Refused> {
    let level = Level::find(level).ok_or_else(|| Refused::at(0, format!("there is no level `{level}`")))?;
    let mut proven = false;
    for shown in all {
        let anomaly = anomaly(history, shown)?;
        if let Some(doubt) = cycle::refute(history, &anomaly) {
            return Err(Refused::at(shown.line, doubt));
        }
        proven |= match &anomaly.cycle[..] {
            [] => single::is_whole(history, &anomaly) && level.forbids(shown.class, shown.variant),
            cycle => classes::of_cycle(history, cycle).iter().any(|(class, variant)| level.forbids(*class, *variant)),
        };
    }
    let told = || "what is told of it is not shown by the operations alone".to_string();
    Ok(if proven { Standing::Proven } else { Standing::Unproven(told()) })
}

fn anomaly(history: &Transactions, shown: &Shown) -> Result<TxnAnomaly, Refused> {
    let wrong = |why: String| Refused::at(shown.line, why);
    let named = shown.edges.iter().flat_map(|(_, from, to, _)| [*from, *to]);
    if let Some(t) = shown.transactions.iter().copied().chain(named).find(|t| *t as usize >= history.len()) {
        return Err(wrong(format!("there is no transaction {t}")));
    }
    let edge = |(kind, from, to, key): &(String, u32, u32, String)| {
        let kind = EdgeKind::find(kind).ok_or_else(|| wrong(format!("there is no edge `{kind}`")))?;
        let by_data = !matches!(kind, EdgeKind::So | EdgeKind::Rt);
        let is = |name: &String| name.escape_default().to_string() == *key;
        let found = history.keys.iter().position(is).filter(|_| by_data);
        if by_data && found.is_none() {
            return Err(wrong(format!("there is no key `{key}`")));
        }
        Ok(Edge::new(kind, *from, *to, found.unwrap_or(0) as u32))
    };
    let cycle = shown.edges.iter().map(edge).collect::<Result<Vec<Edge>, Refused>>()?;
    let (class, variant) = (shown.class, shown.variant);
    Ok(TxnAnomaly { class, variant, story: Vec::new(), transactions: shown.transactions.clone(), cycle })
}
