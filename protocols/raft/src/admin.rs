//! What operators ask for: other members (dissertation §4), another leader (§3.10), a snapshot now.

use base::{NodeId, NodeSet, Time};
use history::Action;
use proto::{Address, StateMachine};

use crate::bugs::Planted;
use crate::log::EntryKind;
use crate::marks::Mark;
use crate::message::{Answer, Message};
use crate::progress::Progress;
use crate::replica::{Ctx, Leadership, Replica, Role, answer};

/// Who waits for what he asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Operator {
    pub client: u32,
    pub id: u64,
}

/// A change of members that a leader has been asked for.
#[derive(Clone, Copy, Debug, Hash)]
pub(crate) struct Change {
    target: NodeSet,
    operator: Operator,
    /// When new servers must have caught up.
    until: Time,
}

/// A leader is handing its office over.
#[derive(Clone, Copy, Debug, Hash)]
pub(crate) struct Transfer {
    pub target: NodeId,
    operator: Option<Operator>,
    until: Time,
    /// The target was told to campaign.
    told: bool,
}

/// New servers have this many election timeouts to catch up.
const CATCH_UP: u32 = 10;

impl<S: StateMachine> Replica<S> {
    pub(crate) fn on_admin(&mut self, ctx: Ctx, client: u32, id: u64, action: Action) {
        let operator = Operator { client, id };
        if action == Action::Compact {
            self.take_snapshot(ctx);
            return answer(ctx, client, id, Answer::Done(Default::default()));
        }
        if !self.is_leader() {
            return answer(ctx, client, id, Answer::NotLeader(self.leader));
        }
        match action {
            Action::Members(target) => self.on_change(ctx, operator, target),
            Action::Transfer(target) => self.on_transfer(ctx, operator, target),
            Action::Compact => {}
        }
    }
}

/// Members.
impl<S: StateMachine> Replica<S> {
    /// One change at a time, and none before an entry of this term is committed: until then an earlier leader's change may be
    /// committed or not, and this one's quorums need not meet that one's (Ongaro, raft-dev, 10 July 2015).
    fn on_change(&mut self, ctx: Ctx, operator: Operator, target: NodeSet) {
        let known = NodeSet::first(self.settings.nodes);
        let members = self.log.members();
        let until = ctx.now.monotonic + *self.settings.election_timeout.end() * CATCH_UP;
        let settled = self.log.members_since() <= self.commit && !members.is_joint();
        let Role::Leader(leader) = &mut self.role else { return };
        let ready = self.commit >= leader.term_start || self.settings.has(Planted::ChangesBeforeNoop);
        if target.is_empty() || !target.without(known).is_empty() || leader.transfer.is_some() {
            return answer(ctx, operator.client, operator.id, Answer::Refused);
        }
        if !settled || !ready || leader.change.is_some() {
            return answer(ctx, operator.client, operator.id, Answer::Refused);
        }
        leader.change = Some(Change { target, operator, until });
        self.drive_change(ctx);
    }

    /// Takes the next step of a change once the last one is committed. A joint step is left by whoever leads when it is committed, also
    /// if that is not the leader which was asked: nobody would be, twice over, for a cluster that stays between two memberships.
    pub(crate) fn drive_change(&mut self, ctx: Ctx) {
        let Role::Leader(leader) = &self.role else { return };
        let members = self.log.members();
        let change = leader.change;
        if change.is_none() && !members.is_joint() {
            return;
        }
        if self.log.members_since() > self.commit
            && !(members.is_joint() && self.settings.has(Planted::LeavesJointEarly))
        {
            return;
        }
        if members.is_joint() {
            if change.is_none() {
                ctx.out.mark(Mark::JointLeftByHeir);
            }
            return self.set_members(ctx, members.left());
        }
        let Some(change) = change else { return };
        if members.voters == change.target {
            return self.finish_change(ctx, change);
        }
        let newcomers = change.target.without(members.voters);
        let behind = newcomers.iter().any(|node| leader.progress[node.index()].matched < self.commit);
        if !newcomers.without(members.learners).is_empty() {
            self.set_members(ctx, crate::members::Members { learners: members.learners.or(newcomers), ..members });
        } else if !behind {
            self.set_members(ctx, members.towards(change.target));
        } else if ctx.now.monotonic >= change.until {
            self.give_up_change(ctx, change, newcomers);
        }
    }

    /// The members are what was asked for. A leader that is not among them has nothing more to do.
    fn finish_change(&mut self, ctx: Ctx, change: Change) {
        let Role::Leader(leader) = &mut self.role else { return };
        leader.change = None;
        answer(ctx, change.operator.client, change.operator.id, Answer::Done(Default::default()));
        if !change.target.contains(self.me) {
            ctx.out.mark(Mark::LeaderRemoved);
            self.resign(ctx);
        }
    }

