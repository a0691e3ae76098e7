//! One direction of one connection: cuts what was read into frames, decides over each, and keeps what cannot be written yet.
//! Knows neither sockets nor clocks.

use std::collections::VecDeque;

use base::Rng;
use proto::wire::{self, Kind};

use super::{Framing, Tally, add};
use fault::{Fate, LinkRule};

/// Room for what is read at once; grows for a longer frame.
const CHUNK: usize = 64 << 10;
/// A buffer that a long frame made larger than this is given back.
const KEEP: usize = 1 << 20;
/// Bytes that wait for the receiver before the sender is made to wait: no more than sockets of a real link would buffer.
const MAX_READY: usize = 256 << 10;
/// Bytes that wait in all: a rate of 80 MB/s at a delay of 100 ms.
const MAX_QUEUED: usize = 8 << 20;

/// See the module.
pub(super) struct Flow {
    /// Index of the link whose rule it obeys.
    pub link: usize,
    /// `input[..filled]` was read and not sorted: less than a frame.
    input: Vec<u8>,
    filled: usize,
    /// Will be written, in this order.
    queue: VecDeque<u8>,
    /// How many bytes at the front of `queue` may be written now.
    ready: usize,
    /// The frames behind those. Invariant: their lengths and `ready` add up to the length of `queue`.
    parcels: VecDeque<Parcel>,
    /// No parcel may overtake the one before it: a link is first in, first out.
    not_before: u64,
}

struct Parcel {
    release: Release,
    size: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum Release {
    /// In nanoseconds of the relay's clock.
    At(u64),
    /// When the link is no longer cut.
    WhenOpen,
}

/// What decides over frames.
pub(super) struct Judge<'a> {
    pub framing: Framing,
    pub rule: &'a LinkRule,
    pub rng: &'a mut Rng,
    pub tally: &'a Tally,
    pub now: u64,
}

/// The sender does not speak the protocol.
#[derive(Debug)]
pub(super) struct Gibberish;

impl Flow {
    pub fn new(link: usize) -> Self {
        Flow {
            link,
            input: Vec::new(),
            filled: 0,
            queue: VecDeque::new(),
            ready: 0,
            parcels: VecDeque::new(),
            not_before: 0,
        }
    }

    /// Where to read to. Never empty.
    pub fn space(&mut self) -> &mut [u8] {
        if self.input.is_empty() {
            self.input.resize(CHUNK, 0);
        }
        &mut self.input[self.filled..]
    }

    /// Sorts what was just read. `write` is offered what may go at once, straight from the input buffer; it says how much it took.
    pub fn sort(
        &mut self,
        read: usize,
        judge: &mut Judge<'_>,
        mut write: impl FnMut(&[u8]) -> usize,
    ) -> Result<(), Gibberish> {
        self.filled += read;
        let input = std::mem::take(&mut self.input);
        let (mut begin, mut at) = (0, 0);
        // input[begin..at] are whole frames that may go at once.
        let outcome = loop {
            let size = match self.next_size(&input[at..self.filled], judge.framing) {
                Ok(Some(size)) => size,
                Ok(None) => break Ok(()),
                Err(gibberish) => break Err(gibberish),
            };
            if self.passes(judge) {
                at += size;
                continue;
            }
            self.offer(&input[begin..at], &mut write);
            self.divert(&input[at..at + size], judge);
            at += size;
            begin = at;
        };
        self.offer(&input[begin..at], &mut write);
        self.input = input;
        self.keep_rest(at);
        outcome
    }

    /// Moves what has become due to the front of the queue.
    pub fn release(&mut self, now: u64, cut: bool, tally: &Tally) {
        while let Some(parcel) = self.parcels.front() {
            let due = match parcel.release {
                Release::At(time) => time <= now,
                Release::WhenOpen => !cut,
            };
            if !due {
                return;
            }
            self.ready += parcel.size;
            self.parcels.pop_front();
            add(&tally.forwarded, 1);
        }
    }

    /// When the next parcel is due, if that depends on time alone.
    pub fn next_release(&self) -> Option<u64> {
        match self.parcels.front()?.release {
            Release::At(time) => Some(time),
            Release::WhenOpen => None,
        }
    }

    /// The front of what may be written now; empty if nothing may.
    pub fn ready(&self) -> &[u8] {
        let (front, _) = self.queue.as_slices();
        &front[..front.len().min(self.ready)]
    }

    /// Forgets bytes that were written.
    pub fn written(&mut self, bytes: usize) {
        self.queue.drain(..bytes);
        self.ready -= bytes;
    }

    /// Forgets everything: there is nobody to write to.
    pub fn discard(&mut self) {
        self.queue.clear();
        self.parcels.clear();
        self.ready = 0;
    }

    /// Whether everything that was read whole has been written.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Whether the sender must wait. While the link is cut, frames are read and dropped, so it need not.
    pub fn is_full(&self) -> bool {
        self.ready >= MAX_READY || self.queue.len() >= MAX_QUEUED
    }

