//! What is most promising comes out first.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Items by how promising they are; of equals the older one first.
pub(crate) struct Best<K, T> {
    heap: BinaryHeap<Item<K, T>>,
    pushed: u64,
}

struct Item<K, T> {
    rank: (K, Reverse<u64>),
    item: T,
}

impl<K: Ord, T> Best<K, T> {
    pub(crate) fn push(&mut self, rank: K, item: T) {
        self.pushed += 1;
        self.heap.push(Item { rank: (rank, Reverse(self.pushed)), item });
    }

    pub(crate) fn pop(&mut self) -> Option<T> {
        self.heap.pop().map(|item| item.item)
    }
}

impl<K: Ord, T> Default for Best<K, T> {
    fn default() -> Self {
        Best { heap: BinaryHeap::new(), pushed: 0 }
    }
}

impl<K: Ord, T> PartialEq for Item<K, T> {
    fn eq(&self, other: &Self) -> bool {
        self.rank == other.rank
    }
}

impl<K: Ord, T> Eq for Item<K, T> {}

impl<K: Ord, T> PartialOrd for Item<K, T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<K: Ord, T> Ord for Item<K, T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.rank.cmp(&other.rank)
    }
}
