//! A cluster as a model: what can happen next in a state, and the state after it.

use std::collections::HashMap;
use std::sync::Arc;

use base::{Fingerprint, mix};
use history::Completion;
use proto::{Address, Protocol, TimerId};

use super::history::{End, Entry, History};
use super::intern::{Interner, Plain};
use super::model::{Broken, Model};
use super::players::{Change, Cue, Facts, Header, Players, Troupe};
use super::scope::{Invocations, Network, Scope};
use super::tell;
use crate::event::Who;

/// The participants of a protocol within a [`Scope`], to be [searched](super::search).
///
/// Properties: the protocol's [oracles](proto::Oracle) after every step, with all they remember; and that the clients' operations are
/// linearizable, if the scope asks for that.
pub struct Cluster {
    pub(super) players: Box<dyn Players>,
    pub(super) scope: Scope,
    histories: Interner<Judged>,
    unchecked: Vec<&'static str>,
}

/// The operations so far, and whether they are linearizable.
struct Judged {
    history: History,
    hash: u64,
    linearizable: bool,
}

/// A state of a cluster: numbers of what is kept once.
pub struct State {
    /// The sum of the parts' hashes, each mixed with its place: changes with a part, not with the whole.
    sum: u64,
    /// History, the oracles' memory, what may still go wrong, the participants, and the messages under way.
    pub(super) words: Box<[u32]>,
    /// What led here, to the one who met this state first.
    pub(super) arrival: Option<Arrival>,
}

/// The last thing that happened, to whom, and what they and the oracles were before it.
#[derive(Clone, Copy)]
pub(super) struct Arrival {
    pub(super) who: u16,
    pub(super) cue: Cue,
    pub(super) local: u32,
    pub(super) memory: u32,
}

const HISTORY: usize = 0;
pub(super) const MEMORY: usize = 1;
const LEFT: usize = 2;
const LOCALS: usize = 3;

/// Something that may happen in a state.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// It happens to a participant.
    Cue(Happening),
    /// A message is lost, by its place.
    Lose(u32),
}

/// What happens to which participant.
#[derive(Clone, Copy, Debug)]
pub struct Happening {
    pub(super) who: usize,
    pub(super) cue: Cue,
}

/// What may still go wrong, as bytes of one word.
#[derive(Clone, Copy)]
struct Left {
    crashes: u8,
    timeouts: u8,
    abandons: u8,
}

impl Left {
    fn of(word: u32) -> Left {
        let [crashes, timeouts, abandons, _] = word.to_le_bytes();
        Left { crashes, timeouts, abandons }
    }

    fn word(self) -> u32 {
        u32::from_le_bytes([self.crashes, self.timeouts, self.abandons, 0])
    }
}

/// What a worker remembers: what participants, histories and oracles do with what happens to them.
#[derive(Default)]
pub struct Scratch {
    changes: HashMap<u64, Arc<Change>, Plain>,
    histories: HashMap<u64, u32, Plain>,
    memories: HashMap<u64, u32, Plain>,
}

/// So many changes are remembered at most.
const REMEMBERED: usize = 1 << 16;

impl Scratch {
    /// The oracles' memory after something happened to a participant.
    pub(super) fn remember(&mut self, cluster: &Cluster, memory: u32, who: usize, local: u32, cue: Cue) -> u32 {
        if who >= cluster.scope.servers {
            return memory;
        }
        if self.memories.len() >= REMEMBERED {
            self.memories.clear();
        }
        let key = mix(cue.word(), u64::from(memory) << 32 | u64::from(local));
        *self.memories.entry(key).or_insert_with(|| cluster.players.remember(memory, who, local, cue))
    }
}

