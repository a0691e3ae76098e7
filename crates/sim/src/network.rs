//! The network between participants: latency with a tail, loss, duplication, and rules for single links.

use std::time::Duration;

use base::{Rng, Seed, Time};
use fault::LinkRule;
use serde::{Deserialize, Serialize};

use crate::choices::{Choices, Draws, Stream};
use crate::event::Who;
use crate::trigger::{focus_of, word};

/// How the network behaves where no rule says otherwise. Messages on a link overtake each other unless `fifo`, and those
/// under way when their receiver crashes reach its next life: stronger than TCP, which would lose them with the connection.
#[derive(Clone, Debug)]
pub struct Network {
    /// The least and most time that a message takes; uniform between the two.
    pub latency: (Duration, Duration),
    /// The share of messages that take longer, and up to how long.
    pub tail: (f64, Duration),
    /// The share of messages that are lost.
    pub loss: f64,
    /// The share of messages between servers that arrive twice. A client has a connection of its own (TCP), which
    /// repeats nothing: a protocol without sessions may rely on that.
    pub duplicate: f64,
    /// Whether the messages of a link arrive in the order in which they were sent.
    pub fifo: bool,
    /// The share of messages between servers that the network remembers, to bring one again much later
    /// ([`Act::Replay`](crate::Act::Replay)).
    pub remembered: f64,
    /// Where participants are, if not all in one place.
    pub regions: Option<Regions>,
    /// Which messages between servers come late, beside those of the tail.
    pub late: Option<Late>,
}

/// Some kinds of messages come late, all others on time: what a server hears is then as it was, of one thing, and as it is, of others.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Late {
    /// Which of eight groups of kinds, from 1.
    pub focus: u8,
    /// The share of them.
    pub share: f64,
    /// How much later, at most.
    pub most: Duration,
}

impl Late {
    fn is_about(self, kind: &str) -> bool {
        focus_of(word(kind)) == self.focus
    }
}

/// Participants far from each other: server i, and client i, is in region i mod `count`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Regions {
    /// How many; 0 is one.
    pub count: u16,
    /// How much longer a message between neighbouring regions takes; n times as long to the n-th, counted round the shorter way.
    pub apart: Duration,
}

impl Regions {
    fn detour(self, servers: usize, from: Who, to: Who) -> Duration {
        let count = usize::from(self.count.max(1));
        let region = |who: Who| who.index().checked_sub(servers).unwrap_or(who.index()) % count;
        let steps = region(from).abs_diff(region(to));
        self.apart * steps.min(count - steps) as u32
    }
}

impl Network {
    /// A network that delivers everything once, in 1 to 10 ms, in any order.
    pub fn reliable() -> Self {
        Network {
            latency: (Duration::from_millis(1), Duration::from_millis(10)),
            tail: (0.0, Duration::ZERO),
            loss: 0.0,
            duplicate: 0.0,
            fifo: false,
            remembered: 0.0,
            regions: None,
            late: None,
        }
    }

    /// A bad network: 1 % of messages take up to 200 ms, 2 % are lost, 1 % arrive twice.
    pub fn lossy() -> Self {
        Network { tail: (0.01, Duration::from_millis(200)), loss: 0.02, duplicate: 0.01, ..Self::reliable() }
    }
}

impl Default for Network {
    fn default() -> Self {
        Self::reliable()
    }
}

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It arrives then.
    Arrives(Time),
    /// It arrives at both times.
    Twice(Time, Time),
    /// It is lost by chance.
    Lost,
    /// A rule forbids it.
    Cut,
}

/// The state of all links: rules in force, and what order needs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Links {
    /// How many of the participants are servers; they come first.
    servers: usize,
    /// How many participants there is room for.
    width: usize,
    /// Index into `rules` by `from * width + to`; 0 is no rule.
    by_link: Vec<u16>,
    rules: Vec<LinkRule>,
    in_force: usize,
    /// The kinds of messages that are dropped on a link. For scripts.
    filters: Vec<(Who, Who, String)>,
    /// When the last message of a link arrives, if order is kept.
    last: Vec<Time>,
    /// By link, whether a message has passed since it was last reported lost.
    open: Vec<bool>,
    /// By link, how many messages are under way.
    under_way: Vec<u32>,
    /// By link, how many messages rules have dropped and delayed.
    bitten: Vec<(u64, u64)>,
    /// Messages of the past, by slot in the troupe's keeping; the oldest is overwritten.
    memory: Vec<(Who, Who, u32)>,
    /// How many messages were ever put there.
    memorised: usize,
    /// The kinds of messages between servers, as they came up.
    kinds: Vec<&'static str>,
}

