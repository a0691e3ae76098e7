//! A key-value store as a state machine: read, write and compare-and-set of keys.
//!
//! Commands and replies are small binary records; a value is an eight-byte number followed by padding, so that a
//! workload can choose its size without the checker having to compare strings.

use std::collections::BTreeMap;
use std::hash::Hasher;

use base::{Bytes, Fingerprint};
use history::{Completion, ErrorKind, Function, NIL, Request};

use crate::actor::Malformed;
use crate::state_machine::{Access, Service, StateMachine};

/// The store: number of a key to its value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kv {
    /// With the fingerprint of each key and its value.
    values: BTreeMap<u32, (Value, u64)>,
    /// The sum of the fingerprints: kept as the store changes, because a simulated world compares it after every command.
    digest: u64,
}

/// A value; one without padding takes no allocation.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    Bare([u8; 8]),
    Padded(Box<[u8]>),
}

impl Value {
    fn new(bytes: &[u8]) -> Self {
        bytes.try_into().map_or_else(|_| Value::Padded(bytes.into()), Value::Bare)
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Value::Bare(number) => number,
            Value::Padded(bytes) => bytes,
        }
    }
}

const READ: u8 = 0;
const WRITE: u8 = 1;
const CAS: u8 = 2;

const DONE: u8 = 0;
const VALUE: u8 = 1;
const MISSING: u8 = 2;
const CONFLICT: u8 = 3;
const INVALID: u8 = 4;

impl Kv {
    /// The number that key `key` holds, or [`NIL`].
    pub fn get(&self, key: u32) -> u64 {
        self.values.get(&key).map_or(NIL, |(value, _)| number(value.bytes()))
    }

    fn set(&mut self, key: u32, value: &[u8]) {
        let mut hasher = Fingerprint::new();
        hasher.word(u64::from(key));
        hasher.write(value);
        let new = hasher.finish();
        let entry = (Value::new(value), new);
        let old = match self.values.get_mut(&key) {
            Some(kept) => std::mem::replace(kept, entry).1,
            None => self.values.insert(key, entry).map_or(0, |(_, old)| old),
        };
        self.digest = self.digest.wrapping_sub(old).wrapping_add(new);
    }

    fn answer(&self, question: &[u8]) -> Bytes {
        match head(question) {
            Some((READ, key)) => match self.values.get(&key) {
                Some((value, _)) => [&[VALUE], value.bytes()].concat().into(),
                None => Bytes::from_static(&[MISSING]),
            },
            _ => Bytes::from_static(&[INVALID]),
        }
    }
}

impl StateMachine for Kv {
    fn apply(&mut self, command: &[u8]) -> Bytes {
        let Some((function, key)) = head(command) else { return Bytes::from_static(&[INVALID]) };
        match function {
            WRITE if command.len() >= 13 => {
                self.set(key, &command[5..]);
                Bytes::from_static(&[DONE])
            }
            CAS if command.len() >= 21 => {
                let expected = number(&command[5..13]);
                if self.get(key) != expected {
                    return Bytes::from_static(&[CONFLICT]);
                }
                self.set(key, &command[13..]);
                Bytes::from_static(&[DONE])
            }
            _ => self.answer(command),
        }
    }

    fn query(&self, question: &Bytes) -> Bytes {
        self.answer(question)
    }

    fn snapshot(&self) -> Bytes {
        let mut bytes = Vec::new();
        for (key, (value, _)) in &self.values {
            let value = value.bytes();
            bytes.extend_from_slice(&key.to_le_bytes());
            bytes.extend_from_slice(&(value.len() as u32).to_le_bytes());
            bytes.extend_from_slice(value);
        }
        bytes.into()
    }