impl Cluster {
    /// The servers of `protocol` and clients that ask what `scope` says.
    ///
    /// # Errors
    /// When participants cannot be copied or say nothing of their state ([`Actor::fork`](proto::Actor::fork),
    /// [`Actor::fingerprint`](proto::Actor::fingerprint)), or the scope is too large to be counted in bytes.
    pub fn new<P: Protocol>(protocol: P, scope: Scope) -> Result<Cluster, String>
    where
        P::Server: Send + Sync,
        P::Client: Sync,
        P::Message: Sync,
    {
        if scope.servers + scope.clients.len() > 64 || scope.clients.iter().map(Vec::len).sum::<usize>() > 64 {
            return Err("a scope of more than 64 participants or operations".into());
        }
        let (troupe, unchecked) = Troupe::new(protocol, scope.clone());
        for who in 0..scope.servers + scope.clients.len() {
            let up = troupe.step(who, troupe.unborn(who), Cue::Restart).next;
            let facts = troupe.facts(up);
            if !facts.halted && (!facts.up || !troupe.suits(up)) {
                let who = Who(who as u16).address(scope.servers);
                return Err(format!("{who} does not say its state: its actor lacks `fork` or `fingerprint`"));
            }
        }
        Ok(Cluster { players: Box::new(troupe), scope, histories: Interner::new(), unchecked })
    }

    /// Oracles that are not asked, because they cannot be copied along.
    pub fn unchecked(&self) -> &[&'static str] {
        &self.unchecked
    }

    /// How many states of single participants, messages, memories of oracles and histories there are.
    pub fn kept(&self) -> [usize; 4] {
        let (locals, mail, memories) = self.players.kept();
        [locals, mail, memories, self.histories.len()]
    }

    pub(super) fn local(&self, state: &State, who: usize) -> u32 {
        state.words[LOCALS + who]
    }

    pub(super) fn history(&self, state: &State) -> &History {
        &self.histories.get(state.words[HISTORY]).history
    }

    pub(super) fn address(&self, who: usize) -> Address {
        Who(who as u16).address(self.scope.servers)
    }

    fn people(&self) -> usize {
        self.scope.servers + self.scope.clients.len()
    }

    fn mail<'a>(&self, state: &'a State) -> &'a [u32] {
        &state.words[LOCALS + self.people()..]
    }

    pub(super) fn mail_at(&self, state: &State, place: u32) -> u32 {
        self.mail(state)[place as usize]
    }

    fn facts(&self, state: &State, who: usize) -> &Facts {
        self.players.facts(self.local(state, who))
    }

    // What can happen.

    fn deliveries(&self, state: &State, found: &mut dyn FnMut(Step)) {
        let mail = self.mail(state);
        for (place, &number) in mail.iter().enumerate() {
            let Header { from, to, .. } = self.players.header(number);
            let (from, to) = (usize::from(from), usize::from(to));
            let first = match place.checked_sub(1).map(|before| mail[before]) {
                None => true,
                Some(before) if self.scope.network.is_ordered() => {
                    let before = self.players.header(before);
                    (usize::from(before.from), usize::from(before.to)) != (from, to)
                }
                Some(before) => before != number,
            };
            if !first {
                continue;
            }
            if self.scope.network == Network::OrderedLossy {
                found(Step::Lose(place as u32));
            }
            if self.facts(state, to).up {
                found(Step::Cue(Happening { who: to, cue: Cue::Deliver(number) }));
            }
        }
    }

    fn timeouts(&self, state: &State, found: &mut dyn FnMut(Step)) {
        let left = Left::of(state.words[LEFT]);
        if self.scope.timeouts.is_some() && left.timeouts == 0 {
            return;
        }
        for who in 0..self.people() {
            let timers = self.facts(state, who).timers.iter();
            timers.for_each(|timer: &TimerId| found(Step::Cue(Happening { who, cue: Cue::Timer(*timer) })));
        }
    }

    fn requests(&self, state: &State, found: &mut dyn FnMut(Step)) {
        let (history, left) = (self.history(state), Left::of(state.words[LEFT]));
        for (client, asks) in self.scope.clients.iter().enumerate() {
            let who = self.scope.servers + client;
            if let Some(operation) = history.next(client, asks) {
                found(Step::Cue(Happening { who, cue: Cue::Invoke(operation) }));
            }
            let open = history.clients[client].last().is_some_and(|entry| entry.end == End::Open);
            if left.abandons > 0 && open {
                let operation = history.clients[client].len() as u32 - 1;
                found(Step::Cue(Happening { who, cue: Cue::Abandon(operation) }));
            }
        }
    }

    fn accidents(&self, state: &State, found: &mut dyn FnMut(Step)) {
        let left = Left::of(state.words[LEFT]);
        for who in 0..self.scope.servers {
            let facts = self.facts(state, who);
            let mut happens = |cue| found(Step::Cue(Happening { who, cue }));
            if !facts.up && !facts.halted {
                happens(Cue::Restart);
            }
            if facts.unsynced > 0 {
                happens(Cue::Sync);
            }
            if facts.up && left.crashes > 0 {
                (0..=facts.unsynced).for_each(|kept| happens(Cue::Crash(kept as u8)));
            }
        }
    }

    fn steps(&self, state: &State, found: &mut dyn FnMut(Step)) {
        self.deliveries(state, found);
        self.timeouts(state, found);
        self.requests(state, found);
        self.accidents(state, found);
    }

    // What comes of it.

    /// The state after `step`; `None` if nothing came of it, or it leads out of the scope.
    fn after(&self, scratch: &mut Scratch, state: &State, step: Step) -> Option<State> {
        let mut next = Draft { cluster: self, scratch, sum: state.sum, words: state.words.to_vec() };
        match step {
            Step::Lose(place) => _ = next.take_mail(place as usize),
            Step::Cue(Happening { who, cue }) => {
                if !next.happens(who, cue)? {
                    return None;
                }
            }
        }
        let mut after = next.finish();
        if let Step::Cue(Happening { who, cue }) = step {
            let (local, memory) = (self.local(state, who), state.words[MEMORY]);
            after.arrival = Some(Arrival { who: who as u16, cue, local, memory });
        }
        Some(after)
    }
}

