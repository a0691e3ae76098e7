//! What must hold of all servers at every step, checked incrementally: the contract of consensus, as for every protocol, and what
//! Paxos itself promises.
//!
//! Each looks only at the events of the server's last step.

use std::collections::BTreeMap;

use base::{NodeId, Time};
use proto::Oracle;
use proto::consensus::{self, Decides, Instance};

use crate::ballot::Ballot;
use crate::server::{Event, Server};

/// One of each, for a world of `nodes` servers.
pub fn all(nodes: usize) -> Vec<Box<dyn Oracle<Server>>> {
    let mut all = consensus::oracles(nodes);
    let own: [Box<dyn Oracle<Server>>; 3] = [
        Box::new(OneValueABallot::default()),
        Box::new(PromiseMonotone(vec![BTreeMap::new(); nodes])),
        Box::new(AcceptedWithinPromise),
    ];
    all.extend(own);
    all
}

/// A version of a key is decided once.
impl Decides for Server {
    fn proposed(&self, _cursor: u64, tell: &mut dyn FnMut(Instance, u64)) -> u64 {
        for event in self.events() {
            if let Event::Proposed { instance: (key, version), value, .. } = event {
                tell((u64::from(*key), *version), *value);
            }
        }
        0
    }

    fn decided(&self, _cursor: u64, tell: &mut dyn FnMut(Instance, u64)) -> u64 {
        for event in self.events() {
            if let Event::Decided { instance: (key, version), value } = event {
                tell((u64::from(*key), *version), *value);
            }
        }
        0
    }

    fn show((key, version): Instance) -> String {
        format!("version {version} of key {key}")
    }
}

/// At one ballot one value is proposed, whoever restarts meanwhile.
#[derive(Clone, Debug, Default, Hash)]
struct OneValueABallot {
    proposed: BTreeMap<((u32, u64), Ballot), u64>,
}

impl Oracle<Server> for OneValueABallot {
    proto::fork_by_clone!(Server);

    fn name(&self) -> &'static str {
        "one-value-a-ballot"
    }

    fn after_step(&mut self, _at: Time, node: NodeId, server: &Server) -> Result<(), String> {
        for event in server.events() {
            if let Event::Proposed { instance, ballot, value } = event
                && *self.proposed.entry((*instance, *ballot)).or_insert(*value) != *value
            {
                let (key, version) = instance;
                return Err(format!(
                    "{node} proposed another value for version {version} of key {key} at ballot {ballot}"
                ));
            }
        }
        Ok(())
    }
}

/// Within a life, the promise of a key does not go back.
#[derive(Clone, Debug, Hash)]
struct PromiseMonotone(Vec<BTreeMap<u32, Ballot>>);

impl Oracle<Server> for PromiseMonotone {
    proto::fork_by_clone!(Server);

    fn name(&self) -> &'static str {
        "promise-monotone"
    }

    fn after_step(&mut self, _at: Time, node: NodeId, server: &Server) -> Result<(), String> {
        for event in server.events() {
            let Event::Promised { key } = event else { continue };
            let Some(register) = server.register(*key) else { continue };
            let before = self.0[node.index()].insert(*key, register.promised).unwrap_or_default();
            if register.promised < before {
                return Err(format!("{node} promised {before} for key {key}, and then {}", register.promised));
            }
        }
        Ok(())
    }

    fn after_crash(&mut self, _at: Time, node: NodeId) {
        self.0[node.index()].clear();
    }
}

/// What was accepted last was accepted at the ballot promised last, or below it.
#[derive(Clone, Debug, Hash)]
struct AcceptedWithinPromise;

impl Oracle<Server> for AcceptedWithinPromise {
    proto::fork_by_clone!(Server);

    fn name(&self) -> &'static str {
        "accepted-within-promise"
    }

    fn after_step(&mut self, _at: Time, node: NodeId, server: &Server) -> Result<(), String> {
        for event in server.events() {
            let Event::Promised { key } = event else { continue };
            let Some(register) = server.register(*key) else { continue };
            if let Some((at, _)) = &register.accepted
                && *at > register.promised
            {
                return Err(format!("{node} accepted key {key} at {at}, above its promise {}", register.promised));
            }
        }
        Ok(())
    }
}
