//! A run as the list of what happened to its participants, and the playing of such a list.
//!
//! Whatever the network, the disks and the clocks do, an actor notices only the inputs that it is handed and their order. So a run is
//! written down as [`Step`]s, one an input, and any part of the list is a run as well: one in which the rest did not happen *yet*. Messages
//! left out are under way, timers late, processes slow. A system without bounds on time allows all of that, which is
//! why a promise that breaks in a part of a run is broken, and why single messages can be deleted from a failing run.
//!
//! A message is named by the step that sent it and its place among what that step sent: deleting other steps does not rename it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use base::{NodeId, Time};
use history::{Action, Function, Request};
use proto::{Target, TimerId};
use serde::{Deserialize, Serialize};

use crate::act::Act;
use crate::choices::Stream;
use crate::event::{Event, Who};
use crate::trace::Transcript;
use crate::troupe::Cast;
use crate::world::World;

/// One input of a participant, or one thing that befalls a server. Participants are numbered servers first, then clients.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// A message arrives: the number of the step that sent it times 65536, plus its place; from whom, to whom, and its kind.
    Deliver(u64, u16, u16, String),
    /// A timer fires: whose, and which.
    Timer(u16, u32),
    /// A sync ends, and the server hears of it; or it does not yet.
    Sync(u16, bool),
    /// It hears of it.
    Told(u16),
    /// A participant hears that its connection to another broke, and whether it is certain that nothing got through.
    Lost(u16, u16, bool),
    /// A client is asked for an operation.
    Invoke(u32, Ask),
    /// A client is asked for what an operator asks for, in words; and whom it is to ask.
    Administer(u32, String, Aim),
    /// The time of a client's operation is over.
    GiveUp(u32),
    /// Something befalls a server; with what the disk and the server's random stream were dealt.
    Act(Act, Vec<u32>, Vec<u32>),
}

/// A step of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    /// Names it, for the messages that it sends.
    pub id: u32,
    /// Not before this instant (ns).
    pub at: u64,
    /// What happens.
    pub step: Step,
    /// Whether the participant knows that more inputs are waiting, so that its batch does not end with this one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
}

/// An operation and whom to ask, as plain data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    function: u8,
    key: u32,
    argument: u64,
    expected: u64,
    size: u32,
    aim: Aim,
}

/// Whom a client asks: [`Target`] as plain data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Aim {
    /// Whoever leads.
    Leader,
    /// This server first.
    Node(u16),
    /// Nobody but this server.
    Only(u16),
}

impl Aim {
    fn at(target: Target) -> Aim {
        match target {
            Target::Leader => Aim::Leader,
            Target::Node(node) => Aim::Node(node.0),
            Target::Only(node) => Aim::Only(node.0),
        }
    }

    fn target(self) -> Target {
        match self {
            Aim::Leader => Target::Leader,
            Aim::Node(node) => Target::Node(NodeId(node)),
            Aim::Only(node) => Target::Only(NodeId(node)),
        }
    }
}

impl Ask {
    fn new(request: &Request, target: Target) -> Ask {
        let Request { function, key, argument, expected, size } = *request;
        Ask { function: function as u8, key, argument, expected, size, aim: Aim::at(target) }
    }

    /// Asks this server first.
    pub(crate) fn aim_at(&mut self, node: u16) {
        self.aim = Aim::Node(node);
    }

    fn parts(&self) -> Option<(Request, Target)> {
        let Ask { key, argument, expected, size, .. } = *self;
        let function = Function::from_code(self.function)?;
        Some((Request { function, key, argument, expected, size }, self.aim.target()))
    }
}

/// Where messages of a step are numbered from.
fn first_message(id: u32) -> u64 {
    u64::from(id) << 16
}

/// The step that sent a message.
pub fn sender_of(message: u64) -> u32 {
    (message >> 16) as u32
}

/// The steps so far, if they are written down.
#[derive(Clone, Default)]
pub(crate) struct Log {
    pub(crate) stages: Option<Vec<Stage>>,
    /// Whether this world plays such a list: then nothing happens that is not in it.
    pub(crate) played: bool,
    /// Whether further inputs wait behind the one whose step comes next.
    pub(crate) more: bool,
}

