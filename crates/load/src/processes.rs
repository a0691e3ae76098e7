use std::collections::VecDeque;

use base::{ProcessId, Time};
use history::Slot;
use proto::Token;

/// The logical processes: who asks, under which id, and what each has under way.
pub(crate) struct Processes {
    all: Vec<Process>,
    next_id: u32,
    under_way: usize,
    /// Deadlines of operations under way. All have the same timeout, so they expire in the order in which they were sent; an
    /// entry whose operation is over is skipped.
    deadlines: VecDeque<(Time, Token)>,
}

/// One logical process.
#[derive(Debug)]
pub(crate) struct Process {
    /// Its current name; another after every unknown outcome.
    pub(crate) id: ProcessId,
    /// Distinguishes its operations.
    generation: u32,
    /// Which connections it uses.
    pub(crate) group: u32,
    /// When its last operation ended.
    pub(crate) free_since: Time,
    /// Which node it asks, under a rotating policy.
    pub(crate) turn: u64,
    operation: Option<UnderWay>,
}

/// An operation under way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UnderWay {
    pub(crate) due: Time,
    pub(crate) sent: Time,
    /// Its record, if the run is recorded.
    pub(crate) slot: Option<Slot>,
    /// Its place in the list that is being asked, if one is.
    pub(crate) place: Option<u32>,
}

/// A token is the process's place in the low bits and its generation above.
const PLACE_BITS: u32 = 20;
/// Most processes of one engine.
pub(crate) const MOST_PROCESSES: usize = 1 << PLACE_BITS;

impl Processes {
    pub(crate) fn new(count: usize, groups: usize) -> Self {
        let process = |place: usize| Process {
            id: ProcessId(place as u32),
            generation: 0,
            group: (place % groups) as u32,
            free_since: Time::ZERO,
            turn: place as u64,
            operation: None,
        };
        let all = (0..count).map(process).collect();
        Processes { all, next_id: count as u32, under_way: 0, deadlines: VecDeque::new() }
    }

    pub(crate) fn count(&self) -> usize {
        self.all.len()
    }

    pub(crate) fn get(&self, place: u32) -> &Process {
        &self.all[place as usize]
    }

    /// The name of the next operation of a process.
    pub(crate) fn token(&self, place: u32) -> Token {
        Token(self.all[place as usize].generation << PLACE_BITS | place)
    }

    /// The process has this under way until `deadline`.
    pub(crate) fn begin(&mut self, place: u32, operation: UnderWay, deadline: Time) {
        self.deadlines.push_back((deadline, self.token(place)));
        self.all[place as usize].operation = Some(operation);
        self.under_way += 1;
    }

    /// The operation of this name is over. `None` if it already was. `renamed`: its outcome is unknown, so the process goes on
    /// under a new id; `turned`: the process should ask another node next.
    pub(crate) fn end(&mut self, token: Token, now: Time, renamed: bool, turned: bool) -> Option<(u32, UnderWay)> {
        let place = place_of(token);
        if token != self.token(place) {
            return None;
        }
        let process = &mut self.all[place as usize];
        let operation = process.operation.take()?;
        process.generation = (process.generation + 1) & (u32::MAX >> PLACE_BITS);
        process.free_since = now;
        process.turn += u64::from(turned);
        if renamed {
            process.id = ProcessId(self.next_id);
            self.next_id += 1;
        }
        self.under_way -= 1;
        Some((place, operation))
    }

    pub(crate) fn under_way(&self) -> usize {
        self.under_way
    }

    /// The names of everything under way.
    pub(crate) fn tokens(&self) -> Vec<Token> {
        let places = 0..self.all.len() as u32;
        places.filter(|&place| self.get(place).operation.is_some()).map(|place| self.token(place)).collect()
    }

    /// When the next operation under way expires.
    pub(crate) fn next_deadline(&mut self) -> Option<Time> {
        while let Some(&(deadline, token)) = self.deadlines.front() {
            let place = place_of(token);
            if self.get(place).operation.is_some() && self.token(place) == token {
                return Some(deadline);
            }
            self.deadlines.pop_front();
        }
        None
    }

    /// Takes the next operation whose time is over.
    pub(crate) fn expire(&mut self, now: Time) -> Option<Token> {
        let deadline = self.next_deadline()?;
        (deadline <= now).then(|| self.deadlines.pop_front().map(|(_, token)| token)).flatten()
    }
}

/// The process that has the operation.
pub(crate) fn place_of(token: Token) -> u32 {
    token.0 & (MOST_PROCESSES as u32 - 1)
}
