//! `raft` 0.7.0 (raft-rs, the Raft of TiKV): its raw node, with its own storage in memory.
//!
//! Driven well: `batch_append`, so that the proposals of a round travel in one message; no limit on the size of messages; followers hear of a
//! commit with the next append, not in a message of its own; what it would log is compiled out. Values are shared bytes.

use raft::eraftpb::Message;
use raft::storage::MemStorage;
use raft::{Config, RawNode, StateRole};

use crate::trio::{self, Trio};
use crate::workload::{Digest, KEEP};

pub struct Node {
    id: u64,
    raw: RawNode<MemStorage>,
    digest: Digest,
}

pub fn start() -> Trio<Node> {
    Trio::new([1, 2, 3].map(|id| {
        let storage = MemStorage::new_with_conf_state((vec![1, 2, 3], vec![]));
        let config = Config {
            batch_append: true,
            skip_bcast_commit: true,
            max_size_per_msg: u64::MAX,
            max_inflight_msgs: 1024,
            ..Config::new(id)
        };
        let raw = RawNode::new(&config, storage, &slog::Logger::root(slog::Discard, slog::o!()));
        Node { id, raw: raw.expect("the configuration is valid"), digest: Digest::default() }
    }))
}

impl Node {
    fn apply(&mut self, entries: Vec<raft::eraftpb::Entry>) {
        for entry in entries.iter().filter(|entry| !entry.data.is_empty()) {
            self.digest.apply(&entry.data);
            if self.digest.is_cut_due() {
                self.raw.store().wl().compact(entry.index - KEEP).expect("it is applied");
            }
        }
    }
}

impl trio::Node for Node {
    type Message = Message;

    fn propose(&mut self, value: Vec<u8>) {
        self.raw.propose(Vec::new(), value).expect("it leads");
    }

    fn hear(&mut self, message: Message) {
        self.raw.step(message).expect("an honest message");
    }

    fn end_round(&mut self, mut send: impl FnMut(usize, Message)) {
        let mut send_all = |messages: Vec<Message>| {
            messages.into_iter().for_each(|message| send(message.to as usize - 1, message));
        };
        while self.raw.has_ready() {
            let mut ready = self.raw.ready();
            send_all(ready.take_messages());
            self.apply(ready.take_committed_entries());
            let mut store = self.raw.store().wl();
            store.append(ready.entries()).expect("entries follow one another");
            if let Some(state) = ready.hs() {
                store.set_hardstate(state.clone());
            }
            drop(store);
            send_all(ready.take_persisted_messages());
            let mut light = self.raw.advance(ready);
            if let Some(commit) = light.commit_index() {
                self.raw.store().wl().mut_hard_state().set_commit(commit);
            }
            send_all(light.take_messages());
            self.apply(light.take_committed_entries());
            self.raw.advance_apply();
        }
    }

    fn tick(&mut self) {
        if self.raw.raft.state == StateRole::Leader {
            (0..self.raw.raft.heartbeat_timeout()).for_each(|_| _ = self.raw.tick());
        } else if self.id == 1 {
            self.raw.campaign().expect("it may");
        }
    }

    fn leads(&self) -> bool {
        self.raw.raft.state == StateRole::Leader && self.raw.raft.commit_to_current_term()
    }

    fn digest(&self) -> Digest {
        self.digest
    }
}
