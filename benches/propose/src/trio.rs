//! Three replicas of a system that brings no runtime of its own, the first of which leads, and the messages between them.

use crate::workload::{Digest, System, Workload, value};

/// A replica.
pub trait Node {
    type Message;

    /// Takes a proposal.
    fn propose(&mut self, value: Vec<u8>);

    /// Takes a message.
    fn hear(&mut self, message: Self::Message);

    /// Nothing more comes in this round: does what there is to do and sends, each message to a node.
    fn end_round(&mut self, send: impl FnMut(usize, Self::Message));

    /// Time passes. Not while measuring.
    fn tick(&mut self);

    fn leads(&self) -> bool;

    fn digest(&self) -> Digest;
}

pub struct Trio<N: Node> {
    nodes: [N; 3],
    /// Who has taken something since it ended a round.
    touched: [bool; 3],
    /// What is delivered in the next round, and to whom.
    mail: Vec<(usize, N::Message)>,
    /// What is being delivered. Empty between rounds; keeps its memory.
    delivered: Vec<(usize, N::Message)>,
}

impl<N: Node> Trio<N> {
    /// Lets time pass for the first until it leads, and for the others as far as it needs them.
    pub fn new(nodes: [N; 3]) -> Self {
        let mut trio = Trio { nodes, touched: [true; 3], mail: Vec::new(), delivered: Vec::new() };
        while !trio.nodes[0].leads() {
            trio.tick();
        }
        trio
    }

    fn tick(&mut self) {
        self.nodes.iter_mut().for_each(N::tick);
        self.touched = [true; 3];
        self.round();
        while !self.mail.is_empty() {
            self.round();
        }
    }

    fn round(&mut self) {
        self.end_rounds();
        let mut delivered = std::mem::replace(&mut self.mail, std::mem::take(&mut self.delivered));
        for (to, message) in delivered.drain(..) {
            self.touched[to] = true;
            self.nodes[to].hear(message);
        }
        self.delivered = delivered;
        self.end_rounds();
    }

    fn end_rounds(&mut self) {
        for (node, touched) in self.nodes.iter_mut().zip(&mut self.touched) {
            if std::mem::take(touched) {
                node.end_round(|to, message| self.mail.push((to, message)));
            }
        }
    }
}

impl<N: Node> System for Trio<N> {
    async fn run(&mut self, workload: Workload, count: u64) {
        let mut applied = self.nodes[0].digest().applied;
        let (mut proposed, end) = (applied, applied + count);
        while applied < end {
            while proposed < applied + workload.clients {
                proposed += 1;
                self.touched[0] = true;
                self.nodes[0].propose(value(proposed, workload.size));
            }
            self.round();
            applied = self.nodes[0].digest().applied;
        }
    }

    async fn settle(&mut self) -> [Digest; 3] {
        self.tick();
        [0, 1, 2].map(|node| self.nodes[node].digest())
    }
}
