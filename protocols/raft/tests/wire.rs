//! The same client actor as bytes on a connection, as the load engine drives it.

mod common;

use base::{Bytes, NodeId, Rng, Seed, Time};
use common::settings;
use history::{Completion, NIL, Request};
use proto::client::{ActorClient, Client, Effect, Effects};
use proto::{Actor, Address, Context, Input, Now, Out, Output, Protocol, Recovered, Target, TimerId, Token, Wired};
use raft::{RaftKv, Replica};

type Server = Wired<Replica<proto::kv::Kv>>;

/// Gives one input to a server whose disk is always done, and returns what it says to clients.
fn give(server: &mut Server, rng: &mut Rng, out: &mut Out<Bytes>, input: Input<Bytes>) -> Vec<Bytes> {
    let time = Time(10_000_000_000);
    let mut said = Vec::new();
    let mut inputs = vec![Input::BatchEnd, input];
    while let Some(input) = inputs.pop() {
        server.step(&mut Context { now: Now { monotonic: time, wall: time }, rng, out }, input);
        for output in out.drain() {
            match output {
                Output::Send { to: Address::Client(_), message, .. } => said.push(message),
                Output::Write { barrier, .. } | Output::Append { barrier, .. } => {
                    inputs.insert(0, Input::Durable(barrier));
                }
                _ => {}
            }
        }
    }
    said
}

#[test]
fn an_operation_travels_as_frames_and_comes_back_as_a_completion() {
    let raft = RaftKv::new(settings(1, None));
    let (mut rng, mut out) = (Rng::new(Seed(1)), Out::new());
    let boot = |ctx: &mut Context<'_, _>| raft.boot(NodeId(0), Recovered::default(), ctx);
    let mut ctx = Context { now: Now::default(), rng: &mut rng, out: &mut out };
    let mut server = Wired::boot(&mut ctx, boot);
    give(&mut server, &mut rng, &mut out, Input::Timer(TimerId(0)));
    assert_eq!(server.observe().role, "leader");

    let mut client = ActorClient::new(1, 8, Rng::new(Seed(2)), |ctx| Wired::boot(ctx, |ctx| raft.client(ctx)));
    let mut ask = |request: Request| {
        let mut effects = Effects::default();
        client.invoke(Time(1), Token(7), &request, Target::Leader, &mut effects);
        let [Effect::Write { node: NodeId(0), start, end }] = effects.effects[..] else { panic!("{effects:?}") };
        let sent = Bytes::copy_from_slice(&effects.bytes[start..end]);
        let mut answers = Vec::new();
        for message in frames(&sent) {
            let from = Address::Client(0);
            answers.extend(give(&mut server, &mut rng, &mut out, Input::Message { from, message }));
        }
        let mut bytes = Vec::new();
        answers.iter().for_each(|answer| proto::wire::put_frame(&mut bytes, proto::wire::Kind::Message, answer));
        effects.clear();
        assert_eq!(client.receive(Time(2), NodeId(0), &bytes, &mut effects), bytes.len());
        effects.effects
    };
    assert_eq!(ask(Request::write(3, 44)), [Effect::Complete(Token(7), Completion::ok(NIL))]);
    assert_eq!(ask(Request::read(3)), [Effect::Complete(Token(7), Completion::ok(44))]);
}

/// The messages of a stream of frames; the hello says only who dials.
fn frames(bytes: &Bytes) -> Vec<Bytes> {
    let (mut at, mut messages) = (0, Vec::new());
    while let Ok(Some(size)) = proto::wire::frame_size(&bytes[at..]) {
        let (kind, payload) = proto::wire::open_frame(&bytes.slice(at..at + size)).expect("a frame");
        if kind == proto::wire::Kind::Message {
            messages.push(payload);
        }
        at += size;
    }
    messages
}
