//! The timers of one actor.

use base::Time;
use proto::TimerId;

/// Timers by id. A protocol has a handful, so every operation is a scan of one short list.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    set: Vec<(Time, TimerId)>,
}

impl Timers {
    /// Fires `timer` at `at`, instead of when it was set before.
    pub fn set(&mut self, timer: TimerId, at: Time) {
        match self.set.iter_mut().find(|(_, id)| *id == timer) {
            Some(entry) => entry.0 = at,
            None => self.set.push((at, timer)),
        }
    }

    pub fn cancel(&mut self, timer: TimerId) {
        self.set.retain(|(_, id)| *id != timer);
    }

    /// When the next one fires.
    pub fn next(&self) -> Option<Time> {
        self.set.iter().map(|(at, _)| *at).min()
    }

    /// Takes the earliest timer that is due at `now`.
    pub fn pop(&mut self, now: Time) -> Option<TimerId> {
        let due = self.set.iter().enumerate().filter(|(_, (at, _))| *at <= now);
        let (place, _) = due.min_by_key(|(_, entry)| **entry)?;
        Some(self.set.swap_remove(place).1)
    }

    /// How many are set.
    pub fn len(&self) -> usize {
        self.set.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_fire_in_order_and_once_and_can_be_moved() {
        let mut timers = Timers::default();
        let [a, b, c] = [1, 2, 3].map(TimerId);
        timers.set(a, Time(10));
        timers.set(b, Time(5));
        timers.set(c, Time(7));
        timers.set(a, Time(6));
        timers.cancel(c);
        assert_eq!(timers.next(), Some(Time(5)));
        assert_eq!(timers.pop(Time(4)), None);
        let fired: Vec<_> = std::iter::from_fn(|| timers.pop(Time(20))).collect();
        assert_eq!(fired, [b, a]);
        assert_eq!(timers.len(), 0);
    }
}
