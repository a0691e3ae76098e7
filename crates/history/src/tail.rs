//! Reads records while they are written, as events in the order of time: for checkers that run while the load runs.
//!
//! The recorder does nothing for it. A tail maps the same files and looks at the status of records: claims come one after another,
//! and an operation under way is looked at again at every poll. Claims of a writer are in the order of their times, and a completion that is
//! earlier than a claim was stored before it. So everything up to the newest claim can be told in order. Should a
//! completion be seen later than that, it is told late, which makes the operation seem longer: harmless to a checker of real time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base::{ProcessId, Time};
use memmap2::{MmapOptions, MmapRaw};

use crate::operation::{Completion, Operation, Outcome, Request};
use crate::record;
use crate::segment::{ClockDomain, HEADER_SIZE, Header};

/// An event, as a tail tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// An operation is invoked.
    Invoked {
        /// Its place among those under way: free again when it has ended.
        slot: u32,
        /// Who asks.
        process: ProcessId,
        /// What.
        request: Request,
        /// When.
        at: Time,
    },
    /// An operation has ended.
    Ended {
        /// The place that it was given.
        slot: u32,
        /// What came of it.
        completion: Completion,
        /// When; of an unknown outcome, not before its client gave up.
        at: Time,
    },
}

/// The records of one writer, as they are written.
#[derive(Debug)]
pub struct Tail {
    dir: PathBuf,
    header: Header,
    gate: Arc<Gate>,
    /// The segments that are still looked at.
    maps: BTreeMap<u32, MmapRaw>,
    /// Where the next claim will be.
    segment: u32,
    index: usize,
    /// Claimed and not complete.
    open: Vec<Place>,
    /// Not told yet: claims, in order.
    claims: VecDeque<(Place, Operation)>,
    /// Not told yet: completions, by time.
    ended: BinaryHeap<Reverse<(Time, u32)>>,
    /// What came of the operation in each slot.
    completions: Vec<Option<Completion>>,
    free: Vec<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    segment: u32,
    index: usize,
    slot: u32,
}

/// Whether the recorder has ended: the last segment is cut to its length then, and nobody may look behind that.
#[derive(Debug, Default)]
pub(crate) struct Gate(Mutex<bool>);

impl Gate {
    /// From now on no tail reads. Waits for the one that does.
    pub(crate) fn close(&self) -> MutexGuard<'_, bool> {
        let mut closed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *closed = true;
        closed
    }
}

impl Tail {
    pub(crate) fn new(dir: &Path, writer: u16, gate: Arc<Gate>) -> Tail {
        Tail {
            dir: dir.to_owned(),
            header: Header { writer, segment: 0, clock: ClockDomain::default() },
            gate,
            maps: BTreeMap::new(),
            segment: 0,
            index: 0,
            open: Vec::new(),
            claims: VecDeque::new(),
            ended: BinaryHeap::new(),
            completions: Vec::new(),
            free: Vec::new(),
        }
    }

    /// Tells what is new. False once the recorder has ended: what it wrote last is in its files.
    ///
    /// # Errors
    /// If a segment cannot be mapped, or holds what is no record.
    pub fn poll(&mut self, told: &mut dyn FnMut(Told)) -> io::Result<bool> {
        let gate = Arc::clone(&self.gate);
        let closed = gate.0.lock().unwrap_or_else(PoisonError::into_inner);
        if *closed {
            return Ok(false);
        }
        let newest = self.read_claims()?;
        self.read_completions(newest)?;
        drop(closed);
        if let Some(newest) = newest {
            self.tell(newest, told);
        }
        let oldest = self.open.iter().map(|place| place.segment).min().unwrap_or(self.segment);
        self.maps.retain(|segment, _| *segment >= oldest.min(self.segment));
        Ok(true)
    }

