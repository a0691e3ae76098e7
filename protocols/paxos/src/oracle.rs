//! What must hold of all servers at every step, checked incrementally: the contract of consensus for every instance, and what Paxos
//! itself promises.
//!
//! Each looks only at the events of the server's last step.

use std::collections::{BTreeMap, BTreeSet};

use base::{NodeId, Time};
use proto::Oracle;

use crate::ballot::Ballot;
use crate::server::{Event, Server};

/// One of each, for a world of `nodes` servers.
pub fn all(nodes: usize) -> Vec<Box<dyn Oracle<Server>>> {
    vec![
        Box::new(Agreement::default()),
        Box::new(Validity::default()),
        Box::new(Integrity(vec![BTreeSet::new(); nodes])),
        Box::new(OneValueABallot::default()),
        Box::new(PromiseMonotone(vec![BTreeMap::new(); nodes])),
        Box::new(AcceptedWithinPromise),
    ]
}

/// Key and version.
type Instance = (u32, u64);

fn show((key, version): Instance) -> String {
    format!("version {version} of key {key}")
}

/// No two servers learn different values of an instance, ever.
#[derive(Clone, Debug, Default, Hash)]
struct Agreement {
    decided: BTreeMap<Instance, (u64, NodeId)>,
}

impl Oracle<Server> for Agreement {
    proto::fork_by_clone!(Server);

    fn name(&self) -> &'static str {
        "agreement"
    }

    fn after_step(&mut self, _at: Time, node: NodeId, server: &Server) -> Result<(), String> {
        for event in server.events() {
            let Event::Decided { instance, value } = event else { continue };
            let (first, by) = *self.decided.entry(*instance).or_insert((*value, node));
            if first != *value {
                return Err(format!("{by} and {node} learned different values of {}", show(*instance)));
            }
        }
        Ok(())
    }
}

/// What is learned was proposed for that instance.
#[derive(Clone, Debug, Default, Hash)]
struct Validity {
    proposed: BTreeSet<(Instance, u64)>,
}

impl Oracle<Server> for Validity {
    proto::fork_by_clone!(Server);

    fn name(&self) -> &'static str {
        "validity"
    }

    fn after_step(&mut self, _at: Time, node: NodeId, server: &Server) -> Result<(), String> {
        for event in server.events() {
            match event {
                Event::Proposed { instance, value, .. } => _ = self.proposed.insert((*instance, *value)),
                Event::Decided { instance, value } if !self.proposed.contains(&(*instance, *value)) => {
                    return Err(format!("{node} learned a value of {} that nobody proposed", show(*instance)));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Within a life, a server learns an instance at most once.
#[derive(Clone, Debug, Hash)]
struct Integrity(Vec<BTreeSet<Instance>>);

impl Oracle<Server> for Integrity {
    proto::fork_by_clone!(Server);

    fn name(&self) -> &'static str {
        "integrity"
    }

    fn after_step(&mut self, _at: Time, node: NodeId, server: &Server) -> Result<(), String> {
        for event in server.events() {
            if let Event::Decided { instance, .. } = event
                && !self.0[node.index()].insert(*instance)
            {
                return Err(format!("{node} learned {} twice", show(*instance)));
            }
        }
        Ok(())
    }

    fn after_crash(&mut self, _at: Time, node: NodeId) {
        self.0[node.index()].clear();
    }
}

/// At one ballot one value is proposed, whoever restarts meanwhile.
#[derive(Clone, Debug, Default, Hash)]
struct OneValueABallot {
    proposed: BTreeMap<(Instance, Ballot), u64>,
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
                return Err(format!("{node} proposed another value for {} at ballot {ballot}", show(*instance)));
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
