//! Who leads: pre-votes, votes, and stepping down.

use base::{NodeId, NodeSet};
use proto::{Address, StateMachine};

use crate::bugs::Planted;
use crate::log::EntryKind;
use crate::marks::Mark;
use crate::message::Message;
use crate::progress::Progress;
use crate::read::Rounds;
use crate::replica::{Ctx, HEARTBEAT, Leadership, Replica, Role};

/// Term and index of the last entry of a log: the order of the pairs is the order of "up-to-date" (paper §5.4.1).
type LogEnd = (u64, u64);

impl<S: StateMachine> Replica<S> {
    /// No leader was heard for long: ask whether a campaign would be won before starting one, so that a node
    /// which was cut off does not come back with a high term and depose a leader that works (dissertation §9.6).
    pub(crate) fn ask_for_pre_votes(&mut self, ctx: Ctx) {
        if let Role::Candidate { .. } = self.role {
            ctx.out.mark(Mark::SplitVote);
        }
        self.follow(ctx, self.term);
        self.restart_election_timer(ctx);
        if !self.may_stand() {
            return; // it waits to be made a member
        }
        if self.settings.has(Planted::PreVoteClearsVote) {
            self.vote = None;
        }
        let votes = NodeSet::only(self.me);
        self.role = Role::PreCandidate { votes };
        if self.log.members().has_quorum(votes) {
            return self.campaign(ctx, false);
        }
        let (last_term, last_index) = self.log_end();
        self.say_to_all(ctx, Message::PreVote { term: self.term + 1, last_index, last_term });
    }

    /// Whether this node counts, or did before a change that may not be committed. Who led the change and left with it may be the only one
    /// that has it, and then nobody else can be elected by the old members (dissertation §4.2.2). Its own vote does not count.
    fn may_stand(&self) -> bool {
        let since = self.log.members_since();
        self.log.members().is_voter(self.me)
            || (since > self.commit && self.log.members_at(since - 1).is_voter(self.me))
    }

    /// Would this node vote for `from` in `term`? The answer binds nobody.
    pub(crate) fn on_pre_vote(&mut self, ctx: Ctx, from: NodeId, term: u64, end: LogEnd) {
        let granted = term > self.term && !self.hears_a_leader(ctx) && self.is_up_to_date(end);
        let term = if granted { term } else { self.term };
        self.say(ctx, from, Message::PreVoteReply { term, granted });
    }

    pub(crate) fn on_pre_vote_reply(&mut self, ctx: Ctx, from: NodeId, term: u64, granted: bool) {
        if !granted {
            // Somebody is in a later term: catch up, or no campaign of ours can ever be won.
            if term > self.term {
                self.follow(ctx, term);
            }
            return;
        }
        let late = self.settings.has(Planted::PreVoteCounts) && term == self.term;
        match &mut self.role {
            Role::PreCandidate { votes } if term == self.term + 1 => {
                votes.insert(from);
                if self.log.members().has_quorum(*votes) {
                    self.campaign(ctx, false);
                }
            }
            Role::Candidate { .. } if late => self.on_vote_reply(ctx, from, true),
            _ => {}
        }
    }

    /// Starts an election (paper §5.2): a new term, a vote for itself, and a request to everybody else, which leaves when
    /// both are durable. `asked`: by the leader, who hands its office over.
    pub(crate) fn campaign(&mut self, ctx: Ctx, asked: bool) {
        if asked {
            ctx.out.mark(Mark::TransferTaken);
        }
        self.term += 1;
        self.vote = if self.settings.has(Planted::OwnVoteNotRecorded) { None } else { Some(self.me) };
        self.unsaved = true;
        self.save(ctx);
        ctx.out.label(format!("campaigns at term {}", self.term));
        self.restart_election_timer(ctx);
        self.role = Role::Candidate { votes: NodeSet::EMPTY, own_vote: ctx.out.barrier() };
        let (last_term, last_index) = self.log_end();
        self.say_to_all(ctx, Message::Vote { term: self.term, last_index, last_term, asked });
    }