/// How many messages a network remembers at once: a few seconds of a small cluster, at a share of one in twenty.
const MEMORY: usize = 64;

impl Links {
    /// The links of a world with so many servers.
    pub(crate) fn new(servers: usize) -> Self {
        let mut links = Links { servers, ..Links::default() };
        links.make_room(servers);
        links
    }

    /// Makes room for so many participants; rules stay. Room is made for twice as many, so that one after another costs little.
    pub(crate) fn make_room(&mut self, people: usize) {
        if people > self.width {
            self.resize(people.max(2 * self.width));
        }
    }

    fn resize(&mut self, width: usize) {
        let old = std::mem::take(self);
        *self = Links {
            servers: old.servers,
            width,
            by_link: vec![0; width * width],
            rules: old.rules,
            in_force: old.in_force,
            filters: old.filters,
            last: vec![Time::ZERO; width * width],
            open: vec![false; width * width],
            under_way: vec![0; width * width],
            bitten: vec![(0, 0); width * width],
            memory: old.memory,
            memorised: old.memorised,
            kinds: old.kinds,
        };
        for from in 0..old.width {
            for to in 0..old.width {
                self.by_link[from * width + to] = old.by_link[from * old.width + to];
                self.last[from * width + to] = old.last[from * old.width + to];
                self.open[from * width + to] = old.open[from * old.width + to];
                self.under_way[from * width + to] = old.under_way[from * old.width + to];
                self.bitten[from * width + to] = old.bitten[from * old.width + to];
            }
        }
    }

    /// Puts a rule in force on one direction of a link, or lifts it.
    pub(crate) fn set(&mut self, from: Who, to: Who, rule: Option<LinkRule>) {
        let place = from.index() * self.width + to.index();
        let index = match rule {
            None => 0,
            Some(rule) => {
                1 + self.rules.iter().position(|r| *r == rule).unwrap_or_else(|| {
                    self.rules.push(rule);
                    self.rules.len() - 1
                })
            }
        };
        self.in_force -= usize::from(self.by_link[place] != 0);
        self.in_force += usize::from(index != 0);
        self.by_link[place] = index as u16;
    }

    /// Drops messages of a kind on one direction of a link.
    pub(crate) fn filter(&mut self, from: Who, to: Who, kind: &str) {
        self.filters.push((from, to, kind.to_owned()));
    }

    /// Lifts every rule and filter.
    pub(crate) fn heal(&mut self) {
        self.by_link.fill(0);
        self.in_force = 0;
        self.filters.clear();
    }

    /// How many messages rules have dropped and delayed on one direction of a link.
    pub(crate) fn bitten(&self, from: Who, to: Who) -> (u64, u64) {
        self.bitten[from.index() * self.width + to.index()]
    }

    /// Whether nothing sent by `from` reaches `to`.
    pub(crate) fn is_cut(&self, from: Who, to: Who) -> bool {
        self.rule(from, to).is_some_and(|rule| rule.cut)
    }

    /// Whether the network keeps a copy of a message that leaves.
    #[inline]
    pub(crate) fn keeps(&self, net: &Network, choices: &mut Choices, from: Who, to: Who) -> bool {
        self.is_between_servers(from, to) && choices.flip(Stream::network(from.0), net.remembered)
    }

    /// Keeps a copy. Returns the slot of the one that is forgotten for it.
    pub(crate) fn memorise(&mut self, from: Who, to: Who, mail: u32) -> Option<u32> {
        let place = self.memorised % MEMORY;
        self.memorised += 1;
        match self.memory.get_mut(place) {
            Some(old) => Some(std::mem::replace(old, (from, to, mail)).2),
            None => {
                self.memory.push((from, to, mail));
                None
            }
        }
    }

    /// A message of the past, counted round.
    pub(crate) fn remembered(&self, which: u32) -> Option<(Who, Who, u32)> {
        self.memory.get(which as usize % self.memory.len().max(1)).copied()
    }

    /// A message of the past for this participant, if there is one: as good as any that was drawn.
    pub(crate) fn remembered_for(&self, who: Who, which: u32) -> u32 {
        let count = self.memory.len() as u32;
        let all = (0..count).map(|step| which.wrapping_add(step));
        all.into_iter().find(|place| self.memory[(*place % count) as usize].1 == who).unwrap_or(which)
    }

    /// Notes that there are messages of this kind between servers.
    #[inline]
    pub(crate) fn note_kind(&mut self, from: Who, kind: &'static str) {
        if from.index() < self.servers && !self.kinds.contains(&kind) {
            self.kinds.push(kind);
        }
    }