impl Model for Cluster {
    type State = State;
    type Step = Step;
    type Scratch = Scratch;

    fn initial(&self) -> Vec<State> {
        let history = History::new(self.scope.clients.len());
        let Scope { crashes, timeouts, abandons, .. } = self.scope;
        let left = Left { crashes, timeouts: timeouts.unwrap_or(0), abandons };
        let mut words = vec![self.judge(history), self.players.innocence(), left.word()];
        words.extend((0..self.people()).map(|who| self.players.unborn(who)));
        let mut scratch = Scratch::default();
        let mut draft = Draft { cluster: self, scratch: &mut scratch, sum: 0, words };
        draft.sum = draft.whole_sum();
        (0..self.people()).for_each(|who| _ = draft.happens(who, Cue::Restart));
        if self.scope.invocations == Invocations::AtOnce {
            (0..self.scope.clients.len()).for_each(|client| draft.invoke_next(client));
        }
        vec![draft.finish()]
    }

    fn expand(&self, scratch: &mut Scratch, state: &State, found: &mut Vec<(Step, State)>) {
        self.steps(state, &mut |step| found.extend(self.after(scratch, state, step).map(|after| (step, after))));
    }

    fn expand_reduced(&self, scratch: &mut Scratch, state: &State, found: &mut Vec<(Step, State)>) {
        self.steps(state, &mut |step| {
            if !self.is_met_elsewhere(scratch, state, step) {
                found.extend(self.after(scratch, state, step).map(|after| (step, after)));
            }
        });
    }

    fn fingerprint(&self, state: &State) -> u64 {
        mix(state.sum, 0)
    }

    fn check(&self, state: &State) -> Option<Broken> {
        if let (_, Some(broken)) = self.players.memory(state.words[MEMORY]) {
            return Some(broken.clone());
        }
        let judged = self.histories.get(state.words[HISTORY]);
        (!judged.linearizable).then(|| Broken {
            property: "linearizable".into(),
            sentence: format!(
                "no order of the operations explains what they returned: {}",
                tell::operations(self, &judged.history)
            ),
        })
    }

    fn sometimes(&self) -> &[&'static str] {
        &["an operation is ok", "every operation is ok", "nothing is under way"]
    }

