//! `register`: reads and blind writes of single keys.
//!
//! **Object**: a register per key. **Promise under test**: linearizability (a read returns the latest write that could have
//! taken effect). **What it reveals**: stale reads, lost writes, reads of values that were never written, split brain. Every
//! write has a value of its own, which makes the check linear-time and a witness easy to read.

use base::Seed;
use history::{Function, Request};
use plan::Table;

use crate::generator::Touched;
use crate::keys::{self, Distribution, Keys};
use crate::mix::{self, Mix};
use crate::{Generator, Workload};

/// The registry's entry.
pub static REGISTER: Workload = Workload {
    name: "register",
    object: "register",
    about: "reads and blind writes of single keys; every value is unique",
    reveals: "stale reads, lost writes, values that were never written, split brain",
    functions: &[Function::Read, Function::Write],
    options: keys::OPTIONS,
    build: |section, seed| Some(Box::new(Register::new(seed, &Options::from_plan(section)?))),
};

/// What can be chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// How many keys.
    pub keys: u32,
    /// How operations spread over them.
    pub distribution: Distribution,
    /// Share of reads; the others are writes.
    pub reads: f64,
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
        let [reads, _] = mix::from_plan(section, [("read", default.reads), ("write", 1.0 - default.reads)])?;
        Some(Options { keys: keys?, distribution, reads, value_size: value_size? })
    }
}

/// Fifty keys, half reads: enough contention per key that an anomaly is seen, few enough keys for every one to be read last.
impl Default for Options {
    fn default() -> Self {
        Options { keys: 50, distribution: Distribution::Uniform, reads: 0.5, value_size: 16 }
    }
}

/// Reads and writes.
#[derive(Clone, Debug)]
pub struct Register {
    keys: Keys,
    mix: Mix,
    value_size: u32,
    touched: Touched,
}

impl Register {
    /// The workload of this seed.
    pub fn new(seed: Seed, options: &Options) -> Self {
        let keys = Keys::new(seed, options.keys, options.distribution);
        let mix = Mix::new(seed, options.reads, 1.0 - options.reads, 0.0);
        let touched = Touched::new(keys.count());
        Register { keys, mix, value_size: options.value_size.max(8), touched }
    }
}

impl Generator for Register {
    fn request(&mut self, index: u64) -> Request {
        let key = self.keys.key(index);
        match self.mix.function(index) {
            Function::Read => Request::read(key),
            _ => {
                self.touched.insert(key);
                Request { size: self.value_size, ..Request::write(key, index + 1) }
            }
        }
    }

    fn final_reads(&self) -> Vec<Request> {
        self.touched.reads()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_request_depends_on_seed_and_index_alone() {
        let mut forwards = Register::new(Seed(5), &Options::default());
        let mut backwards = Register::new(Seed(5), &Options::default());
        let mut other = Register::new(Seed(6), &Options::default());
        let there: Vec<_> = (0..500).map(|i| forwards.request(i)).collect();
        let mut back: Vec<_> = (0..500).rev().map(|i| backwards.request(i)).collect();
        back.reverse();
        assert_eq!(there, back);
        assert_ne!(there, (0..500).map(|i| other.request(i)).collect::<Vec<_>>());
    }

    #[test]
    fn values_are_unique_and_final_reads_cover_what_was_written() {
        let mut workload = Register::new(Seed(5), &Options { keys: 200, ..Options::default() });
        assert_eq!(workload.final_reads(), []);
        let writes: Vec<Request> =
            (0..300).map(|i| workload.request(i)).filter(|r| r.function == Function::Write).collect();
        let values: BTreeSet<u64> = writes.iter().map(|r| r.argument).collect();
        assert_eq!(values.len(), writes.len());
        let written: BTreeSet<u32> = writes.iter().map(|r| r.key).collect();
        let read: Vec<u32> = workload.final_reads().iter().map(|r| r.key).collect();
        assert_eq!(read, written.into_iter().collect::<Vec<_>>());
    }
}
