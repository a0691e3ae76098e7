//! `openraft` 0.10.0-alpha.37, on tokio's runtime of one thread.
//!
//! Driven well: its feature `single-threaded`, which spares it locks and `Send`; the proposals of a round in one `client_write_many`; a log in
//! memory that clones entries and shares their values; a network that calls the other node. Its ticks are off after the election. It cannot be
//! told to cut its log without a snapshot, so it makes one, which holds nothing, when the others cut theirs.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::fmt::{self, Debug};
use std::io;
use std::ops::{Bound, RangeBounds};
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt};
use openraft::alias::{EntryOf, LogIdOf, SnapshotMetaOf, SnapshotOf, StoredMembershipOf, VoteOf};
use openraft::entry::RaftEntry;
use openraft::errors::{RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::{RPCOption, RaftNetworkFactory, RaftNetworkV2};
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, VoteRequest, VoteResponse};
use openraft::storage::{
    EntryResponder, IOFlushed, LogState, RaftLogReader, RaftLogStorage, RaftSnapshotBuilder, RaftStateMachine,
};
use openraft::{Config, EntryPayload, SnapshotPolicy};

use crate::workload::{CUT_EVERY, Digest, KEEP, System, Workload, value};

#[derive(Clone, Debug)]
pub struct Value(Bytes);

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

openraft::declare_raft_types!(
    pub Types: D = Value, R = (), Node = (),
);

type Raft = openraft::Raft<Types, Machine>;

/// Three nodes that call each other, the first of which leads.
pub struct Openraft {
    nodes: Vec<Raft>,
    machines: Vec<Machine>,
}

/// To be called in a `LocalSet`.
pub async fn start() -> Openraft {
    let config = Config {
        max_payload_entries: 4096,
        snapshot_policy: SnapshotPolicy::LogsSinceLast(CUT_EVERY),
        max_in_snapshot_log_to_keep: KEEP,
        ..Config::default()
    };
    let config = Arc::new(config.validate().expect("the configuration is valid"));
    let (peers, mut machines) = (Peers::default(), Vec::new());
    for id in 0..3 {
        let machine = Machine::default();
        let raft = Raft::new(id, Arc::clone(&config), peers.clone(), LogStore::default(), machine.clone()).await;
        peers.0.borrow_mut().push(raft.expect("it starts"));
        machines.push(machine);
    }
    let nodes = peers.0.borrow().clone();
    nodes[0].initialize(BTreeMap::from([(0, ()), (1, ()), (2, ())])).await.expect("a new cluster");
    while nodes[0].current_leader().await != Some(0) {
        tokio::task::yield_now().await;
    }
    nodes.iter().for_each(|node| node.runtime_config().tick(false));
    Openraft { nodes, machines }
}

impl System for Openraft {
    async fn run(&mut self, workload: Workload, count: u64) {
        let mut applied = self.machines[0].digest();
        let end = applied.applied + count;
        while applied.applied < end {
            let values = applied.applied + 1..=applied.applied + workload.clients;
            let values = values.map(|number| Value(value(number, workload.size).into()));
            let mut answers = self.nodes[0].client_write_many(values).await.expect("it runs");
            while let Some(answer) = answers.next().await {
                answer.expect("it runs").expect("it leads");
            }
            applied = self.machines[0].digest();
        }
    }

    async fn settle(&mut self) -> [Digest; 3] {
        self.nodes[0].trigger().heartbeat().await.expect("it runs");
        let digests = || [0, 1, 2].map(|node: usize| self.machines[node].digest());
        while digests().iter().any(|digest| *digest != digests()[0]) {
            tokio::task::yield_now().await;
        }
        digests()
    }
}

/// The network: the nodes themselves.
#[derive(Clone, Default)]
struct Peers(Rc<RefCell<Vec<Raft>>>);

struct Peer {
    peers: Peers,
    id: u64,
}

impl Peer {
    fn raft(&self) -> Result<Raft, RPCError<Types>> {
        let raft = self.peers.0.borrow().get(self.id as usize).cloned();
        raft.ok_or_else(|| RPCError::Unreachable(Unreachable::new(&io::Error::other("not yet started"))))
    }
}

fn broken(error: impl std::error::Error + 'static) -> RPCError<Types> {
    RPCError::Unreachable(Unreachable::new(&error))
}

impl RaftNetworkFactory<Types> for Peers {
    type Network = Peer;

    async fn new_client(&mut self, target: u64, _: &()) -> Peer {
        Peer { peers: self.clone(), id: target }
    }
}

impl RaftNetworkV2<Types> for Peer {
    type SnapshotData = ();

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<Types>,
        _: RPCOption,
    ) -> Result<AppendEntriesResponse<Types>, RPCError<Types>> {
        self.raft()?.append_entries(request).await.map_err(broken)
    }

    async fn vote(
        &mut self,
        request: VoteRequest<Types>,
        _: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        self.raft()?.vote(request).await.map_err(broken)
    }

    async fn full_snapshot(
        &mut self,
        _: VoteOf<Types>,
        _: SnapshotOf<Types, ()>,
        _: impl Future<Output = ReplicationClosed> + 'static,
        _: RPCOption,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        Err(StreamingError::Unreachable(Unreachable::new(&io::Error::other("nobody falls behind"))))
    }
}

