use base::Bytes;
use history::{Completion, Request};

/// What a consensus protocol replicates: a deterministic function from commands to replies.
pub trait StateMachine: Clone + Default + Send + 'static {
    /// Executes a command that changes the state, and replies.
    ///
    /// What it keeps of the command it copies: bytes that were shared would keep alive the whole batch that they came in.
    fn apply(&mut self, command: &[u8]) -> Bytes;

    /// Answers a question that does not change the state.
    fn query(&self, question: &Bytes) -> Bytes;

    /// The whole state as bytes.
    fn snapshot(&self) -> Bytes;

    /// The state that [`snapshot`](Self::snapshot) made, or what is wrong with the bytes.
    fn restore(snapshot: &Bytes) -> Result<Self, crate::Malformed>;

    /// A hash of the state: equal states have equal digests, on every machine.
    fn digest(&self) -> u64;
}

/// How an operation reaches a state machine.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// As a command, through the log.
    Command(Bytes),
    /// As a question, against a state that is recent enough.
    Query(Bytes),
}

/// A state machine that serves an object: the two translations that its clients need.
pub trait Service: StateMachine {
    /// The command or question that does `request`.
    fn access(request: &Request) -> Access;

    /// What the reply to `request` means.
    fn completion(request: &Request, reply: &Bytes) -> Completion;
}