impl World {
    /// Writes down every step from now on.
    pub(crate) fn log_steps(&mut self) {
        self.log.stages = Some(Vec::new());
    }

    /// The steps so far.
    pub(crate) fn take_steps(&mut self) -> Vec<Stage> {
        self.log.stages.take().unwrap_or_default()
    }

    /// Writes a step down that is about to be taken.
    #[inline]
    pub(crate) fn note(&mut self, step: impl FnOnce(&World) -> Step) {
        if self.log.stages.is_some() {
            let step = step(self);
            self.note_down(step);
        }
    }

    fn note_down(&mut self, step: Step) {
        let at = self.core.now.0;
        let more = std::mem::take(&mut self.log.more);
        let Some(stages) = &mut self.log.stages else { return };
        let id = stages.len() as u32 + 1;
        stages.push(Stage { id, at, step, more });
        self.cast.number_messages(first_message(id));
    }

    /// An operation that a client is about to be asked for.
    pub(crate) fn note_invocation(&mut self, client: u32, request: &Request, target: Target) {
        self.log.more = false;
        self.note(|_| Step::Invoke(client, Ask::new(request, target)));
    }

    /// An action that a client is about to be asked for.
    pub(crate) fn note_action(&mut self, client: u32, action: Action, target: Target) {
        self.log.more = false;
        self.note(|_| Step::Administer(client, action.to_string(), Aim::at(target)));
    }

    /// Does something to a server, and writes it down as a step if its actor can notice.
    pub(crate) fn perform(&mut self, act: Act) {
        let noticed = act.server().filter(|node| act.is_noticed() && !self.is_in_vain(&act, NodeId(*node)));
        let (Some(node), true) = (noticed, self.log.stages.is_some()) else { return self.act_out(act) };
        let streams = [Stream::disk(node), Stream::boot(node)];
        let before = streams.map(|stream| self.core.choices.length(stream));
        self.note_down(Step::Act(act.clone(), Vec::new(), Vec::new()));
        let place = self.log.stages.as_ref().map_or(0, Vec::len);
        self.act_out(act);
        let [disk, boot] = [0, 1].map(|i| self.core.choices.since(streams[i], before[i]));
        if let Some(Stage { step: Step::Act(_, d, b), .. }) =
            self.log.stages.as_mut().and_then(|stages| stages.get_mut(place.wrapping_sub(1)))
        {
            (*d, *b) = (disk, boot);
        }
    }
}

/// A lost connection of which `who` has yet to hear.
struct Lost {
    who: Who,
    peer: Who,
    /// Whether nothing got through, unless something under way does.
    unsent: bool,
    under_way: Vec<u64>,
}

/// A world in which only what is asked for happens.
pub(crate) struct Puppet {
    pub(crate) world: World,
    /// What was sent, by name; it may arrive any number of times.
    sent: BTreeMap<u64, (Who, Who, u32)>,
    /// What has arrived at least once.
    arrived: BTreeSet<u64>,
    /// Whether any message like the one that a step names will do.
    loose: bool,
    /// How long a step takes at least.
    tick: Duration,
    /// Whether the batch goes on after the present step.
    more: bool,
    /// Who has yet to hear of which lost connection.
    lost: Vec<Lost>,
    /// Servers whose disks take their time; all others' are done at once.
    slow: Vec<u16>,
}

impl Puppet {
    /// Takes over a world whose servers have booted, and adds so many clients.
    pub(crate) fn new(mut world: World, clients: u32, slow: &[u16], loose: bool, tick: Duration) -> Puppet {
        (0..clients).for_each(|_| _ = world.add_client());
        world.log.played = true;
        let (sent, arrived) = (BTreeMap::new(), BTreeSet::new());
        let mut puppet =
            Puppet { world, sent, arrived, loose, tick, more: false, lost: Vec::new(), slow: slow.to_vec() };
        puppet.gather();
        puppet.world.take_transcript(); // that everybody boots
        puppet
    }

