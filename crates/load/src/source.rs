//! Where operations come from: a schedule, processes that ask again, or a list.

use std::collections::VecDeque;
use std::time::Duration;

use base::Time;
use history::Request;
use proto::Target;
use workload::Cursor;

/// What is to be asked next, by whom.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask {
    /// The process.
    pub(crate) process: u32,
    /// When it should have been sent.
    pub(crate) ready: Time,
    /// What it is.
    pub(crate) what: What,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum What {
    /// The operation of this index, due by the schedule.
    Scheduled(u64),
    /// The operation of this index; a closed loop has no due time.
    Again(u64),
    /// An entry of the list.
    Listed { place: u32, request: Request, target: Target },
}

/// The source of one stage.
pub(crate) enum Source<'a> {
    Open(Open),
    Closed(Closed),
    List(List<'a>),
}

/// A schedule and the queue in front of the processes.
pub(crate) struct Open {
    cursor: Cursor,
    start: Time,
    end: Time,
    /// The index of the engine's operation that is this schedule's first.
    base: u64,
    /// How many arrivals were queued so far.
    admitted: u64,
    most: u64,
    next: Option<Time>,
    queue: VecDeque<(u64, Time)>,
    free: VecDeque<u32>,
}

/// Processes that ask again when they have been answered.
pub(crate) struct Closed {
    think: Duration,
    base: u64,
    asked: u64,
    most: u64,
    end: Time,
    /// Processes and when each asks next, in that order: all think for the same time.
    thinking: VecDeque<(Time, u32)>,
}

/// A list, asked by whoever is free.
pub(crate) struct List<'a> {
    requests: &'a [(Request, Target)],
    asked: usize,
    end: Time,
    free: VecDeque<(Time, u32)>,
}

impl Open {
    pub(crate) fn new(mut cursor: Cursor, start: Time, end: Time, most: u64, base: u64, processes: usize) -> Self {
        let next = cursor.due(0).map(|after| start + after);
        let free = (0..processes as u32).collect();
        Open { cursor, start, end, base, admitted: 0, most, next, queue: VecDeque::new(), free }
    }

    /// When the next arrival is due, if one is within the stage.
    fn next(&self) -> Option<Time> {
        self.next.filter(|&due| due < self.end && self.admitted < self.most)
    }

    /// Whether no further arrival will come. A stage lasts its whole time even if its last arrival comes earlier.
    fn is_admitted(&self, now: Time) -> bool {
        now >= self.end || self.admitted >= self.most || (self.next.is_none() && self.end == Time::MAX)
    }

    fn admit(&mut self, now: Time) -> u64 {
        let before = self.admitted;
        while let Some(due) = self.next()
            && due <= now
        {
            self.queue.push_back((self.base + self.admitted, due));
            self.admitted += 1;
            self.next = self.cursor.due(self.admitted).map(|after| self.start + after);
        }
        self.admitted - before
    }
}

impl Closed {
    pub(crate) fn new(processes: usize, think: Duration, start: Time, end: Time, most: u64, base: u64) -> Self {
        let thinking = (0..processes as u32).map(|process| (start, process)).collect();
        Closed { think, base, asked: 0, most, end, thinking }
    }
}

impl<'a> List<'a> {
    pub(crate) fn new(requests: &'a [(Request, Target)], start: Time, end: Time, processes: usize) -> Self {
        List { requests, asked: 0, end, free: (0..processes as u32).map(|process| (start, process)).collect() }
    }
}

impl Source<'_> {
    /// Queues the arrivals that are due. Returns how many there were.
    pub(crate) fn admit(&mut self, now: Time) -> u64 {
        match self {
            Source::Open(open) => open.admit(now),
            Source::Closed(_) | Source::List(_) => 0,
        }
    }

    /// The oldest queued arrival, if it was due before `deadline`: it has waited too long and will never be sent.
    pub(crate) fn give_up(&mut self, deadline: Time) -> Option<(u64, Time)> {
        match self {
            Source::Open(open) => {
                let due = open.queue.front()?.1;
                (due <= deadline).then(|| open.queue.pop_front()).flatten()
            }
            Source::Closed(_) | Source::List(_) => None,
        }
    }

    /// The next operation that can be asked now.
    pub(crate) fn take(&mut self, now: Time) -> Option<Ask> {
        match self {
            Source::Open(open) => {
                let process = *open.free.front()?;
                let (index, due) = open.queue.pop_front()?;
                open.free.pop_front();
                Some(Ask { process, ready: due, what: What::Scheduled(index) })
            }
            Source::Closed(closed) => {
                let &(ready, process) = closed.thinking.front()?;
                if ready > now || ready >= closed.end || closed.asked == closed.most {
                    return None;
                }
                closed.thinking.pop_front();
                closed.asked += 1;
                Some(Ask { process, ready, what: What::Again(closed.base + closed.asked - 1) })
            }
            Source::List(list) => {
                let &(request, target) = list.requests.get(list.asked).filter(|_| now < list.end)?;
                let (ready, process) = list.free.pop_front()?;
                list.asked += 1;
                let place = list.asked as u32 - 1;
                Some(Ask { process, ready, what: What::Listed { place, request, target } })
            }
        }
    }

    /// A process has been answered.
    pub(crate) fn freed(&mut self, process: u32, now: Time) {
        match self {
            Source::Open(open) => open.free.push_back(process),
            Source::Closed(closed) => closed.thinking.push_back((now + closed.think, process)),
            Source::List(list) => list.free.push_back((now, process)),
        }
    }

    /// When the next operation can be asked, if nothing else happens.
    pub(crate) fn next(&self) -> Option<Time> {
        match self {
            Source::Open(open) => open.next().filter(|_| !open.free.is_empty()),
            Source::Closed(closed) => {
                let &(ready, _) = closed.thinking.front()?;
                (ready < closed.end && closed.asked < closed.most).then_some(ready)
            }
            Source::List(_) => None,
        }
    }

    /// When the oldest queued arrival was due.
    pub(crate) fn oldest(&self) -> Option<Time> {
        match self {
            Source::Open(open) => open.queue.front().map(|&(_, due)| due),
            Source::Closed(_) | Source::List(_) => None,
        }
    }

    /// Arrivals that wait for a process.
    pub(crate) fn queued(&self) -> usize {
        match self {
            Source::Open(open) => open.queue.len(),
            Source::Closed(_) | Source::List(_) => 0,
        }
    }

    /// Whether nothing will be asked any more, whatever is answered.
    pub(crate) fn is_over(&self, now: Time) -> bool {
        match self {
            Source::Open(open) => open.queue.is_empty() && open.is_admitted(now),
            Source::Closed(closed) => now >= closed.end || closed.asked == closed.most,
            Source::List(list) => now >= list.end || list.asked == list.requests.len(),
        }
    }

    /// Nothing that is due after `now` is asked.
    pub(crate) fn stop(&mut self, now: Time) {
        let end = match self {
            Source::Open(open) => &mut open.end,
            Source::Closed(closed) => &mut closed.end,
            Source::List(list) => &mut list.end,
        };
        *end = now.min(*end);
    }

    /// When the stage stops asking by itself; [`Time::MAX`] if it is limited by count.
    pub(crate) fn end(&self) -> Time {
        match self {
            Source::Open(open) => open.end,
            Source::Closed(closed) => closed.end,
            Source::List(list) => list.end,
        }
    }

    /// How many operations of the engine's count were used up.
    pub(crate) fn indices(&self) -> u64 {
        match self {
            Source::Open(open) => open.admitted,
            Source::Closed(closed) => closed.asked,
            Source::List(_) => 0,
        }
    }
}