/// The log, and the vote.
#[derive(Clone, Default)]
struct LogStore(Rc<RefCell<Log>>);

#[derive(Default)]
struct Log {
    entries: VecDeque<EntryOf<Types>>,
    purged: Option<LogIdOf<Types>>,
    vote: Option<VoteOf<Types>>,
}

impl Log {
    /// Index of the first entry.
    fn first(&self) -> u64 {
        self.purged.as_ref().map_or(0, |id| id.index() + 1)
    }
}

impl RaftLogReader<Types> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug>(
        &mut self,
        range: RB,
    ) -> Result<Vec<EntryOf<Types>>, io::Error> {
        let log = self.0.borrow();
        let place = |index: u64| (index.saturating_sub(log.first()) as usize).min(log.entries.len());
        let start = match range.start_bound() {
            Bound::Included(index) => place(*index),
            Bound::Excluded(index) => place(index + 1),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(index) => place(index + 1),
            Bound::Excluded(index) => place(*index),
            Bound::Unbounded => log.entries.len(),
        };
        Ok(log.entries.range(start..end.max(start)).cloned().collect())
    }

    async fn read_vote(&mut self) -> Result<Option<VoteOf<Types>>, io::Error> {
        Ok(self.0.borrow().vote.clone())
    }
}

impl RaftLogStorage<Types> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<Types>, io::Error> {
        let log = self.0.borrow();
        let last = log.entries.back().map(|entry| entry.log_id()).or(log.purged.clone());
        Ok(LogState { last_purged_log_id: log.purged.clone(), last_log_id: last })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &VoteOf<Types>) -> Result<(), io::Error> {
        self.0.borrow_mut().vote = Some(vote.clone());
        Ok(())
    }

    async fn append<I>(&mut self, entries: I, flushed: IOFlushed<Types>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = EntryOf<Types>>,
    {
        self.0.borrow_mut().entries.extend(entries);
        flushed.io_completed(Ok(()));
        Ok(())
    }

    async fn truncate_after(&mut self, last: Option<LogIdOf<Types>>) -> Result<(), io::Error> {
        let mut log = self.0.borrow_mut();
        let keep = last.map_or(0, |id| id.index() + 1).saturating_sub(log.first());
        log.entries.truncate(keep as usize);
        Ok(())
    }

    async fn purge(&mut self, upto: LogIdOf<Types>) -> Result<(), io::Error> {
        let mut log = self.0.borrow_mut();
        let gone = (upto.index() + 1).saturating_sub(log.first()) as usize;
        let gone = gone.min(log.entries.len());
        log.entries.drain(..gone);
        log.purged = Some(upto);
        Ok(())
    }
}

/// The state machine.
#[derive(Clone, Default)]
struct Machine(Rc<RefCell<State>>);

#[derive(Default)]
struct State {
    digest: Digest,
    applied: Option<LogIdOf<Types>>,
    members: StoredMembershipOf<Types>,
}

impl Machine {
    fn digest(&self) -> Digest {
        self.0.borrow().digest
    }

    fn snapshot(&self) -> SnapshotOf<Types, ()> {
        let state = self.0.borrow();
        let meta =
            SnapshotMetaOf::<Types> { last_log_id: state.applied.clone(), last_membership: state.members.clone() };
        SnapshotOf::<Types, ()> { meta, snapshot: () }
    }
}

impl RaftSnapshotBuilder<Types> for Machine {
    type SnapshotData = ();

    async fn build_snapshot(&mut self) -> Result<SnapshotOf<Types, ()>, io::Error> {
        Ok(self.snapshot())
    }
}

impl RaftStateMachine<Types> for Machine {
    type SnapshotData = ();
    type SnapshotBuilder = Self;

    async fn applied_state(&mut self) -> Result<(Option<LogIdOf<Types>>, StoredMembershipOf<Types>), io::Error> {
        let state = self.0.borrow();
        Ok((state.applied.clone(), state.members.clone()))
    }

    async fn apply<S>(&mut self, mut entries: S) -> Result<(), io::Error>
    where
        S: Stream<Item = Result<EntryResponder<Types>, io::Error>> + Unpin,
    {
        while let Some((entry, responder)) = entries.try_next().await? {
            let mut state = self.0.borrow_mut();
            match &entry.payload {
                EntryPayload::Blank => {}
                EntryPayload::Normal(value) => state.digest.apply(&value.0),
                EntryPayload::Membership(members) => {
                    state.members = StoredMembershipOf::<Types>::new(Some(entry.log_id.clone()), members.clone());
                }
            }
            state.applied = Some(entry.log_id);
            drop(state);
            if let Some(responder) = responder {
                responder.send(());
            }
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Self {
        self.clone()
    }

    async fn install_snapshot(&mut self, _: &SnapshotMetaOf<Types>, _: ()) -> Result<(), io::Error> {
        Err(io::Error::other("nobody falls behind"))
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<SnapshotOf<Types, ()>>, io::Error> {
        Ok(None)
    }
}