    fn marks(&self, state: &State) -> u64 {
        let history = self.history(state);
        let is_ok = |entry: &Entry| matches!(entry.end, End::Ok(_));
        let any = history.clients.iter().flatten().any(is_ok);
        let mut clients = self.scope.clients.iter().zip(&history.clients);
        let all = clients.all(|(asks, entries)| asks.len() == entries.len() && entries.iter().all(is_ok));
        u64::from(any) | u64::from(all) << 1 | u64::from(self.mail(state).is_empty()) << 2
    }

    fn bytes(&self, state: &State) -> usize {
        // The allocator rounds up to sixteen bytes behind a header of eight.
        size_of::<State>() + (state.words.len() * 4 + 8).next_multiple_of(16)
    }

    fn tell(&self, before: &State, step: Step, after: &State) -> Vec<String> {
        tell::step(self, before, step, after)
    }
}

impl Cluster {
    /// The number of a history, which is judged when it is new.
    fn judge(&self, history: History) -> u32 {
        let hash = Fingerprint::of(&history);
        self.histories.number(hash, || {
            let linearizable = !self.scope.linearizable || history.is_linearizable(&self.scope.clients);
            Judged { history, hash, linearizable }
        })
    }
}

/// A state in the making.
struct Draft<'a> {
    cluster: &'a Cluster,
    scratch: &'a mut Scratch,
    sum: u64,
    words: Vec<u32>,
}