    fn next_size(&self, input: &[u8], framing: Framing) -> Result<Option<usize>, Gibberish> {
        match framing {
            Framing::Frames => wire::frame_size(input).map_err(|_| Gibberish),
            Framing::Bytes => Ok((!input.is_empty()).then_some(input.len())),
        }
    }

    /// Whether the frame may go at once: the usual case, decided without a random number.
    fn passes(&self, judge: &Judge<'_>) -> bool {
        let passes = self.parcels.is_empty() && judge.rule.is_clear();
        if passes {
            add(&judge.tally.forwarded, 1);
        }
        passes
    }

    /// Queues, delays, holds or drops one frame.
    fn divert(&mut self, frame: &[u8], judge: &mut Judge<'_>) {
        let droppable = judge.framing == Framing::Frames && frame.get(4) != Some(&(Kind::Hello as u8));
        let rule = if droppable { *judge.rule } else { LinkRule { cut: false, loss: 0.0, ..*judge.rule } };
        match rule.fate(judge.rng) {
            Fate::Drop => {
                add(&judge.tally.dropped, 1);
                add(&judge.tally.dropped_bytes, frame.len() as u64);
            }
            _ if judge.rule.cut => {
                add(&judge.tally.held, 1);
                self.enqueue(frame, Release::WhenOpen);
            }
            Fate::Deliver { after } => {
                add(&judge.tally.delayed, u64::from(!after.is_zero()));
                self.not_before = self.not_before.max(judge.now + after.as_nanos() as u64);
                self.enqueue(frame, Release::At(self.not_before));
            }
        }
    }

    fn enqueue(&mut self, frame: &[u8], release: Release) {
        self.queue.extend(frame);
        self.parcels.push_back(Parcel { release, size: frame.len() });
    }

    /// Writes what it can and queues the rest. `bytes` passed, so no parcel waits before them.
    fn offer(&mut self, bytes: &[u8], write: &mut impl FnMut(&[u8]) -> usize) {
        if bytes.is_empty() {
            return;
        }
        // Bytes that the receiver did not take earlier go first.
        let sent = if self.queue.is_empty() { write(bytes) } else { 0 };
        self.queue.extend(&bytes[sent..]);
        self.ready += bytes.len() - sent;
    }

