//! The contract of consensus, as oracles that every protocol which decides is held to (Chandra & Toueg 1996, section 4.1; Cachin, Guerraoui &
//! Rodrigues, "Introduction to Reliable and Secure Distributed Programming", module 5.2):
//!
//! - *agreement*: no two servers decide differently, whether they live on or not;
//! - *validity*: what is decided was proposed;
//! - *integrity*: within a life no server decides twice;
//! - *termination* is no invariant of a step: a trial demands it after the faults, as progress.

use base::{NodeId, Table, Time};

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

/// The oracle of all its clauses, for a world of `nodes` servers: they share what the server tells.
pub fn oracles<S: Decides + 'static>(nodes: usize) -> Vec<Box<dyn Oracle<S>>> {
    vec![Box::new(Contract { nodes: vec![Cursors::default(); nodes], ..Contract::default() })]
}

#[derive(Clone, Debug, Default, Hash)]
struct Contract {
    instances: Instances,
    /// Further values that were proposed for an instance, beside the first.
    rivals: Table<(Instance, u64), ()>,
    nodes: Vec<Cursors>,
    /// The clause that was broken last.
    broken: &'static str,
}

/// What is known of an instance.
#[derive(Clone, Copy, Debug, Default, Hash)]
struct Known {
    /// The value that was proposed first.
    proposed: Option<u64>,
    /// What was decided first, and by whom.
    decided: Option<(u64, NodeId)>,
}

/// Up to where the oracle has looked at a server, in this life of it.
#[derive(Clone, Debug, Default, Hash)]
struct Cursors {
    proposals: u64,
    decisions: u64,
    decided: Decided,
}

/// What is known of instances. The slots of a log count up from 1: they are a list.
#[derive(Clone, Debug, Default, Hash)]
struct Instances {
    slots: Vec<Known>,
    others: Table<Instance, Known>,
}

impl Instances {
    #[inline]
    fn entry(&mut self, instance: Instance) -> &mut Known {
        /// So much further than the last slot is still the same list.
        const GAP: usize = 1 << 10;
        let slot = instance.0 as usize;
        if instance.1 != 0 || slot >= self.slots.len() + GAP {
            return self.others.entry(instance);
        }
        if slot >= self.slots.len() {
            self.slots.resize(slot + 1, Known::default());
        }
        &mut self.slots[slot]
    }
}

/// A set of instances: a run of slots, as of a log, and others.
#[derive(Clone, Debug, Default, Hash)]
struct Decided {
    run: std::ops::Range<u64>,
    others: Table<Instance, ()>,
}

impl Decided {
    /// Whether the instance is new to the set.
    #[inline]
    fn insert(&mut self, instance: Instance) -> bool {
        let (slot, part) = instance;
        if part != 0 || !self.others.is_empty() {
            return !self.run_has(instance) && self.others.insert(instance, ()).is_none();
        }
        if self.run.is_empty() {
            self.run = slot..slot;
        }
        if slot == self.run.end {
            self.run.end += 1;
            return true;
        }
        !self.run_has(instance) && self.others.insert(instance, ()).is_none()
    }

    fn run_has(&self, (slot, part): Instance) -> bool {
        part == 0 && self.run.contains(&slot)
    }

    fn clear(&mut self) {
        self.run = 0..0;
        self.others.clear();
    }
}

impl<S: Decides + 'static> Oracle<S> for Contract {
    crate::fork_by_clone!(S);

    /// The clause that was broken last.
    fn name(&self) -> &'static str {
        self.broken
    }

    fn after_step(&mut self, _at: Time, node: NodeId, server: &S) -> Result<(), String> {
        let Contract { instances, rivals, nodes, .. } = self;
        let own = &mut nodes[node.index()];
        own.proposals = server.proposed(own.proposals, &mut |instance, value| {
            let known = instances.entry(instance);
            if *known.proposed.get_or_insert(value) != value {
                rivals.insert((instance, value), ());
            }
        });
        let (mut strange, mut other, mut twice) = (None, None, None);
        own.decisions = server.decided(own.decisions, &mut |instance, value| {
            let known = instances.entry(instance);
            if known.proposed != Some(value) && !rivals.contains(&(instance, value)) {
                strange.get_or_insert(instance);
            }
            let (first, by) = *known.decided.get_or_insert((value, node));
            if first != value {
                other.get_or_insert((instance, by));
            }
            if !own.decided.insert(instance) {
                twice.get_or_insert(instance);
            }
        });
        let (clause, sentence) = if let Some(instance) = strange {
            ("validity", format!("{node} decided {} by a value that nobody proposed", S::show(instance)))
        } else if let Some((instance, by)) = other {
            ("agreement", format!("{by} and {node} decided {} differently", S::show(instance)))
        } else if let Some(instance) = twice {
            ("integrity", format!("{node} decided {} twice", S::show(instance)))
        } else {
            return Ok(());
        };
        self.broken = clause;
        Err(sentence)
    }

    fn after_crash(&mut self, _at: Time, node: NodeId) {
        let own = &mut self.nodes[node.index()];
        (own.proposals, own.decisions) = (0, 0);
        own.decided.clear();
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