    /// A new server did not catch up: it learns no more.
    fn give_up_change(&mut self, ctx: Ctx, change: Change, newcomers: NodeSet) {
        let Role::Leader(leader) = &mut self.role else { return };
        leader.change = None;
        ctx.out.mark(Mark::ChangeGivenUp);
        answer(ctx, change.operator.client, change.operator.id, Answer::Refused);
        let members = self.log.members();
        self.set_members(ctx, crate::members::Members { learners: members.learners.without(newcomers), ..members });
    }

    /// Adds the entry that makes these the members, which they are from then on.
    fn set_members(&mut self, ctx: Ctx, members: crate::members::Members) {
        let before = self.log.members().all();
        let Role::Leader(leader) = &mut self.role else { return };
        for node in members.all().without(before).iter() {
            // Whatever is still under way from when the server was a member before is of another session.
            let progress = &mut leader.progress[node.index()];
            *progress = Progress::new(self.log.last_index() + 1, ctx.now.monotonic, progress.session + 1);
        }
        ctx.out.label(format!("sets members: {members}"));
        self.append(ctx, 0, [(EntryKind::Members, &members.encode()[..])].into_iter());
        // The new members may have what the old ones had not.
        self.advance_commit(ctx);
    }
}

/// Leadership.
impl<S: StateMachine> Replica<S> {
    fn on_transfer(&mut self, ctx: Ctx, operator: Operator, target: NodeId) {
        let voters = self.log.members().voters;
        let Role::Leader(leader) = &self.role else { return };
        if target == self.me {
            return answer(ctx, operator.client, operator.id, Answer::Done(Default::default()));
        }
        if !voters.contains(target) || leader.transfer.is_some() || leader.change.is_some() {
            return answer(ctx, operator.client, operator.id, Answer::Refused);
        }
        self.begin_transfer(ctx, target, Some(operator));
    }

    fn begin_transfer(&mut self, ctx: Ctx, target: NodeId, operator: Option<Operator>) {
        let until = ctx.now.monotonic + *self.settings.election_timeout.start();
        let Role::Leader(leader) = &mut self.role else { return };
        leader.transfer = Some(Transfer { target, operator, until, told: false });
        self.transferring = self.settings.has(Planted::TransferOutlivesOffice);
        ctx.out.label(format!("hands over to {target} at term {}", self.term));
        self.drive_transfer(ctx);
    }

    /// Tells the target to campaign once it has the whole log, which no longer grows. Goes on as before if that takes an election
    /// timeout: the target may be dead.
    pub(crate) fn drive_transfer(&mut self, ctx: Ctx) {
        let last_index = self.log.last_index();
        let Role::Leader(leader) = &mut self.role else { return };
        let Some(transfer) = &mut leader.transfer else { return };
        if ctx.now.monotonic >= transfer.until {
            let operator = transfer.operator;
            leader.transfer = None;
            self.transferring = false;
            ctx.out.mark(Mark::TransferExpired);
            ctx.out.label(format!("keeps its office at term {}", self.term));
            // The target may have been told, and campaign yet.
            if let Some(Operator { client, id }) = operator {
                answer(ctx, client, id, Answer::LeaderChanged);
            }
        } else if !transfer.told && leader.progress[transfer.target.index()].matched >= last_index {
            transfer.told = true;
            // A follower told to campaign pays no heed to whom it heard: the promise that leases rest on is void for the rest of the term.
            leader.lease_void = true;
            let target = transfer.target;
            // At once: what the target needs is on its own disk.
            ctx.out.send_now(Address::Node(target), Message::TimeoutNow { term: self.term });
        }
    }

    /// The leader asks for an election that this node wins if it can.
    pub(crate) fn on_timeout_now(&mut self, ctx: Ctx, from: NodeId) {
        if !self.is_leader() && self.leader == Some(from) && self.log.members().is_voter(self.me) {
            self.campaign(ctx, true);
        }
    }

    /// Steps down, and lets the most advanced of the others campaign at once.
    fn resign(&mut self, ctx: Ctx) {
        let voters = self.log.members().voters;
        let Role::Leader(leader) = &self.role else { return };
        let best = voters.iter().max_by_key(|node| leader.progress[node.index()].matched);
        if let Some(best) = best.filter(|best| *best != self.me) {
            ctx.out.send_now(Address::Node(best), Message::TimeoutNow { term: self.term });
        }
        self.follow(ctx, self.term);
    }
}

/// What becomes of operators when a leader loses its office: to whom, as far as is known.
pub(crate) fn dismiss_operators(ctx: Ctx, leader: &Leadership, heir: Option<NodeId>) {
    if let Some(Change { operator: Operator { client, id }, .. }) = leader.change {
        answer(ctx, client, id, Answer::LeaderChanged);
    }
    if let Some(Transfer { target, operator: Some(Operator { client, id }), .. }) = leader.transfer {
        let handed_over = heir == Some(target);
        let told = if handed_over { Answer::Done(Default::default()) } else { Answer::LeaderChanged };
        answer(ctx, client, id, told);
    }
}