    fn restore(snapshot: &Bytes) -> Result<Self, Malformed> {
        let mut store = Kv::default();
        let mut at = 0;
        while at < snapshot.len() {
            let head = snapshot.get(at..at + 8).ok_or_else(|| Malformed("snapshot ends in a key".into()))?;
            let key = u32::from_le_bytes(head[..4].try_into().expect("four bytes"));
            let length = u32::from_le_bytes(head[4..].try_into().expect("four bytes")) as usize;
            if snapshot.len() < at + 8 + length {
                return Err(Malformed("snapshot ends in a value".into()));
            }
            store.set(key, &snapshot[at + 8..at + 8 + length]);
            at += 8 + length;
        }
        Ok(store)
    }

    fn digest(&self) -> u64 {
        self.digest
    }
}

impl Service for Kv {
    fn access(request: &Request) -> Access {
        let padding = (request.size as usize).saturating_sub(8);
        let (function, size) = match request.function {
            Function::Read => (READ, 5),
            Function::Write => (WRITE, 13 + padding),
            Function::Cas => (CAS, 21 + padding),
        };
        // Just as much as it takes: what is left over would be given back with a copy.
        let mut bytes = Vec::with_capacity(size);
        bytes.push(function);
        bytes.extend_from_slice(&request.key.to_le_bytes());
        if request.function == Function::Cas {
            bytes.extend_from_slice(&request.expected.to_le_bytes());
        }
        if request.function.is_mutation() {
            bytes.extend_from_slice(&request.argument.to_le_bytes());
            bytes.resize(bytes.len() + padding, b'.');
            Access::Command(bytes.into())
        } else {
            Access::Query(bytes.into())
        }
    }

    fn completion(_request: &Request, reply: &Bytes) -> Completion {
        match reply.first() {
            Some(&DONE) => Completion::ok(NIL),
            Some(&VALUE) if reply.len() >= 9 => Completion::ok(number(&reply[1..])),
            Some(&MISSING) => Completion::ok(NIL),
            Some(&CONFLICT) => Completion::fail(ErrorKind::Precondition),
            _ => Completion::info(ErrorKind::Malformed),
        }
    }
}

fn head(command: &[u8]) -> Option<(u8, u32)> {
    let key = command.get(1..5)?.try_into().ok()?;
    Some((command[0], u32::from_le_bytes(key)))
}

fn number(value: &[u8]) -> u64 {
    value.first_chunk::<8>().map_or(NIL, |bytes| u64::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(kv: &mut Kv, request: Request) -> Completion {
        let reply = match Kv::access(&request) {
            Access::Command(command) => kv.apply(&command),
            Access::Query(question) => kv.query(&question),
        };
        Kv::completion(&request, &reply)
    }

    #[test]
    fn a_store_answers_what_was_written() {
        let mut kv = Kv::default();
        assert_eq!(ask(&mut kv, Request::read(3)), Completion::ok(NIL));
        assert_eq!(ask(&mut kv, Request { size: 100, ..Request::write(3, 7) }), Completion::ok(NIL));
        assert_eq!(ask(&mut kv, Request::cas(3, 6, 8)), Completion::fail(ErrorKind::Precondition));
        assert_eq!(ask(&mut kv, Request::cas(3, 7, 8)), Completion::ok(NIL));
        assert_eq!(ask(&mut kv, Request::read(3)), Completion::ok(8));
        assert_eq!(ask(&mut kv, Request::cas(4, NIL, 1)), Completion::ok(NIL), "from missing");
    }

    #[test]
    fn a_snapshot_restores_the_same_state_and_a_cut_one_is_refused() {
        let mut kv = Kv::default();
        ask(&mut kv, Request::write(1, 10));
        ask(&mut kv, Request { size: 64, ..Request::write(2, 20) });
        let snapshot = kv.snapshot();
        let restored = Kv::restore(&snapshot).expect("restores");
        assert_eq!(restored, kv);
        assert_eq!(restored.digest(), kv.digest());
        assert!(Kv::restore(&snapshot.slice(..snapshot.len() - 1)).is_err());
    }
}
