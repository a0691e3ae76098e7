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
    /// By instance, what was decided first, and by whom.
    decided: Table<Instance, (u64, NodeId)>,
    proposed: Table<(Instance, u64), ()>,
    nodes: Vec<Cursors>,
    /// The clause that was broken last.
    broken: &'static str,
}

/// Up to where the oracle has looked at a server, in this life of it.
#[derive(Clone, Debug, Default, Hash)]
struct Cursors {
    proposals: u64,
    decisions: u64,
    decided: Table<Instance, ()>,
}

impl<S: Decides + 'static> Oracle<S> for Contract {
    crate::fork_by_clone!(S);

    /// The clause that was broken last.
    fn name(&self) -> &'static str {
        self.broken
    }

    fn after_step(&mut self, _at: Time, node: NodeId, server: &S) -> Result<(), String> {
        let Contract { decided, proposed, nodes, .. } = self;
        let own = &mut nodes[node.index()];
        own.proposals = server.proposed(own.proposals, &mut |instance, value| {
            proposed.insert((instance, value), ());
        });
        let (mut strange, mut other, mut twice) = (None, None, None);
        own.decisions = server.decided(own.decisions, &mut |instance, value| {
            let (first, is_first) = decided.get_or_insert(instance, (value, node));
            // What another server decided before was looked up then.
            if (is_first || first.0 != value) && !proposed.contains(&(instance, value)) {
                strange.get_or_insert(instance);
            }
            if first.0 != value {
                other.get_or_insert((instance, first.1));
            }
            if own.decided.insert(instance, ()).is_some() {
                twice.get_or_insert(instance);
            }
        });
        if let Some(instance) = strange {
            self.broken = "validity";
            return Err(format!("{node} decided {} by a value that nobody proposed", S::show(instance)));
        }
        if let Some((instance, by)) = other {
            self.broken = "agreement";
            return Err(format!("{by} and {node} decided {} differently", S::show(instance)));
        }
        if let Some(instance) = twice {
            self.broken = "integrity";
            return Err(format!("{node} decided {} twice", S::show(instance)));
        }
        Ok(())
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
