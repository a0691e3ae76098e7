//! What the four session guarantees share (Terry, Demers, Petersen, Spreitzer, Theimer & Welch, *Session Guarantees for Weakly Consistent
//! Replicated Data*, 1994; the formal style is that of Viotti & Vukolić, 2016).
//!
//! For each process, some writes are *visible* to each of its reads, and the writes of each key have an order *in its eyes*: a read returns
//! the latest visible write of its key. The guarantees differ in what must be visible. Two things are taken for granted, because without them
//! hardly anything could be refuted: in everybody's eyes the writes of one process to one key come in the order in which it wrote them; and where
//! it matters what a process saw before a write (the last two), its reads are monotonic.
//!
//! Nothing is asked of how the eyes of different processes agree: that is causal convergence.

use super::sessions::{NONE, Sessions};

/// The operations of each session in order, one session after another.
pub(super) struct BySession {
    start: Vec<u32>,
    ops: Vec<u32>,
}

impl BySession {
    /// Linear.
    pub fn of(sessions: &Sessions) -> BySession {
        let mut start = vec![0u32; sessions.sessions + 1];
        sessions.session.iter().for_each(|session| start[*session as usize + 1] += 1);
        for session in 0..sessions.sessions {
            start[session + 1] += start[session];
        }
        let (mut at, mut ops) = (start.clone(), vec![0; sessions.len()]);
        for (op, session) in sessions.session.iter().enumerate() {
            let place = &mut at[*session as usize];
            ops[*place as usize] = op as u32;
            *place += 1;
        }
        BySession { start, ops }
    }

    /// Each session and its operations.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &[u32])> {
        let ranges = self.start.windows(2).enumerate();
        ranges.map(|(session, range)| (session as u32, &self.ops[range[0] as usize..range[1] as usize]))
    }
}

/// A value for each of many places that is forgotten when the session changes.
pub(super) struct Stamped<T> {
    session: Vec<u32>,
    values: Vec<T>,
}

impl<T: Copy + Default> Stamped<T> {
    pub fn new(places: usize) -> Stamped<T> {
        Stamped { session: vec![NONE; places], values: vec![T::default(); places] }
    }

    #[inline]
    pub fn get(&self, session: u32, place: u32) -> Option<T> {
        (self.session[place as usize] == session).then(|| self.values[place as usize])
    }

    #[inline]
    pub fn set(&mut self, session: u32, place: u32, value: T) {
        self.session[place as usize] = session;
        self.values[place as usize] = value;
    }
}

/// The writes of one process to one key, in order: a lane.
pub(super) struct Lanes {
    /// The lane of each write.
    pub of: Vec<u32>,
    /// The next write in its lane, or [`NONE`].
    pub next: Vec<u32>,
    /// The first write of each lane.
    pub first: Vec<u32>,
}

impl Lanes {
    /// Linear.
    pub fn of(sessions: &Sessions, by_session: &BySession) -> Lanes {
        let mut lanes = Lanes { of: vec![NONE; sessions.len()], next: vec![NONE; sessions.len()], first: Vec::new() };
        let mut latest: Stamped<u32> = Stamped::new(sessions.keys);
        for (session, ops) in by_session.iter() {
            for &op in ops.iter().filter(|op| sessions.writes[**op as usize]) {
                let key = sessions.key[op as usize];
                lanes.of[op as usize] = match latest.get(session, key) {
                    Some(previous) => {
                        lanes.next[previous as usize] = op;
                        lanes.of[previous as usize]
                    }
                    None => {
                        lanes.first.push(op);
                        lanes.first.len() as u32 - 1
                    }
                };
                latest.set(session, key, op);
            }
        }
        lanes
    }
}