    /// Takes in what was claimed since; returns the time of the newest claim.
    fn read_claims(&mut self) -> io::Result<Option<Time>> {
        let mut newest = None;
        while let Some(capacity) = self.capacity()? {
            if self.index == capacity {
                (self.segment, self.index) = (self.segment + 1, 0);
                continue;
            }
            let Some((operation, ended)) = self.peek(self.segment, self.index)? else { break };
            let (segment, index) = (self.segment, self.index);
            self.index += 1;
            if operation.was_never_sent() {
                continue;
            }
            newest = Some(operation.sent);
            let place = Place { segment, index, slot: self.take_slot() };
            self.claims.push_back((place, operation));
            if ended && operation.completion.outcome != Outcome::Info {
                self.note(place, &operation, operation.done);
            } else {
                self.open.push(place);
            }
        }
        Ok(newest)
    }

    /// Looks again at what was under way. Outcomes that are unknown have no time: they end at the newest claim. What has one is
    /// told at its time and not before, though that may be later than the newest claim: it may also be later than one that comes next.
    fn read_completions(&mut self, newest: Option<Time>) -> io::Result<()> {
        let Some(newest) = newest else { return Ok(()) };
        for place in std::mem::take(&mut self.open) {
            match self.peek(place.segment, place.index)? {
                Some((operation, true)) => {
                    let unknown = operation.completion.outcome == Outcome::Info;
                    self.note(place, &operation, if unknown { newest } else { operation.done });
                }
                _ => self.open.push(place),
            }
        }
        Ok(())
    }

    fn note(&mut self, place: Place, operation: &Operation, at: Time) {
        self.completions[place.slot as usize] = Some(operation.completion);
        self.ended.push(Reverse((at, place.slot)));
    }

    fn take_slot(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.completions.push(None);
            self.completions.len() as u32 - 1
        })
    }

    /// Tells all invocations, and the completions before the newest: at the same instant, invocations come first.
    fn tell(&mut self, newest: Time, told: &mut dyn FnMut(Told)) {
        while let Some((place, operation)) = self.claims.pop_front() {
            self.tell_ended(operation.sent, told);
            let Operation { process, request, sent: at, .. } = operation;
            told(Told::Invoked { slot: place.slot, process, request, at });
        }
        self.tell_ended(newest, told);
    }

    /// Tells the completions before an instant.
    fn tell_ended(&mut self, before: Time, told: &mut dyn FnMut(Told)) {
        while let Some(&Reverse((at, slot))) = self.ended.peek()
            && at < before
        {
            self.ended.pop();
            if let Some(completion) = self.completions[slot as usize].take() {
                told(Told::Ended { slot, completion, at });
            }
            self.free.push(slot);
        }
    }

    /// How many records the current segment has room for; `None`: it is not there yet.
    fn capacity(&mut self) -> io::Result<Option<usize>> {
        if !self.maps.contains_key(&self.segment) {
            let name = Header { segment: self.segment, ..self.header.clone() }.file_name();
            let file = match File::open(self.dir.join(name)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                file => file?,
            };
            let length = file.metadata()?.len() as usize;
            if length <= HEADER_SIZE {
                return Ok(None);
            }
            self.maps.insert(self.segment, MmapOptions::new().len(length).map_raw_read_only(&file)?);
        }
        let length = self.maps[&self.segment].len();
        Ok(Some((length - HEADER_SIZE) / record::SIZE))
    }

    fn peek(&self, segment: u32, index: usize) -> io::Result<Option<(Operation, bool)>> {
        let Some(map) = self.maps.get(&segment) else { return Ok(None) };
        let at = HEADER_SIZE + index * record::SIZE;
        if at + record::SIZE > map.len() {
            return Ok(None);
        }
        // SAFETY: the record is inside of the mapping, which starts at a page; the file is not cut while the gate is held open.
        unsafe { record::peek(map.as_ptr().add(at)) }
            .map_err(|message| io::Error::new(io::ErrorKind::InvalidData, message))
    }
}
