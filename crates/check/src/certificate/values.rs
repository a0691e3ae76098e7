//! Registers whose values are unique: the values of each key in an order.
//!
//! Let the values of a key follow each other, the initial one first. The key is linearizable if nothing that saw or wrote a value was over before
//! something of an earlier value was invoked, no value was seen to an end before its mutation was invoked, and every compare-and-set found the value
//! before its own: put the operations in the order of their values, in each the mutation first, then the reads by invocation. So two instants of
//! a value are enough, its earliest completion `f` and its latest invocation `s`: the latest `s` so far must never be beyond the next `f`.
//!
//! The order comes with no promise: [`Values::refute`] believes nothing of it. There is one if the order by the lesser of `f` and `s` is one, where at
//! the same instant values with `s <= f` come first: whoever must precede another, `f < s'`, and need not follow it, `f' >= s`, is before it in that.
//! Compare-and-sets follow the value that they found, and count as one with it.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::hint::select_unpredictable;

use base::Fingerprint;
use history::{Columns, Function, NIL, Outcome};

use crate::sort::nearly_sorted;

/// Why the values of these keys do not show that they are linearizable; `None`: they do. Keys are left out for which `elsewhere` says so; of the
/// others, failed compare-and-sets are not looked at. One pass over the operations and two over the values.
pub(crate) fn refute(columns: &Columns, elsewhere: Option<&dyn Fn(u32) -> bool>) -> Option<String> {
    let values = Values::gather(columns, Names::Own, elsewhere);
    let values = values.or_else(|_| Values::gather(columns, Names::Given(HashMap::default()), elsewhere));
    match values {
        Ok(mut values) => {
            let order = values.order();
            values.refute(order.into_iter())
        }
        Err(Stop::Unusual) => Some("there are too many values to be looked at".to_string()),
        Err(Stop::Wrong(i)) => Some(format!("operation {i} is not the first of its value, or out of order")),
    }
}

/// Where a value stands, and a key.
enum Names {
    /// At their own numbers: values are small and belong to one key each.
    Own,
    /// In order of appearance.
    Given(HashMap<(u32, u64), u32, BuildHasherDefault<Fingerprint>>),
}

/// Why operations could not be gathered.
enum Stop {
    /// Values or keys are not small numbers, or two keys share a value.
    Unusual,
    /// An operation that no order explains.
    Wrong(usize),
}

/// The value was there, because its mutation is `ok` or somebody saw it; the mutation is known; it is a compare-and-set; the value is
/// named by one; it was there because one found it; it has its place in the order.
const LIVE: u32 = 1;
const WRITTEN: u32 = 2;
const CAS: u32 = 4;
const NAMED: u32 = 8;
const FOUND: u32 = 16;
const PLACED: u32 = 32;

/// What an operation says of its value, by function and outcome. Nothing, if it failed.
const SAYS: [[u32; 3]; 3] = [[LIVE, 0, 0], [WRITTEN | LIVE, 0, WRITTEN], [WRITTEN | LIVE | CAS, 0, WRITTEN | CAS]];

/// The initial value of every key.
const INITIAL: u32 = u32::MAX;
const NONE: u32 = u32::MAX - 1;

/// All that is kept of the operations on a value.
#[derive(Clone, Copy)]
struct Value {
    /// The earliest completion.
    f: u64,
    /// The latest invocation.
    s: u64,
    key: u32,
    says: u32,
}

const UNKNOWN: Value = Value { f: u64::MAX, s: 0, key: 0, says: 0 };

/// What a key holds after some of its values.
#[derive(Clone, Copy)]
struct Key {
    /// The latest invocation so far.
    latest: u64,
    value: u32,
}

/// All values of some keys.
struct Values {
    all: Vec<Value>,
    /// How great a value may be to be its own place.
    room: usize,
    names: Names,
    keys: Vec<Key>,
    /// The value that each compare-and-set found, by the place of its own; empty without any.
    found: Vec<u32>,
    /// How many happened.
    live: usize,
}

