//! Where operations come from: a schedule, processes that ask again, or a list.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use base::Time;
use history::Request;
use proto::Target;
use workload::{Cursor, Generator, Profile};

use crate::stage::{Limit, Work};

/// What is to be asked next, by whom.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    /// The process.
    pub process: u32,
    /// When it should have been sent.
    pub ready: Time,
    /// What it is.
    pub what: What,
}

/// Where an operation comes from.
#[derive(Clone, Copy, Debug)]
pub enum What {
    /// The operation of this index, due by the schedule.
    Scheduled(u64),
    /// The operation of this index; a closed loop has no due time.
    Again(u64),
    /// An entry of the list.
    Listed {
        /// Its place there.
        place: u32,
        /// What is asked.
        request: Request,
        /// Of whom.
        target: Target,
    },
}

/// The source of one stage. Pure: whoever drives it says what time it is, so that real and simulated runs ask the same.
pub enum Source<'a> {
    /// A schedule.
    Open(Open),
    /// Processes in a closed loop.
    Closed(Closed),
    /// A list.
    List(List<'a>),
}

/// A schedule and the queue in front of the processes.
pub struct Open {
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
pub struct Closed {
    think: Duration,
    base: u64,
    asked: u64,
    most: u64,
    end: Time,
    /// Processes and when each asks next, in that order: all think for the same time.
    thinking: VecDeque<(Time, u32)>,
}

/// A list, asked by whoever is free.
pub struct List<'a> {
    requests: &'a [(Request, Target)],
    asked: usize,
    end: Time,
    free: VecDeque<(Time, u32)>,
}

impl Open {
    fn new(mut cursor: Cursor, start: Time, end: Time, most: u64, base: u64, processes: usize) -> Self {
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
    fn new(processes: usize, think: Duration, start: Time, end: Time, most: u64, base: u64) -> Self {
        let thinking = (0..processes as u32).map(|process| (start, process)).collect();
        Closed { think, base, asked: 0, most, end, thinking }
    }
}

impl<'a> List<'a> {
    fn new(requests: &'a [(Request, Target)], start: Time, end: Time, processes: usize) -> Self {
        List { requests, asked: 0, end, free: (0..processes as u32).map(|process| (start, process)).collect() }
    }
}

impl<'a> Source<'a> {
    /// The source of a stage that begins at `start` with so many processes, and the generator of its requests. `base` is the index of
    /// the engine's first operation that is its own.
    ///
    /// # Errors
    /// `InvalidInput` when a closed loop wants more processes than there are.
    pub fn of(
        work: Work<'a>,
        start: Time,
        base: u64,
        processes: usize,
    ) -> io::Result<(Source<'a>, Option<&'a mut dyn Generator>)> {
        let (profile, generator, limit) = match work {
            Work::List { requests, within } => {
                return Ok((Source::List(List::new(requests, start, start + within, processes)), None));
            }
            Work::Load { profile, generator, limit } => (profile, generator, limit),
        };
        let (end, most) = match limit {
            Limit::Time(span) => (start + span, u64::MAX),
            Limit::Operations(most) => (Time::MAX, most),
        };
        let source = match profile {
            Profile::Open(arrivals) => {
                Source::Open(Open::new(Cursor::new(arrivals.clone()), start, end, most, base, processes))
            }
            &Profile::Closed { processes: wanted, .. } if wanted > processes => {
                let message = format!("a closed loop of {wanted} processes, but the engine has {processes}");
                return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
            }
            &Profile::Closed { processes, think } => {
                Source::Closed(Closed::new(processes, think, start, end, most, base))
            }
        };
        Ok((source, Some(generator)))
    }
}

impl Source<'_> {
    /// Queues the arrivals that are due. Returns how many there were.
    pub fn admit(&mut self, now: Time) -> u64 {
        match self {
            Source::Open(open) => open.admit(now),
            Source::Closed(_) | Source::List(_) => 0,
        }
    }

    /// The oldest queued arrival, if it was due before `deadline`: it has waited too long and will never be sent.
    pub fn give_up(&mut self, deadline: Time) -> Option<(u64, Time)> {
        match self {
            Source::Open(open) => {
                let due = open.queue.front()?.1;
                (due <= deadline).then(|| open.queue.pop_front()).flatten()
            }
            Source::Closed(_) | Source::List(_) => None,
        }
    }

    /// The next operation that can be asked now.
    pub fn take(&mut self, now: Time) -> Option<Ask> {
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
    pub fn freed(&mut self, process: u32, now: Time) {
        match self {
            Source::Open(open) => open.free.push_back(process),
            Source::Closed(closed) => closed.thinking.push_back((now + closed.think, process)),
            Source::List(list) => list.free.push_back((now, process)),
        }
    }

    /// When the next operation can be asked, if nothing else happens.
    pub fn next(&self) -> Option<Time> {
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
    pub fn oldest(&self) -> Option<Time> {
        match self {
            Source::Open(open) => open.queue.front().map(|&(_, due)| due),
            Source::Closed(_) | Source::List(_) => None,
        }
    }

    /// Arrivals that wait for a process.
    pub fn queued(&self) -> usize {
        match self {
            Source::Open(open) => open.queue.len(),
            Source::Closed(_) | Source::List(_) => 0,
        }
    }

    /// Whether nothing will be asked any more, whatever is answered.
    pub fn is_over(&self, now: Time) -> bool {
        match self {
            Source::Open(open) => open.queue.is_empty() && open.is_admitted(now),
            Source::Closed(closed) => now >= closed.end || closed.asked == closed.most,
            Source::List(list) => now >= list.end || list.asked == list.requests.len(),
        }
    }

    /// Nothing that is due after `now` is asked.
    pub fn stop(&mut self, now: Time) {
        let end = match self {
            Source::Open(open) => &mut open.end,
            Source::Closed(closed) => &mut closed.end,
            Source::List(list) => &mut list.end,
        };
        *end = now.min(*end);
    }

    /// When the stage stops asking by itself; [`Time::MAX`] if it is limited by count.
    pub fn end(&self) -> Time {
        match self {
            Source::Open(open) => open.end,
            Source::Closed(closed) => closed.end,
            Source::List(list) => list.end,
        }
    }

    /// How many operations of the engine's count were used up.
    pub fn indices(&self) -> u64 {
        match self {
            Source::Open(open) => open.admitted,
            Source::Closed(closed) => closed.asked,
            Source::List(_) => 0,
        }
    }
}