    /// Takes a step, if it can be taken, and says whether it could.
    pub(crate) fn take(&mut self, stage: &Stage) -> bool {
        self.world.cast.number_messages(first_message(stage.id));
        self.world.core.now = (self.world.core.now + self.tick).max(Time(stage.at));
        self.more = stage.more;
        let taken = self.try_take(&stage.step);
        self.gather();
        taken
    }

    fn try_take(&mut self, step: &Step) -> bool {
        let world = &mut self.world;
        match step {
            Step::Deliver(message, from, to, kind) => match self.find(*message, Who(*from), Who(*to), kind) {
                Some(message) => self.deliver(message),
                None => false,
            },
            Step::Timer(who, timer) => self.fire(Who(*who), TimerId(*timer)),
            Step::Sync(who, told) => self.sync(Who(*who), *told),
            Step::Told(who) => {
                let waits = world.core.people.get_mut(usize::from(*who)).and_then(|person| person.held.pop_front());
                waits.map(|news| world.handle(news, self.more)).is_some()
            }
            Step::Lost(who, peer, unsent) => self.lose(Who(*who), Who(*peer), *unsent),
            Step::Invoke(client, ask) => match ask.parts() {
                Some((request, target)) => world.invoke(*client, request, target).is_some(),
                None => false,
            },
            Step::Administer(client, action, aim) => match action.parse::<Action>() {
                Ok(action) => world.administer(*client, action, aim.target()).is_some(),
                Err(_) => false,
            },
            Step::GiveUp(client) => self.give_up(*client),
            Step::Act(act, disk, boot) => self.act(act, disk, boot),
        }
    }

    /// The message of this name; or, if names do not matter, the first like it that has not arrived.
    fn find(&mut self, message: u64, from: Who, to: Who, kind: &str) -> Option<u64> {
        let like = |cast: &dyn Cast, &(a, b, mail): &(Who, Who, u32)| (a, b) == (from, to) && cast.kind(mail) == kind;
        if self.sent.contains_key(&message) && !self.loose {
            return Some(message);
        }
        let cast = &*self.world.cast;
        let exact = self.sent.get(&message).filter(|sent| like(cast, sent)).map(|_| message);
        let mut others = self.sent.iter().filter(|(name, sent)| !self.arrived.contains(name) && like(cast, sent));
        exact.or_else(|| others.next().filter(|_| self.loose).map(|(name, _)| *name))
    }

    fn deliver(&mut self, message: u64) -> bool {
        let Some(&(from, to, mail)) = self.sent.get(&message) else { return false };
        self.arrived.insert(message);
        let world = &mut self.world;
        let mail = world.cast.copy(mail);
        let event = Event::Deliver { from, to, mail };
        world.core.trace.event(world.core.now, event.words());
        if world.core.people[to.index()].up {
            world.handle(event, self.more)
        } else {
            world.put_off(to, event)
        }
        true
    }

    fn fire(&mut self, who: Who, timer: TimerId) -> bool {
        let core = &mut self.world.core;
        let Some(due) = core.timer_due(who, timer).filter(|_| core.people[who.index()].up) else { return false };
        core.now = core.now.max(due);
        core.cancel_timer(who, timer);
        core.trace.event(core.now, Event::Timer { who, timer }.words());
        self.world.tell_step(who, &format!("timer {} fires", timer.0));
        self.world.fire(who, timer, self.more);
        true
    }

    fn sync(&mut self, who: Who, told: bool) -> bool {
        let Some(person) = self.world.core.people.get_mut(who.index()) else { return false };
        if !person.up || !person.disk.is_syncing() {
            return false;
        }
        let life = person.life;
        person.paused = !told;
        self.world.core.trace.event(self.world.core.now, Event::Synced { who, life }.words());
        if self.slow.contains(&who.0) {
            let news = if told { "its disk has synced" } else { "its disk has synced, and it does not know" };
            self.world.tell_step(who, news);
        }
        self.world.synced(who, life);
        self.world.core.people[who.index()].paused = false;
        true
    }

