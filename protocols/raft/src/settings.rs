//! What can be chosen about a cluster.

use std::ops::RangeInclusive;
use std::time::Duration;

use base::NodeSet;
use base::units::{parse_count, parse_duration, parse_share, parse_size};
use proto::Parameters;

use crate::bugs::Planted;

/// Largest cluster: sets of voters are one 64-bit word.
pub const MAX_NODES: usize = 64;

/// What can be chosen about a cluster. Every replica and client of it has the same.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Number of servers.
    pub nodes: usize,
    /// How often a leader lets its followers hear from it.
    pub heartbeat: Duration,
    /// A follower that hears from no leader for a random time of this range asks for votes. The paper asks for broadcast
    /// time ≪ election timeout ≪ time between failures (§5.6).
    pub election_timeout: RangeInclusive<Duration>,
    /// Most bytes of entries in one append message (one larger entry travels alone).
    pub append_bytes: usize,
    /// Most append messages under way to one follower.
    pub in_flight: usize,
    /// Most bytes of entries under way to one follower.
    pub in_flight_bytes: usize,
    /// A leader with this many uncommitted entries refuses further commands as overloaded.
    pub uncommitted: usize,
    /// A leader with this many bytes of uncommitted entries refuses further commands as overloaded.
    pub uncommitted_bytes: usize,
    /// A replica with this many unanswered reads refuses further ones as overloaded.
    pub reads: usize,
    /// How many of the servers are members at the first start: the first so many, or all. The others wait to be made members.
    pub members: Option<usize>,
    /// After so many applied entries a snapshot is taken.
    pub snapshot_entries: u64,
    /// So many entries that a snapshot has stay in the log, for followers that are only a little behind.
    pub snapshot_keep: u64,
    /// Bytes of a snapshot in one message.
    pub chunk_bytes: usize,
    /// How much faster one server's clock may run than another's, as a share (0.1 is ten percent), for a leader to answer reads in
    /// trust of its lease; `None`: it never does.
    pub lease_drift: Option<f64>,
    /// How long a client looks for a leader before it gives up an operation that was never executed.
    pub patience: Duration,
    /// The bug planted in this cluster, if any.
    pub bug: Option<Planted>,
}

impl Settings {
    /// What a cluster of `nodes` gets if nothing is chosen.
    ///
    /// Ten heartbeats fit into the shortest election timeout, so that a stall of the disk or scheduler of some tens
    /// of milliseconds, common on a shared machine, costs no election.
    pub fn new(nodes: usize) -> Self {
        Settings {
            nodes,
            heartbeat: Duration::from_millis(30),
            election_timeout: Duration::from_millis(300)..=Duration::from_millis(600),
            append_bytes: 256 << 10,
            in_flight: 64,
            in_flight_bytes: 4 << 20,
            uncommitted: 16_384,
            uncommitted_bytes: 16 << 20,
            reads: 16_384,
            members: None,
            snapshot_entries: 65_536,
            snapshot_keep: 4_096,
            chunk_bytes: 256 << 10,
            lease_drift: None,
            patience: Duration::from_millis(800),
            bug: None,
        }
    }

    /// Reads `heartbeat`, `election_timeout` (`150ms..300ms`), `append_bytes`, `in_flight`, `in_flight_bytes`, `uncommitted`,
    /// `uncommitted_bytes`, `reads`, `members`, `snapshot_entries`, `snapshot_keep`, `chunk_bytes`, `lease_drift`, `patience` and `bug`; what
    /// is not given keeps its default.
    pub fn parse(parameters: &Parameters, nodes: usize) -> Result<Self, String> {
        let mut settings = Settings::new(nodes);
        for (name, text) in parameters {
            settings.set(name, text).map_err(|wrong| format!("`{name}`: {wrong}"))?;
        }
        settings.checked()
    }

    /// How long a leader may trust that nobody else was elected, counted from when it asked those who answered; `None`: not at all.
    /// They elect nobody for the shortest election timeout by their clocks; the leader's may be slower by the drift.
    pub fn lease(&self) -> Option<Duration> {
        let planted = [Planted::LeaseOutlivesTransfer, Planted::LeaseByTicks].iter().any(|bug| self.has(*bug));
        let drift = self.lease_drift.or(planted.then_some(0.1))?;
        Some(self.election_timeout.start().div_f64(1.0 + drift))
    }

    /// Whether this bug is planted.
    pub fn has(&self, bug: Planted) -> bool {
        self.bug == Some(bug)
    }

