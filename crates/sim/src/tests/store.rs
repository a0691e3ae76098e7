//! A toy: one server keeps registers in its log, the others stand by for faults to hit. Its clients ask the first server.

use std::collections::BTreeMap;
use std::time::Duration;

use base::{Bytes, NodeId, Time};
use history::{Completion, ErrorKind, Function, NIL, Request};
use proto::{
    Actor, Address, Context, Input, Malformed, Message, Observation, Oracle, Protocol, Recovered, TimerId, Token,
};

/// The settings of a store.
#[derive(Clone, Copy, Debug, Default)]
pub struct Store {
    /// The planted bug: answers before the disk has the write.
    pub hasty: bool,
}

#[derive(Clone, Debug, Hash)]
pub enum Mail {
    Ask { token: u32, key: u32, value: u64 },
    Answer { token: u32, value: u64 },
}

impl Message for Mail {
    fn encode(&self, buffer: &mut Vec<u8>) {
        let (tag, token, key, value) = match *self {
            Mail::Ask { token, key, value } => (0, token, key, value),
            Mail::Answer { token, value } => (1, token, 0, value),
        };
        buffer.push(tag);
        buffer.extend_from_slice(&token.to_le_bytes());
        buffer.extend_from_slice(&key.to_le_bytes());
        buffer.extend_from_slice(&value.to_le_bytes());
    }

    fn decode(bytes: &Bytes) -> Result<Self, Malformed> {
        let wrong = || Malformed(format!("{} bytes", bytes.len()));
        let word = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        let (token, key) = (word(1).ok_or_else(wrong)?, word(5).ok_or_else(wrong)?);
        let value = u64::from_le_bytes(bytes.get(9..17).and_then(|b| b.try_into().ok()).ok_or_else(wrong)?);
        match bytes[0] {
            0 => Ok(Mail::Ask { token, key, value }),
            1 => Ok(Mail::Answer { token, value }),
            _ => Err(wrong()),
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Mail::Ask { .. } => "ask",
            Mail::Answer { .. } => "answer",
        }
    }
}

pub struct Server {
    me: NodeId,
    values: BTreeMap<u32, u64>,
    pub records: u64,
    /// Writes that a client may have seen answered.
    pub answered: u64,
    hasty: bool,
}

impl Actor for Server {
    type Message = Mail;

    fn step(&mut self, ctx: &mut Context<'_, Mail>, input: Input<Mail>) {
        match input {
            Input::Message { from, message: Mail::Ask { token, key, value } } => self.ask(ctx, from, token, key, value),
            Input::DiskFailed { error } => ctx.out.halt(error),
            Input::Durable(barrier) => self.answered = self.answered.max(barrier.0),
            _ => {}
        }
    }

    fn observe(&self) -> Observation {
        let role = if self.me == NodeId(0) { "leader" } else { "spare" };
        Observation { role, epoch: 1, gauges: vec![("records", self.records)] }
    }
}

impl Server {
    fn ask(&mut self, ctx: &mut Context<'_, Mail>, from: Address, token: u32, key: u32, value: u64) {
        if value == NIL {
            let value = self.values.get(&key).copied().unwrap_or(NIL);
            return ctx.out.send(from, Mail::Answer { token, value });
        }
        let mut record = key.to_le_bytes().to_vec();
        record.extend_from_slice(&value.to_le_bytes());
        ctx.out.append(Bytes::from(record));
        self.values.insert(key, value);
        self.records += 1;
        let answer = Mail::Answer { token, value: NIL };
        if self.hasty {
            self.answered = self.records;
            ctx.out.send_now(from, answer);
        } else {
            ctx.out.send(from, answer);
        }
    }
}

const RETRY: TimerId = TimerId(0);

#[derive(Default)]
pub struct Client {
    open: Option<(Token, Request)>,
}

impl Client {
    fn ask(&mut self, ctx: &mut Context<'_, Mail>) {
        if let Some((token, request)) = self.open {
            let value = if request.function == Function::Read { NIL } else { request.argument };
            ctx.out.send(Address::Node(NodeId(0)), Mail::Ask { token: token.0, key: request.key, value });
            ctx.out.set_timer(RETRY, Duration::from_millis(100));
        }
    }
}

impl Client {
    /// A late answer to an operation that is over is no answer.
    fn answered(&mut self, ctx: &mut Context<'_, Mail>, token: Token, value: u64) {
        if self.open.is_some_and(|(open, _)| open == token) {
            self.open = None;
            ctx.out.complete(token, Completion::ok(value));
        }
    }
}

impl Actor for Client {
    type Message = Mail;

    fn step(&mut self, ctx: &mut Context<'_, Mail>, input: Input<Mail>) {
        match input {
            Input::Invoke { token, request, .. } => {
                self.open = Some((token, request));
                self.ask(ctx);
            }
            Input::Timer(RETRY) if self.open.is_some_and(|(_, request)| request.function == Function::Read) => {
                self.ask(ctx)
            }
            Input::Message { message: Mail::Answer { token, value }, .. } => self.answered(ctx, Token(token), value),
            Input::Lost { unsent, .. } => {
                if let Some((token, _)) = self.open.take() {
                    let error = ErrorKind::Disconnected;
                    ctx.out.complete(token, if unsent { Completion::fail(error) } else { Completion::info(error) });
                }
            }
            Input::Abandon(_) => self.open = None,
            _ => {}
        }
    }
}

impl Protocol for Store {
    type Message = Mail;
    type Server = Server;
    type Client = Client;

    fn boot(&self, me: NodeId, disk: Recovered, _ctx: &mut Context<'_, Mail>) -> Server {
        let mut values = BTreeMap::new();
        for record in &disk.log {
            let key = u32::from_le_bytes(record[..4].try_into().expect("a record has 12 bytes"));
            values.insert(key, u64::from_le_bytes(record[4..].try_into().expect("a record has 12 bytes")));
        }
        Server { me, values, records: disk.log.len() as u64, answered: 0, hasty: self.hasty }
    }

    fn client(&self, _ctx: &mut Context<'_, Mail>) -> Client {
        Client::default()
    }

    fn oracles(&self) -> Vec<Box<dyn Oracle<Server>>> {
        vec![Box::new(NothingForgotten::default())]
    }
}

/// What a server answered it still knows after a crash.
#[derive(Default)]
struct NothingForgotten {
    /// By node: records at its boot, and records that it has answered for in all lives.
    nodes: BTreeMap<NodeId, (u64, u64)>,
    booting: BTreeMap<NodeId, bool>,
}

impl Oracle<Server> for NothingForgotten {
    fn name(&self) -> &'static str {
        "nothing-forgotten"
    }

    fn after_step(&mut self, _at: Time, node: NodeId, server: &Server) -> Result<(), String> {
        let (base, answered) = self.nodes.entry(node).or_default();
        if std::mem::replace(self.booting.entry(node).or_insert(true), false) {
            *base = server.records;
            if server.records < *answered {
                return Err(format!("{node} answered {answered} writes and came back with {}", server.records));
            }
        }
        let now = if server.hasty { server.answered } else { *base + server.answered };
        *answered = (*answered).max(now);
        Ok(())
    }

    fn after_crash(&mut self, _at: Time, node: NodeId) {
        self.booting.insert(node, true);
    }
}