    fn lose(&mut self, who: Who, peer: Who, unsent: bool) -> bool {
        let Some(place) = self.lost.iter().position(|lost| (lost.who, lost.peer) == (who, peer)) else { return false };
        let lost = self.lost.remove(place);
        let unsent = lost.unsent && unsent;
        if unsent {
            // It is told that nothing got through: so nothing may.
            self.sent.retain(|name, _| !lost.under_way.contains(name));
        }
        let up = self.world.core.people[who.index()].up;
        if up {
            let peer_name = self.world.core.address(peer);
            self.world.tell_step(who, &format!("its connection to {peer_name} is lost"));
            self.world.handle(Event::Lost { who, peer, unsent }, self.more);
        }
        up
    }

    fn note_lost(&mut self, who: Who, peer: Who, unsent: bool) {
        let of_link = |&(from, to, _): &(Who, Who, u32)| (from, to) == (who, peer);
        let under_way = self.sent.iter().filter(|(_, sent)| of_link(sent)).map(|(name, _)| *name).collect();
        self.lost.push(Lost { who, peer, unsent, under_way });
    }

    fn give_up(&mut self, client: u32) -> bool {
        let Some((token, sent)) = self.world.core.operations.open(client) else { return false };
        let due = sent + self.world.core.options.operation_timeout;
        self.world.core.now = self.world.core.now.max(due);
        self.world.deadline(token);
        true
    }

    fn act(&mut self, act: &Act, disk: &[u32], boot: &[u32]) -> bool {
        let Some(node) = act.server().filter(|node| usize::from(*node) < self.world.servers()) else { return false };
        if self.world.is_in_vain(act, NodeId(node)) || !self.world.permits(act) {
            return false;
        }
        self.world.core.choices.deal(Stream::disk(node), disk);
        self.world.core.choices.deal(Stream::boot(node), boot);
        self.world.act(act.clone());
        true
    }

    /// Takes what a step has queued out of the queue: messages and news wait until a step asks for them. Disks that are not slow
    /// are done.
    fn gather(&mut self) {
        loop {
            while let Some((_, event)) = self.world.core.queue.pop_until(Time::MAX) {
                match event.unpack() {
                    Event::Deliver { from, to, mail } => {
                        self.world.core.links.arrives(from, to); // nothing is under way that must arrive
                        _ = self.sent.insert(self.world.cast.number_of(mail), (from, to, mail));
                    }
                    Event::Lost { who, peer, unsent } => self.note_lost(who, peer, unsent),
                    _ => {}
                }
            }
            let mut synced = false;
            for who in 0..self.world.core.people.len() as u16 {
                synced |= !self.slow.contains(&who) && self.sync(Who(who), true);
            }
            if !synced || self.world.core.violation.is_some() {
                return;
            }
        }
    }

    /// The name of the message that a step will deliver, from whom to whom it goes, and its kind.
    pub(crate) fn message(&mut self, step: &Step) -> Option<(u64, u16, u16, &'static str)> {
        let Step::Deliver(message, from, to, kind) = step else { return None };
        let name = self.find(*message, Who(*from), Who(*to), kind)?;
        let &(from, to, mail) = self.sent.get(&name)?;
        Some((name, from.0, to.0, self.world.cast.kind(mail)))
    }

    /// The clients that have an operation under way.
    pub(crate) fn waiting(&self) -> Vec<u32> {
        let servers = self.world.servers();
        let clients = 0..(self.world.core.people.len() - servers) as u32;
        clients.filter(|client| self.world.is_waiting(*client)).collect()
    }
}

impl World {
    /// Whether an act changes nothing.
    fn is_in_vain(&self, act: &Act, node: NodeId) -> bool {
        match act {
            Act::Restart(_) => self.is_up(node) && !self.core.people[node.index()].disk.is_about_to_fail(),
            Act::Crash(_) | Act::CrashBetween(..) => !self.is_up(node),
            _ => false,
        }
    }

    /// What is peculiar to steps.
    fn tell_step(&mut self, who: Who, what: &str) {
        if self.core.trace.tells(Transcript::Kinds) {
            self.tell(format!("{}: {what}", self.core.address(who)));
        }
    }

    /// The step that a message's arrival is.
    pub(crate) fn delivery(&self, from: Who, to: Who, mail: u32) -> Step {
        Step::Deliver(self.cast.number_of(mail), from.0, to.0, self.cast.kind(mail).into())
    }
}