impl Values {
    fn gather(columns: &Columns, names: Names, elsewhere: Option<&dyn Fn(u32) -> bool>) -> Result<Values, Stop> {
        let (count, room) = (columns.len(), 4 * columns.len() + 1024);
        let keys = match &names {
            Names::Own => columns.key.iter().fold(0, |most, &key| most.max(key as usize + 1)),
            Names::Given(_) => 0,
        };
        if keys > room {
            return Err(Stop::Unusual);
        }
        let keys = vec![Key { latest: 0, value: INITIAL }; keys];
        let all = Vec::with_capacity(count + 64);
        let mut values = Values { all, room, names, keys, found: Vec::new(), live: 0 };
        // Slices of one length, which need no check each.
        let (sent, done, key) = (&columns.sent[..count], &columns.done[..count], &columns.key[..count]);
        let (result, argument) = (&columns.result[..count], &columns.argument[..count]);
        let (function, outcome) = (&columns.function[..count], &columns.outcome[..count]);
        let mut now = 0;
        for i in 0..count {
            let (function, outcome) = (function[i], outcome[i]);
            let says = SAYS[function as usize][outcome as usize];
            if says == 0 || elsewhere.is_some_and(|elsewhere| elsewhere(key[i])) {
                continue;
            }
            let reads = function == Function::Read;
            let done = select_unpredictable(outcome == Outcome::Info, u64::MAX, done[i]);
            if sent[i] < now || done < sent[i] {
                return Err(Stop::Wrong(i));
            }
            now = sent[i];
            let value = select_unpredictable(reads, result[i], argument[i]);
            if value == NIL {
                values.see_initial(key[i], now);
                if reads { continue } else { return Err(Stop::Wrong(i)) }
            }
            let at = values.place(key[i], value)?;
            if !values.see(at, says, now, done) {
                return Err(Stop::Wrong(i));
            }
            if says & CAS != 0 {
                values.finds(key[i], at, columns.expected[i])?;
            }
        }
        Ok(values)
    }

    fn see_initial(&mut self, key: u32, sent: u64) {
        let key = self.key(key);
        self.keys[key as usize].latest = sent;
    }

    /// An operation on a value. `false`: a mutation that is not the first, or comes after its value was seen to an end.
    #[inline(always)]
    fn see(&mut self, at: u32, says: u32, sent: u64, done: u64) -> bool {
        let seen = &mut self.all[at as usize];
        let again = says & WRITTEN & (seen.says | (WRITTEN * u32::from(seen.f < sent)));
        self.live += (says & !seen.says & LIVE) as usize;
        (seen.f, seen.s, seen.says) = (seen.f.min(done), sent, seen.says | says);
        again == 0
    }

    /// A compare-and-set that made the value at a place found this one.
    fn finds(&mut self, key: u32, at: u32, expected: u64) -> Result<(), Stop> {
        let found = if expected == NIL { INITIAL } else { self.place(key, expected)? };
        if found != INITIAL {
            self.all[found as usize].says |= NAMED;
        }
        self.found.resize(self.all.len().max(self.found.len()), NONE);
        self.found[at as usize] = found;
        Ok(())
    }

    /// The place of a value.
    #[inline(always)]
    fn place(&mut self, key: u32, value: u64) -> Result<u32, Stop> {
        if let Names::Own = self.names {
            if value >= self.all.len() as u64 {
                self.grow(value)?;
            }
            let seen = &mut self.all[value as usize];
            seen.key = select_unpredictable(seen.says == 0, key, seen.key);
            return if seen.key == key { Ok(value as u32) } else { Err(Stop::Unusual) };
        }
        Ok(self.given(key, value))
    }

    #[cold]
    fn grow(&mut self, value: u64) -> Result<(), Stop> {
        if value >= self.room as u64 {
            return Err(Stop::Unusual);
        }
        self.all.resize((value as usize + 1).next_multiple_of(64), UNKNOWN);
        Ok(())
    }

    fn given(&mut self, key: u32, value: u64) -> u32 {
        let number = self.key(key);
        let Names::Given(names) = &mut self.names else { return NONE };
        let next = self.all.len() as u32;
        let at = *names.entry((key, value)).or_insert(next);
        if at == next {
            self.all.push(Value { key: number, ..UNKNOWN });
        }
        at
    }

