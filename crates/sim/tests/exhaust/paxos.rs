//! Single-decree Paxos as in the example `paxos` of stateright, message for message: servers that propose once, and clients that put a
//! value and then get it. Here they are actors of our own contract.
//!
//! A server proposes for the first client that asks it and for no other; it answers a get once it knows of a decision, and is silent
//! before. So not every operation ends, and what is never answered is part of the state space.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};

use base::{Bytes, NodeId};
use history::{Completion, NIL, Request};
use proto::{Actor, Address, Context, Input, Malformed, Protocol, Recovered, Target, Token};
use sim::exhaust::{Cluster, Invocations, Scope};

/// Round and server.
type Ballot = (u32, u16);
/// Number of the request, client, value.
type Proposal = (u64, u32, u64);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Message {
    Put(u64, u64),
    Get(u64),
    PutOk(u64),
    GetOk(u64, u64),
    Prepare { ballot: Ballot },
    Prepared { ballot: Ballot, last_accepted: Option<(Ballot, Proposal)> },
    Accept { ballot: Ballot, proposal: Proposal },
    Accepted { ballot: Ballot },
    Decided { ballot: Ballot, proposal: Proposal },
}

impl proto::Message for Message {
    fn encode(&self, _: &mut Vec<u8>) {
        unreachable!("the search moves messages as they are")
    }

    fn decode(_: &Bytes) -> Result<Self, Malformed> {
        unreachable!("the search moves messages as they are")
    }

    fn kind(&self) -> &'static str {
        "paxos"
    }
}

#[derive(Clone, Debug, Hash)]
pub struct Server {
    me: NodeId,
    servers: u16,
    ballot: Ballot,
    proposal: Option<Proposal>,
    prepares: BTreeMap<u16, Option<(Ballot, Proposal)>>,
    accepts: BTreeSet<u16>,
    accepted: Option<(Ballot, Proposal)>,
    is_decided: bool,
}

impl Server {
    fn broadcast(&self, ctx: &mut Context<'_, Message>, message: &Message) {
        let peers = (0..self.servers).filter(|peer| *peer != self.me.0);
        peers.for_each(|peer| ctx.out.send(Address::Node(NodeId(peer)), message.clone()));
    }

    fn is_majority(&self, count: usize) -> bool {
        count == usize::from(self.servers) / 2 + 1
    }

    fn on_client(&mut self, ctx: &mut Context<'_, Message>, client: u32, message: Message) {
        match message {
            Message::Get(request) if self.is_decided => {
                let (_, (_, _, value)) = self.accepted.expect("a decision was accepted");
                ctx.out.send(Address::Client(client), Message::GetOk(request, value));
            }
            Message::Put(request, value) if !self.is_decided && self.proposal.is_none() => {
                self.proposal = Some((request, client, value));
                self.ballot = (self.ballot.0 + 1, self.me.0);
                self.prepares = BTreeMap::from([(self.me.0, self.accepted)]);
                self.accepts.clear();
                self.broadcast(ctx, &Message::Prepare { ballot: self.ballot });
            }
            _ => {}
        }
    }

    fn on_peer(&mut self, ctx: &mut Context<'_, Message>, from: NodeId, message: Message) {
        if self.is_decided {
            return;
        }
        match message {
            Message::Prepare { ballot } if self.ballot < ballot => {
                self.ballot = ballot;
                let promise = Message::Prepared { ballot, last_accepted: self.accepted };
                ctx.out.send(Address::Node(from), promise);
            }
            Message::Prepared { ballot, last_accepted } if ballot == self.ballot => {
                self.prepares.insert(from.0, last_accepted);
                if self.is_majority(self.prepares.len()) {
                    let highest = self.prepares.values().max().copied().flatten();
                    let proposal = highest.map(|(_, proposal)| proposal).or(self.proposal);
                    let proposal = proposal.expect("who prepares has a proposal");
                    (self.proposal, self.accepted) = (Some(proposal), Some((ballot, proposal)));
                    self.accepts.insert(self.me.0);
                    self.broadcast(ctx, &Message::Accept { ballot, proposal });
                }
            }
            Message::Accept { ballot, proposal } if self.ballot <= ballot => {
                (self.ballot, self.accepted) = (ballot, Some((ballot, proposal)));
                ctx.out.send(Address::Node(from), Message::Accepted { ballot });
            }
            Message::Accepted { ballot } if ballot == self.ballot => {
                self.accepts.insert(from.0);
                if self.is_majority(self.accepts.len()) {
                    self.is_decided = true;
                    let proposal = self.proposal.expect("who was accepted has a proposal");
                    self.broadcast(ctx, &Message::Decided { ballot, proposal });
                    ctx.out.send(Address::Client(proposal.1), Message::PutOk(proposal.0));
                }
            }
            Message::Decided { ballot, proposal } => {
                (self.ballot, self.accepted, self.is_decided) = (ballot, Some((ballot, proposal)), true);
            }
            _ => {}
        }
    }
}

