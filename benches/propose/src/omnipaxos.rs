//! `omnipaxos` 0.2.4, with its own storage in memory.
//!
//! Driven well: with `batch_size` 1, its default, nothing waits, and it adds the proposals of a round to one message by
//! itself. Each replica has a copy of a value if values are vectors, and shares it if they are shared bytes: both are measured.

use std::fmt::Debug;

use omnipaxos::messages::Message;
use omnipaxos::storage::{Entry, NoSnapshot};
use omnipaxos::util::LogEntry;
use omnipaxos::{ClusterConfig, OmniPaxos, ServerConfig};
use omnipaxos_storage::memory_storage::MemoryStorage;

use crate::trio::{self, Trio};
use crate::workload::{Digest, KEEP};

/// A value.
#[derive(Clone, Debug)]
pub struct Value<B>(B);

impl<B: Clone + Debug> Entry for Value<B> {
    type Snapshot = NoSnapshot;
}

pub struct Node<B: Clone + Debug> {
    paxos: OmniPaxos<Value<B>, MemoryStorage<Value<B>>>,
    outgoing: Vec<Message<Value<B>>>,
    digest: Digest,
}

pub fn start<B: Clone + Debug + AsRef<[u8]> + From<Vec<u8>>>() -> Trio<Node<B>> {
    Trio::new([1, 2, 3].map(|pid| {
        let cluster = ClusterConfig { configuration_id: 1, nodes: vec![1, 2, 3], flexible_quorum: None };
        let server = ServerConfig { pid, leader_priority: 3 - pid as u32, ..ServerConfig::default() };
        let paxos = cluster.build_for_server(server, MemoryStorage::default()).expect("the configuration is valid");
        Node { paxos, outgoing: Vec::new(), digest: Digest::default() }
    }))
}

impl<B: Clone + Debug + AsRef<[u8]>> Node<B> {
    fn apply(&mut self) {
        let decided = self.paxos.get_decided_idx();
        if decided as u64 == self.digest.applied {
            return;
        }
        for entry in self.paxos.read_decided_suffix(self.digest.applied as usize).into_iter().flatten() {
            let LogEntry::Decided(value) = entry else { continue };
            self.digest.apply(value.0.as_ref());
            if self.digest.is_cut_due() && self.paxos.get_pid() == 1 {
                // It refuses if a follower has not come so far: then the next time will do.
                let _ = self.paxos.trim(Some((self.digest.applied - KEEP) as usize));
            }
        }
    }
}

impl<B: Clone + Debug + AsRef<[u8]> + From<Vec<u8>>> trio::Node for Node<B> {
    type Message = Message<Value<B>>;

    fn propose(&mut self, value: Vec<u8>) {
        self.paxos.append(Value(value.into())).expect("it leads");
    }

    fn hear(&mut self, message: Self::Message) {
        self.paxos.handle_incoming(message);
    }

    fn end_round(&mut self, mut send: impl FnMut(usize, Self::Message)) {
        self.apply();
        self.paxos.take_outgoing_messages(&mut self.outgoing);
        self.outgoing.drain(..).for_each(|message| send(message.get_receiver() as usize - 1, message));
    }

    fn tick(&mut self) {
        self.paxos.tick();
    }

    fn leads(&self) -> bool {
        let me = self.paxos.get_pid();
        self.paxos.get_current_leader() == Some((me, true))
    }

    fn digest(&self) -> Digest {
        self.digest
    }
}
