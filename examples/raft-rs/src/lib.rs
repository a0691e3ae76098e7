//! The library `raft` of crates.io (raft-rs, the Raft of TiKV), which brings no network, disk or clock of its own, as servers of a
//! replicated key-value store in the simulated world.

use std::collections::BTreeMap;
use std::time::Duration;

use base::{Bytes, NodeId, mix};
use history::{Completion, ErrorKind, Request};
use proto::{
    Access, Actor, Address, Context, Input, Protocol, Recovered, Service, StateMachine, Target, TimerId, Token, kv::Kv,
};
use protobuf::Message as _;
use raft::eraftpb::{Entry, HardState, Message};
use raft::{Config, RawNode, StateRole, storage::MemStorage};

/// What is said, in bytes, which are messages as they are: `p` a message of raft-rs, `a` a command, `d` a reply, `r` refused; the number of
/// the operation; and the rest.
fn say(kind: u8, id: u64, rest: &[u8]) -> Bytes {
    [&[kind][..], &id.to_le_bytes(), rest].concat().into()
}

fn hear(message: &Bytes) -> (u8, u64, Bytes) {
    (message[0], message[1..].first_chunk().map_or(0, |id| u64::from_le_bytes(*id)), message.slice(9..))
}

pub struct Server {
    node: RawNode<MemStorage>,
    store: Kv,
    /// Who waits for which operation.
    waiting: BTreeMap<u64, Address>,
    seed: u64,
}

impl Actor for Server {
    type Message = Bytes;

    fn step(&mut self, ctx: &mut Context<'_, Bytes>, input: Input<Bytes>) {
        match input {
            Input::Message { from, message } => match hear(&message) {
                (b'a', id, command) => {
                    let leads = self.node.raft.state == StateRole::Leader;
                    if leads && self.node.propose(id.to_le_bytes().to_vec(), command.to_vec()).is_ok() {
                        self.waiting.insert(id, from);
                    } else {
                        ctx.out.send_now(from, say(b'r', id, &[]));
                    }
                }
                // An error means that the message was of no use.
                (_, _, bytes) => _ = Message::parse_from_bytes(&bytes).map(|message| self.node.step(message)),
            },
            Input::Timer(timer) => {
                self.node.tick();
                ctx.out.set_timer(timer, Duration::from_millis(5));
            }
            _ => {}
        }
        // raft-rs draws its election timeouts from a generator of the thread. Whatever it has drawn is replaced before it matters.
        let drawn = mix(self.seed, self.node.raft.term) as usize % 20;
        self.node.raft.set_randomized_election_timeout(20 + drawn);
        while self.node.has_ready() {
            self.take_ready(ctx);
        }
    }
}

impl Server {
    fn take_ready(&mut self, ctx: &mut Context<'_, Bytes>) {
        let mut ready = self.node.ready();
        if let Some(state) = ready.hs() {
            // What is committed is not remembered: the leader will say.
            let kept = HardState { commit: 0, ..state.clone() };
            ctx.out.put("state", kept.write_to_bytes().expect("it fits in memory").into());
            self.node.mut_store().wl().set_hardstate(state.clone());
        }
        if let Some(first) = ready.entries().first() {
            ctx.out.truncate(first.index - 1);
            for entry in ready.entries() {
                ctx.out.append(entry.write_to_bytes().expect("it fits in memory").into());
            }
            self.node.mut_store().wl().append(ready.entries()).expect("entries follow one another");
        }
        let mut messages = [ready.take_messages(), ready.take_persisted_messages()].concat();
        let mut committed = ready.take_committed_entries();
        let mut light = self.node.advance(ready);
        messages.extend(light.take_messages());
        committed.extend(light.take_committed_entries());
        for message in messages {
            let bytes = message.write_to_bytes().expect("it fits in memory");
            ctx.out.send(Address::Node(NodeId(message.to as u16 - 1)), say(b'p', 0, &bytes)); // waits for the disk
        }
        for entry in committed.into_iter().filter(|entry| !entry.data.is_empty()) {
            let reply = self.store.apply(&entry.data);
            let id = entry.context.first_chunk().map_or(0, |id| u64::from_le_bytes(*id));
            self.waiting.remove(&id).into_iter().for_each(|client| ctx.out.send(client, say(b'd', id, &reply)));
        }
        self.node.advance_apply();
    }
}

/// A client asks the node that it is told to, and does not look for the leader.
pub struct Client(BTreeMap<Token, Request>);

impl Actor for Client {
    type Message = Bytes;

    fn step(&mut self, ctx: &mut Context<'_, Bytes>, input: Input<Bytes>) {
        match input {
            Input::Invoke { token, request, target: Target::Node(node) } => {
                self.0.insert(token, request);
                let (Access::Command(command) | Access::Query(command)) = Kv::access(&request);
                ctx.out.send(Address::Node(node), say(b'a', token.0.into(), &command));
            }
            Input::Message { message, .. } => {
                let (kind, id, reply) = hear(&message);
                let Some(request) = self.0.remove(&Token(id as u32)) else { return };
                let refused = Completion::fail(ErrorKind::NoLeader);
                let end = if kind == b'd' { Kv::completion(&request, &reply) } else { refused };
                ctx.out.complete(Token(id as u32), end);
            }
            Input::Abandon(token) => _ = self.0.remove(&token),
            _ => {}
        }
    }
}

/// A cluster of so many servers.
pub struct RaftRs(pub u64);

impl Protocol for RaftRs {
    type Message = Bytes;
    type Server = Server;
    type Client = Client;

    fn boot(&self, me: NodeId, disk: Recovered, ctx: &mut Context<'_, Bytes>) -> Server {
        let storage = MemStorage::new_with_conf_state(((1..=self.0).collect::<Vec<u64>>(), vec![]));
        let entries = disk.log.iter().map(|bytes| Entry::parse_from_bytes(bytes).expect("it was synced"));
        storage.wl().append(&entries.collect::<Vec<_>>()).expect("entries follow one another");
        let state = disk.blobs.get("state").map(|bytes| HardState::parse_from_bytes(bytes).expect("it was synced"));
        storage.wl().set_hardstate(state.unwrap_or_default());
        let config = Config { check_quorum: true, pre_vote: true, ..Config::new(u64::from(me.0) + 1) };
        let node = RawNode::new(&config, storage, &slog::Logger::root(slog::Discard, slog::o!()));
        ctx.out.set_timer(TimerId(0), Duration::from_millis(5));
        let node = node.expect("the configuration is valid");
        Server { node, store: Kv::default(), waiting: BTreeMap::new(), seed: ctx.rng.next_u64() }
    }

    fn client(&self, _: &mut Context<'_, Bytes>) -> Client {
        Client(BTreeMap::new())
    }
}
