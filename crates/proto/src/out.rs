use std::borrow::Cow;
use std::hash::{Hash, Hasher};
use std::time::Duration;

use base::Bytes;
use history::Completion;

use crate::actor::{Address, TimerId, Token};
use crate::records::Records;

/// A point in the sequence of an actor's durable writes: "everything up to the n-th write of this life".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Barrier(pub u64);

/// Hashes as a `u128`, as nothing else does: exhaustive search counts barriers from the last durable one, like times from now.
impl Hash for Barrier {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u128(u128::from(self.0));
    }
}

impl Barrier {
    /// Before the first write: nothing to wait for.
    pub const NONE: Barrier = Barrier(0);
}

/// One durable write. The runtime performs them in order; a crash keeps what was synced and an arbitrary part of the rest.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum DiskWrite {
    /// Adds a record at the end of the log.
    Append(Bytes),
    /// Removes the records from this index on.
    Truncate {
        /// Index of the first record to go.
        from: u64,
    },
    /// Removes the records before this index (they are in a snapshot).
    Discard {
        /// Index of the first record to stay.
        before: u64,
    },
    /// Sets a named blob, atomically: a crash leaves the old or the new one.
    Put {
        /// The blob's name.
        name: Cow<'static, str>,
        /// Its new content.
        bytes: Bytes,
    },
}

/// One thing that an actor wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output<M> {
    /// Deliver a message, not before `after` is durable.
    Send {
        /// Whom to.
        to: Address,
        /// What.
        message: M,
        /// What must be durable first.
        after: Barrier,
    },
    /// Complete an operation (clients), not before `after` is durable.
    Complete {
        /// Which operation.
        token: Token,
        /// What came of it.
        completion: Completion,
        /// What must be durable first.
        after: Barrier,
    },
    /// Write to the disk.
    Write {
        /// What.
        write: DiskWrite,
        /// The barrier that this write completes.
        barrier: Barrier,
    },
    /// Add records at the end of the log: as many writes as there are records, and the disk may lose some of them.
    Append {
        /// What.
        records: Records,
        /// The barrier that the last of them completes.
        barrier: Barrier,
    },
    /// Fire a timer after this long, instead of when it was set before.
    SetTimer {
        /// Which.
        timer: TimerId,
        /// How long from now, by the node's monotonic clock.
        after: Duration,
    },
    /// Do not fire the timer.
    CancelTimer(TimerId),
    /// The step took this long (service time), so that queueing can be simulated. Ignored by the real runtime.
    Busy(Duration),
    /// A line for the story of the run: `became leader at term 3`.
    Label(Cow<'static, str>),
    /// The actor takes a rare path: its number in the protocol's registry of marks.
    Mark(u8),
    /// The actor cannot go on (its disk failed, its state is corrupt). The runtime stops the node and says why.
    Halt(String),
}

/// Where a step's answers go: one reusable list, in order.
///
/// Invariant: `written` counts the writes of this life of the actor that uses it, so barriers only grow.
#[derive(Clone, Debug)]
pub struct Out<M> {
    outputs: Vec<Output<M>>,
    written: u64,
}

impl<M> Out<M> {
    /// An empty list for an actor that has written nothing in this life.
    pub fn new() -> Self {
        Out { outputs: Vec::new(), written: 0 }
    }

    /// Goes on for an actor whose last write was this one: lets actors take turns with one list, which stays in the cache.
    #[inline]
    pub fn resume(&mut self, last: Barrier) {
        self.written = last.0;
    }

    /// Sends a message once every write so far is durable.
    #[inline]
    pub fn send(&mut self, to: Address, message: M) {
        let after = self.barrier();
        self.push(|| Output::Send { to, message, after });
    }

    /// Sends a message at once, whatever the disk still does: heartbeats, a leader's entries while its own disk writes.
    /// The visible exception: every use must say why it is safe.
    #[inline]
    pub fn send_now(&mut self, to: Address, message: M) {
        self.push(|| Output::Send { to, message, after: Barrier::NONE });
    }

    /// Completes an operation once every write so far is durable.
    pub fn complete(&mut self, token: Token, completion: Completion) {
        let after = self.barrier();
        self.outputs.push(Output::Complete { token, completion, after });
    }