    /// The kinds of messages between servers so far.
    pub(crate) fn kinds(&self) -> &[&'static str] {
        &self.kinds
    }

    /// How many messages of the past are kept.
    pub(crate) fn memories(&self) -> usize {
        self.memory.len()
    }

    #[inline]
    fn is_between_servers(&self, from: Who, to: Who) -> bool {
        from.index().max(to.index()) < self.servers
    }

    /// A message leaves.
    #[inline]
    pub(crate) fn leaves(&mut self, from: Who, to: Who) {
        self.under_way[from.index() * self.width + to.index()] += 1;
    }

    /// A message arrives, whoever takes it.
    #[inline]
    pub(crate) fn arrives(&mut self, from: Who, to: Who) {
        let count = &mut self.under_way[from.index() * self.width + to.index()];
        *count = count.saturating_sub(1);
    }

    /// Closes a link, and says whether nothing sent over it since it was last closed was delivered, or can still be.
    pub(crate) fn close(&mut self, from: Who, to: Who) -> bool {
        let passed = self.set_open(from, to, false);
        !passed && self.under_way[from.index() * self.width + to.index()] == 0
    }

    /// Says that a message passed, and whether it is the first since the link was lost.
    pub(crate) fn set_open(&mut self, from: Who, to: Who, open: bool) -> bool {
        std::mem::replace(&mut self.open[from.index() * self.width + to.index()], open)
    }

    /// Decides what becomes of a message of `kind` that leaves at `at`.
    #[inline]
    pub(crate) fn fate(
        &mut self,
        net: &Network,
        choices: &mut Choices,
        from: Who,
        to: Who,
        kind: &str,
        at: Time,
    ) -> Fate {
        let mut draws = choices.draws(Stream::network(from.0));
        let mut at = at;
        if self.in_force > 0
            && let Some(rule) = self.rule(from, to)
        {
            let bitten = &mut self.bitten[from.index() * self.width + to.index()];
            if rule.cut {
                bitten.0 += 1;
                return Fate::Cut;
            }
            // The rule is the one that relays of the real testbed obey, so it draws from a generator of its own.
            let mut rng = Rng::new(Seed(u64::from(draws.choose(u32::MAX))));
            match rule.fate(&mut rng) {
                fault::Fate::Deliver { after } => {
                    bitten.1 += u64::from(!after.is_zero());
                    at += after;
                }
                fault::Fate::Drop => {
                    bitten.0 += 1;
                    return Fate::Lost;
                }
            }
        }
        if !self.filters.is_empty() && self.is_filtered(from, to, kind) {
            return Fate::Cut;
        }
        if draws.flip(net.loss) {
            return Fate::Lost;
        }
        if let Some(late) = net.late
            && self.is_between_servers(from, to)
            && late.is_about(kind)
            && draws.flip(late.share)
        {
            at += Duration::from_nanos(draws.between(0, nanos(late.most)));
        }
        let first = self.arrival(net, &mut draws, from, to, at);
        if self.is_between_servers(from, to) && draws.flip(net.duplicate) {
            return Fate::Twice(first, self.arrival(net, &mut draws, from, to, at));
        }
        Fate::Arrives(first)
    }

    #[inline]
    fn arrival(&mut self, net: &Network, draws: &mut Draws<'_>, from: Who, to: Who, at: Time) -> Time {
        let (least, most) = (nanos(net.latency.0), nanos(net.latency.1));
        let latency = match draws.flip(net.tail.0) {
            true => draws.between(most, nanos(net.tail.1).max(most)),
            false => draws.between(least, most),
        };
        let mut at = Time(at.0 + latency);
        if let Some(regions) = net.regions {
            at += regions.detour(self.servers, from, to);
        }
        if !net.fifo {
            return at;
        }
        let last = &mut self.last[from.index() * self.width + to.index()];
        *last = at.max(Time(last.0 + 1));
        *last
    }

    fn rule(&self, from: Who, to: Who) -> Option<LinkRule> {
        match self.by_link[from.index() * self.width + to.index()] {
            0 => None,
            index => Some(self.rules[usize::from(index) - 1]),
        }
    }

    fn is_filtered(&self, from: Who, to: Who, kind: &str) -> bool {
        self.filters.iter().any(|(a, b, k)| (*a, *b) == (from, to) && k == kind)
    }
}

#[inline]
fn nanos(span: Duration) -> u64 {
    span.as_secs() * 1_000_000_000 + u64::from(span.subsec_nanos())
}

/// See [`Draws::between`].
#[inline]
pub(crate) fn between(choices: &mut Choices, stream: Stream, least: u64, most: u64) -> u64 {
    choices.draws(stream).between(least, most)
}
