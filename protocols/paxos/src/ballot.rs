//! Ballots, and the values that are proposed at them.

use std::fmt;

use base::{Bytes, NodeId};
use history::NIL;
use proto::Malformed;
use proto::codec::{Reader, put, put_bytes};

/// The number of an attempt: no two attempts of a key have the same, and any two can be compared.
///
/// Unique because each part is: a server counts its lives durably, and its rounds of a key within a life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ballot {
    /// Higher wins. 0 is below every attempt.
    pub round: u64,
    /// Whose attempt it is.
    pub node: NodeId,
    /// In which life of that server.
    pub life: u64,
}

impl Ballot {
    /// Below every attempt.
    pub const ZERO: Ballot = Ballot { round: 0, node: NodeId(0), life: 0 };

    pub(crate) fn encode(self, buffer: &mut Vec<u8>) {
        put(buffer, &[self.round, u64::from(self.node.0), self.life]);
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Ballot, Malformed> {
        Ok(Ballot { round: reader.number()?, node: NodeId(reader.small("node")?), life: reader.number()? })
    }
}

impl fmt::Display for Ballot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.round, self.node)
    }
}

/// How many earlier authors a value remembers. Who was away for longer than so many versions cannot tell what became of its own.
pub const TRAIL: usize = 8;

/// What a version of a register holds, and how it came about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Value {
    /// The ballot at which it was first proposed: a name for the write that no other write has.
    pub author: Ballot,
    /// The authors of the versions before, latest first, at most [`TRAIL`].
    pub trail: Vec<Ballot>,
    /// An eight-byte number and padding; empty before the first write.
    pub payload: Bytes,
}

impl Value {
    /// What comes after `before`.
    pub fn after(before: &Value, author: Ballot, payload: Bytes) -> Value {
        let mut trail = Vec::with_capacity(TRAIL);
        trail.push(before.author);
        trail.extend(before.trail.iter().take(TRAIL - 1));
        Value { author, trail, payload }
    }

    /// The author of the version `back` versions before this one; 0 is this one.
    pub fn author(&self, back: u64) -> Option<Ballot> {
        match back.checked_sub(1) {
            None => Some(self.author),
            Some(place) => self.trail.get(usize::try_from(place).ok()?).copied(),
        }
    }

    /// The number that it holds, or [`NIL`].
    pub fn number(&self) -> u64 {
        self.payload.first_chunk::<8>().map_or(NIL, |bytes| u64::from_le_bytes(*bytes))
    }

    pub(crate) fn encode(&self, buffer: &mut Vec<u8>) {
        self.author.encode(buffer);
        put(buffer, &[self.trail.len() as u64]);
        self.trail.iter().for_each(|author| author.encode(buffer));
        put_bytes(buffer, &self.payload);
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Value, Malformed> {
        let author = Ballot::decode(reader)?;
        let length = reader.number()?;
        if length > TRAIL as u64 {
            return Err(Malformed(format!("value with {length} authors")));
        }
        let trail = (0..length).map(|_| Ballot::decode(reader)).collect::<Result<_, _>>()?;
        Ok(Value { author, trail, payload: reader.bytes()? })
    }
}