    /// Moves the part of a frame at the end of the input to its front and makes room for the rest of it.
    fn keep_rest(&mut self, sorted: usize) {
        self.input.copy_within(sorted..self.filled, 0);
        self.filled -= sorted;
        let wanted =
            self.input[..self.filled].first_chunk::<4>().map_or(0, |prefix| 4 + u32::from_le_bytes(*prefix) as usize);
        if wanted > self.input.len() && wanted <= 4 + wire::MAX_FRAME {
            self.input.resize(wanted, 0);
        } else if self.filled == 0 && self.input.len() > KEEP {
            self.input = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use base::Seed;

    use super::*;

    /// A flow whose receiver takes at most `room` bytes, and the frames that came out.
    struct Bench {
        flow: Flow,
        tally: Tally,
        rng: Rng,
        out: Vec<u8>,
        room: usize,
        framing: Framing,
    }

    impl Bench {
        fn new() -> Self {
            let (tally, rng) = (Tally::default(), Seed(1).rng());
            Bench { flow: Flow::new(0), tally, rng, out: Vec::new(), room: usize::MAX, framing: Framing::Frames }
        }

        fn feed(&mut self, now: u64, rule: LinkRule, bytes: &[u8]) -> Result<(), Gibberish> {
            let mut rest = bytes;
            while !rest.is_empty() {
                let space = self.flow.space();
                let part = rest.len().min(space.len());
                space[..part].copy_from_slice(&rest[..part]);
                let tally = &self.tally;
                let mut judge = Judge { framing: self.framing, rule: &rule, rng: &mut self.rng, tally, now };
                let (out, room) = (&mut self.out, self.room);
                self.flow.sort(part, &mut judge, |bytes| {
                    let taken = bytes.len().min(room);
                    out.extend_from_slice(&bytes[..taken]);
                    taken
                })?;
                rest = &rest[part..];
            }
            Ok(())
        }

        fn drain(&mut self, now: u64, cut: bool) {
            self.flow.release(now, cut, &self.tally);
            while !self.flow.ready().is_empty() {
                self.out.extend_from_slice(self.flow.ready());
                self.flow.written(self.flow.ready().len());
            }
        }

        /// The payloads that came out, as text.
        fn arrived(&self) -> String {
            let mut rest = &self.out[..];
            let mut words = Vec::new();
            while let Ok(Some(size)) = wire::frame_size(rest) {
                words.push(String::from_utf8_lossy(&rest[5..size]).into_owned());
                rest = &rest[size..];
            }
            assert!(rest.is_empty(), "only whole frames come out");
            words.join(" ")
        }
    }

    fn frames(words: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        for word in words.split_whitespace() {
            let kind = if word == "hello" { Kind::Hello } else { Kind::Message };
            wire::put_frame(&mut bytes, kind, word.as_bytes());
        }
        bytes
    }

    const OPEN: LinkRule = LinkRule::CLEAR;
    const CUT: LinkRule = LinkRule::CUT;

    #[test]
    fn frames_pass_whole_however_they_are_read() {
        let bytes = frames("hello a b c");
        for split in 0..bytes.len() {
            let mut bench = Bench::new();
            bench.feed(0, OPEN, &bytes[..split]).unwrap();
            bench.feed(0, OPEN, &bytes[split..]).unwrap();
            assert_eq!(bench.arrived(), "hello a b c", "read in two parts at {split}");
            assert_eq!(bench.tally.read().forwarded, 4);
        }
    }

    #[test]
    fn a_cut_drops_whole_frames_and_nothing_else() {
        let mut bench = Bench::new();
        let bytes = frames("hello a b c");
        // The cut begins when half of `b` has been read.
        let half = frames("hello a").len() + 3;
        bench.feed(0, OPEN, &bytes[..half]).unwrap();
        bench.feed(1, CUT, &bytes[half..]).unwrap();
        bench.feed(2, OPEN, &frames("d")).unwrap();
        assert_eq!(bench.arrived(), "hello a d");
        assert_eq!((bench.tally.read().dropped, bench.tally.read().dropped_bytes), (2, 12));
    }

    #[test]
    fn a_connection_that_is_set_up_during_a_cut_is_held_not_lost() {
        let mut bench = Bench::new();
        bench.feed(0, CUT, &frames("hello a b")).unwrap();
        bench.drain(5, true);
        assert_eq!(bench.arrived(), "");
        bench.drain(6, false);
        bench.feed(7, OPEN, &frames("c")).unwrap();
        assert_eq!(bench.arrived(), "hello c");
        assert_eq!((bench.tally.read().held, bench.tally.read().dropped), (1, 2));
    }

    #[test]
    fn delayed_frames_stay_in_order() {
        let mut bench = Bench::new();
        let slow = LinkRule { delay: Duration::from_nanos(125), jitter: Duration::from_nanos(50), ..OPEN };
        bench.feed(0, slow, &frames("a b c")).unwrap();
        bench.feed(1, OPEN, &frames("d")).unwrap();
        bench.drain(74, false);
        assert_eq!(bench.arrived(), "", "none before its delay");
        bench.drain(175, false);
        assert_eq!(bench.arrived(), "a b c d", "none overtakes another");
        assert_eq!((bench.tally.read().delayed, bench.tally.read().forwarded), (3, 4));
    }

    #[test]
    fn a_slow_receiver_gets_everything_in_order_and_the_sender_waits() {
        let mut bench = Bench { room: 3, ..Bench::new() };
        bench.feed(0, OPEN, &frames("a b c d e f")).unwrap();
        assert_eq!(bench.out.len(), 3);
        bench.drain(1, false);
        assert_eq!(bench.arrived(), "a b c d e f");
        bench.room = 0;
        bench.feed(2, OPEN, &vec![frames("x"); MAX_READY / 6 + 1].concat()).unwrap();
        assert!(bench.flow.is_full());
    }

    #[test]
    fn a_frame_longer_than_the_buffer_passes_and_the_buffer_is_given_back() {
        let mut bench = Bench::new();
        let mut bytes = Vec::new();
        wire::put_frame(&mut bytes, Kind::Message, &vec![7; 3 * KEEP]);
        bench.feed(0, OPEN, &bytes).unwrap();
        assert_eq!(bench.out, bytes);
        assert!(bench.flow.input.len() <= KEEP);
    }

    #[test]
    fn loss_is_as_frequent_as_asked() {
        let mut bench = Bench::new();
        let lossy = LinkRule { loss: 0.2, ..OPEN };
        bench.feed(0, lossy, &vec![frames("x"); 10_000].concat()).unwrap();
        assert!((1_850..2_150).contains(&bench.tally.read().dropped), "{}", bench.tally.read());
    }

    #[test]
    fn unknown_bytes_are_held_and_never_dropped() {
        let mut bench = Bench { framing: Framing::Bytes, ..Bench::new() };
        bench.feed(0, OPEN, b"GET / ").unwrap();
        bench.feed(1, LinkRule { loss: 1.0, ..CUT }, b"HTTP/1.1").unwrap();
        assert_eq!(bench.out, b"GET / ");
        bench.drain(2, false);
        assert_eq!(bench.out, b"GET / HTTP/1.1");
        assert_eq!((bench.tally.read().held, bench.tally.read().dropped), (1, 0));
    }

    #[test]
    fn a_stream_that_is_not_ours_is_recognised() {
        assert!(Bench::new().feed(0, OPEN, b"GET / HTTP/1.1\r\n").is_err());
    }
}
