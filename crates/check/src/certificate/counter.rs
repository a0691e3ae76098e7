//! Counters that are only ever incremented by one: the increments in an order.
//!
//! After `k` increments a read finds `k`. So the reads of `k` stand between the `k`-th increment and the next, in order of invocation, and two instants of
//! them are enough, the earliest completion and the latest invocation: the latest invocation so far must never be beyond what completes next.

use history::object::{Action, Call, NEVER, NOTHING};

/// The operations on one counter that may have happened.
pub(super) struct Counts {
    /// Invocation and completion of each increment, in order of invocation.
    pub(super) adds: Vec<(u64, u64)>,
    /// The same of the reads of each number: the latest, and the earliest.
    pub(super) reads: Vec<(u64, u64)>,
    /// How many increments certainly happened.
    happened: usize,
}

/// Nobody read this number.
const UNREAD: (u64, u64) = (0, NEVER);

impl Counts {
    /// `None`: other amounts are added, or additions are answered, or a read finds what cannot be. In order of invocation.
    pub(super) fn of<'a>(calls: impl Iterator<Item = &'a Call>, count: usize) -> Option<Counts> {
        let mut counts = Counts { adds: Vec::with_capacity(count / 2), reads: vec![UNREAD], happened: 0 };
        for call in calls {
            match call.action {
                Action::Add if call.argument == 1 && call.result == NOTHING => {
                    counts.adds.push((call.invoked, if call.is_ok() { call.completed } else { NEVER }));
                    counts.happened += usize::from(call.is_ok());
                }
                Action::Read if !call.is_ok() => {}
                Action::Read if (0..=count as i64).contains(&call.result) => {
                    let value = call.result as usize;
                    if value >= counts.reads.len() {
                        counts.reads.resize(value + 1, UNREAD);
                    }
                    let (latest, earliest) = &mut counts.reads[value];
                    (*latest, *earliest) = (call.invoked.max(*latest), call.completed.min(*earliest));
                }
                _ => return None,
            }
        }
        Some(counts)
    }

    /// Why an order of the increments does not prove that the counter is linearizable; `None`: it does. Linear.
    pub(super) fn refute(&self, order: &[u32]) -> Option<String> {
        if order.len() + 1 < self.reads.len() {
            return Some(format!("{} was read, of {} increments", self.reads.len() - 1, order.len()));
        }
        let (mut used, mut latest, mut happened) = (vec![false; self.adds.len()], 0, 0);
        for (value, &at) in order.iter().enumerate() {
            let add = self.adds.get(at as usize).filter(|_| !std::mem::replace(&mut used[at as usize], true));
            let Some(&(invoked, completed)) = add else {
                return Some(format!("increment {at} is in the order twice, or does not exist"));
            };
            let (last_read, first_read) = self.reads.get(value).copied().unwrap_or(UNREAD);
            let after = latest.max(last_read);
            if first_read < latest || completed < after {
                return Some(format!("increment {at} does not fit behind {value} others"));
            }
            latest = after.max(invoked);
            happened += usize::from(completed != NEVER);
        }
        let (_, first_read) = self.reads.get(order.len()).copied().unwrap_or(UNREAD);
        if first_read < latest {
            return Some(format!("a read of {} was over before the increments had begun", order.len()));
        }
        (happened < self.happened).then(|| format!("{} increments are not in the order", self.happened - happened))
    }
}

#[cfg(test)]
mod tests {
    use base::{Rng, Seed};
    use history::object::Objects;
    use testkit::brute_objects::{self as brute, ObjectMix, random_objects};

    use super::*;

    const MIX: ObjectMix = ObjectMix {
        rule: brute::counter,
        actions: &[Action::Add, Action::Read],
        operations: 7,
        unique: true,
        pending: 0.2,
        lies: 0.15,
        sequential: false,
    };

    fn counts(history: &Objects) -> Option<Counts> {
        let happened = history.calls.iter().filter(|call| call.may_have_happened());
        Counts::of(happened, history.len())
    }

    #[test]
    fn no_order_of_increments_proves_an_invalid_counter() {
        let mut rng = Rng::new(Seed(3).derive("increments"));
        let (mut proved, mut refused, mut incomplete) = (0, 0, 0);
        for _ in 0..4_000 {
            let history = random_objects(&mut rng, MIX);
            let Some(counts) = counts(&history) else { continue };
            let valid = brute::linearizable(&history, brute::counter);
            for _ in 0..10 {
                let mut order: Vec<u32> = (0..counts.adds.len() as u32).collect();
                for i in (1..order.len()).rev() {
                    order.swap(i, rng.below(i as u64 + 1) as usize);
                }
                order.truncate(rng.within(0..=order.len() as u64) as usize);
                let proves = counts.refute(&order).is_none();
                assert!(valid || !proves, "{order:?} proves {history:#?}");
                *if proves { &mut proved } else { &mut refused } += 1;
                if let (true, Some(&last)) = (proves, order.last()) {
                    let twice = [&order[..], &[last]].concat();
                    assert!(counts.refute(&twice).is_some(), "{last} twice in {history:#?}");
                    incomplete += 1;
                }
            }
        }
        assert!(
            proved.min(refused).min(incomplete) > 1_000,
            "{proved} proved, {refused} refused, {incomplete} doubled"
        );
    }
}