    /// Who votes at the first start.
    pub fn first_voters(&self) -> NodeSet {
        NodeSet::first(self.members.unwrap_or(self.nodes))
    }

    fn set(&mut self, name: &str, text: &str) -> Result<(), String> {
        match name {
            "heartbeat" => self.heartbeat = parse_duration(text)?,
            "election_timeout" => self.election_timeout = parse_range(text)?,
            "append_bytes" => self.append_bytes = parse_size(text)? as usize,
            "in_flight" => self.in_flight = parse_count(text)?,
            "in_flight_bytes" => self.in_flight_bytes = parse_size(text)? as usize,
            "uncommitted" => self.uncommitted = parse_count(text)?,
            "uncommitted_bytes" => self.uncommitted_bytes = parse_size(text)? as usize,
            "reads" => self.reads = parse_count(text)?,
            "members" => self.members = Some(parse_count(text)?),
            "snapshot_entries" => self.snapshot_entries = parse_count(text)? as u64,
            "snapshot_keep" => self.snapshot_keep = parse_count(text)? as u64,
            "chunk_bytes" => self.chunk_bytes = parse_size(text)? as usize,
            "lease_drift" => self.lease_drift = Some(parse_share(text)?),
            "patience" => self.patience = parse_duration(text)?,
            "bug" => self.bug = Planted::parse(text)?,
            _ => {
                return Err(
                    "is no setting of raft; there are append_bytes, bug, chunk_bytes, election_timeout, heartbeat, in_flight, \
                            in_flight_bytes, lease_drift, members, patience, reads, snapshot_entries, snapshot_keep, uncommitted, \
                            uncommitted_bytes"
                        .into(),
                );
            }
        }
        Ok(())
    }

    fn checked(self) -> Result<Self, String> {
        if self.nodes == 0 || self.nodes > MAX_NODES {
            return Err(format!("a cluster of {} nodes; raft takes 1 to {MAX_NODES}", self.nodes));
        }
        if let Some(members) = self.members.filter(|members| !(1..=self.nodes).contains(members)) {
            return Err(format!("`members`: {members} of a cluster of {} nodes", self.nodes));
        }
        if self.heartbeat.is_zero() || self.heartbeat * 2 > *self.election_timeout.start() {
            return Err(format!(
                "`heartbeat`: {:?} leaves no room for a lost one within the shortest `election_timeout` ({:?})",
                self.heartbeat,
                self.election_timeout.start()
            ));
        }
        if [
            self.append_bytes,
            self.in_flight,
            self.in_flight_bytes,
            self.uncommitted,
            self.uncommitted_bytes,
            self.reads,
            self.snapshot_entries as usize,
            self.chunk_bytes,
        ]
        .contains(&0)
        {
            return Err("a limit of 0 lets nothing through".into());
        }
        Ok(self)
    }
}

/// `150ms..300ms`, or `150ms` for that up to twice as long.
fn parse_range(text: &str) -> Result<RangeInclusive<Duration>, String> {
    let (low, high) = match text.split_once("..") {
        Some((low, high)) => (parse_duration(low)?, parse_duration(high.trim_start_matches('='))?),
        None => (parse_duration(text)?, parse_duration(text)? * 2),
    };
    if low > high { Err(format!("`{text}` ends before it starts")) } else { Ok(low..=high) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(pairs: &[(&str, &str)]) -> Result<Settings, String> {
        let parameters = pairs.iter().map(|(name, text)| (name.to_string(), text.to_string())).collect();
        Settings::parse(&parameters, 3)
    }

    #[test]
    fn settings_are_read_and_wrong_ones_are_named() {
        let settings =
            parse(&[("election_timeout", "150ms..300ms"), ("bug", "stale-read"), ("in_flight", "8")]).unwrap();
        assert_eq!(settings.election_timeout, Duration::from_millis(150)..=Duration::from_millis(300));
        assert_eq!(settings.in_flight, 8);
        assert!(settings.has(Planted::StaleRead));
        assert_eq!(parse(&[("bug", "none")]).unwrap(), Settings::new(3));

        for (name, text) in [
            ("hartbeat", "1ms"),
            ("heartbeat", "200ms"),
            ("election_timeout", "300ms..200ms"),
            ("bug", "typo"),
            ("in_flight", "0"),
        ] {
            assert!(parse(&[(name, text)]).is_err(), "{name} = {text}");
        }
        assert!(Settings::parse(&Parameters::new(), 0).is_err());
    }
}
