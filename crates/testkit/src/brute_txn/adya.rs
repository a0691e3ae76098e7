use history::Outcome;
use history::txn::{INITIAL, Kind, Micro, Transactions, UNREAD};

use super::{Keep, must_precede, some_subset, writes};

/// Levels that Adya (1999) defines by what the direct serialization graph must not contain. Every order of the versions of every
/// key is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adya {
    /// PL-1: no cycle of overwrites.
    ReadUncommitted,
    /// PL-2: no aborted and intermediate reads, no cycle of overwrites and reads.
    ReadCommitted,
    /// PL-CS: PL-2, and no cycle of one anti-dependency and overwrites of the same key.
    CursorStability,
    /// PL-2L: PL-2, and no cycle with one anti-dependency of a read that follows, in its transaction, where the cycle came in.
    MonotonicView,
    /// PL-2+: PL-2, and no cycle with one anti-dependency.
    ConsistentView,
    /// PL-2.99: PL-2, and no cycle with anti-dependencies of items.
    RepeatableRead,
    /// PL-3U: the same among transactions that write and any one that does not.
    UpdateSerializable,
}

/// Whether some order of versions satisfies a level, with the order of processes or real time as further edges.
pub fn adya(history: &Transactions, level: Adya, keep: Keep) -> bool {
    some_subset(history, |members| {
        let here = |t: u32| members.contains(&t);
        let happened = (0..history.len() as u32)
            .filter(|t| history.outcome[*t as usize] == Outcome::Info)
            .all(|t| here(t) || !observed(history, t));
        happened && {
            let world = World::new(history, members, keep);
            world.orders(0, &mut Vec::new(), &mut |orders| {
                world.graph(orders).is_some_and(|graph| graph.allows(&world, level))
            })
        }
    })
}

/// Whether every transaction's reads agree with what it had read and written itself; the levels of Adya presume it.
pub fn agrees_with_itself(history: &Transactions) -> bool {
    (0..history.len() as u32).filter(|t| history.outcome[*t as usize] == Outcome::Ok).all(|t| {
        let ops = history.ops(t);
        let reads = || ops.iter().enumerate().filter(|(_, op)| is_read(op));
        reads().all(|(place, op)| {
            let own: Vec<u32> = ops[..place].iter().filter(|o| writes(o) && o.key == op.key).map(|o| o.value).collect();
            let same = |(_, earlier): (usize, &Micro)| {
                earlier.key != op.key || base(history, t, earlier) == base(history, t, op)
            };
            match op.kind {
                Kind::Read if !own.is_empty() => own.last() == Some(&op.value),
                Kind::Read => {
                    reads().take_while(|(p, _)| *p < place).all(|(_, o)| o.key != op.key || o.value == op.value)
                }
                _ => history.list(op).ends_with(&own) && reads().take_while(|(p, _)| *p < place).all(same),
            }
        })
    })
}

fn is_read(op: &Micro) -> bool {
    matches!(op.kind, Kind::Read | Kind::ReadList) && op.value != UNREAD
}

fn observed(history: &Transactions, t: u32) -> bool {
    let shows =
        |op: &Micro, version: u32| op.kind == Kind::Read && op.value == version || history.list(op).contains(&version);
    let seen = |version: u32| {
        (0..history.len() as u32)
            .filter(|r| history.outcome[*r as usize] == Outcome::Ok)
            .any(|r| history.ops(r).iter().any(|op| is_read(op) && shows(op, version)))
    };
    history.ops(t).iter().any(|op| writes(op) && seen(op.value))
}

/// A list as others had made it: without the transaction's own appends at its end.
fn base<'a>(history: &'a Transactions, t: u32, op: &Micro) -> &'a [u32] {
    let list = history.list(op);
    let before = history.ops(t).iter().take_while(|other| !std::ptr::eq(*other, op));
    let own: Vec<u32> = before.filter(|o| writes(o) && o.key == op.key).map(|o| o.value).collect();
    list.strip_suffix(&own[..]).unwrap_or(list)
}

struct World<'a> {
    history: &'a Transactions,
    members: &'a [u32],
    keep: Keep,
}

/// The versions of each key, oldest first.
type Orders = Vec<Vec<u32>>;

