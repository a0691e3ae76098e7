//! Update serializability (Adya, 1999, PL-3U): transactions that write can be put in one order, and each that only reads fits into
//! such an order, though not all into the same one.

use history::txn::{Kind, Transactions};

use super::anomaly::{Class, Variant};
use super::cycles::{Found, OutOfBudget, Part};
use super::graph::{Edge, EdgeKind};

/// A shortest cycle with an anti-dependency and at most one transaction that only reads, among `edges` without sessions and real time.
/// `members`: the transactions that these number. `Err`: the search ran out of its budget.
///
/// Among transactions that write it is a question of components; each of the others then needs a search.
pub fn update_serializable(
    transactions: &Transactions,
    members: &[u32],
    edges: &[Edge],
) -> Result<Option<Found>, Class> {
    let is_write = |kind: Kind| matches!(kind, Kind::Append | Kind::Write);
    let writes = |t: &u32| transactions.ops(*t).iter().any(|op| is_write(op.kind));
    let updates: Vec<bool> = members.iter().map(writes).collect();
    let update = |member: u32| updates[member as usize];
    let part = |edges: Vec<Edge>| Part::of(members.len(), members.len(), edges);
    let among = edges.iter().copied().filter(|edge| update(edge.from) && update(edge.to)).collect();
    let cycle = match part(among).shortest_with(EdgeKind::Rw) {
        Some(cycle) => Some(cycle),
        None => {
            let reader = |edge: &Edge| !update(edge.from);
            let once = part(edges.to_vec()).detour(reader, |edge| !reader(edge));
            once.map_err(|OutOfBudget| Class::GUpdate)?
        }
    };
    let outside = |node: u32| members[node as usize];
    let told = |cycle: Vec<Edge>| cycle.iter().map(|edge| edge.between(outside(edge.from), outside(edge.to))).collect();
    Ok(cycle.map(|cycle| Found { class: Class::GUpdate, variant: Variant::Plain, cycle: told(cycle) }))
}
