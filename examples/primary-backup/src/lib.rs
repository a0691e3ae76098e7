//! A register, kept by a primary (the first server) and its backups: an operation is answered when every write before it is durable on
//! every server, so that what was answered is never lost. While a server is down nothing is answered, which is why nobody uses it like this.

use std::collections::{BTreeSet, VecDeque};

use base::{Bytes, NodeId};
use history::{Completion, NIL};
use proto::codec::{Reader, put};
use proto::{Actor, Address, Barrier, Context, Input, Malformed, Protocol, Recovered, TimerId, Token};

/// The cluster. `hasty`: the primary counts a write before its own disk has it, a mistake for the world to find.
pub struct PrimaryBackup {
    pub servers: usize,
    pub hasty: bool,
}

/// What is said, and with it: `ASK` id, value to write · `ANSWER` id, value · `COPY` version, value · `COPIED` version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Message(u64, [u64; 2]);

const ASK: u64 = 0;
const ANSWER: u64 = 1;
const COPY: u64 = 2;
const COPIED: u64 = 3;

impl proto::Message for Message {
    fn encode(&self, buffer: &mut Vec<u8>) {
        put(buffer, &[self.0, self.1[0], self.1[1]]);
    }

    fn decode(bytes: &Bytes) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        Ok(Message(reader.number()?, [reader.number()?, reader.number()?]))
    }

    fn kind(&self) -> &'static str {
        ["ask", "answer", "copy", "copied"].get(self.0 as usize).unwrap_or(&"nonsense")
    }
}

pub struct Server {
    me: NodeId,
    hasty: bool,
    log: Vec<u64>,
    /// How much of the log each server has on its disk, as far as is known.
    durable: Vec<usize>,
    /// Own writes under way, and how long the log is with each.
    writing: VecDeque<(Barrier, usize)>,
    /// Answers, and how long the log must be everywhere before each.
    waiting: VecDeque<(usize, Address, Message)>,
}

impl Actor for Server {
    type Message = Message;

    fn step(&mut self, ctx: &mut Context<'_, Message>, input: Input<Message>) {
        match input {
            Input::Message { from, message: Message(ASK, [id, value]) } => {
                if value != NIL {
                    self.append(ctx, value);
                }
                let answer = Message(ANSWER, [id, self.log.last().copied().unwrap_or(NIL)]);
                self.waiting.push_back((self.log.len(), from, answer));
            }
            Input::Message { from, message: Message(COPY, [version, value]) } => {
                if version == self.log.len() as u64 {
                    self.append(ctx, value);
                }
                ctx.out.send(from, Message(COPIED, [self.log.len() as u64, 0])); // waits for the disk
            }
            Input::Message { from: Address::Node(from), message: Message(COPIED, [version, ..]) } => {
                self.durable[from.index()] = self.durable[from.index()].max(version as usize);
            }
            Input::Durable(barrier) => {
                while let Some(&(_, length)) = self.writing.front().filter(|(write, _)| *write <= barrier) {
                    self.writing.pop_front();
                    self.durable[self.me.index()] = length;
                }
            }
            Input::Timer(_) => self.copy(ctx),
            _ => {}
        }
        let everywhere = self.durable.iter().copied().min().unwrap_or(0);
        while let Some(&(_, client, answer)) = self.waiting.front().filter(|(length, ..)| *length <= everywhere) {
            self.waiting.pop_front();
            ctx.out.send_now(client, answer); // every disk has it
        }
    }
}

impl Server {
    fn append(&mut self, ctx: &mut Context<'_, Message>, value: u64) {
        self.log.push(value);
        self.writing.push_back((ctx.out.append(value.to_le_bytes().to_vec().into()), self.log.len()));
        if self.hasty {
            self.durable[self.me.index()] = self.log.len();
        }
        self.copy(ctx);
    }

    /// The primary sends each backup what it may lack, and looks again soon.
    fn copy(&mut self, ctx: &mut Context<'_, Message>) {
        for backup in NodeId::all(self.durable.len()).skip(1).filter(|_| self.me == NodeId(0)) {
            for (version, &value) in self.log.iter().enumerate().skip(self.durable[backup.index()]).take(16) {
                ctx.out.send_now(Address::Node(backup), Message(COPY, [version as u64, value]));
            }
        }
        ctx.out.set_timer(TimerId(0), std::time::Duration::from_millis(20));
    }
}

pub struct Client(BTreeSet<Token>); // what is not answered yet

impl Actor for Client {
    type Message = Message;

    fn step(&mut self, ctx: &mut Context<'_, Message>, input: Input<Message>) {
        match input {
            Input::Invoke { token, request, .. } => {
                self.0.insert(token);
                let ask = Message(ASK, [token.0.into(), request.argument]);
                ctx.out.send(Address::Node(NodeId(0)), ask);
            }
            Input::Message { message: Message(ANSWER, [id, value]), .. } if self.0.remove(&Token(id as u32)) => {
                ctx.out.complete(Token(id as u32), Completion::ok(value));
            }
            Input::Abandon(token) => _ = self.0.remove(&token),
            _ => {}
        }
    }
}

impl Protocol for PrimaryBackup {
    type Message = Message;
    type Server = Server;
    type Client = Client;

    fn boot(&self, me: NodeId, disk: Recovered, ctx: &mut Context<'_, Message>) -> Server {
        let read = |record: &Bytes| u64::from_le_bytes(*record.first_chunk().expect("it was written whole"));
        let log: Vec<u64> = disk.log.iter().map(read).collect();
        let durable = (0..self.servers).map(|server| if server == me.index() { log.len() } else { 0 }).collect();
        let mut server = Server { me, hasty: self.hasty, log, durable, writing: [].into(), waiting: [].into() };
        server.copy(ctx);
        server
    }

    fn client(&self, _: &mut Context<'_, Message>) -> Client {
        Client(BTreeSet::new())
    }
}
