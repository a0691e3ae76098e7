//! Where every random decision of a world comes from, so that a run can be recorded, replayed, mutated and shrunk.
//!
//! A decision is `choose(stream, n)`: a number below `n`. Streams are separate (one a participant and purpose), so that an
//! edit to one does not shift the decisions of another. 0 is always the dullest choice: shortest latency, no loss, no crash.

use base::{Rng, Seed};

/// Which sequence of decisions one belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stream(u32);

impl Stream {
    /// What the fault driver does.
    pub(crate) const FAULTS: Stream = Stream(0);
    /// How simultaneous events are ordered.
    pub(crate) const TIES: Stream = Stream(1);
    /// What the clients' driver does.
    pub(crate) const LOAD: Stream = Stream(2);

    const FIXED: u32 = 3;

    /// The fate of what a participant sends.
    pub(crate) fn network(who: u16) -> Stream {
        Stream(Self::FIXED + 3 * u32::from(who))
    }

    /// How long a participant's syncs take, and what a crash keeps.
    pub(crate) fn disk(who: u16) -> Stream {
        Stream(Self::FIXED + 3 * u32::from(who) + 1)
    }

    /// The seed of a participant's own random stream, drawn at each boot.
    pub(crate) fn boot(who: u16) -> Stream {
        Stream(Self::FIXED + 3 * u32::from(who) + 2)
    }
}

/// The decisions of one run, enough to repeat it: a seed for what is not written down, and what is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recording {
    seed: Seed,
    streams: Vec<Vec<u32>>,
}

impl Recording {
    /// How many decisions are written down.
    pub fn len(&self) -> usize {
        self.streams.iter().map(Vec::len).sum()
    }

    /// Whether no decision is written down.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The recording as bytes: seed, number of streams, then each stream's length and decisions, all as LEB128 numbers.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.len() * 3 + 16);
        put(&mut bytes, self.seed.0);
        put(&mut bytes, self.streams.len() as u64);
        for stream in &self.streams {
            put(&mut bytes, stream.len() as u64);
            stream.iter().for_each(|&choice| put(&mut bytes, u64::from(choice)));
        }
        bytes
    }

    /// Reads what [`to_bytes`](Self::to_bytes) made. Bytes that end early are an error.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let mut rest = bytes;
        let seed = Seed(take(&mut rest)?);
        let count = take(&mut rest)?;
        let mut streams = Vec::new();
        for _ in 0..count {
            let length = take(&mut rest)?;
            let mut stream = Vec::new();
            for _ in 0..length {
                let choice = take(&mut rest)?;
                stream.push(u32::try_from(choice).map_err(|_| format!("choice {choice} is out of range"))?);
            }
            streams.push(stream);
        }
        if rest.is_empty() { Ok(Recording { seed, streams }) } else { Err(format!("{} bytes too many", rest.len())) }
    }
}

/// The source of decisions: draws from the seed, or repeats a recording and draws where it ends.
#[derive(Clone)]
pub(crate) struct Choices {
    seed: Seed,
    tapes: Vec<Tape>,
    recording: bool,
    replay: Option<Recording>,
}

/// One stream, in one line of the cache.
#[derive(Clone)]
#[repr(align(64))]
struct Tape {
    rng: Rng,
    /// What was decided, if that is recorded.
    written: Vec<u32>,
    /// What is to be decided, from the first decision on.
    replay: Option<Box<Replay>>,
}

#[derive(Clone)]
struct Replay(Vec<u32>);

impl Choices {
    /// Decisions drawn from `seed`; written down if `recording`.
    pub(crate) fn new(seed: Seed, recording: bool) -> Self {
        Choices { seed, tapes: Vec::new(), recording, replay: None }
    }

    /// The decisions of `recording` again; where a stream ends, drawn from its seed.
    pub(crate) fn replay(recording: Recording) -> Self {
        Choices { seed: recording.seed, tapes: Vec::new(), recording: true, replay: Some(recording) }
    }

    /// What was decided so far.
    pub(crate) fn recording(&self) -> Recording {
        Recording { seed: self.seed, streams: self.tapes.iter().map(|tape| tape.written.clone()).collect() }
    }

    /// Draws from another seed from here on.
    pub(crate) fn reseed(&mut self, salt: u64) {
        self.seed = self.seed.nth(salt);
        for (index, tape) in self.tapes.iter_mut().enumerate() {
            tape.rng = self.seed.nth(index as u64).rng();
        }
    }

    /// How many decisions of a stream are written down.
    pub(crate) fn length(&self, stream: Stream) -> usize {
        self.tapes.get(stream.0 as usize).map_or(0, |tape| tape.written.len())
    }

    /// The decisions of a stream that were written down from that place on.
    pub(crate) fn since(&self, stream: Stream, place: usize) -> Vec<u32> {
        self.tapes.get(stream.0 as usize).map_or(Vec::new(), |tape| tape.written[place..].to_vec())
    }

