//! Links that carry nothing. Which links, is the shape; clients reach every node throughout, which is what shows a
//! split brain.

use crate::change::Change;
use crate::fault::{Action, Context};
use crate::link::LinkRule;
use crate::registry::{Kind, Need};
use crate::selector::some;
use base::{NodeId, Rng};
use plan::Table;
use plan::reference::field;
use std::fmt;
use std::sync::Arc;

/// Messages between some nodes do not arrive.
pub static PARTITION: Kind = Kind {
    name: "partition",
    about: "messages between some nodes do not arrive, in both directions or in one",
    effect: "nodes on one side take those on the other for dead; nothing is refused or reset until the fault ends",
    reveals: "two leaders at once, reads from a side that was left behind, writes acknowledged without a majority, \
              a system that does not come back after healing",
    evidence: "messages were dropped on a link that was cut",
    needs: &[Need::LinkRules],
    options: &[
        field(
            "shape",
            "`isolate`, `halves`, `one-way-in`, `one-way-out`, `ring` or `bridge`",
            "`isolate`; drawn in a random schedule",
            "which links are cut",
        ),
        field(
            "reset_on_heal",
            "`true` or `false`",
            "`false`",
            "whether the end of the fault resets the connections that were cut",
        ),
    ],
    read: |table| {
        Some(Arc::new(Partition { shape: table.choice_or("shape", &SHAPES, "isolate"), reset_on_heal: reset(table) }))
    },
    draw: |table, rng| {
        let drawn = rng.pick(&SHAPES).1;
        let shape = table.choice("shape", &SHAPES).unwrap_or(drawn);
        Some(Arc::new(Partition { shape, reset_on_heal: reset(table) }))
    },
};

/// Cuts links between nodes.
#[derive(Clone, Copy, Debug)]
pub struct Partition {
    /// Which links.
    pub shape: Shape,
    /// See [`LinkRule::reset_on_heal`].
    pub reset_on_heal: bool,
}

/// Which links a partition cuts, with five nodes and `n1` as the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shape {
    /// The targets are cut off from the rest and reach each other: `n1 | n2 n3 n4 n5`.
    Isolate,
    /// A minority with the targets in it against the majority: `n1 n4 | n2 n3 n5`.
    Halves,
    /// Nothing arrives at the targets; what they send arrives.
    OneWayIn,
    /// Nothing that the targets send arrives; they hear everything.
    OneWayOut,
    /// In a random circle, each node reaches its two neighbours only: every node sees a majority, no two the same.
    /// The targets do not matter. Nothing is cut with three nodes or fewer.
    Ring,
    /// Two groups that only reach each other through the target: `n2 n3 - n1 - n4 n5`.
    Bridge,
}

const SHAPES: [(&str, Shape); 6] = [
    ("isolate", Shape::Isolate),
    ("halves", Shape::Halves),
    ("one-way-in", Shape::OneWayIn),
    ("one-way-out", Shape::OneWayOut),
    ("ring", Shape::Ring),
    ("bridge", Shape::Bridge),
];

fn reset(table: &Table<'_>) -> bool {
    table.or("reset_on_heal", false)
}

impl Action for Partition {
    fn changes(&self, context: &mut Context<'_>) -> Vec<Change> {
        let (targets, cluster) = (context.targets, context.cluster);
        let links = match self.shape {
            Shape::Isolate => both_ways(targets, &cluster.others(targets)),
            Shape::Halves => {
                let minority = with_company(context);
                both_ways(&minority, &cluster.others(&minority))
            }
            Shape::OneWayIn => links(&cluster.others(targets), targets),
            Shape::OneWayOut => links(targets, &cluster.others(targets)),
            Shape::Ring => ring(&cluster.nodes, context.rng),
            Shape::Bridge => bridge(&cluster.others(targets), context.rng),
        };
        let rule = LinkRule { reset_on_heal: self.reset_on_heal, ..LinkRule::CUT };
        links.into_iter().map(|(from, to)| Change::Link { from, to, rule }).collect()
    }
}

type Link = (NodeId, NodeId);

fn links(from: &[NodeId], to: &[NodeId]) -> Vec<Link> {
    from.iter().flat_map(|from| to.iter().map(move |to| (*from, *to))).collect()
}

fn both_ways(one: &[NodeId], other: &[NodeId]) -> Vec<Link> {
    let mut all = links(one, other);
    all.extend(links(other, one));
    all
}

/// The targets and as many random others as still leave a majority on the other side.
fn with_company(context: &mut Context<'_>) -> Vec<NodeId> {
    let more = context.cluster.minority().saturating_sub(context.targets.len());
    let mut side = context.targets.to_vec();
    side.extend(some(&context.cluster.others(context.targets), more, context.rng));
    side
}

fn ring(nodes: &[NodeId], rng: &mut Rng) -> Vec<Link> {
    let mut circle = nodes.to_vec();
    rng.shuffle(&mut circle);
    let count = circle.len();
    let neighbours = |a: usize, b: usize| (a + 1) % count == b || (b + 1) % count == a;
    let pairs = (0..count).flat_map(|a| (0..count).map(move |b| (a, b)));
    pairs.filter(|(a, b)| a != b && !neighbours(*a, *b)).map(|(a, b)| (circle[a], circle[b])).collect()
}

fn bridge(others: &[NodeId], rng: &mut Rng) -> Vec<Link> {
    let one = some(others, others.len() / 2, rng);
    let other: Vec<NodeId> = others.iter().copied().filter(|node| !one.contains(node)).collect();
    both_ways(&one, &other)
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "partition {}", self.shape)
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(SHAPES.iter().find(|(_, shape)| shape == self).map_or("partition", |(name, _)| name))
    }
}
