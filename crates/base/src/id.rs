use std::fmt;
use std::str::FromStr;

/// One server of the system under test. Counts from 0; people see `n1`, `n2`, ...
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u16);

impl NodeId {
    /// The node's place in arrays of nodes.
    pub fn index(self) -> usize {
        self.0 as usize
    }

    /// The first `count` nodes.
    pub fn all(count: usize) -> impl Iterator<Item = NodeId> {
        (0..count).map(|i| NodeId(i as u16))
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "n{}", u32::from(self.0) + 1)
    }
}

impl FromStr for NodeId {
    type Err = String;

    /// Reads `n3` (or `3`), counting from 1.
    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.strip_prefix('n').unwrap_or(text);
        match digits.parse::<u16>() {
            Ok(number) if number >= 1 => Ok(NodeId(number - 1)),
            _ => Err(format!("`{text}` is not a node; nodes are `n1`, `n2`, ...")),
        }
    }
}

/// A logical client: at most one operation at a time. After an unknown outcome it goes on under a new id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProcessId(pub u32);

impl fmt::Display for ProcessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p{}", self.0)
    }
}
