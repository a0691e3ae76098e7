//! A space that moves over the returns of a history, forwards and backwards.

use super::SequentialModel;
use super::search::Events;
use super::space::Space;

/// The space, and where it is. A level is a return.
pub(super) struct Walk<'s, 'a, M: SequentialModel> {
    pub(super) space: &'s mut Space<'a, M>,
    pub(super) events: &'s Events,
    /// Where the space is.
    pub(super) level: usize,
    /// The slots of the operations that returned, from level `start` on.
    slots: Vec<u8>,
    start: usize,
    /// The last level that it was at.
    pub(super) reached: usize,
    /// More operations were open at once than there are slots.
    pub(super) overfull: bool,
}

impl<'s, 'a, M: SequentialModel> Walk<'s, 'a, M> {
    /// The space is at `level`.
    pub(super) fn new(space: &'s mut Space<'a, M>, events: &'s Events, level: usize) -> Self {
        Walk { space, events, level, slots: Vec::new(), start: level, reached: level, overfull: false }
    }

    /// Moves the space to a level.
    pub(super) fn go(&mut self, level: usize) {
        while self.level < level {
            let Some((_, operation)) = self.events.returned(self.level) else { return };
            let slot = self.space.close(operation);
            let at = self.level - self.start;
            self.slots.truncate(at);
            self.slots.push(slot);
            self.level += 1;
            self.overfull |= self.events.enter(self.space, self.level).is_err();
        }
        while self.level > level {
            self.events.leave(self.space, self.level);
            self.level -= 1;
            if let Some((_, operation)) = self.events.returned(self.level) {
                self.space.reopen(operation, self.slots[self.level - self.start]);
            }
        }
        self.reached = self.reached.max(level);
    }
}
