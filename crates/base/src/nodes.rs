use std::fmt;
use std::str::FromStr;

use crate::NodeId;

/// A set of the first 64 nodes, as the bits of a word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeSet(pub u64);

impl NodeSet {
    /// Nobody.
    pub const EMPTY: NodeSet = NodeSet(0);
    /// Nodes that a set can hold: those of an index below this.
    pub const LIMIT: usize = 64;

    /// The set of one node.
    pub fn only(node: NodeId) -> Self {
        NodeSet(1 << node.0)
    }

    /// The first `count` nodes.
    pub fn first(count: usize) -> Self {
        if count >= Self::LIMIT { NodeSet(u64::MAX) } else { NodeSet((1 << count) - 1) }
    }

    /// Adds a node; adding it twice counts once.
    pub fn insert(&mut self, node: NodeId) {
        self.0 |= 1 << node.0;
    }

    /// Whether a node is in the set. False for a node that no set can hold.
    pub fn contains(self, node: NodeId) -> bool {
        node.index() < Self::LIMIT && self.0 & (1 << node.0) != 0
    }

    /// How many nodes are in the set.
    pub fn count(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Whether nobody is in the set.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The nodes of either set.
    pub fn or(self, other: NodeSet) -> NodeSet {
        NodeSet(self.0 | other.0)
    }

    /// The nodes of both sets.
    pub fn and(self, other: NodeSet) -> NodeSet {
        NodeSet(self.0 & other.0)
    }

    /// The nodes of this set that are not in `other`.
    pub fn without(self, other: NodeSet) -> NodeSet {
        NodeSet(self.0 & !other.0)
    }

    /// The nodes, in order.
    pub fn iter(self) -> impl Iterator<Item = NodeId> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let place = (rest != 0).then(|| rest.trailing_zeros() as u16)?;
            rest &= rest - 1;
            Some(NodeId(place))
        })
    }
}

impl FromIterator<NodeId> for NodeSet {
    fn from_iter<I: IntoIterator<Item = NodeId>>(nodes: I) -> Self {
        let mut set = NodeSet::EMPTY;
        nodes.into_iter().for_each(|node| set.insert(node));
        set
    }
}

impl fmt::Display for NodeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.iter().map(|node| node.to_string()).collect();
        f.write_str(&names.join(" "))
    }
}

impl FromStr for NodeSet {
    type Err = String;

    /// Reads `n1 n2 n5`.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut set = NodeSet::EMPTY;
        for word in text.split_whitespace() {
            let node: NodeId = word.parse()?;
            if node.index() >= Self::LIMIT {
                return Err(format!("`{node}` is beyond the {} nodes that a set can hold", Self::LIMIT));
            }
            set.insert(node);
        }
        Ok(set)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_read_as_it_is_shown() {
        let set: NodeSet = "n5 n1 n1".parse().unwrap();
        assert_eq!((set.to_string().as_str(), set.count()), ("n1 n5", 2));
        assert!("n65".parse::<NodeSet>().is_err() && "x".parse::<NodeSet>().is_err());
        assert!(!set.contains(NodeId(64)));
        assert_eq!(NodeSet::first(3).without(set).to_string(), "n2 n3");
        assert_eq!(NodeSet::first(64).count(), 64);
        assert_eq!(set.or(NodeSet::first(2)).and(NodeSet::only(NodeId(1))), NodeSet(2));
    }
}
