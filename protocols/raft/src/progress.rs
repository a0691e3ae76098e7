//! What a leader knows of each follower, and how much it may send ahead.

use std::collections::VecDeque;

use base::Time;

/// How entries are sent to a follower (the states of etcd-io/raft's `tracker/progress.go`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sending {
    /// It is not known where its log and the leader's agree: one append at a time, the next when something was heard.
    Probe {
        /// An append is under way.
        paused: bool,
    },
    /// The logs agree: appends are sent ahead of their answers, as far as the window allows.
    Replicate,
    /// The log no longer has what it needs: a snapshot is sent, a chunk at a time.
    Snapshot {
        /// The last index in the snapshot.
        index: u64,
        /// Where the next chunk begins.
        offset: u64,
        /// A chunk is under way.
        paused: bool,
    },
}

/// What a leader knows of one follower (and, of itself, what is durable).
///
/// Invariant: `matched < next`.
#[derive(Clone, Debug, Hash)]
pub struct Progress {
    /// Counts how often the node became a member while this leader leads. Replies carry it: what a server said before it was
    /// removed and perhaps emptied must not count when it is back (drmingdrmer/raft-rejoin-bug).
    pub session: u64,
    /// The follower has every entry up to here, durably.
    pub matched: u64,
    /// The next entry to send.
    pub next: u64,
    /// How entries are sent.
    pub sending: Sending,
    /// When the follower was last heard from.
    pub heard: Time,
    /// The latest round of heartbeats that it answered.
    pub beat: u64,
    /// The leader's tick when it last did.
    pub heard_tick: u64,
    /// The highest commit index that was sent to it.
    pub told_commit: u64,
    /// `matched` at the last heartbeat, to notice appends that got lost.
    pub matched_before: u64,
    /// Appends under way: last index and size in bytes of each.
    in_flight: VecDeque<(u64, usize)>,
    in_flight_bytes: usize,
}

impl Progress {
    /// A follower of which nothing is known but that the leader's log ends before `next`.
    pub fn new(next: u64, now: Time, session: u64) -> Self {
        Progress {
            session,
            matched: 0,
            next,
            sending: Sending::Probe { paused: false },
            heard: now,
            beat: 0,
            heard_tick: 0,
            told_commit: 0,
            matched_before: 0,
            in_flight: VecDeque::new(),
            in_flight_bytes: 0,
        }
    }

    /// Whether an append may be sent now, with at most `messages` and about `bytes` under way.
    pub fn has_room(&self, messages: usize, bytes: usize) -> bool {
        match self.sending {
            Sending::Probe { paused } => !paused,
            Sending::Replicate => self.in_flight.len() < messages && self.in_flight_bytes < bytes,
            Sending::Snapshot { .. } => false,
        }
    }

    /// Entries up to `last` were sent, `bytes` of them in this message.
    pub fn sent(&mut self, last: u64, bytes: usize) {
        match &mut self.sending {
            Sending::Probe { paused } => *paused = true,
            Sending::Replicate => {
                self.next = last + 1;
                self.in_flight.push_back((last, bytes));
                self.in_flight_bytes += bytes;
            }
            Sending::Snapshot { .. } => {}
        }
    }

    /// The follower has everything up to `index`: from here on entries flow.
    pub fn accepted(&mut self, index: u64) {
        self.matched = self.matched.max(index);
        self.next = self.next.max(self.matched + 1);
        match self.sending {
            Sending::Replicate => {}
            Sending::Snapshot { index, .. } if self.matched < index => {}
            // A late answer to what was sent ahead, before a rejection: it does not answer the probe. If entries flowed at each of these, every
            // one of a window's answers would send another window.
            Sending::Probe { .. } if index + 1 < self.next => {}
            Sending::Probe { .. } | Sending::Snapshot { .. } => {
                self.next = self.matched + 1;
                self.sending = Sending::Replicate;
            }
        }
        while let Some(&(last, bytes)) = self.in_flight.front()
            && last <= self.matched
        {
            self.in_flight.pop_front();
            self.in_flight_bytes -= bytes;
        }
    }

    /// Appends may have got lost: find out again where the logs agree, from `next` on.
    pub fn probe(&mut self, next: u64, paused: bool) {
        self.next = next.max(self.matched + 1);
        self.sending = Sending::Probe { paused };
        self.in_flight.clear();
        self.in_flight_bytes = 0;
    }

    /// The log no longer has the entry before `next`: a snapshot that ends at `index` is sent.
    pub fn send_snapshot(&mut self, index: u64) {
        self.probe(index + 1, false);
        self.sending = Sending::Snapshot { index, offset: 0, paused: false };
    }

    /// The follower is there: a probe or a chunk may be repeated.
    pub fn unpause(&mut self) {
        if let Sending::Probe { paused } | Sending::Snapshot { paused, .. } = &mut self.sending {
            *paused = false;
        }
    }

    /// Whether appends are under way that no answer has come for since the last heartbeat. To be asked once a heartbeat.
    pub fn is_stalled(&mut self) -> bool {
        let before = std::mem::replace(&mut self.matched_before, self.matched);
        before == self.matched && !self.in_flight.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_fills_and_empties() {
        let mut follower = Progress::new(4, Time::ZERO, 0);
        assert!(follower.has_room(2, 100));
        follower.sent(6, 10);
        assert!(!follower.has_room(2, 100), "one probe at a time");
        follower.accepted(3);
        assert_eq!((follower.next, follower.sending), (4, Sending::Replicate));
        follower.sent(5, 60);
        follower.sent(6, 60);
        assert!(!follower.has_room(3, 100), "bytes");
        assert!(!follower.has_room(2, 1000), "messages");
        assert!(!follower.is_stalled(), "progress since the start");
        assert!(follower.is_stalled());
        follower.accepted(5);
        assert!(follower.has_room(2, 100));
        follower.accepted(4);
        assert_eq!((follower.matched, follower.next), (5, 7), "a delayed answer changes nothing");
    }
}
