//! Whether edges have a cycle, given an order that nearly all of them keep: in a recorded history nearly everything goes forward in time.
//!
//! An edge that goes back spans a window of the order. A cycle has an edge back over every gap between its first and its last
//! node, so it lies inside one window, where windows that overlap are one. Everything outside keeps its place; only the inside is sorted.

use super::super::cycles::shortest_cycle;
use super::super::graph::{Edge, components_of, topological};

const NONE: u32 = u32::MAX;

/// An order of transactions: which stands where. By number at first, which is the order of invocation.
pub struct Order {
    /// The place of each transaction.
    pub place: Vec<u32>,
    /// The transaction at each place.
    pub at: Vec<u32>,
}

impl Order {
    /// By number.
    pub fn identity(count: usize) -> Order {
        let places: Vec<u32> = (0..count as u32).collect();
        Order { place: places.clone(), at: places }
    }

    /// Changes the order so that it keeps all edges. `Err`: a short cycle of them. `visit` shows every edge to what it is given, the
    /// same each time. O(edges + transactions), and little more than a look at each edge if few go back.
    pub fn keep(&mut self, visit: impl Fn(&mut dyn FnMut(Edge))) -> Result<(), Vec<Edge>> {
        let mut back: Vec<(u32, u32)> = Vec::new();
        visit(&mut |edge| {
            let (from, to) = (self.place[edge.from as usize], self.place[edge.to as usize]);
            if from >= to {
                back.push((to, from));
            }
        });
        if back.is_empty() {
            return Ok(());
        }
        let windows = merge(back);
        // Places inside windows get small numbers.
        let mut inner = vec![NONE; self.place.len()];
        let mut outer: Vec<u32> = Vec::new();
        for (low, high) in &windows {
            for place in *low..=*high {
                inner[place as usize] = outer.len() as u32;
                outer.push(place);
            }
        }
        let mut edges = Vec::new();
        visit(&mut |edge| {
            let inside = |t: u32| inner[self.place[t as usize] as usize];
            let (from, to) = (inside(edge.from), inside(edge.to));
            if from != NONE && to != NONE {
                edges.push(edge.between(from, to));
            }
        });
        let sorted = topological(outer.len(), &edges);
        if sorted.len() < outer.len() {
            return Err(self.cycle(edges, &outer));
        }
        self.rearrange(&sorted, &outer, &windows);
        Ok(())
    }

    /// Puts the transactions of each window into its places again, sorted.
    fn rearrange(&mut self, sorted: &[u32], outer: &[u32], windows: &[(u32, u32)]) {
        let mut next: Vec<u32> = windows.iter().map(|(low, _)| *low).collect();
        let moved: Vec<(u32, u32)> = (sorted.iter())
            .map(|inner| {
                let place = outer[*inner as usize];
                let slot = &mut next[windows.partition_point(|(_, high)| *high < place)];
                *slot += 1;
                (*slot - 1, self.at[place as usize])
            })
            .collect();
        for (place, t) in moved {
            (self.at[place as usize], self.place[t as usize]) = (t, place);
        }
    }

    fn cycle(&self, edges: Vec<Edge>, outer: &[u32]) -> Vec<Edge> {
        let component = components_of(outer.len(), &edges);
        let inside = |edge: &Edge| component[edge.from as usize] == component[edge.to as usize];
        let edges = edges.into_iter().filter(inside).collect();
        let outside = |inner: u32| self.at[outer[inner as usize] as usize];
        let cycle = shortest_cycle(outer.len(), edges).unwrap_or_default();
        cycle.into_iter().map(|edge| edge.between(outside(edge.from), outside(edge.to))).collect()
    }
}

/// Intervals that share a place become one.
fn merge(mut intervals: Vec<(u32, u32)>) -> Vec<(u32, u32)> {
    intervals.sort_unstable();
    let mut merged: Vec<(u32, u32)> = Vec::new();
    for (low, high) in intervals {
        match merged.last_mut() {
            Some(last) if low <= last.1 => last.1 = last.1.max(high),
            _ => merged.push((low, high)),
        }
    }
    merged
}
