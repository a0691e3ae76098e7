//! Levels that nothing contradicts, and that nothing proves either: they become `unknown`.

use history::txn::Transactions;

use super::anomaly::{Class, Variant};
use super::level::Level;
use crate::verdict::Verdict;

/// Where an order of versions had to be searched for, some classes were not: a level that forbids them holds if one holds that contains it
/// and forbids what is in every such anomaly.
pub fn searched(levels: &mut [(&'static Level, Verdict)]) {
    const LARGER: [(Class, &[Class]); 4] = [
        (Class::LostUpdate, &[Class::GSingle]),
        (Class::GMonotonic, &[Class::GSingle]),
        (Class::GMsr, &[Class::PrefixCycle, Class::GNonadjacent]),
        (Class::GUpdate, &[Class::G2Item]),
    ];
    let forbids = |level: &Level, class| Variant::ALL.iter().any(|variant| level.forbids(class, *variant));
    let settled = |level: &Level| {
        let searched = |(class, larger): &(Class, &[Class])| {
            !forbids(level, *class) || larger.iter().any(|larger| forbids(level, *larger))
        };
        LARGER.iter().all(searched)
    };
    let holds = |(level, verdict): &&(&'static Level, Verdict)| *verdict == Verdict::Valid && settled(level);
    let proofs: Vec<&'static Level> = levels.iter().filter(holds).map(|(level, _)| *level).collect();
    for (level, verdict) in levels.iter_mut().filter(|(level, verdict)| *verdict == Verdict::Valid && !settled(level)) {
        if !proofs.iter().any(|proof| proof.contains(level)) {
            *verdict = Verdict::unknown("the order of some versions is not known, and no stronger level holds");
        }
    }
}

/// Levels of an order that was not recorded are at best not contradicted. Real time contains the order of every process, named or not.
pub fn unrecorded(transactions: &Transactions, levels: &mut [(&'static Level, Verdict)]) {
    let proofs: Vec<&'static Level> = (levels.iter())
        .filter(|(level, verdict)| {
            *verdict == Verdict::Valid && level.variant() == Variant::Realtime && transactions.timed
        })
        .map(|(level, _)| *level)
        .collect();
    let proved = |level: &Level| proofs.iter().any(|proof| proof.contains(level));
    for (level, verdict) in levels.iter_mut().filter(|(_, verdict)| *verdict == Verdict::Valid) {
        let missing = match level.variant() {
            Variant::Realtime if !transactions.timed => "times",
            Variant::Process if transactions.anonymous && !proved(level) => "processes",
            _ => continue,
        };
        *verdict = Verdict::unknown(format!("nothing contradicts it, but the history does not record {missing}"));
    }
}