    /// The number of a key.
    fn key(&mut self, key: u32) -> u32 {
        let Names::Given(names) = &mut self.names else { return key };
        let next = self.keys.len() as u32;
        let number = *names.entry((key, NIL)).or_insert(next);
        if number == next {
            self.keys.push(Key { latest: 0, value: INITIAL });
        }
        number
    }
}

/// Finding an order.
impl Values {
    /// All values that were there, if there is an order of them.
    fn order(&mut self) -> Vec<u32> {
        if self.found.is_empty() {
            return self.alone();
        }
        let next = self.followers();
        let heads = self.heads(&next);
        let mut order = Vec::with_capacity(self.live);
        for (_, head) in heads {
            let mut at = head;
            while at != NONE {
                order.push(at);
                at = next[at as usize];
            }
        }
        order
    }

    /// Without compare-and-sets.
    fn alone(&self) -> Vec<u32> {
        let mut ranks = vec![(0, 0); self.live + 1];
        let mut count = 0;
        for (value, at) in self.all.iter().zip(0..) {
            // Which were there is as good as random, so nothing branches on it.
            ranks[count] = (rank(value.f, value.s), at);
            count += (value.says & LIVE) as usize;
        }
        ranks.truncate(count);
        nearly_sorted(&mut ranks, |rank| *rank);
        ranks.into_iter().map(|(_, at)| at).collect()
    }

    /// The values that found no other, in order.
    fn heads(&self, next: &[u32]) -> Vec<(u64, u32)> {
        let mut heads = Vec::with_capacity(self.live);
        for (value, at) in self.all.iter().zip(0..) {
            let found = self.found[at as usize];
            if value.says & (LIVE | FOUND) == 0 || found < NONE {
                continue;
            }
            let Value { mut f, mut s, .. } = *value;
            let mut last = next[at as usize];
            while last != NONE {
                let value = &self.all[last as usize];
                (f, s) = (f.min(value.f), s.max(value.s));
                last = next[last as usize];
            }
            heads.push((if found == INITIAL { 0 } else { rank(f, s) }, at));
        }
        nearly_sorted(&mut heads, |head| *head);
        heads
    }

    /// Of each value, the one whose compare-and-set found it.
    fn followers(&mut self) -> Vec<u32> {
        self.found.resize(self.all.len(), NONE);
        let mut next = vec![NONE; self.all.len()];
        for at in 0..self.all.len() as u32 {
            let mut at = at;
            while self.all[at as usize].says & (LIVE | FOUND) != 0 {
                let Some(before) = next.get_mut(self.found[at as usize] as usize) else { break };
                *before = at;
                at = self.found[at as usize];
                let found = &mut self.all[at as usize];
                if found.says & (LIVE | FOUND) != 0 {
                    break;
                }
                found.says |= FOUND;
            }
        }
        next
    }
}

/// The order of values, or of values that follow each other, with this earliest completion and latest invocation.
#[inline(always)]
fn rank(f: u64, s: u64) -> u64 {
    (f.min(s) << 1) | u64::from(f < s)
}

/// Replaying it.
impl Values {
    /// Why the values do not show in this order that the keys are linearizable; `None`: they do.
    fn refute(&mut self, order: impl Iterator<Item = u32>) -> Option<String> {
        let mut placed = 0;
        for at in order {
            let Some(value) = self.all.get_mut(at as usize).filter(|value| value.says & (WRITTEN | PLACED) == WRITTEN)
            else {
                return Some(format!("value {at} is there twice, or nobody wrote it"));
            };
            value.says |= PLACED;
            let key = &mut self.keys[value.key as usize];
            if value.f < key.latest {
                return Some(format!("value {at} was there before the one before it was gone"));
            }
            if value.says & CAS != 0 && self.found[at as usize] != key.value {
                return Some(format!("the compare-and-set of value {at} found another value"));
            }
            *key = Key { latest: key.latest.max(value.s), value: at };
            placed += usize::from(value.says & LIVE != 0);
        }
        (placed < self.live).then(|| format!("{} values are not in the order", self.live - placed))
    }
}