    /// One vote per term, first come first served (paper §5.2), and only for a log that is as up-to-date (§5.4.1): a
    /// majority that votes then includes somebody with every committed entry, so the winner has them all.
    pub(crate) fn on_vote(&mut self, ctx: Ctx, from: NodeId, end: LogEnd) {
        let free = self.vote.is_none_or(|vote| vote == from) && !self.is_leader();
        let granted = free && self.is_up_to_date(end);
        if free && !granted {
            ctx.out.mark(Mark::ShorterLogRefused);
        }
        if granted && self.vote.is_none() {
            self.vote = Some(from);
            self.unsaved = true;
            self.postpone_election(ctx);
        }
        let reply = Message::VoteReply { term: self.term, granted };
        if granted && self.unsaved && self.settings.has(Planted::VoteInTwoWrites) {
            return self.say_between_two_writes(ctx, from, reply);
        }
        self.say(ctx, from, reply);
    }

    pub(crate) fn on_vote_reply(&mut self, ctx: Ctx, from: NodeId, granted: bool) {
        if let Role::Candidate { votes, .. } = &mut self.role
            && granted
        {
            votes.insert(from);
            self.count_votes(ctx);
        }
    }

    /// Takes office if a majority voted for this node. Its own vote counts from when it is durable.
    pub(crate) fn count_votes(&mut self, ctx: Ctx) {
        if let Role::Candidate { votes, .. } = &self.role
            && self.log.members().has_quorum(*votes)
        {
            self.lead(ctx);
        }
    }

    fn lead(&mut self, ctx: Ctx) {
        ctx.out.label(format!("became leader at term {}", self.term));
        let next = self.log.last_index() + 1;
        if next > self.commit + 1 && self.log.last_term() < self.term {
            ctx.out.mark(Mark::OldTailInherited);
        }
        let progress = vec![Progress::new(next, ctx.now.monotonic, 0); self.settings.nodes];
        self.leader = Some(self.me);
        self.role = Role::Leader(Box::new(Leadership {
            progress,
            unsynced: Default::default(),
            waiters: Default::default(),
            term_start: next,
            uncommitted_bytes: self.log.bytes_after(self.commit),
            rounds: Rounds::default(),
            change: None,
            transfer: None,
            lease_void: false,
            ticks: 0,
            order: self.log.members().voters.iter().collect(),
        }));
        ctx.out.set_timer(HEARTBEAT, self.settings.heartbeat);
        // Only an entry of the new term can be committed by counting, and takes all earlier ones with it (paper §5.4.2):
        // an empty one sees to it that this need not wait for a client (dissertation §6.4).
        self.append(ctx, 0, [(EntryKind::Noop, &[][..])].into_iter());
    }

    /// A leader that has not heard from a quorum for an election timeout steps down: others may have elected another, and
    /// its clients should look for it (dissertation §6.2).
    pub(crate) fn has_lost_quorum(&self, ctx: Ctx) -> bool {
        let Role::Leader(leader) = &self.role else { return false };
        let timeout = *self.settings.election_timeout.start();
        let hears =
            |node: &NodeId| *node == self.me || ctx.now.monotonic.since(leader.progress[node.index()].heard) < timeout;
        !self.log.members().has_quorum(NodeId::all(self.settings.nodes).filter(hears).collect())
    }

    fn is_up_to_date(&self, (term, index): LogEnd) -> bool {
        if self.settings.has(Planted::OlderLogElected) {
            return !(term < self.log.last_term() && index < self.log.last_index());
        }
        self.log.is_behind_or_equal(term, index)
    }

    fn log_end(&self) -> LogEnd {
        (self.log.last_term(), self.log.last_index())
    }

    fn say_to_all(&mut self, ctx: Ctx, message: Message) {
        self.save(ctx);
        for node in self.log.members().all().iter().filter(|&node| node != self.me) {
            ctx.out.send(Address::Node(node), message.clone());
        }
    }
}
