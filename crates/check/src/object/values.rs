//! Dense numbers for the values of one object.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use base::Fingerprint;

/// Numbers values in order of their first appearance.
pub(crate) struct Values {
    /// One more than the number of each small value, as those of our own workloads are; 0: none yet.
    small: Vec<u32>,
    others: HashMap<i64, u32, BuildHasherDefault<Fingerprint>>,
    count: u32,
}

impl Values {
    /// For about so many operations.
    pub(crate) fn new(operations: usize) -> Values {
        Values { small: vec![0; operations * 2 + 64], others: HashMap::default(), count: 0 }
    }

    /// The number of this value.
    #[inline]
    pub(crate) fn number(&mut self, value: i64) -> usize {
        let next = self.count + 1;
        let number = match self.small.get_mut(value as usize) {
            Some(number) => {
                if *number == 0 {
                    *number = next;
                }
                *number
            }
            None => *self.others.entry(value).or_insert(next),
        };
        self.count = self.count.max(number);
        number as usize - 1
    }
}