#[cfg(test)]
mod tests {
    use base::{Rng, Seed};
    use history::{ErrorKind, History};
    use testkit::{Mix, brute, random_history};

    use super::*;

    const MIX: Mix = Mix { operations: 7, keys: 2, unique: true, cas: 0.0, pending: 0.2, lies: 0.25 };

    /// Random histories of unique values without failed compare-and-sets, and whether brute force calls them linearizable.
    fn histories(name: &'static str, mix: Mix, rounds: usize) -> impl Iterator<Item = (History, bool)> {
        let mut rng = Rng::new(Seed(1).derive(name));
        std::iter::repeat_with(move || random_history(&mut rng, mix)).take(rounds).map(|mut operations| {
            operations.retain(|operation| operation.completion.error != ErrorKind::Precondition);
            let valid = brute::linearizable(&operations);
            (History::from_operations(operations), valid)
        })
    }

    fn mixes() -> [Mix; 3] {
        [MIX, Mix { cas: 0.4, keys: 1, ..MIX }, Mix { cas: 0.8, pending: 0.4, lies: 0.1, ..MIX }]
    }

    /// Whatever is linearizable is shown, by numbers of their own and by given ones, and nothing else.
    #[test]
    fn an_order_is_found_and_holds_if_and_only_if_there_is_one() {
        let mut shown = 0;
        for (history, valid) in mixes().into_iter().flat_map(|mix| histories("values", mix, 7_000)) {
            let columns = &history.operations;
            assert_eq!(refute(columns, None).is_none(), valid, "{history:#?}");
            let given = Values::gather(columns, Names::Given(HashMap::default()), None);
            let holds = given.is_ok_and(|mut values| {
                let order = values.order();
                values.refute(order.into_iter()).is_none()
            });
            assert_eq!(holds, valid, "{history:#?}");
            shown += u32::from(valid);
        }
        assert!((4_000..18_000).contains(&shown), "{shown}");
    }

    /// Whatever order is offered for an invalid history is refused, and of a valid one some are.
    #[test]
    fn no_order_of_values_proves_an_invalid_history() {
        let (mut rng, mut accepted, mut refused) = (Rng::new(Seed(2)), 0, 0);
        for (history, valid) in mixes().into_iter().flat_map(|mix| histories("orders", mix, 1_500)) {
            for _ in 0..10 {
                let Ok(mut values) = Values::gather(&history.operations, Names::Own, None) else { continue };
                let mut order: Vec<u32> =
                    (0..values.all.len() as u32).filter(|at| values.all[*at as usize].says != 0).collect();
                (1..order.len()).for_each(|i| order.swap(i, rng.below(i as u64 + 1) as usize));
                match rng.below(6) {
                    0 => drop(order.pop()),
                    1 => order.extend(order.first().copied()),
                    _ => {}
                }
                let proves = values.refute(order.iter().copied()).is_none();
                assert!(valid || !proves, "{order:?} proves {history:#?}");
                *if proves { &mut accepted } else { &mut refused } += 1;
            }
        }
        assert!(accepted > 1_000 && refused > 1_000, "{accepted} {refused}");
    }

    #[test]
    fn an_order_is_refused_when_a_value_is_missing_or_there_twice() {
        let mut changed = 0;
        for (history, _) in histories("changed", MIX, 2_000).filter(|(_, valid)| *valid) {
            let gather = || Values::gather(&history.operations, Names::Own, None).ok();
            let Some(order) = gather().map(|mut values| values.order()) else { continue };
            for at in 0..order.len() {
                let without = order.iter().enumerate().filter(|(place, _)| *place != at).map(|(_, at)| *at);
                assert!(gather().is_some_and(|mut values| values.refute(without).is_some()), "{order:?} without {at}");
                let twice = order.iter().chain([&order[at]]).copied();
                assert!(gather().is_some_and(|mut values| values.refute(twice).is_some()), "{order:?} twice {at}");
                changed += 1;
            }
        }
        assert!(changed > 1_000, "{changed}");
    }
}
