//! `cas-register`: reads, writes and compare-and-sets of single keys.
//!
//! **Object**: a register per key with compare-and-set. **Promise under test**: linearizability. **What it reveals**, beyond
//! `register`: a compare-and-set that took effect although it was refused, one that overwrote a value it had not compared,
//! two that both won over the same value.
//!
//! A compare-and-set needs a guess of the value it will find, and requests may not depend on answers. The generator therefore
//! keeps what each key *would* hold if operations took effect one after the other in order of their index:
//! three guesses in four are that value, one in four is the value before it. On a quiet system the former succeed
//! and the latter fail; under contention, faults and reordering the share of successes falls. A guess that went wrong is
//! repaired by the next write to the key, which is why the mix needs writes.

use base::Seed;
use history::{Function, NIL, Request};
use plan::Table;

use crate::generator::Touched;
use crate::keys::{self, Distribution, Keys};
use crate::mix::{self, Mix};
use crate::{Generator, Workload};

/// One compare-and-set in this many carries a guess that is meant to fail.
const STALE_ONE_IN: u64 = 4;

/// The registry's entry.
pub static CAS_REGISTER: Workload = Workload {
    name: "cas-register",
    object: "cas-register",
    about: "reads, writes and compare-and-sets of single keys; on a quiet system three guesses in four hold",
    reveals: "what `register` reveals, refused compare-and-sets that took effect, two that won over the same value",
    functions: &[Function::Read, Function::Write, Function::Cas],
    options: keys::OPTIONS,
    build: |section, seed| Some(Box::new(CasRegister::new(seed, &Options::from_plan(section)?))),
};

/// What can be chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// How many keys.
    pub keys: u32,
    /// How operations spread over them.
    pub distribution: Distribution,
    /// Share of reads.
    pub reads: f64,
    /// Share of writes. Must not be 0 where compare-and-sets are asked.
    pub writes: f64,
    /// Share of compare-and-sets.
    pub cas: f64,
    /// Bytes of a written value on the wire.
    pub value_size: u32,
}

impl Options {
    /// Reads a `[workload]` section.
    pub fn from_plan(section: &Table<'_>) -> Option<Options> {
        let default = Options::default();
        // Everything is read before anything is given up, so that all that is wrong is told.
        let keys = keys::count_from_plan(section, default.keys);
        let distribution = Distribution::from_plan(section);
        let value_size = mix::value_size_from_plan(section, default.value_size);
        let shares = [("read", default.reads), ("write", default.writes), ("cas", default.cas)];
        let [reads, writes, cas] = mix::from_plan(section, shares)?;
        if cas > 0.0 && writes == 0.0 {
            section.error(
                "mix",
                "compare-and-sets without writes: after one wrong guess no guess comes true again",
                "give `write` a share of `mix`",
            );
            return None;
        }
        Some(Options { keys: keys?, distribution, reads, writes, cas, value_size: value_size? })
    }
}

impl Default for Options {
    fn default() -> Self {
        Options { keys: 50, distribution: Distribution::Uniform, reads: 0.5, writes: 0.25, cas: 0.25, value_size: 16 }
    }
}

/// Reads, writes and compare-and-sets.
#[derive(Clone, Debug)]
pub struct CasRegister {
    seed: u64,
    keys: Keys,
    mix: Mix,
    value_size: u32,
    touched: Touched,
    /// Per key, what it would hold before request `next`, and what it would have held before that.
    expected: Vec<[u64; 2]>,
    next: u64,
}

impl CasRegister {
    /// The workload of this seed.
    pub fn new(seed: Seed, options: &Options) -> Self {
        let keys = Keys::new(seed, options.keys, options.distribution);
        let mix = Mix::new(seed, options.reads, options.writes, options.cas);
        let touched = Touched::new(keys.count());
        let expected = vec![[NIL; 2]; keys.count() as usize];
        let value_size = options.value_size.max(8);
        CasRegister { seed: seed.derive("guess").0, keys, mix, value_size, touched, expected, next: 0 }
    }

    /// Brings the imagined store to the state before `index`. Requests asked for in order cost O(1) each; going back
    /// starts over.
    fn imagine(&mut self, index: u64) {
        if index < self.next {
            self.expected.fill([NIL; 2]);
            self.next = 0;
        }
        while self.next < index {
            self.advance();
        }
    }

    fn advance(&mut self) {
        let index = self.next;
        let holds = match self.mix.function(index) {
            Function::Read => false,
            Function::Write => true,
            Function::Cas => !self.is_stale(index),
        };
        if holds {
            let [value, before] = &mut self.expected[self.keys.key(index) as usize];
            (*before, *value) = (*value, index + 1);
        }
        self.next += 1;
    }

    fn is_stale(&self, index: u64) -> bool {
        base::mix(self.seed, index).is_multiple_of(STALE_ONE_IN)
    }
}

impl Generator for CasRegister {
    fn request(&mut self, index: u64) -> Request {
        let key = self.keys.key(index);
        let function = self.mix.function(index);
        if function == Function::Read {
            return Request::read(key);
        }
        self.touched.insert(key);
        let value = index + 1;
        let request = match function {
            Function::Cas => {
                self.imagine(index);
                let [value_before, older] = self.expected[key as usize];
                // A key that was never written has no older value: a guess that no write can make true stands for it.
                let stale = if older == value_before { 0 } else { older };
                Request::cas(key, if self.is_stale(index) { stale } else { value_before }, value)
            }
            _ => Request::write(key, value),
        };
        Request { size: self.value_size, ..request }
    }

    fn final_reads(&self) -> Vec<Request> {
        self.touched.reads()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn a_request_depends_on_seed_and_index_alone() {
        let options = Options { keys: 5, ..Options::default() };
        let (mut one, mut two) = (CasRegister::new(Seed(5), &options), CasRegister::new(Seed(5), &options));
        let there: Vec<_> = (0..300).map(|i| one.request(i)).collect();
        for i in [299, 3, 150, 149, 151, 0] {
            assert_eq!(two.request(i), there[i as usize], "request {i} out of order");
        }
    }

    #[test]
    fn on_a_sequential_store_three_in_four_guesses_hold() {
        let mut workload = CasRegister::new(Seed(5), &Options { keys: 5, ..Options::default() });
        let mut store: BTreeMap<u32, u64> = BTreeMap::new();
        let [mut won, mut refused] = [0, 0];
        for request in (0..40_000).map(|i| workload.request(i)) {
            let found = store.get(&request.key).copied().unwrap_or(NIL);
            match request.function {
                Function::Read => {}
                Function::Cas if found != request.expected => refused += 1,
                function => {
                    won += u32::from(function == Function::Cas);
                    store.insert(request.key, request.argument);
                }
            }
        }
        let share = f64::from(won) / f64::from(won + refused);
        assert!((share - 0.75).abs() < 0.02, "{won} won, {refused} refused");
    }
}
