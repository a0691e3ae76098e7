//! One participant at a time: what goes in, what comes out.
//!
//! A line `→ n2 vote ... [after 1]` is a message that waits for the first write of this life; one without leaves at once.

use std::time::Duration;

use base::{Bytes, NodeId, Rng, Seed, Time};
use expect_test::{Expect, expect};
use history::{Completion, ErrorKind, Request};
use proto::kv::Kv;
use proto::{
    Access, Actor, Address, Barrier, Context, DiskWrite, Input, Now, Out, Output, Recovered, Service, StateMachine,
    Target, TimerId, Token,
};

use crate::log::EntryKind;
use crate::members::Members;
use crate::replica::{ELECTION, HEARTBEAT};
use crate::snapshot::Snapshot;
use crate::{Answer, Client, Entry, Message, Planted, Replica, Settings};

/// An actor with a clock and a place for its outputs.
struct Bench<A> {
    actor: A,
    now: Time,
    rng: Rng,
    out: Out<Message>,
    /// What came out and was not looked at yet.
    told: Vec<String>,
}

impl<A: Actor<Message = Message>> Bench<A> {
    fn boot(boot: impl FnOnce(&mut Context<'_, Message>) -> A) -> Self {
        let (mut rng, mut out) = (Rng::new(Seed(1)), Out::new());
        let now = Time(1_000_000_000);
        let actor = boot(&mut Context { now: clock(now), rng: &mut rng, out: &mut out });
        let mut bench = Bench { actor, now, rng, out, told: Vec::new() };
        bench.tell();
        bench
    }

    /// Gives one input, then says that the batch is over.
    fn give(&mut self, input: Input<Message>) {
        for input in [input, Input::BatchEnd] {
            self.actor.step(&mut Context { now: clock(self.now), rng: &mut self.rng, out: &mut self.out }, input);
        }
        self.tell();
    }

    fn hear(&mut self, from: u16, message: Message) {
        self.give(Input::Message { from: Address::Node(NodeId(from - 1)), message });
    }

    fn wait(&mut self, span_ms: u64, timer: TimerId) {
        self.now += Duration::from_millis(span_ms);
        self.give(Input::Timer(timer));
    }

    fn sync(&mut self) {
        self.give(Input::Durable(self.out.barrier()));
    }

    fn tell(&mut self) {
        self.told.extend(self.out.drain().filter_map(|output| describe(&output)));
    }

    /// Everything that came out since the last look.
    fn look(&mut self, expected: Expect) {
        let told: String = self.told.drain(..).map(|line| line + "\n").collect();
        expected.assert_eq(&told);
    }
}

fn clock(now: Time) -> Now {
    Now { monotonic: now, wall: now }
}

fn describe(output: &Output<Message>) -> Option<String> {
    let wait = |after: &Barrier| if *after == Barrier::NONE { String::new() } else { format!(" [after {}]", after.0) };
    Some(match output {
        Output::Send { to, message, after } => format!("→ {to} {message:?}{}", wait(after)),
        Output::Complete { completion, .. } => format!("complete {} {}", completion.outcome, completion.error),
        Output::Append { records, barrier } => {
            let first = barrier.0 + 1 - records.len() as u64;
            let tell = |(barrier, record)| {
                let entry = Entry::decode(record).expect("a well-formed record");
                format!("disk {barrier}: append {:?} of term {}", entry.kind(), entry.term)
            };
            (first..).zip(&records[..]).map(tell).collect::<Vec<_>>().join("\n")
        }
        Output::Write { write: DiskWrite::Put { name, bytes }, barrier } => {
            format!("disk {}: {name} = term {} for n{}", barrier.0, bytes[0], bytes[8])
        }
        Output::Write { write, barrier } => format!("disk {}: {write:?}", barrier.0),
        Output::Label(text) => format!("# {text}"),
        Output::Halt(reason) => format!("halt: {reason}"),
        Output::SetTimer { .. } | Output::CancelTimer(_) | Output::Busy(_) | Output::Mark(_) => return None,
    })
}

fn replica(nodes: usize) -> Bench<Replica<Kv>> {
    recovered(Settings::new(nodes), Recovered::default())
}

fn recovered(settings: Settings, disk: Recovered) -> Bench<Replica<Kv>> {
    Bench::boot(|ctx| Replica::boot(NodeId(0), settings, disk, ctx))
}

/// n1 of three, leading in term 1 with its no-op committed; nothing of that is left to look at.
fn leader() -> Bench<Replica<Kv>> {
    leader_with(Settings::new(3))
}

fn leader_with(settings: Settings) -> Bench<Replica<Kv>> {
    let mut n1 = recovered(settings, Recovered::default());
    elect(&mut n1);
    n1.sync();
    n1.hear(2, Message::Accepted { term: 1, index: 1, session: 0 });
    n1.hear(3, Message::Accepted { term: 1, index: 1, session: 0 });
    assert_eq!(n1.actor.commit(), 1);
    n1.told.clear();
    n1
}

fn elect(n1: &mut Bench<Replica<Kv>>) {
    n1.wait(2000, ELECTION);
    n1.hear(2, Message::PreVoteReply { term: 1, granted: true });
    n1.sync();
    n1.hear(2, Message::VoteReply { term: 1, granted: true });
    assert!(n1.actor.is_leader());
}

fn request(id: u64, request: Request) -> Input<Message> {
    ask(id, request, false)
}

fn ask(id: u64, request: Request, here: bool) -> Input<Message> {
    let message = Message::Request { id, here, access: Kv::access(&request) };
    Input::Message { from: Address::Client(0), message }
}

fn record(term: u64) -> Bytes {
    let mut record = Vec::new();
    Entry::encode(&mut record, term, EntryKind::Noop, b"");
    record.into()
}

fn append(term: u64, prev: (u64, u64), terms: &[u64], commit: u64) -> Message {
    let entries = terms.iter().map(|&term| record(term)).collect();
    Message::Append { term, prev_index: prev.0, prev_term: prev.1, commit, entries, session: 0 }
}

#[test]
fn a_candidate_asks_twice_and_its_own_vote_counts_when_it_is_durable() {
    let mut n1 = replica(3);
    n1.wait(2000, ELECTION);
    n1.hear(3, Message::PreVoteReply { term: 1, granted: true });
    n1.hear(3, Message::VoteReply { term: 1, granted: true });
    n1.look(expect![[r#"
        → n2 pre-vote log 0@0 (term 1)
        → n3 pre-vote log 0@0 (term 1)
        disk 1: vote = term 1 for n1
        # campaigns at term 1
        → n2 vote log 0@0 (term 1) [after 1]
        → n3 vote log 0@0 (term 1) [after 1]
    "#]]);
    assert!(!n1.actor.is_leader());
    n1.sync();
    n1.look(expect![[r#"
        # became leader at term 1
        disk 2: append Noop of term 1
        → n2 append 0@0 +1 commit 0 (term 1)
        → n3 append 0@0 +1 commit 0 (term 1)
    "#]]);
}

#[test]
fn a_leader_sends_at_once_and_counts_itself_when_its_disk_has_the_entry() {
    let mut n1 = leader();
    n1.give(request(7, Request::write(1, 10)));
    n1.hear(2, Message::Accepted { term: 1, index: 2, session: 0 });
    n1.look(expect![[r#"
        disk 3: append Command of term 1
        → n2 append 1@1 +1 commit 1 (term 1)
        → n3 append 1@1 +1 commit 1 (term 1)
    "#]]);
    n1.sync();
    n1.look(expect![[r#"
        → c1 reply done, 1 B
    "#]]);
}

#[test]
fn commands_of_a_batch_travel_in_one_message_per_follower() {
    let mut n1 = leader();
    for id in 1..=3 {
        let input = request(id, Request::write(1, id));
        n1.actor.step(&mut Context { now: clock(n1.now), rng: &mut n1.rng, out: &mut n1.out }, input);
    }
    n1.give(request(4, Request::write(1, 4)));
    n1.look(expect![[r#"
        disk 3: append Command of term 1
        disk 4: append Command of term 1
        disk 5: append Command of term 1
        disk 6: append Command of term 1
        → n2 append 1@1 +4 commit 1 (term 1)
        → n3 append 1@1 +4 commit 1 (term 1)
    "#]]);
}

#[test]
fn a_follower_acknowledges_what_its_disk_has() {
    let mut n1 = replica(3);
    n1.hear(2, append(3, (0, 0), &[2, 3], 1));
    n1.look(expect![[r#"
        disk 1: vote = term 3 for n0
        disk 2: append Noop of term 2
        disk 3: append Noop of term 3
        → n2 accepted 2 (term 3) [after 3]
    "#]]);
    assert_eq!(n1.actor.commit(), 1);
}

#[test]
fn a_conflict_costs_the_tail_and_a_delayed_append_costs_nothing() {
    let mut n1 = replica(3);
    n1.hear(2, append(2, (0, 0), &[1, 2, 2], 1));
    n1.hear(2, append(2, (0, 0), &[1], 1));
    assert_eq!(n1.actor.log().last_index(), 3, "the append was late, not in conflict");
    n1.told.clear();
    n1.hear(3, append(3, (1, 1), &[3], 1));
    n1.hear(3, append(3, (9, 3), &[3], 1));
    n1.look(expect![[r#"
        disk 5: vote = term 3 for n0
        disk 6: Truncate { from: 1 }
        disk 7: append Noop of term 3
        → n3 accepted 2 (term 3) [after 7]
        → n3 rejected 9, try 2@3 (term 3) [after 7]
    "#]]);
}

#[test]
fn a_vote_is_refused_while_a_leader_is_heard_and_given_once_a_term() {
    let mut n1 = replica(3);
    n1.hear(2, Message::Heartbeat { term: 1, commit: 0, context: 0 });
    n1.hear(3, Message::Vote { term: 2, last_index: 9, last_term: 1, asked: false });
    n1.look(expect![[r#"
        → n2 heartbeat-reply round 0 (term 1)
        disk 1: vote = term 1 for n0
    "#]]);
    n1.now += Duration::from_secs(1);
    n1.hear(3, Message::Vote { term: 2, last_index: 9, last_term: 1, asked: false });
    n1.hear(2, Message::Vote { term: 2, last_index: 9, last_term: 1, asked: false });
    n1.hear(3, Message::Vote { term: 2, last_index: 9, last_term: 1, asked: false });
    n1.look(expect![[r#"
        disk 2: vote = term 2 for n3
        → n3 vote-reply granted (term 2) [after 2]
        → n2 vote-reply refused (term 2) [after 2]
        → n3 vote-reply granted (term 2) [after 2]
    "#]]);
}

#[test]
fn a_vote_outlives_a_crash() {
    let mut before = replica(3);
    let vote = Message::Vote { term: 5, last_index: 0, last_term: 0, asked: false };
    let input = Input::Message { from: Address::Node(NodeId(2)), message: vote };
    before.actor.step(&mut Context { now: clock(before.now), rng: &mut before.rng, out: &mut before.out }, input);
    let blobs = before.out.drain().find_map(|output| match output {
        Output::Write { write: DiskWrite::Put { name, bytes }, .. } => Some([(name.into_owned(), bytes)]),
        _ => None,
    });
    let blobs = blobs.expect("the vote was written");
    let disk = Recovered { blobs: blobs.into(), ..Recovered::default() };
    let mut n1 = recovered(Settings::new(3), disk);
    n1.hear(2, Message::Vote { term: 5, last_index: 0, last_term: 0, asked: false });
    n1.look(expect![[r#"
        → n2 vote-reply refused (term 5)
    "#]]);
}

#[test]
fn an_entry_of_an_unsaved_term_raises_the_term() {
    let disk = Recovered { log: vec![record(4)], ..Recovered::default() };
    let n1 = recovered(Settings::new(3), disk);
    assert_eq!((n1.actor.term(), n1.actor.vote()), (4, None));
}

#[test]
fn a_malformed_disk_stops_the_node() {
    let disk = Recovered { log: vec![Bytes::from_static(b"rubbish")], ..Recovered::default() };
    let mut n1 = recovered(Settings::new(3), disk);
    n1.wait(5000, ELECTION);
    n1.look(expect![[r#"
        halt: malformed message: log record of 7 bytes
    "#]]);
}

#[test]
fn a_leader_that_hears_from_no_quorum_steps_down() {
    let mut n1 = leader();
    n1.give(request(7, Request::write(1, 10)));
    n1.give(request(8, Request::read(1)));
    n1.told.clear();
    n1.wait(299, HEARTBEAT);
    assert!(n1.actor.is_leader());
    n1.told.clear();
    n1.wait(30, HEARTBEAT);
    n1.look(expect![[r#"
        # lost its quorum at term 1
        # stepped down at term 1
        → c1 reply leader changed
        → c1 reply not leader
    "#]]);
}

#[test]
fn a_read_waits_for_a_quorum_and_a_late_acknowledgement_of_an_earlier_round_does_not_count() {
    let mut n1 = leader();
    n1.give(request(8, Request::read(1)));
    n1.give(request(9, Request::read(1)));
    n1.look(expect![[r#"
        → n2 heartbeat commit 1 round 1 (term 1)
        → n3 heartbeat commit 1 round 1 (term 1)
        → n2 heartbeat commit 1 round 2 (term 1)
        → n3 heartbeat commit 1 round 2 (term 1)
    "#]]);
    n1.hear(2, Message::HeartbeatReply { term: 1, context: 1 });
    n1.look(expect![[r#"
        → c1 reply done, 1 B
    "#]]);
    n1.hear(3, Message::HeartbeatReply { term: 1, context: 2 });
    n1.look(expect![[r#"
        → c1 reply done, 1 B
    "#]]);
}

#[test]
fn a_read_waits_until_an_entry_of_the_term_is_committed() {
    let mut n1 = replica(3);
    elect(&mut n1);
    n1.told.clear();
    n1.give(request(8, Request::read(1)));
    n1.look(expect![[""]]);
    n1.sync();
    n1.hear(2, Message::Accepted { term: 1, index: 1, session: 0 });
    n1.look(expect![[r#"
        → n2 heartbeat commit 1 round 1 (term 1)
        → n3 heartbeat commit 0 round 1 (term 1)
    "#]]);
}

#[test]
fn a_follower_that_must_answer_itself_asks_the_leader_for_an_index() {
    let mut n1 = replica(3);
    n1.hear(2, append(1, (0, 0), &[1, 1], 1));
    n1.told.clear();
    n1.give(ask(8, Request::read(1), true));
    n1.give(ask(9, Request::write(1, 2), true));
    n1.look(expect![[r#"
        → n2 read-index (term 1)
        → c1 reply not leader, ask n2
    "#]]);
    let context = first_context();
    n1.hear(2, Message::ReadIndexReply { term: 1, context, index: 2 });
    n1.look(expect![[""]]);
    n1.hear(2, Message::Heartbeat { term: 1, commit: 2, context: 1 });
    n1.look(expect![[r#"
        → c1 reply done, 1 B
        → n2 heartbeat-reply round 1 (term 1)
    "#]]);
}

/// The context of the first question of a replica that drew it from the bench's seed.
fn first_context() -> u64 {
    Rng::new(Seed(1)).next_u64().wrapping_add(1)
}

/// The heart of figure 8: an entry of term 2 is on a majority, and still not committed.
#[test]
fn an_entry_of_an_earlier_term_is_not_committed_by_counting() {
    for (bug, commit) in [(None, 0), (Some(Planted::OldTermCommit), 1)] {
        let disk = Recovered { log: vec![record(2)], ..Recovered::default() };
        let mut n1 = recovered(Settings { bug, ..Settings::new(3) }, disk);
        n1.sync();
        n1.wait(2000, ELECTION);
        n1.hear(2, Message::PreVoteReply { term: 3, granted: true });
        n1.sync();
        n1.hear(2, Message::VoteReply { term: 3, granted: true });
        n1.sync();
        n1.hear(2, Message::Accepted { term: 3, index: 1, session: 0 });
        assert_eq!(n1.actor.commit(), commit, "{bug:?}");
        n1.hear(2, Message::Accepted { term: 3, index: 2, session: 0 });
        assert_eq!(n1.actor.commit(), 2, "with one of its own, all before it are");
    }
}

#[test]
fn a_full_leader_refuses_and_says_so() {
    let mut n1 = leader_with(Settings { uncommitted: 2, ..Settings::new(3) });
    for id in 1..=3 {
        n1.give(request(id, Request::write(1, id)));
    }
    assert_eq!(n1.told.iter().filter(|line| line.contains("overloaded")).count(), 1);
}

#[test]
fn a_deposed_leader_learns_of_it_from_whom_it_still_writes_to() {
    let mut n1 = leader();
    n1.give(request(7, Request::write(1, 10)));
    n1.told.clear();
    n1.hear(2, Message::HeartbeatReply { term: 4, context: 0 });
    n1.look(expect![[r#"
        # stepped down at term 4
        → c1 reply leader changed
        disk 4: vote = term 4 for n0
    "#]]);
}

#[test]
fn a_lost_append_is_noticed_at_the_next_heartbeats_and_sent_again() {
    let mut n1 = leader();
    n1.give(request(7, Request::write(1, 10)));
    n1.wait(30, HEARTBEAT);
    n1.told.clear();
    n1.wait(30, HEARTBEAT);
    n1.look(expect![[r#"
        → n2 heartbeat commit 1 round 0 (term 1)
        → n3 heartbeat commit 1 round 0 (term 1)
        → n2 append 2@1 +0 commit 1 (term 1)
        → n3 append 2@1 +0 commit 1 (term 1)
    "#]]);
    n1.hear(2, Message::Rejected { term: 1, index: 2, hint_index: 1, hint_term: 1, session: 0 });
    n1.look(expect![[r#"
        → n2 append 1@1 +1 commit 1 (term 1)
    "#]]);
}

#[test]
fn no_snapshot_is_taken_while_a_later_one_is_on_its_way_to_the_disk() {
    let mut n1 = recovered(Settings { snapshot_entries: 3, ..Settings::new(3) }, Recovered::default());
    n1.hear(2, append(1, (0, 0), &[1, 1, 1], 0));
    n1.sync();
    let snapshot = Snapshot::new((5, 1), n1.actor.members(), &Kv::default().snapshot());
    let (size, chunk) = (snapshot.blob.len() as u64, snapshot.blob.clone());
    n1.told.clear();
    n1.hear(2, Message::Snapshot { term: 1, session: 0, index: 5, last_term: 1, size, offset: 0, chunk });
    n1.hear(2, Message::Heartbeat { term: 1, commit: 3, context: 0 });
    assert_eq!(n1.told.iter().filter(|line| line.contains("snapshot")).count(), 1, "{:?}", n1.told);
    assert_eq!(n1.actor.applied(), 3);
    n1.sync();
    assert_eq!(n1.actor.applied(), 5);
}

/// It may be the only one that has the change, and then the others need its vote or itself (dissertation §4.2.2).
#[test]
fn who_left_by_a_change_that_may_not_be_committed_still_stands() {
    let mut change = Vec::new();
    let others = Members::of("n2 n3".parse().unwrap());
    Entry::encode(&mut change, 1, EntryKind::Members, &others.encode());
    let entries = [record(1), change.into()].into_iter().collect();
    let mut n1 = replica(3);
    n1.hear(2, Message::Append { term: 1, prev_index: 0, prev_term: 0, commit: 1, entries, session: 0 });
    n1.sync();
    n1.told.clear();
    n1.wait(2000, ELECTION);
    n1.look(expect![[r#"
        → n2 pre-vote log 2@1 (term 2) [after 3]
        → n3 pre-vote log 2@1 (term 2) [after 3]
    "#]]);
    n1.hear(2, Message::Heartbeat { term: 1, commit: 2, context: 0 });
    n1.told.clear();
    n1.wait(2000, ELECTION);
    assert_eq!(n1.told, [""; 0], "it is no member any more");
}

#[test]
fn a_failed_disk_ends_the_node() {
    let mut n1 = leader();
    n1.give(Input::DiskFailed { error: "no space".into() });
    n1.give(request(7, Request::write(1, 10)));
    n1.look(expect![[r#"
        halt: disk failed: no space
    "#]]);
}

#[test]
fn a_leader_that_forgets_answers_before_its_disk_has_anything() {
    let settings = Settings { bug: Some(Planted::Forgets), ..Settings::new(3) };
    let mut n1 = leader_with(settings);
    n1.give(request(7, Request::write(1, 10)));
    n1.hear(2, Message::Accepted { term: 1, index: 2, session: 0 });
    assert!(n1.told.iter().any(|line| line.contains("reply done")), "{:?}", n1.told);
}

fn client() -> Bench<Client<Kv>> {
    Bench::boot(|ctx| Client::new(Settings::new(3), ctx))
}

fn invoke(bench: &mut Bench<Client<Kv>>, token: u32, request: Request, target: Target) -> u64 {
    bench.give(Input::Invoke { token: Token(token), request, target });
    bench.actor.attempt_of(Token(token)).expect("under way")
}

fn reply(bench: &mut Bench<Client<Kv>>, from: u16, id: u64, answer: Answer) {
    bench.hear(from, Message::Reply { id, answer });
}

const N1: Target = Target::Node(NodeId(0));

#[test]
fn a_client_follows_the_hint_and_ignores_the_late_reply_to_an_earlier_attempt() {
    let mut c1 = client();
    let first = invoke(&mut c1, 1, Request::write(1, 10), N1);
    reply(&mut c1, 1, first, Answer::NotLeader(Some(NodeId(2))));
    reply(&mut c1, 1, first, Answer::Done(Bytes::from_static(&[0])));
    c1.look(expect![[r#"
        → n1 request command of 13 B
        → n3 request command of 13 B
    "#]]);
    let second = c1.actor.attempt_of(Token(1)).expect("under way");
    reply(&mut c1, 3, second, Answer::Done(Bytes::from_static(&[0])));
    c1.look(expect![[r#"
        complete ok none
    "#]]);
    assert_eq!(c1.actor.leader(), NodeId(2));
}

#[test]
fn a_broken_connection_leaves_a_write_open_and_a_read_goes_elsewhere() {
    let mut c1 = client();
    invoke(&mut c1, 1, Request::write(1, 10), N1);
    invoke(&mut c1, 2, Request::read(1), N1);
    c1.told.clear();
    c1.give(Input::Lost { peer: Address::Node(NodeId(0)), unsent: false });
    c1.wait(10, TimerId(1));
    c1.look(expect![[r#"
        complete info disconnected
        → n3 request query of 5 B
    "#]]);
}

#[test]
fn what_certainly_was_not_delivered_goes_to_another_node() {
    let mut c1 = client();
    invoke(&mut c1, 1, Request::write(1, 10), N1);
    c1.give(Input::Lost { peer: Address::Node(NodeId(0)), unsent: true });
    c1.wait(10, TimerId(0));
    c1.look(expect![[r#"
        → n1 request command of 13 B
        → n3 request command of 13 B
    "#]]);
}

#[test]
fn a_client_that_finds_no_leader_says_that_nothing_happened() {
    let mut c1 = client();
    let mut id = invoke(&mut c1, 1, Request::write(1, 10), N1);
    for _ in 0..100 {
        let node = c1.actor.node_of(Token(1)).expect("under way");
        reply(&mut c1, node.0 + 1, id, Answer::NotLeader(None));
        c1.wait(100, TimerId(0));
        match c1.actor.attempt_of(Token(1)) {
            Some(next) => id = next,
            None => break,
        }
    }
    assert_eq!(c1.told.last().map(String::as_str), Some("complete fail no-leader"));
}

#[test]
fn a_leader_that_lost_its_office_leaves_the_operation_open() {
    let mut c1 = client();
    let id = invoke(&mut c1, 1, Request::write(1, 10), N1);
    c1.told.clear();
    reply(&mut c1, 1, id, Answer::LeaderChanged);
    c1.look(expect![[r#"
        complete info leader-changed
    "#]]);
}

#[test]
fn a_node_that_must_answer_itself_is_not_replaced_by_another() {
    let mut c1 = client();
    let only = Target::Only(NodeId(1));
    for answer in [Answer::NotLeader(Some(NodeId(2))), Answer::Unavailable, Answer::Overloaded] {
        let id = invoke(&mut c1, 1, Request::read(1), only);
        reply(&mut c1, 2, id, answer);
    }
    invoke(&mut c1, 1, Request::read(1), only);
    c1.give(Input::Lost { peer: Address::Node(NodeId(1)), unsent: true });
    c1.look(expect![[r#"
        → n2 request query of 5 B here
        complete fail no-leader
        → n2 request query of 5 B here
        complete fail unavailable
        → n2 request query of 5 B here
        complete fail overloaded
        → n2 request query of 5 B here
        complete fail unreachable
    "#]]);
}

#[test]
fn an_abandoned_operation_is_never_completed() {
    let mut c1 = client();
    let id = invoke(&mut c1, 1, Request::write(1, 10), N1);
    c1.give(Input::Abandon(Token(1)));
    reply(&mut c1, 1, id, Answer::Done(Bytes::from_static(&[0])));
    c1.give(Input::Lost { peer: Address::Node(NodeId(0)), unsent: false });
    assert!(c1.told.iter().all(|line| !line.contains("complete")), "{:?}", c1.told);
}

#[test]
fn a_precondition_that_failed_is_a_definite_answer() {
    let mut c1 = client();
    let id = invoke(&mut c1, 1, Request::cas(1, 2, 3), N1);
    reply(&mut c1, 1, id, Answer::Done(Bytes::from_static(&[3])));
    assert_eq!(c1.told.last().map(String::as_str), Some("complete fail precondition-failed"));
    assert_eq!(
        Kv::completion(&Request::cas(1, 2, 3), &Bytes::from_static(&[3])),
        Completion::fail(ErrorKind::Precondition)
    );
    assert!(matches!(Kv::access(&Request::read(1)), Access::Query(_)));
}
