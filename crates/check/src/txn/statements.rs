//! Anomalies between the statements of one transaction: what it read first against what it read later.
//!
//! Transactions are unfolded (Adya, 1999, the unfolded serialization graph): every micro-operation is a node, in program order, and
//! the commit is the last one. A read follows the commit that it saw and precedes the commit that it missed.
//!
//! - G-monotonic: a cycle with one anti-dependency. Something was missed that an earlier statement's data already depended on.
//! - G-MSR: any cycle; overwrites order commits only. No sequence of ever later states of the database was read.

use history::txn::{Kind, Micro, Transactions};

use super::anomaly::{Class, Variant};
use super::cycles::{Found, OutOfBudget, Part};
use super::graph::{Edge, EdgeKind};

/// A shortest cycle with one anti-dependency, among `edges` without sessions and real time. `members`: the transactions that these number.
/// `Err`: the search ran out of its budget.
pub fn monotonic_view(transactions: &Transactions, members: &[u32], edges: &[Edge]) -> Result<Option<Found>, Class> {
    let unfolded = Unfolded::new(transactions, members);
    match unfolded.part(edges, true).read_skew() {
        Ok(cycle) => Ok(cycle.map(|cycle| unfolded.tell(Class::GMonotonic, &cycle))),
        Err(OutOfBudget) => Err(Class::GMonotonic),
    }
}

/// The same with any number of anti-dependencies, and overwrites that order commits only.
pub fn monotonic_snapshot(
    transactions: &Transactions,
    members: &[u32],
    edges: &[Edge],
) -> Result<Option<Found>, Class> {
    let unfolded = Unfolded::new(transactions, members);
    let cycle = unfolded.part(edges, false).shortest_with(EdgeKind::Rw);
    Ok(cycle.map(|cycle| unfolded.tell(Class::GMsr, &cycle)))
}

/// Nodes: the commits of all members, then their micro-operations.
struct Unfolded<'a> {
    transactions: &'a Transactions,
    members: &'a [u32],
    /// Where the micro-operations of each member begin; one more entry than members.
    first: Vec<u32>,
    /// The member of each micro-operation.
    owner: Vec<u32>,
}

impl<'a> Unfolded<'a> {
    fn new(transactions: &'a Transactions, members: &'a [u32]) -> Unfolded<'a> {
        let (mut first, mut owner) = (Vec::with_capacity(members.len() + 1), Vec::new());
        for (member, t) in members.iter().enumerate() {
            first.push((members.len() + owner.len()) as u32);
            owner.extend(transactions.ops(*t).iter().map(|_| member as u32));
        }
        first.push((members.len() + owner.len()) as u32);
        Unfolded { transactions, members, first, owner }
    }

    /// `writes`: an overwrite precedes what its transaction does after it, not only its commit.
    fn part(&self, edges: &[Edge], writes: bool) -> Part {
        let mut unfolded = Vec::with_capacity(edges.len() + self.owner.len());
        for member in 0..self.members.len() as u32 {
            let mut nodes: Vec<u32> = (self.first[member as usize]..self.first[member as usize + 1]).collect();
            nodes.push(member);
            unfolded.extend(nodes.windows(2).map(|pair| Edge::new(EdgeKind::So, pair[0], pair[1], 0)));
        }
        for edge in edges {
            let (from, to) = match edge.kind() {
                EdgeKind::Wr => (edge.from, self.first[edge.to as usize] + self.saw(edge)),
                EdgeKind::Rw => (self.first[edge.from as usize] + self.missed(edge), edge.to),
                _ if writes => (edge.from, self.first[edge.to as usize] + self.wrote(edge)),
                _ => (edge.from, edge.to),
            };
            unfolded.push(edge.between(from, to));
        }
        Part::of(self.members.len() + self.owner.len(), self.members.len(), unfolded)
    }

    fn ops(&self, member: u32) -> &[Micro] {
        self.transactions.ops(self.members[member as usize])
    }

    /// The first read that saw anything of the writer.
    fn saw(&self, edge: &Edge) -> u32 {
        let saw = |op: &Micro| self.shows(op, edge.from, edge.key());
        self.ops(edge.to).iter().position(saw).unwrap_or(0) as u32
    }

    /// The last read that saw nothing of the writer; of registers, before its own transaction's write.
    fn missed(&self, edge: &Edge) -> u32 {
        let ops = self.ops(edge.from);
        let own = |op: &Micro| op.kind == Kind::Write && op.key == edge.key();
        let before = ops.iter().position(own).unwrap_or(ops.len());
        let is_read = |op: &Micro| matches!(op.kind, Kind::Read | Kind::ReadList) && op.key == edge.key();
        let missed = |op: &Micro| is_read(op) && !self.shows(op, edge.to, edge.key());
        ops[..before].iter().rposition(missed).unwrap_or(0) as u32
    }

    /// The first write to the key.
    fn wrote(&self, edge: &Edge) -> u32 {
        let wrote = |op: &Micro| matches!(op.kind, Kind::Append | Kind::Write) && op.key == edge.key();
        self.ops(edge.to).iter().position(wrote).unwrap_or(0) as u32
    }

    /// Whether a read of the key shows a version of a writer.
    fn shows(&self, op: &Micro, writer: u32, key: u32) -> bool {
        let of_writer = |version: u32| {
            let mut ops = self.ops(writer).iter();
            ops.any(|op| matches!(op.kind, Kind::Append | Kind::Write) && op.value == version)
        };
        op.key == key
            && match op.kind {
                Kind::Read => of_writer(op.value),
                Kind::ReadList => self.transactions.list(op).iter().any(|version| of_writer(*version)),
                _ => false,
            }
    }

    fn tell(&self, class: Class, cycle: &[Edge]) -> Found {
        let count = self.members.len() as u32;
        let member = |node: u32| if node < count { node } else { self.owner[(node - count) as usize] };
        let outside = |node: u32| self.members[member(node) as usize];
        let between = cycle.iter().filter(|edge| edge.kind() != EdgeKind::So);
        let cycle = between.map(|edge| edge.between(outside(edge.from), outside(edge.to))).collect();
        Found { class, variant: Variant::Plain, cycle }
    }
}
