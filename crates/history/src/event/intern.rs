use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use base::Fingerprint;

use super::value::Value;

/// Words below this are looked up by themselves: small integers and the first names.
const SMALL: u64 = 1 << 19;

/// Gives dense numbers to values, in order of appearance: keys, elements, written values. All values must be of one
/// [`Events`](super::Events).
#[derive(Debug, Default)]
pub struct Interner<'a> {
    /// Of each small word, one more than its number; 0: none yet.
    small: Vec<u32>,
    scalars: HashMap<u64, u32, BuildHasherDefault<Fingerprint>>,
    others: HashMap<Vec<u64>, u32, BuildHasherDefault<Fingerprint>>,
    values: Vec<Value<'a>>,
}

impl<'a> Interner<'a> {
    /// The number of the value; a new one if it was not seen before. A name and a text of the same letters are the same.
    #[inline]
    pub fn id(&mut self, value: Value<'a>) -> u32 {
        let next = self.values.len() as u32;
        let id = match value.scalar() {
            Some(word) if word < SMALL => {
                let place = word as usize;
                if place >= self.small.len() {
                    self.small.resize((place + 1).next_power_of_two(), 0);
                }
                if self.small[place] == 0 {
                    self.small[place] = next + 1;
                }
                self.small[place] - 1
            }
            Some(word) => *self.scalars.entry(word).or_insert(next),
            None => *self.others.entry(value.words().collect()).or_insert(next),
        };
        if id == next {
            self.values.push(value);
        }
        id
    }

    /// The number of the value, if it was seen.
    pub fn find(&self, value: Value<'a>) -> Option<u32> {
        match value.scalar() {
            Some(word) if word < SMALL => self.small.get(word as usize)?.checked_sub(1),
            Some(word) => self.scalars.get(&word).copied(),
            None => self.others.get(&value.words().collect::<Vec<_>>()).copied(),
        }
    }

    /// The values by their numbers.
    pub fn values(&self) -> &[Value<'a>] {
        &self.values
    }

    /// The values by their numbers, as text.
    pub fn names(&self) -> Vec<String> {
        self.values.iter().map(|value| value.to_string()).collect()
    }
}
