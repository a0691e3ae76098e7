use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

use base::Bytes;

/// Records that are shared together: a copy costs one count, however many there are.
///
/// A log, its disk and the messages that carry it elsewhere can hold the same ones, so that sharing costs once a batch and not
/// once a record. It reads as a slice, and is compared and hashed as one.
#[derive(Clone)]
pub struct Records {
    all: Arc<[Bytes]>,
    /// Which of `all` belong to it. Invariant: within.
    range: (u32, u32),
}

impl Records {
    /// Those after the first `count`.
    #[inline]
    pub fn after(mut self, count: usize) -> Records {
        self.range.0 += count.min(self.len()) as u32;
        self
    }

    /// The first `count`.
    #[inline]
    pub fn first(mut self, count: usize) -> Records {
        self.range.1 = self.range.0 + count.min(self.len()) as u32;
        self
    }
}

impl Deref for Records {
    type Target = [Bytes];

    #[inline]
    fn deref(&self) -> &[Bytes] {
        &self.all[self.range.0 as usize..self.range.1 as usize]
    }
}

/// None.
impl Default for Records {
    fn default() -> Self {
        Records { all: Arc::default(), range: (0, 0) }
    }
}

/// One allocation if the iterator knows its length.
impl FromIterator<Bytes> for Records {
    fn from_iter<I: IntoIterator<Item = Bytes>>(records: I) -> Self {
        let all: Arc<[Bytes]> = records.into_iter().collect();
        let end = u32::try_from(all.len()).expect("fewer than 2^32 records in a batch");
        Records { all, range: (0, end) }
    }
}

impl From<Vec<Bytes>> for Records {
    fn from(records: Vec<Bytes>) -> Self {
        records.into_iter().collect()
    }
}

impl PartialEq for Records {
    fn eq(&self, other: &Self) -> bool {
        self[..] == other[..]
    }
}

impl Eq for Records {}

impl Hash for Records {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self[..].hash(state);
    }
}

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self[..].fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_part_is_the_same_records() {
        let all = Records::from(["a", "b", "c", "d"].map(Bytes::from).to_vec());
        let part = all.clone().after(1).after(1).first(1);
        assert_eq!(part[..], [Bytes::from_static(b"c")]);
        assert_eq!(part, Records::from(vec![Bytes::from_static(b"c")]), "compared by what is in it");
        assert_eq!(part[0].as_ptr(), all[2].as_ptr(), "copied");
        assert!(all.clone().after(5).is_empty());
        assert_eq!(all.clone().first(5), all);
    }
}
