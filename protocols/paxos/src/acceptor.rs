//! The acceptor's half: what a server keeps of each key, and the rules by which it promises and accepts.
//!
//! Pure: what it answers and what changed is returned, and the server sees to disk and network.

use proto::Malformed;
use proto::codec::{Reader, put};

use base::Bytes;

use crate::ballot::{Ballot, Value};
use crate::bugs::Planted;
use crate::settings::Settings;

/// One key as an acceptor and learner has it. Version n + 1 is the open instance while n is the latest decided one it knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Register {
    /// The latest version known to be decided; 0 before the first.
    pub version: u64,
    /// What was decided there.
    pub value: Value,
    /// Nothing below this ballot is accepted any more, in any version.
    pub promised: Ballot,
    /// What was accepted last for the open instance, and at which ballot.
    pub accepted: Option<(Ballot, Value)>,
}

/// How an acceptor takes a prepare or an accept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is granted.
    Granted,
    /// A higher ballot was promised.
    Refused,
    /// The instance was decided before.
    Over,
    /// An instance before it is not known to be decided.
    Behind,
}

impl Register {
    /// Phase 1: asks for a promise at `ballot` for the instance `version`.
    pub fn prepare(&mut self, settings: &Settings, version: u64, ballot: Ballot) -> Verdict {
        let verdict = self.consider(settings, version, ballot);
        if verdict == Verdict::Granted {
            self.promised = self.promised.max(ballot);
            if settings.has(Planted::OneBallot)
                && let Some((at, _)) = &mut self.accepted
            {
                *at = ballot;
            }
        }
        verdict
    }

    /// Phase 2: asks to accept `value` at `ballot` for the instance `version`.
    pub fn accept(&mut self, settings: &Settings, version: u64, ballot: Ballot, value: &Value) -> Verdict {
        let mut verdict = self.consider(settings, version, ballot);
        if settings.has(Planted::AcceptsBelowPromise) && verdict == Verdict::Refused {
            verdict = Verdict::Granted;
        }
        if verdict == Verdict::Granted {
            if !settings.has(Planted::AcceptDoesNotPromise) {
                self.promised = self.promised.max(ballot);
            }
            self.accepted = Some((ballot, value.clone()));
        }
        verdict
    }

    fn consider(&self, settings: &Settings, version: u64, ballot: Ballot) -> Verdict {
        let below =
            if settings.has(Planted::BallotTies) { ballot.round < self.promised.round } else { ballot < self.promised };
        match version {
            _ if version <= self.version => Verdict::Over,
            _ if version > self.version + 1 => Verdict::Behind,
            _ if below => Verdict::Refused,
            _ => Verdict::Granted,
        }
    }

    /// Version `version` is decided and holds `value`. Says whether that was news.
    pub fn learn(&mut self, settings: &Settings, version: u64, value: &Value) -> bool {
        if version <= self.version {
            if settings.has(Planted::ForgetsWhenChosen) {
                (self.promised, self.accepted) = (Ballot::ZERO, None);
            }
            return false;
        }
        self.version = version;
        self.value = value.clone();
        self.accepted = None;
        true
    }

    /// What was accepted at `ballot` for `version` is decided. Says whether that was news; a server that accepted something else, or
    /// nothing, will learn it another way.
    pub fn chosen(&mut self, settings: &Settings, version: u64, ballot: Ballot) -> bool {
        match &self.accepted {
            Some((at, value)) if version == self.version + 1 && *at == ballot => {
                let value = value.clone();
                self.learn(settings, version, &value)
            }
            _ if version <= self.version => self.learn(settings, version, &Value::default()),
            _ => false,
        }
    }

    /// The register of `key` as a record of the log. The last record of a key counts.
    pub(crate) fn record(&self, key: u32) -> Bytes {
        let mut buffer = Vec::new();
        self.encode(key, &mut buffer);
        buffer.into()
    }

    pub(crate) fn encode(&self, key: u32, buffer: &mut Vec<u8>) {
        put(buffer, &[u64::from(key), self.version]);
        self.value.encode(buffer);
        self.promised.encode(buffer);
        put(buffer, &[u64::from(self.accepted.is_some())]);
        if let Some((ballot, value)) = &self.accepted {
            ballot.encode(buffer);
            value.encode(buffer);
        }
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<(u32, Register), Malformed> {
        let key = reader.small("key")?;
        let (version, value) = (reader.number()?, Value::decode(reader)?);
        let promised = Ballot::decode(reader)?;
        let accepted = match reader.flag()? {
            true => Some((Ballot::decode(reader)?, Value::decode(reader)?)),
            false => None,
        };
        Ok((key, Register { version, value, promised, accepted }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::NodeId;

    fn ballot(round: u64, node: u16) -> Ballot {
        Ballot { round, node: NodeId(node), life: 1 }
    }

    fn value(author: Ballot) -> Value {
        Value::after(&Value::default(), author, Bytes::from_static(b"12345678"))
    }

    #[test]
    fn a_promise_binds_and_equal_ballots_pass() {
        let (settings, mut register) = (Settings::new(3), Register::default());
        assert_eq!(register.prepare(&settings, 1, ballot(2, 0)), Verdict::Granted);
        assert_eq!(register.prepare(&settings, 1, ballot(1, 2)), Verdict::Refused);
        assert_eq!(register.prepare(&settings, 1, ballot(2, 0)), Verdict::Granted, "a repetition");
        assert_eq!(register.accept(&settings, 1, ballot(1, 2), &value(ballot(1, 2))), Verdict::Refused);
        assert_eq!(register.accept(&settings, 1, ballot(2, 1), &value(ballot(2, 1))), Verdict::Granted, "higher");
        assert_eq!(register.promised, ballot(2, 1), "accepting promises");
    }

    #[test]
    fn instances_open_one_after_another() {
        let (settings, mut register) = (Settings::new(3), Register::default());
        assert_eq!(register.prepare(&settings, 2, ballot(1, 0)), Verdict::Behind);
        register.accept(&settings, 1, ballot(1, 0), &value(ballot(1, 0)));
        assert!(!register.chosen(&settings, 1, ballot(9, 0)), "another ballot's value may be another");
        assert!(register.chosen(&settings, 1, ballot(1, 0)));
        assert_eq!((register.version, &register.accepted), (1, &None));
        assert_eq!(register.accept(&settings, 1, ballot(5, 0), &value(ballot(5, 0))), Verdict::Over);
        assert_eq!(register.prepare(&settings, 2, ballot(1, 0)), Verdict::Granted, "promises outlive instances");
    }

    #[test]
    fn a_register_survives_the_disk() {
        let settings = Settings::new(3);
        let mut register = Register::default();
        register.learn(&settings, 7, &value(ballot(3, 2)));
        register.accept(&settings, 8, ballot(4, 1), &Value::after(&register.value.clone(), ballot(4, 1), Bytes::new()));
        let bytes = register.record(42);
        let mut reader = Reader::new(&bytes);
        assert_eq!(Register::decode(&mut reader), Ok((42, register)));
        assert_eq!(reader.finish("register"), Ok(()));
        for end in 0..bytes.len() {
            assert!(Register::decode(&mut Reader::new(&bytes.slice(..end))).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn a_value_remembers_who_came_before() {
        let mut latest = Value::default();
        for round in 1..=20 {
            latest = Value::after(&latest, ballot(round, 0), Bytes::new());
        }
        assert_eq!(latest.author(0), Some(ballot(20, 0)));
        assert_eq!(latest.author(8), Some(ballot(12, 0)));
        assert_eq!(latest.author(9), None, "too long ago");
    }
}