impl<'a> World<'a> {
    fn new(history: &'a Transactions, members: &'a [u32], keep: Keep) -> World<'a> {
        World { history, members, keep }
    }

    fn readers(&self) -> impl Iterator<Item = u32> {
        self.members.iter().copied().filter(|t| self.history.outcome[*t as usize] == Outcome::Ok)
    }

    fn reads(&self) -> impl Iterator<Item = (u32, usize, &'a Micro)> {
        self.readers().flat_map(|t| {
            self.history.ops(t).iter().enumerate().filter(|(_, op)| is_read(op)).map(move |(at, op)| (t, at, op))
        })
    }

    fn writer(&self, version: u32) -> Option<(u32, usize)> {
        let place = |t: u32| self.history.ops(t).iter().position(|op| writes(op) && op.value == version);
        self.members.iter().find_map(|t| place(*t).map(|at| (*t, at)))
    }

    fn is_final(&self, version: u32) -> bool {
        let Some((t, at)) = self.writer(version) else { return false };
        let (ops, key) = (self.history.ops(t), self.history.version_key[version as usize]);
        !ops[at + 1..].iter().any(|op| writes(op) && op.key == key)
    }

    /// Whether some order of the versions of all keys from `key` on satisfies `holds`.
    fn orders(&self, key: usize, made: &mut Orders, holds: &mut dyn FnMut(&Orders) -> bool) -> bool {
        if key == self.history.keys.len() {
            return holds(made);
        }
        let key = key as u32;
        let lists: Vec<&[u32]> = self
            .reads()
            .filter(|(_, _, op)| op.kind == Kind::ReadList && op.key == key)
            .map(|(t, _, op)| base(self.history, t, op))
            .collect();
        let wanted = |op: &&Micro| match op.kind {
            Kind::Append => op.key == key,
            Kind::Write => op.key == key && self.is_final(op.value),
            _ => false,
        };
        let ops = |t: u32| self.history.ops(t).iter();
        let mut versions: Vec<u32> =
            self.members.iter().flat_map(|t| ops(*t).filter(wanted)).map(|op| op.value).collect();
        let failed = (0..self.history.len() as u32).filter(|t| self.history.outcome[*t as usize] == Outcome::Fail);
        let shown = |op: &&Micro| op.kind == Kind::Append && lists.iter().any(|list| list.contains(&op.value));
        versions.extend(failed.flat_map(ops).filter(shown).map(|op| op.value));
        self.extend(key as usize, &lists, &mut versions, &mut Vec::new(), made, holds)
    }

    fn extend(
        &self,
        key: usize,
        lists: &[&[u32]],
        left: &mut Vec<u32>,
        order: &mut Vec<u32>,
        made: &mut Orders,
        holds: &mut dyn FnMut(&Orders) -> bool,
    ) -> bool {
        if left.is_empty() {
            if lists.iter().any(|list| !order.starts_with(list)) {
                return false;
            }
            made.push(order.clone());
            let found = self.orders(key + 1, made, holds);
            made.pop();
            return found;
        }
        (0..left.len()).any(|at| {
            let next = left[at];
            let fits = lists.iter().all(|list| list.get(order.len()).is_none_or(|version| *version == next));
            let program = |other: &u32| match (self.writer(*other), self.writer(next)) {
                (Some((a, first)), Some((b, second))) => a != b || first >= second,
                _ => true,
            };
            if !fits || !left.iter().all(program) {
                return false;
            }
            left.remove(at);
            order.push(next);
            let found = self.extend(key, lists, left, order, made, holds);
            order.pop();
            left.insert(at, next);
            found
        })
    }

    /// `None` if a read shows what nobody wrote.
    fn graph(&self, orders: &Orders) -> Option<Graph> {
        let mut graph = Graph::default();
        for (key, order) in orders.iter().enumerate() {
            let installed: Vec<(u32, usize)> = order.iter().filter_map(|version| self.writer(*version)).collect();
            for pair in installed.windows(2).filter(|pair| pair[0].0 != pair[1].0) {
                graph.edges.push(Edge { kind: 'w', key, from: pair[0].0, to: pair[1].0, leaves: 0, enters: pair[1].1 });
            }
        }
        for (t, at, op) in self.reads() {
            self.read(t, at, op, &orders[op.key as usize], &mut graph)?;
        }
        for a in self.members {
            for b in self.members.iter().filter(|b| *b != a && must_precede(self.history, self.keep, *a, **b)) {
                graph.edges.push(Edge { kind: 'o', key: usize::MAX, from: *a, to: *b, leaves: 0, enters: 0 });
            }
        }
        Some(graph)
    }

    fn read(&self, t: u32, at: usize, op: &Micro, order: &[u32], graph: &mut Graph) -> Option<()> {
        let own = |version: u32| self.writer(version).filter(|(writer, _)| *writer == t);
        let (version, length) = match op.kind {
            Kind::Read => {
                let earlier = self.history.ops(t)[..at].iter().any(|o| writes(o) && o.key == op.key);
                if earlier {
                    graph.bad |= own(op.value).is_none();
                    return Some(());
                }
                let known = (0..self.history.len() as u32)
                    .any(|w| self.history.ops(w).iter().any(|o| writes(o) && o.value == op.value));
                if op.value != INITIAL && !known {
                    return None;
                }
                let place = order.iter().position(|version| *version == op.value);
                ((op.value != INITIAL).then_some(op.value), place.map_or(0, |place| place + 1))
            }
            _ => {
                let list = base(self.history, t, op);
                graph.bad |= list.iter().any(|version| self.writer(*version).is_none());
                (list.last().copied(), list.len())
            }
        };
        if let Some(version) = version {
            match self.writer(version) {
                None => graph.bad = true,
                Some((writer, place)) if writer == t => graph.bad |= place > at,
                Some((writer, _)) => {
                    graph.bad |= !self.is_final(version);
                    graph.edges.push(Edge {
                        kind: 'r',
                        key: op.key as usize,
                        from: writer,
                        to: t,
                        leaves: 0,
                        enters: at,
                    });
                }
            }
        }
        let next = order[length..].iter().find_map(|version| self.writer(*version));
        if let Some((writer, _)) = next.filter(|(writer, _)| *writer != t) {
            graph.edges.push(Edge { kind: 'a', key: op.key as usize, from: t, to: writer, leaves: at, enters: 0 });
        }
        Some(())
    }
}