    /// Makes these the next decisions of a stream. Needs a recording.
    pub(crate) fn deal(&mut self, stream: Stream, choices: &[u32]) {
        if stream.0 as usize >= self.tapes.len() {
            self.grow(stream);
        }
        let tape = &mut self.tapes[stream.0 as usize];
        let Replay(replay) = &mut **tape.replay.get_or_insert_with(|| Box::new(Replay(Vec::new())));
        replay.clear();
        replay.resize(tape.written.len(), 0);
        replay.extend_from_slice(choices);
    }

    /// Looks at where a stream is.
    #[inline]
    pub(crate) fn touch(&self, stream: Stream) -> u64 {
        self.tapes.get(stream.0 as usize).map_or(0, |tape| tape.written.len() as u64)
    }

    /// See [`Draws::choose`].
    #[inline]
    pub(crate) fn choose(&mut self, stream: Stream, bound: u32) -> u32 {
        self.draws(stream).choose(bound)
    }

    /// See [`Draws::flip`].
    #[inline]
    pub(crate) fn flip(&mut self, stream: Stream, probability: f64) -> bool {
        self.draws(stream).flip(probability)
    }

    /// The next decisions of a stream.
    #[inline]
    pub(crate) fn draws(&mut self, stream: Stream) -> Draws<'_> {
        if stream.0 as usize >= self.tapes.len() {
            self.grow(stream);
        }
        Draws { tape: &mut self.tapes[stream.0 as usize], recording: self.recording }
    }

    #[cold]
    fn grow(&mut self, stream: Stream) {
        for index in self.tapes.len()..=stream.0 as usize {
            let replay = self.replay.as_mut().and_then(|r| r.streams.get_mut(index)).map(std::mem::take);
            let rng = self.seed.nth(index as u64).rng();
            self.tapes.push(Tape { rng, written: Vec::new(), replay: replay.map(|replay| Box::new(Replay(replay))) });
        }
    }
}

/// Decisions of one stream, one after another.
pub(crate) struct Draws<'a> {
    tape: &'a mut Tape,
    recording: bool,
}

impl Draws<'_> {
    /// A number below `bound`. 0 and 1 leave nothing to decide and draw nothing.
    #[inline]
    pub(crate) fn choose(&mut self, bound: u32) -> u32 {
        if bound <= 1 {
            return 0;
        }
        let drawn = self.tape.rng.below(u64::from(bound)) as u32;
        self.decided(drawn).min(bound - 1)
    }

    /// True with this probability. Written down as 0 or 1, not as the number drawn.
    #[inline]
    pub(crate) fn flip(&mut self, probability: f64) -> bool {
        if probability <= 0.0 {
            return false;
        }
        let drawn = self.tape.rng.chance(probability);
        self.decided(u32::from(drawn)) != 0
    }

    /// A number between `least` and `most`, as one of 2^20 steps: finer would cost bytes in a recording and explore nothing more.
    #[inline]
    pub(crate) fn between(&mut self, least: u64, most: u64) -> u64 {
        const STEPS: u32 = 1 << 20;
        if most <= least {
            return least;
        }
        let (span, step) = (most - least, self.choose(STEPS));
        least + (span >> 20) * u64::from(step) + (((span & (u64::from(STEPS) - 1)) * u64::from(step)) >> 20)
    }

    /// What is decided, if this was drawn. The generator advances during a replay too, so that what follows the end of a tape does not
    /// depend on its length.
    #[inline]
    fn decided(&mut self, drawn: u32) -> u32 {
        if self.recording { self.tape.write(drawn) } else { drawn }
    }
}

impl Tape {
    fn write(&mut self, drawn: u32) -> u32 {
        let choice = match &self.replay {
            Some(replay) => replay.0.get(self.written.len()).copied().unwrap_or(drawn),
            None => drawn,
        };
        self.written.push(choice);
        choice
    }
}

fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn take(bytes: &mut &[u8]) -> Result<u64, String> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first().ok_or("the recording ends early")?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(number);
        }
    }
    Err("a number of the recording is too long".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_survives_its_bytes() {
        let mut choices = Choices::new(Seed(u64::MAX), true);
        for who in 0..5 {
            choices.choose(Stream::network(who), 1_000_000);
            choices.flip(Stream::FAULTS, 0.5);
        }
        let recording = choices.recording();
        assert_eq!(recording.len(), 10);
        let bytes = recording.to_bytes();
        assert_eq!(Recording::from_bytes(&bytes), Ok(recording));
        assert!(Recording::from_bytes(&bytes[..bytes.len() - 1]).is_err());
    }

    #[test]
    fn an_edit_to_one_stream_leaves_the_others_alone() {
        let run = |extra: bool| {
            let mut choices = Choices::new(Seed(1), false);
            if extra {
                choices.choose(Stream::disk(0), 100);
            }
            (0..4).map(|_| choices.choose(Stream::network(1), 1000)).collect::<Vec<_>>()
        };
        assert_eq!(run(false), run(true));
    }
}