impl Actor for Server {
    type Message = Message;

    fn step(&mut self, ctx: &mut Context<'_, Message>, input: Input<Message>) {
        match input {
            Input::Message { from: Address::Client(client), message } => self.on_client(ctx, client, message),
            Input::Message { from: Address::Node(node), message } => self.on_peer(ctx, node, message),
            _ => {}
        }
    }

    fn fingerprint(&self, mut state: &mut dyn Hasher) -> bool {
        self.hash(&mut state);
        true
    }

    fn fork(&self) -> Option<Self> {
        Some(self.clone())
    }
}

#[derive(Clone, Debug, Default, Hash)]
pub struct Client {
    /// The request that is not answered, and the operation that it is for.
    awaiting: Option<(u64, u32)>,
}

impl Actor for Client {
    type Message = Message;

    fn step(&mut self, ctx: &mut Context<'_, Message>, input: Input<Message>) {
        match input {
            Input::Invoke { token, request, target: Target::Node(node) } => {
                // Numbers of requests as the original gives them: multiples of the client's place.
                let number = u64::from(token.0 + 1) * u64::from(request.size);
                self.awaiting = Some((number, token.0));
                let message = match request.function.is_mutation() {
                    true => Message::Put(number, request.argument),
                    false => Message::Get(number),
                };
                ctx.out.send(Address::Node(node), message);
            }
            Input::Message { message: Message::PutOk(number), .. } => self.answered(ctx, number, NIL),
            Input::Message { message: Message::GetOk(number, value), .. } => self.answered(ctx, number, value),
            _ => {}
        }
    }

    fn fingerprint(&self, mut state: &mut dyn Hasher) -> bool {
        self.hash(&mut state);
        true
    }

    fn fork(&self) -> Option<Self> {
        Some(self.clone())
    }
}

impl Client {
    fn answered(&mut self, ctx: &mut Context<'_, Message>, number: u64, value: u64) {
        if let Some((_, operation)) = self.awaiting.take_if(|(awaited, _)| *awaited == number) {
            ctx.out.complete(Token(operation), Completion::ok(value));
        }
    }
}

/// A cluster of so many servers.
pub struct Paxos {
    pub servers: u16,
}

impl Protocol for Paxos {
    type Message = Message;
    type Server = Server;
    type Client = Client;

    fn boot(&self, me: NodeId, _: Recovered, _: &mut Context<'_, Message>) -> Server {
        Server {
            me,
            servers: self.servers,
            ballot: (0, 0),
            proposal: None,
            prepares: BTreeMap::new(),
            accepts: BTreeSet::new(),
            accepted: None,
            is_decided: false,
        }
    }

    fn client(&self, _: &mut Context<'_, Message>) -> Client {
        Client::default()
    }
}

/// Three servers and so many clients: the i-th puts its value at the i-th server and gets it from the next.
pub fn three_servers(clients: u16) -> Cluster {
    three_servers_in(clients, |scope| scope)
}

pub fn three_servers_in(clients: u16, adapt: impl FnOnce(Scope) -> Scope) -> Cluster {
    let asks = |client: u16| {
        let place = client + 3;
        let at = |step: u16| Target::Node(NodeId((place + step) % 3));
        let named = |request: Request| Request { size: u32::from(place), ..request };
        vec![(named(Request::write(0, u64::from(client) + 1)), at(0)), (named(Request::read(0)), at(1))]
    };
    let scope = Scope { invocations: Invocations::AtOnce, ..Scope::new(3, (0..clients).map(asks).collect()) };
    Cluster::new(Paxos { servers: 3 }, adapt(scope)).expect("its actors can be copied and hashed")
}