/// `w` an overwrite, `r` a read, `a` an anti-dependency, `o` the order of processes or time.
#[derive(Clone, Copy)]
struct Edge {
    kind: char,
    key: usize,
    from: u32,
    to: u32,
    /// The micro-operation where it leaves an anti-dependent transaction, and where it enters.
    leaves: usize,
    enters: usize,
}

#[derive(Default)]
struct Graph {
    edges: Vec<Edge>,
    /// Something aborted, intermediate or yet to be written was read.
    bad: bool,
}

impl Graph {
    fn allows(&self, world: &World<'_>, level: Adya) -> bool {
        let anti = |edge: &Edge| edge.kind == 'a';
        let once = |way: &dyn Fn(&Edge, &Edge) -> bool, end: &dyn Fn(&Edge, &Edge) -> bool| {
            let skew =
                |first: &&Edge| anti(first) && self.returns(first, &|edge| way(first, edge), &|last| end(first, last));
            self.edges.iter().any(|edge| skew(&edge))
        };
        if level == Adya::ReadUncommitted {
            return !self.cycle(&|edge| matches!(edge.kind, 'w' | 'o'));
        }
        if self.bad || self.cycle(&|edge| !anti(edge)) {
            return false;
        }
        match level {
            Adya::CursorStability => !once(&|first, edge| edge.kind == 'w' && edge.key == first.key, &|_, _| true),
            Adya::MonotonicView => !once(&|_, edge| !anti(edge), &|first, last| last.enters <= first.leaves),
            Adya::ConsistentView => !once(&|_, edge| !anti(edge), &|_, _| true),
            Adya::RepeatableRead => !self.cycle(&|_| true),
            Adya::UpdateSerializable => {
                let update = |t: u32| world.history.ops(t).iter().any(writes);
                let with =
                    |reader: u32| self.cycle(&|edge| [edge.from, edge.to].iter().all(|t| update(*t) || *t == reader));
                !world.members.iter().any(|t| with(*t))
            }
            _ => true,
        }
    }

    /// Whether a way along such edges leads back to where an edge began, by a last edge of its own kind.
    fn returns(&self, first: &Edge, way: &dyn Fn(&Edge) -> bool, end: &dyn Fn(&Edge) -> bool) -> bool {
        let mut reached = vec![first.to];
        let mut at = 0;
        while at < reached.len() {
            let here = reached[at];
            for edge in self.edges.iter().filter(|edge| edge.from == here && way(edge)) {
                if edge.to == first.from {
                    if end(edge) {
                        return true;
                    }
                } else if !reached.contains(&edge.to) {
                    reached.push(edge.to);
                }
            }
            at += 1;
        }
        false
    }

    fn cycle(&self, has: &dyn Fn(&Edge) -> bool) -> bool {
        self.edges.iter().any(|edge| has(edge) && self.returns(edge, has, &|_| true))
    }
}
