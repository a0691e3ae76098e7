//! What can be chosen about a cluster.

use std::time::Duration;

use base::units::{parse_count, parse_duration};
use proto::Parameters;

use crate::bugs::Planted;

/// Largest cluster: sets of acceptors are one 64-bit word.
pub const MAX_NODES: usize = 64;

/// What can be chosen about a cluster. Every server and client of it has the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Number of servers.
    pub nodes: usize,
    /// How many promises let a proposer propose. Together with `accept_quorum` more than `nodes`.
    pub prepare_quorum: usize,
    /// How many acceptances choose a value.
    pub accept_quorum: usize,
    /// The first pause of a proposer that was refused; it is drawn up to this, and the limit doubles each time.
    pub back_off: Duration,
    /// The longest such pause.
    pub longest_back_off: Duration,
    /// After how long a proposer repeats a message that was not answered.
    pub repeat: Duration,
    /// How long a server works on an operation, and a client looks for a server that can.
    pub patience: Duration,
    /// The bug planted in this cluster, if any.
    pub bug: Option<Planted>,
}

impl Settings {
    /// What a cluster of `nodes` gets if nothing is chosen: majorities.
    pub fn new(nodes: usize) -> Self {
        Settings {
            nodes,
            prepare_quorum: nodes / 2 + 1,
            accept_quorum: nodes / 2 + 1,
            back_off: Duration::from_millis(4),
            longest_back_off: Duration::from_millis(100),
            repeat: Duration::from_millis(50),
            patience: Duration::from_millis(800),
            bug: None,
        }
    }

    /// Reads `prepare_quorum`, `accept_quorum`, `back_off`, `longest_back_off`, `repeat`, `patience` and `bug`; what is not given
    /// keeps its default.
    pub fn parse(parameters: &Parameters, nodes: usize) -> Result<Self, String> {
        let mut settings = Settings::new(nodes);
        for (name, text) in parameters {
            settings.set(name, text).map_err(|wrong| format!("`{name}`: {wrong}"))?;
        }
        settings.checked()
    }

    /// Whether this bug is planted.
    pub fn has(&self, bug: Planted) -> bool {
        self.bug == Some(bug)
    }

    /// How many acceptors have to promise, with the planted bug if there is one.
    pub(crate) fn promises(&self) -> usize {
        if self.has(Planted::QuorumsDisjoint) { self.nodes / 2 } else { self.prepare_quorum }
    }

    /// How many acceptors have to accept, with the planted bug if there is one.
    pub(crate) fn acceptances(&self) -> usize {
        if self.has(Planted::QuorumsDisjoint) { self.nodes / 2 } else { self.accept_quorum }
    }

    fn set(&mut self, name: &str, text: &str) -> Result<(), String> {
        match name {
            "prepare_quorum" => self.prepare_quorum = parse_count(text)?,
            "accept_quorum" => self.accept_quorum = parse_count(text)?,
            "back_off" => self.back_off = parse_duration(text)?,
            "longest_back_off" => self.longest_back_off = parse_duration(text)?,
            "repeat" => self.repeat = parse_duration(text)?,
            "patience" => self.patience = parse_duration(text)?,
            "bug" => self.bug = Planted::parse(text)?,
            _ => return Err("paxos has no such setting".into()),
        }
        Ok(())
    }

    fn checked(self) -> Result<Self, String> {
        let Settings { nodes, prepare_quorum, accept_quorum, .. } = self;
        if nodes == 0 || nodes > MAX_NODES {
            return Err(format!("a cluster of {nodes} nodes; paxos takes 1 to {MAX_NODES}"));
        }
        if [prepare_quorum, accept_quorum].iter().any(|quorum| !(1..=nodes).contains(quorum)) {
            return Err(format!("quorums of {prepare_quorum} and {accept_quorum} in a cluster of {nodes} nodes"));
        }
        if prepare_quorum + accept_quorum <= nodes {
            return Err(format!(
                "`prepare_quorum` {prepare_quorum} and `accept_quorum` {accept_quorum} need not meet in a cluster of {nodes} nodes"
            ));
        }
        if self.back_off.is_zero() || self.repeat.is_zero() {
            return Err("`back_off` and `repeat` of nothing would keep the network busy".into());
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(pairs: &[(&str, &str)]) -> Result<Settings, String> {
        let parameters = pairs.iter().map(|(name, text)| (name.to_string(), text.to_string())).collect();
        Settings::parse(&parameters, 5)
    }

    #[test]
    fn settings_are_read_and_wrong_ones_are_named() {
        let settings = parse(&[("prepare_quorum", "4"), ("accept_quorum", "2"), ("bug", "read-local")]).unwrap();
        assert_eq!((settings.prepare_quorum, settings.accept_quorum), (4, 2));
        assert!(settings.has(Planted::ReadLocal));
        for (name, text) in
            [("acept_quorum", "3"), ("accept_quorum", "2"), ("accept_quorum", "6"), ("bug", "typo"), ("repeat", "0ms")]
        {
            assert!(parse(&[(name, text)]).is_err(), "{name} = {text}");
        }
        assert!(Settings::parse(&Parameters::new(), 0).is_err());
    }
}
