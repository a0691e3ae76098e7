//! Which anomalies a cycle is, by its edges alone, whatever it is called: Adya's cycles, and what the weak levels forbid (Cerone, Bernardi &
//! Gotsman 2015; Biswas & Enea 2019).

use history::txn::{Kind, Transactions};

use super::cycle::{Order, weakest_order};
use crate::txn::{Class, Edge, EdgeKind, Variant};

/// Every class that the cycle is of, with the order of transactions that it needs. Its edges were shown before.
pub(super) fn of_cycle(transactions: &Transactions, cycle: &[Edge]) -> Vec<(Class, Variant)> {
    let kind = |at: usize| cycle[at % cycle.len()].kind();
    let count = |kind| cycle.iter().filter(|edge| edge.kind() == kind).count();
    let places = 0..cycle.len();
    let missing = count(EdgeKind::Rw);
    let adjacent = missing > 1 && places.clone().any(|at| kind(at) == EdgeKind::Rw && kind(at + 1) == EdgeKind::Rw);
    let follows = |at: usize| matches!(kind(at + cycle.len() - 1), EdgeKind::Wr | EdgeKind::So);
    let order = if count(EdgeKind::Ww) == 0 { Some(Order::Versions) } else { weakest_order(transactions, cycle) };
    let Some(order) = order else { return Vec::new() };
    let sessions = count(EdgeKind::So) > 0 || order >= Order::Session;
    let needs = |contained: bool| match () {
        () if count(EdgeKind::Rt) > 0 => Variant::Realtime,
        () if sessions && !contained => Variant::Process,
        () => Variant::Plain,
    };
    // Of registers, the axioms of the weak levels have the order of each process in them.
    let lists = transactions.ops.iter().any(|op| matches!(op.kind, Kind::Append | Kind::ReadList));
    let (plain, weak) = (needs(false), needs(!lists));
    let mut classes = Vec::new();
    let mut is = |holds: bool, class: Class, variant: Variant| classes.extend(holds.then_some((class, variant)));
    // Of lists, read committed is Adya's: what statements saw one after the other is of monotonic atomic view.
    let by_data = order <= if lists { Order::Versions } else { Order::Statements };
    is(lists && missing == 0 && order <= Order::Statements, Class::VanishedTransaction, plain);
    is(missing + count(EdgeKind::Wr) == 0 && order == Order::Versions, Class::G0, plain);
    is(missing == 0 && by_data, Class::G1c, weak);
    is(missing == 1 && by_data, Class::GSingle, plain);
    is(missing >= 1 && by_data && !adjacent, Class::GNonadjacent, plain);
    is(missing >= 1 && by_data, Class::G2Item, plain);
    let prefix = places.clone().all(|at| kind(at) != EdgeKind::Rw || follows(at));
    is(missing >= 1 && by_data && prefix, Class::PrefixCycle, plain);
    let two =
        cycle.len() == 2 && missing == 1 && follows(places.clone().find(|at| kind(*at) == EdgeKind::Rw).unwrap_or(0));
    is(order <= Order::Session && (missing == 0 || two), Class::FracturedRead, weak);
    let seen = missing == 1 && count(EdgeKind::Wr) + count(EdgeKind::So) + 1 == cycle.len();
    is(missing == 0 || seen, Class::StaleCausal, weak);
    classes
}