impl Draft<'_> {
    /// Something happens to a participant. `Some(false)`: nothing came of it. `None`: it leads out of the scope.
    fn happens(&mut self, who: usize, cue: Cue) -> Option<bool> {
        let cluster = self.cluster;
        let local = self.words[LOCALS + who];
        let change = self.change(who, local, cue);
        let ordered = cluster.scope.network.is_ordered();
        let counts = matches!(cue, Cue::Invoke(_) | Cue::Abandon(_) | Cue::Crash(_));
        let consumes = ordered && matches!(cue, Cue::Deliver(_));
        if !(change.is_something || counts || consumes) {
            return Some(false); // a message that is ignored might as well arrive later
        }
        if cluster.scope.epoch.is_some_and(|most| cluster.players.facts(change.next).epoch > most) {
            return None;
        }
        self.pay(who, cue);
        let memory = self.scratch.remember(cluster, self.words[MEMORY], who, local, cue);
        self.put(MEMORY, memory);
        self.put(LOCALS + who, change.next);
        change.sent.iter().for_each(|mail| self.send(*mail));
        for (operation, completion) in &change.completed {
            self.complete(who, *operation, completion);
        }
        Some(true)
    }

    /// What a cue uses up.
    fn pay(&mut self, who: usize, cue: Cue) {
        let cluster = self.cluster;
        let mut left = Left::of(self.words[LEFT]);
        match cue {
            Cue::Deliver(mail) if cluster.scope.network != Network::Repeating => {
                let place = self.mail().iter().position(|other| *other == mail);
                place.into_iter().for_each(|place| _ = self.take_mail(place));
            }
            Cue::Timer(_) => left.timeouts = left.timeouts.saturating_sub(1),
            Cue::Crash(_) => left.crashes -= 1,
            Cue::Invoke(_) => self.record(mix(1, who as u64), |history, recorded| {
                history.invoke(who - cluster.scope.servers, recorded);
            }),
            Cue::Abandon(operation) => {
                left.abandons -= 1;
                self.complete(who, operation, &Completion::info(history::ErrorKind::Timeout));
            }
            _ => {}
        }
        self.put(LEFT, left.word());
    }

    fn complete(&mut self, who: usize, operation: u32, completion: &Completion) {
        let client = who - self.cluster.scope.servers;
        let event = Fingerprint::of(&(who, operation, completion));
        self.record(event, |history, recorded| history.complete(client, operation, completion, recorded));
        if self.cluster.scope.invocations == Invocations::AtOnce {
            self.invoke_next(client);
        }
    }

    fn invoke_next(&mut self, client: usize) {
        let cluster = self.cluster;
        let history = &cluster.histories.get(self.words[HISTORY]).history;
        if let Some(operation) = history.next(client, &cluster.scope.clients[client]) {
            self.happens(cluster.scope.servers + client, Cue::Invoke(operation));
        }
    }

    /// Writes an event into the history. Equal `event`s must be equal changes.
    fn record(&mut self, event: u64, change: impl FnOnce(&mut History, bool)) {
        let cluster = self.cluster;
        let before = self.words[HISTORY];
        let after = *self.scratch.histories.entry(mix(event, u64::from(before))).or_insert_with(|| {
            let mut history = cluster.histories.get(before).history.clone();
            change(&mut history, cluster.scope.linearizable);
            cluster.judge(history)
        });
        self.put(HISTORY, after);
    }

    fn change(&mut self, who: usize, local: u32, cue: Cue) -> Arc<Change> {
        let changes = &mut self.scratch.changes;
        if changes.len() >= REMEMBERED {
            changes.clear();
        }
        let key = mix(cue.word(), u64::from(local));
        changes.entry(key).or_insert_with(|| Arc::new(self.cluster.players.step(who, local, cue))).clone()
    }

    // The words and their sum.

    fn put(&mut self, place: usize, word: u32) {
        if self.words[place] != word {
            self.sum = self.sum.wrapping_sub(self.share(place)).wrapping_add({
                self.words[place] = word;
                self.share(place)
            });
        }
    }

    /// What the word at a place adds to the sum.
    fn share(&self, place: usize) -> u64 {
        let (cluster, word) = (self.cluster, self.words[place]);
        let hash = match place {
            HISTORY => cluster.histories.get(word).hash,
            MEMORY => cluster.players.memory(word).0,
            LEFT => u64::from(word),
            _ => cluster.players.facts(word).hash,
        };
        mix(hash, place as u64 + 1)
    }

    fn whole_sum(&self) -> u64 {
        (0..LOCALS + self.cluster.people()).fold(0, |sum: u64, place| sum.wrapping_add(self.share(place)))
    }

    // The messages under way: sorted by hash, or by link and then in the order of sending.

    fn first_mail(&self) -> usize {
        LOCALS + self.cluster.people()
    }

    fn mail(&self) -> &[u32] {
        &self.words[self.first_mail()..]
    }

    fn take_mail(&mut self, place: usize) -> u32 {
        let mail = self.mail()[place];
        let before = self.mail_share(mail);
        let at = self.first_mail() + place;
        self.words.remove(at);
        let after = if self.cluster.scope.network.is_ordered() { self.mail_share(mail) } else { 0 };
        self.sum = self.sum.wrapping_sub(before).wrapping_add(after);
        mail
    }

    fn send(&mut self, mail: u32) {
        let (players, scope) = (&self.cluster.players, &self.cluster.scope);
        let header = players.header(mail);
        let link = |number: u32| {
            let header = players.header(number);
            (header.from, header.to)
        };
        let alike = || self.mail().iter().filter(|other| link(**other) == (header.from, header.to));
        if scope.network == Network::Repeating && self.mail().contains(&mail) {
            return;
        }
        if scope.in_flight.is_some_and(|most| alike().count() >= usize::from(most)) {
            return;
        }
        let ordered = scope.network.is_ordered();
        let before = if ordered { self.mail_share(mail) } else { 0 };
        let place = if ordered {
            self.mail().partition_point(|other| link(*other) <= (header.from, header.to))
        } else {
            self.mail().partition_point(|other| players.header(*other).hash <= header.hash)
        };
        let at = self.first_mail() + place;
        self.words.insert(at, mail);
        self.sum = self.sum.wrapping_sub(before).wrapping_add(self.mail_share(mail));
    }

    /// What a message adds to the sum; in an ordered network, what all messages of its link add.
    fn mail_share(&self, mail: u32) -> u64 {
        let players = &self.cluster.players;
        let header = players.header(mail);
        if !self.cluster.scope.network.is_ordered() {
            return mix(header.hash, 0);
        }
        let link = self.mail().iter().map(|number| players.header(*number));
        let link = link.filter(|other| (other.from, other.to) == (header.from, header.to));
        link.enumerate().fold(0, |sum: u64, (place, other)| sum.wrapping_add(mix(other.hash, place as u64 + 1000)))
    }

    fn finish(self) -> State {
        State { sum: self.sum, words: self.words.into_boxed_slice(), arrival: None }
    }
}
