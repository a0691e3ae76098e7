//! Which configurations are worth keeping.
//!
//! Dominance: with the same state, having more reads behind, more operations that can hide, and fewer pending ones used is never worse.

use super::kinds::{FREE, Map, Table};
use super::space::Config;
use crate::limit::Limit;

/// Configurations of which none dominates another, by the return that they wait for, by state and by what must agree.
#[derive(Default)]
pub(super) struct Seen {
    first: Map<(u128, u32, u32), u32>,
    chain: Vec<Known>,
    /// Configurations that were compared with others, since it was asked last.
    compared: usize,
}

/// So many comparisons take as long as a configuration.
const COMPARISONS: usize = 64;

struct Known {
    mask: u128,
    hidden: u128,
    used: u32,
    next: u32,
}

/// The slots of open reads, and of open operations that overwrite.
#[derive(Clone, Copy, Default)]
pub(super) struct Slots {
    pub(super) reads: u128,
    pub(super) overwrites: u128,
}

impl Seen {
    pub(super) fn clear(&mut self) {
        self.first.clear();
        self.chain.clear();
    }

    /// What the comparisons since the last call cost, in configurations: where states are few and what is open is much, they are most of the work.
    pub(super) fn cost(&mut self) -> usize {
        let cost = self.compared / COMPARISONS;
        self.compared %= COMPARISONS;
        cost
    }

    /// Asks for the memory that the next configuration needs, if any: the chain doubles, and the map and the lists of
    /// configurations grow with it.
    pub(super) fn room(&self, limit: &Limit) -> Result<(), &'static str> {
        let each = size_of::<Known>() + 2 * size_of::<((u128, u32, u32), u32)>() + 3 * size_of::<Config>();
        let full = self.chain.len() == self.chain.capacity();
        if full && !limit.reserve((self.chain.len() * each) as u64) {
            return Err(limit.exceeded().unwrap_or("there is no room for more configurations"));
        }
        Ok(())
    }

    /// False: a configuration like this, or a better one, waits for the same return.
    pub(super) fn insert(&mut self, config: &Config, level: u32, slots: Slots, used: &Table<Vec<u16>>) -> bool {
        let next = self.chain.len() as u32;
        // Reads and operations that overwrite need not agree.
        let fixed = config.mask & !slots.reads & !slots.overwrites;
        let first = self.first.entry((fixed, config.state, level)).or_insert(FREE);
        let mut at = *first;
        while at != FREE {
            let known = &self.chain[at as usize];
            self.compared += 1;
            if known.dominates(config, slots.reads) && used.no_more(known.used, config.used) {
                return false;
            }
            at = known.next;
        }
        self.chain.push(Known { mask: config.mask, hidden: config.hidden, used: config.used, next: *first });
        *first = next;
        true
    }
}

impl Known {
    /// Whether whatever can follow `config` can follow this, pending operations apart. What can hide is as good as taken and as good as not taken; a read
    /// that is taken is as good as one that is not; a write that is taken differs from one that is not.
    fn dominates(&self, config: &Config, reads: u128) -> bool {
        let lacks_hiding = config.hidden & !self.hidden;
        let lacks = config.mask & !self.mask & !self.hidden;
        let extra = self.mask & !config.mask & !reads;
        lacks_hiding | lacks | extra == 0
    }
}
