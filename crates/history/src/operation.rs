use std::fmt;

use base::{NodeId, ProcessId, Time};

/// The value of a key that holds none (a nil read), and of an argument that is not there.
pub const NIL: u64 = u64::MAX;

/// What an operation does to its object. The codes are part of the record format: never reuse one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Function {
    /// Returns the value of a key.
    Read = 0,
    /// Sets a key to `argument`.
    Write = 1,
    /// Sets a key to `argument` if it holds `expected`; `fail` with [`ErrorKind::Precondition`] if it does not.
    Cas = 2,
}

impl Function {
    /// Every function, in order of its code.
    pub const ALL: &[Function] = &[Function::Read, Function::Write, Function::Cas];

    /// The name in plans, histories and reports.
    pub fn name(self) -> &'static str {
        match self {
            Function::Read => "read",
            Function::Write => "write",
            Function::Cas => "cas",
        }
    }

    /// Whether the function can change its object.
    pub fn is_mutation(self) -> bool {
        !matches!(self, Function::Read)
    }

    /// The function with this code.
    pub fn from_code(code: u8) -> Option<Function> {
        Self::ALL.get(usize::from(code)).copied()
    }
}

impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What became of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// It happened.
    Ok,
    /// It certainly did not happen.
    Fail,
    /// Unknown: it may have happened at any later time, or never (timeout, lost connection, crash).
    Info,
}

impl Outcome {
    /// The name in histories and reports.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Ok => "ok",
            Outcome::Fail => "fail",
            Outcome::Info => "info",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

macro_rules! error_kinds {
    ($($(#[doc = $doc:literal])+ $variant:ident = $code:literal, $name:literal;)+) => {
        /// Why an operation did not end `ok`. The codes are part of the record format: never reuse one.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u16)]
        pub enum ErrorKind { #[default] $($(#[doc = $doc])+ $variant = $code,)+ }

        impl ErrorKind {
            /// Every kind, in order of its code.
            pub const ALL: &[ErrorKind] = &[$(ErrorKind::$variant,)+];

            /// The name in histories and reports.
            pub fn name(self) -> &'static str {
                match self { $(ErrorKind::$variant => $name,)+ }
            }
        }
    };
}

error_kinds! {
    /// No error.
    None = 0, "none";
    /// No answer within the operation's time.
    Timeout = 1, "timeout";
    /// The connection could not be made, so nothing was sent.
    Unreachable = 2, "unreachable";
    /// The connection broke while the operation was under way.
    Disconnected = 3, "disconnected";
    /// The node asked is not the leader, and no other could be found in time.
    NoLeader = 4, "no-leader";
    /// The node refused for want of room.
    Overloaded = 5, "overloaded";
    /// A compare-and-set found another value.
    Precondition = 6, "precondition-failed";
    /// The answer could not be understood.
    Malformed = 7, "malformed";
    /// The node said that it cannot serve now (no quorum, shutting down).
    Unavailable = 8, "unavailable";
    /// The leader lost its office after it had taken the operation: the entry may still be committed.
    LeaderChanged = 9, "leader-changed";
    /// The bench ended (killed, interrupted) while the operation was under way.
    Abandoned = 10, "abandoned";
    /// Still queued in the client at its deadline: never sent.
    NeverSent = 11, "never-sent";
    /// The system answered with an error of its own.
    Other = 12, "other";
}

impl ErrorKind {
    /// The kind with this code.
    pub fn from_code(code: u16) -> Option<ErrorKind> {
        Self::ALL.get(usize::from(code)).copied()
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What is asked of the system: plain data, the same for every system that serves the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Request {
    /// What to do.
    pub function: Function,
    /// To which key, counted densely from 0.
    pub key: u32,
    /// The new value of a write or cas; [`NIL`] for a read. Unique in a run of ours.
    pub argument: u64,
    /// The value that a cas wants to find; [`NIL`] otherwise.
    pub expected: u64,
    /// How many bytes the value takes on the wire (the number, padded).
    pub size: u32,
}

impl Request {
    /// A read of `key`.
    pub fn read(key: u32) -> Self {
        Request { function: Function::Read, key, argument: NIL, expected: NIL, size: 0 }
    }

    /// A write of `value` to `key`, in the smallest size.
    pub fn write(key: u32, value: u64) -> Self {
        Request { function: Function::Write, key, argument: value, expected: NIL, size: 8 }
    }

    /// A compare-and-set of `key` from `expected` to `value`, in the smallest size.
    pub fn cas(key: u32, expected: u64, value: u64) -> Self {
        Request { function: Function::Cas, key, argument: value, expected, size: 8 }
    }
}

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Completion {
    /// Whether it happened.
    pub outcome: Outcome,
    /// The value read; [`NIL`] if the key is missing or nothing was read.
    pub result: u64,
    /// Why it is not `ok`.
    pub error: ErrorKind,
}

impl Completion {
    /// It happened and returned `result` ([`NIL`] for a mutation).
    pub fn ok(result: u64) -> Self {
        Completion { outcome: Outcome::Ok, result, error: ErrorKind::None }
    }

    /// It certainly did not happen.
    pub fn fail(error: ErrorKind) -> Self {
        Completion { outcome: Outcome::Fail, result: NIL, error }
    }

    /// It may have happened, or may yet happen.
    pub fn info(error: ErrorKind) -> Self {
        Completion { outcome: Outcome::Info, result: NIL, error }
    }
}

/// The part of a run that an operation belongs to. The codes are part of the record format: never reuse one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Phase {
    /// Before the measured part.
    Warmup = 0,
    /// The measured part, with its faults. Imported operations belong here.
    #[default]
    Load = 1,
    /// After the last fault has been healed.
    Settle = 2,
    /// The reads at the end, on every node.
    Final = 3,
}

impl Phase {
    /// Every phase, in order of its code and of the run.
    pub const ALL: &[Phase] = &[Phase::Warmup, Phase::Load, Phase::Settle, Phase::Final];

    /// The name in histories and reports.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Warmup => "warmup",
            Phase::Load => "load",
            Phase::Settle => "settle",
            Phase::Final => "final",
        }
    }

    /// The phase with this code.
    pub fn from_code(code: u8) -> Option<Phase> {
        Self::ALL.get(usize::from(code)).copied()
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What is known of an operation when it is invoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Who asks.
    pub process: ProcessId,
    /// The node that is asked first.
    pub node: NodeId,
    /// What is asked.
    pub request: Request,
    /// When it should have left, by the load profile.
    pub due: Time,
    /// When it is invoked: read before the request leaves.
    pub sent: Time,
    /// The part of the run.
    pub phase: Phase,
}

/// One request of one logical process, from invocation to completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Who asked.
    pub process: ProcessId,
    /// The node that was asked first.
    pub node: NodeId,
    /// What was asked.
    pub request: Request,
    /// When it should have left, by the load profile.
    pub due: Time,
    /// When it was invoked: read before the request left.
    pub sent: Time,
    /// When it completed: read after the answer came. [`Time::MAX`] for `info`, which stays open for ever.
    pub done: Time,
    /// What came of it.
    pub completion: Completion,
    /// The part of the run.
    pub phase: Phase,
}

impl Operation {
    /// Whether it was still queued in the client at its deadline, so that the system never saw it.
    pub fn was_never_sent(&self) -> bool {
        self.completion.error == ErrorKind::NeverSent
    }
}
