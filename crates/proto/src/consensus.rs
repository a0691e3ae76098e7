//! The contract of consensus, as oracles that every protocol which decides is held to (Chandra & Toueg 1996, section 4.1; Cachin, Guerraoui &
//! Rodrigues, "Introduction to Reliable and Secure Distributed Programming", module 5.2):
//!
//! - *agreement*: no two servers decide differently, whether they live on or not;
//! - *validity*: what is decided was proposed;
//! - *integrity*: within a life no server decides twice;
//! - *termination* is no invariant of a step: a trial demands it after the faults, as progress.

use std::collections::{BTreeMap, BTreeSet};

use base::{NodeId, Time};

use crate::protocol::Oracle;

/// What is decided once: a slot of a log, a version of a key.
pub type Instance = (u64, u64);

/// A server that proposes and decides.
pub trait Decides {
    /// Tells the proposals since the oracle last looked: instance, and a fingerprint of the value. `cursor` is 0 in a new life, and else
    /// what the last call returned.
    fn proposed(&self, cursor: u64, tell: &mut dyn FnMut(Instance, u64)) -> u64;

    /// Tells what the server decided, or learned to be decided, since the oracle last looked.
    fn decided(&self, cursor: u64, tell: &mut dyn FnMut(Instance, u64)) -> u64;

    /// An instance in words: `entry 5`, `version 2 of key 7`.
    fn show(instance: Instance) -> String;
}

/// The oracles, for a world of `nodes` servers.
pub fn oracles<S: Decides + 'static>(nodes: usize) -> Vec<Box<dyn Oracle<S>>> {
    vec![
        Box::new(Validity { proposed: BTreeSet::new(), cursors: vec![(0, 0); nodes] }),
        Box::new(Agreement { decided: BTreeMap::new(), cursors: vec![0; nodes] }),
        Box::new(Integrity { lives: vec![(0, BTreeSet::new()); nodes] }),
    ]
}

#[derive(Clone, Debug, Hash)]
struct Agreement {
    decided: BTreeMap<Instance, (u64, NodeId)>,
    cursors: Vec<u64>,
}

impl<S: Decides + 'static> Oracle<S> for Agreement {
    crate::fork_by_clone!(S);

    fn name(&self) -> &'static str {
        "agreement"
    }

    fn after_step(&mut self, _at: Time, node: NodeId, server: &S) -> Result<(), String> {
        let mut other = None;
        let cursor = &mut self.cursors[node.index()];
        *cursor = server.decided(*cursor, &mut |instance, value| {
            let (first, by) = *self.decided.entry(instance).or_insert((value, node));
            if first != value {
                other.get_or_insert((instance, by));
            }
        });
        match other {
            Some((instance, by)) => Err(format!("{by} and {node} decided {} differently", S::show(instance))),
            None => Ok(()),
        }
    }

    fn after_crash(&mut self, _at: Time, node: NodeId) {
        self.cursors[node.index()] = 0;
    }
}

#[derive(Clone, Debug, Hash)]
struct Validity {
    proposed: BTreeSet<(Instance, u64)>,
    /// Of proposals and of decisions.
    cursors: Vec<(u64, u64)>,
}

impl<S: Decides + 'static> Oracle<S> for Validity {
    crate::fork_by_clone!(S);

    fn name(&self) -> &'static str {
        "validity"
    }

    fn after_step(&mut self, _at: Time, node: NodeId, server: &S) -> Result<(), String> {
        let mut strange = None;
        let (proposals, decisions) = &mut self.cursors[node.index()];
        *proposals = server.proposed(*proposals, &mut |instance, value| {
            self.proposed.insert((instance, value));
        });
        *decisions = server.decided(*decisions, &mut |instance, value| {
            if !self.proposed.contains(&(instance, value)) {
                strange.get_or_insert(instance);
            }
        });
        match strange {
            Some(instance) => Err(format!("{node} decided {} by a value that nobody proposed", S::show(instance))),
            None => Ok(()),
        }
    }

    fn after_crash(&mut self, _at: Time, node: NodeId) {
        self.cursors[node.index()] = (0, 0);
    }
}

#[derive(Clone, Debug, Hash)]
struct Integrity {
    /// By node: the cursor, and what was decided in this life.
    lives: Vec<(u64, BTreeSet<Instance>)>,
}

impl<S: Decides + 'static> Oracle<S> for Integrity {
    crate::fork_by_clone!(S);

    fn name(&self) -> &'static str {
        "integrity"
    }

    fn after_step(&mut self, _at: Time, node: NodeId, server: &S) -> Result<(), String> {
        let mut twice = None;
        let (cursor, decided) = &mut self.lives[node.index()];
        *cursor = server.decided(*cursor, &mut |instance, _| {
            if !decided.insert(instance) {
                twice.get_or_insert(instance);
            }
        });
        match twice {
            Some(instance) => Err(format!("{node} decided {} twice", S::show(instance))),
            None => Ok(()),
        }
    }

    fn after_crash(&mut self, _at: Time, node: NodeId) {
        self.lives[node.index()] = (0, BTreeSet::new());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proposes and decides what its lists say, one after another.
    #[derive(Default)]
    struct Parrot {
        proposed: Vec<(Instance, u64)>,
        decided: Vec<(Instance, u64)>,
    }

    fn told(list: &[(Instance, u64)], cursor: u64, tell: &mut dyn FnMut(Instance, u64)) -> u64 {
        list[cursor as usize..].iter().for_each(|(instance, value)| tell(*instance, *value));
        list.len() as u64
    }

    impl Decides for Parrot {
        fn proposed(&self, cursor: u64, tell: &mut dyn FnMut(Instance, u64)) -> u64 {
            told(&self.proposed, cursor, tell)
        }

        fn decided(&self, cursor: u64, tell: &mut dyn FnMut(Instance, u64)) -> u64 {
            told(&self.decided, cursor, tell)
        }

        fn show((slot, _): Instance) -> String {
            format!("slot {slot}")
        }
    }

    /// What the oracles say when n1 proposes 7 for slot 1 and decides `first`, and then n2 decides `second`.
    fn judged(first: &[(Instance, u64)], second: &[(Instance, u64)]) -> Vec<String> {
        let mut oracles = oracles::<Parrot>(2);
        let n1 = Parrot { proposed: vec![((1, 0), 7), ((1, 0), 8)], decided: first.to_vec() };
        let n2 = Parrot { decided: second.to_vec(), ..Parrot::default() };
        let mut said = Vec::new();
        for oracle in &mut oracles {
            for (node, server) in [(NodeId(0), &n1), (NodeId(1), &n2)] {
                said.extend(oracle.after_step(Time::ZERO, node, server).err());
            }
        }
        said
    }

    #[test]
    fn each_clause_of_the_contract_has_its_oracle() {
        assert_eq!(judged(&[((1, 0), 7)], &[((1, 0), 7)]), [""; 0]);
        assert_eq!(judged(&[((1, 0), 7)], &[((1, 0), 8)]), ["n1 and n2 decided slot 1 differently"]);
        assert_eq!(judged(&[], &[((1, 0), 9)]), ["n2 decided slot 1 by a value that nobody proposed"]);
        assert_eq!(judged(&[((1, 0), 7), ((1, 0), 7)], &[]), ["n1 decided slot 1 twice"]);
    }
}