    /// Adds a record to the durable log.
    pub fn append(&mut self, record: Bytes) -> Barrier {
        self.write(DiskWrite::Append(record))
    }

    /// Adds records to the durable log, one after another.
    pub fn append_all(&mut self, records: Records) -> Barrier {
        self.written += records.len() as u64;
        let barrier = self.barrier();
        self.outputs.push(Output::Append { records, barrier });
        barrier
    }

    /// Removes the log's records from index `from` on.
    pub fn truncate(&mut self, from: u64) -> Barrier {
        self.write(DiskWrite::Truncate { from })
    }

    /// Removes the log's records before index `before`.
    pub fn discard(&mut self, before: u64) -> Barrier {
        self.write(DiskWrite::Discard { before })
    }

    /// Sets a named blob, atomically.
    pub fn put(&mut self, name: impl Into<Cow<'static, str>>, bytes: Bytes) -> Barrier {
        self.write(DiskWrite::Put { name: name.into(), bytes })
    }

    /// The barrier of the last write: what a send would wait for now.
    #[inline]
    pub fn barrier(&self) -> Barrier {
        Barrier(self.written)
    }

    /// Fires `timer` after this long. Replaces an earlier setting.
    pub fn set_timer(&mut self, timer: TimerId, after: Duration) {
        self.outputs.push(Output::SetTimer { timer, after });
    }

    /// Unsets `timer`.
    pub fn cancel_timer(&mut self, timer: TimerId) {
        self.outputs.push(Output::CancelTimer(timer));
    }

    /// Says that the step took this long.
    pub fn busy(&mut self, span: Duration) {
        self.outputs.push(Output::Busy(span));
    }

    /// Adds a line to the story.
    pub fn label(&mut self, text: impl Into<Cow<'static, str>>) {
        self.outputs.push(Output::Label(text.into()));
    }

    /// Says that the actor takes a rare path ([`marks!`](crate::marks)).
    pub fn mark(&mut self, mark: impl Into<u8>) {
        self.outputs.push(Output::Mark(mark.into()));
    }

    /// Stops the node and says why.
    pub fn halt(&mut self, reason: impl Into<String>) {
        self.outputs.push(Output::Halt(reason.into()));
    }

    /// Takes the answers out, in order; the list is empty afterwards and keeps its memory.
    pub fn drain(&mut self) -> impl Iterator<Item = Output<M>> + '_ {
        self.outputs.drain(..)
    }

    /// The answers so far, in order.
    pub fn outputs(&self) -> &[Output<M>] {
        &self.outputs
    }

    /// Whether there is no answer.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.outputs.is_empty()
    }

    /// Moves every answer into `other`, with each message passed through `change`. Barriers stay as they are:
    /// both lists must belong to the same actor.
    pub fn drain_into<N>(&mut self, other: &mut Out<N>, mut change: impl FnMut(M) -> N) {
        other.written = self.written;
        other.outputs.extend(self.outputs.drain(..).map(|output| match output {
            Output::Send { to, message, after } => Output::Send { to, message: change(message), after },
            Output::Complete { token, completion, after } => Output::Complete { token, completion, after },
            Output::Write { write, barrier } => Output::Write { write, barrier },
            Output::Append { records, barrier } => Output::Append { records, barrier },
            Output::SetTimer { timer, after } => Output::SetTimer { timer, after },
            Output::CancelTimer(timer) => Output::CancelTimer(timer),
            Output::Busy(span) => Output::Busy(span),
            Output::Label(text) => Output::Label(text),
            Output::Mark(mark) => Output::Mark(mark),
            Output::Halt(reason) => Output::Halt(reason),
        }));
    }

    /// Adds an answer that is made where it is to be: there is room for it before it exists.
    #[inline]
    fn push(&mut self, output: impl FnOnce() -> Output<M>) {
        self.outputs.extend(std::iter::once_with(output));
    }

    fn write(&mut self, write: DiskWrite) -> Barrier {
        self.written += 1;
        let barrier = Barrier(self.written);
        self.outputs.push(Output::Write { write, barrier });
        barrier
    }
}

impl<M> Default for Out<M> {
    fn default() -> Self {
        Out::new()
    }
}
