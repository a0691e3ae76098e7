//! The search: states are expanded in batches, and what they lead to goes through the store shard by shard.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::model::{Counterexample, Limits, Model, Order, Report, Stopped};
use super::store::{Inserted, ROOT, SHARDS, Store};

/// A state to be expanded: its fingerprint, and how many steps led to it.
type Item<S> = (u64, u32, S);

/// So many candidates go through the store at a time.
const BATCH: usize = 8192;
/// So many states are handed to a worker at a time.
const CHUNK: usize = 512;

/// Visits every state of `model` within `limits`, and stops early where a property is broken.
pub fn search<M: Model>(model: &M, limits: &Limits) -> Report {
    let search = Search::new(model, limits);
    let mut first = Worker::new(&search);
    for state in model.initial() {
        first.offer(ROOT, 0, state);
    }
    first.flush();
    let start = std::mem::take(&mut first.found);
    first.finish();
    match limits.order {
        Order::Breadth => breadth(&search, start),
        Order::Depth => depth(&search, start),
    }
    search.report()
}

/// What the workers of one search share.
struct Search<'a, M: Model> {
    model: &'a M,
    limits: &'a Limits,
    store: Store,
    unique: AtomicU64,
    generated: AtomicU64,
    depth: AtomicU32,
    /// Something lies beyond the limit of depth.
    cut: AtomicU32,
    /// Bytes of the frontier.
    frontier: AtomicU64,
    most_bytes: AtomicU64,
    marks: AtomicU64,
    /// Why to stop: 0 for no reason.
    stop: AtomicU32,
    /// The nearest broken state, and of equally near ones the one with the smallest fingerprint.
    broken: Mutex<Option<(u32, u64)>>,
}

impl<'a, M: Model> Search<'a, M> {
    fn new(model: &'a M, limits: &'a Limits) -> Self {
        Search {
            model,
            limits,
            store: Store::new(),
            unique: AtomicU64::new(0),
            generated: AtomicU64::new(0),
            depth: AtomicU32::new(0),
            cut: AtomicU32::new(0),
            frontier: AtomicU64::new(0),
            most_bytes: AtomicU64::new(0),
            marks: AtomicU64::new(0),
            stop: AtomicU32::new(0),
            broken: Mutex::new(None),
        }
    }

    /// Whether the search is to stop now. Breadth first, a broken property ends it with its level.
    fn is_over(&self) -> bool {
        let stop = self.stop.load(Ordering::Relaxed);
        stop != 0 && (stop != Stopped::Broken as u32 + 1 || self.limits.order == Order::Depth)
    }

    fn stop(&self, why: Stopped) {
        _ = self.stop.compare_exchange(0, why as u32 + 1, Ordering::Relaxed, Ordering::Relaxed);
    }

    fn is_broken(&self, level: u32, fingerprint: u64) {
        let mut broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner);
        if broken.is_none_or(|nearest| (level, fingerprint) < nearest) {
            *broken = Some((level, fingerprint));
        }
        self.stop(Stopped::Broken);
    }

    fn weigh(&self) {
        let bytes = self.store.bytes() + self.frontier.load(Ordering::Relaxed);
        self.most_bytes.fetch_max(bytes, Ordering::Relaxed);
        if bytes > self.limits.bytes {
            self.stop(Stopped::Bytes);
        }
        if self.unique.load(Ordering::Relaxed) > self.limits.states {
            self.stop(Stopped::States);
        }
    }

    fn report(self) -> Report {
        self.weigh();
        let broken = *self.broken.lock().unwrap_or_else(PoisonError::into_inner);
        let stopped = match self.stop.load(Ordering::Relaxed) {
            _ if broken.is_some() => Some(Stopped::Broken),
            stop if stop == Stopped::States as u32 + 1 => Some(Stopped::States),
            stop if stop == Stopped::Bytes as u32 + 1 => Some(Stopped::Bytes),
            _ if self.cut.load(Ordering::Relaxed) != 0 => Some(Stopped::Depth),
            _ => None,
        };
        let marks = self.marks.load(Ordering::Relaxed);
        let names = self.model.sometimes().iter().enumerate();
        let (reached, missed): (Vec<_>, Vec<_>) = names.partition(|(bit, _)| marks >> bit & 1 == 1);
        let names = |marks: Vec<(usize, &&'static str)>| marks.into_iter().map(|(_, name)| *name).collect();
        Report {
            unique: self.store.len(),
            generated: self.generated.load(Ordering::Relaxed),
            depth: self.depth.load(Ordering::Relaxed),
            stopped,
            bytes: self.most_bytes.load(Ordering::Relaxed),
            reached: names(reached),
            missed: names(missed),
            counterexample: broken.and_then(|(_, fingerprint)| self.counterexample(fingerprint)),
        }
    }

    /// Executes the path to a broken state again, to tell it.
    fn counterexample(&self, fingerprint: u64) -> Option<Counterexample> {
        let path = self.store.path(fingerprint.max(1));
        let print = |state: &M::State| self.model.fingerprint(state).max(1);
        let mut state = self.model.initial().into_iter().find(|state| print(state) == path[0])?;
        let (mut lines, mut scratch) = (Vec::new(), M::Scratch::default());
        for next in &path[1..] {
            let mut found = Vec::new();
            self.model.expand(&mut scratch, &state, &mut found);
            let (step, after) = found.into_iter().find(|(_, after)| print(after) == *next)?;
            lines.extend(self.model.tell(&state, step, &after));
            state = after;
        }
        Some(Counterexample { broken: self.model.check(&state)?, steps: path.len() - 1, lines })
    }
}

/// One thread's part of a search.
struct Worker<'s, 'a, M: Model> {
    search: &'s Search<'a, M>,
    scratch: M::Scratch,
    successors: Vec<(M::Step, M::State)>,
    /// States with their parents, not in the store yet, and in which order of shards they go there.
    candidates: Vec<(u64, u64, u32, Option<M::State>)>,
    order: Vec<u32>,
    /// States that are new.
    found: Vec<Item<M::State>>,
    generated: u64,
    marks: u64,
    depth: u32,
}

impl<'s, 'a, M: Model> Worker<'s, 'a, M> {
    fn new(search: &'s Search<'a, M>) -> Self {
        Worker {
            search,
            scratch: M::Scratch::default(),
            successors: Vec::new(),
            candidates: Vec::new(),
            order: Vec::new(),
            found: Vec::new(),
            generated: 0,
            marks: 0,
            depth: 0,
        }
    }

    /// Finds the successors of a state, unless it lies at the limit.
    fn expand(&mut self, (fingerprint, level, state): &Item<M::State>) {
        let search = self.search;
        let mut successors = std::mem::take(&mut self.successors);
        match search.limits.reduce && search.limits.order == Order::Breadth {
            true => search.model.expand_reduced(&mut self.scratch, state, &mut successors),
            false => search.model.expand(&mut self.scratch, state, &mut successors),
        }
        if search.limits.depth.is_some_and(|limit| *level >= limit) {
            search.cut.fetch_max(u32::from(!successors.is_empty()), Ordering::Relaxed);
            successors.clear();
        }
        for (_, next) in successors.drain(..) {
            self.offer(*fingerprint, level + 1, next);
        }
        self.successors = successors;
    }

    fn offer(&mut self, parent: u64, level: u32, state: M::State) {
        let fingerprint = self.search.model.fingerprint(&state);
        self.generated += 1;
        self.candidates.push((fingerprint, parent, level, Some(state)));
    }

    /// Puts the candidates into the store, sorted by shards: each is locked once. What is new is kept and checked.
    fn flush(&mut self) {
        let search = self.search;
        // Only in a search that is cut by depth does it matter that a state was met again sooner.
        let nearer = search.limits.depth.is_some() && search.limits.order == Order::Depth;
        self.sort();
        let mut rest = &self.order[..];
        while let Some(&first) = rest.first() {
            let shard = Store::shard_of(self.candidates[first as usize].0);
            let here = rest.iter().take_while(|&&at| Store::shard_of(self.candidates[at as usize].0) == shard).count();
            let (group, others) = rest.split_at(here);
            let mut locked = search.store.lock(shard);
            locked.warm(&mut group.iter().map(|&at| self.candidates[at as usize].0));
            for &at in group {
                let (fingerprint, parent, level, state) = &mut self.candidates[at as usize];
                if locked.insert(*fingerprint, *parent, *level, nearer) == Inserted::Seen {
                    *state = None;
                }
            }
            rest = others;
        }
        self.keep_new();
    }

    /// Counting sort of the candidates by shard.
    fn sort(&mut self) {
        let mut starts = [0u32; SHARDS + 1];
        self.candidates.iter().for_each(|candidate| starts[Store::shard_of(candidate.0) + 1] += 1);
        (0..SHARDS).for_each(|shard| starts[shard + 1] += starts[shard]);
        self.order.resize(self.candidates.len(), 0);
        for (index, candidate) in self.candidates.iter().enumerate() {
            let start = &mut starts[Store::shard_of(candidate.0)];
            self.order[*start as usize] = index as u32;
            *start += 1;
        }
    }

    fn keep_new(&mut self) {
        let search = self.search;
        let mut bytes = 0;
        let before = self.found.len();
        for (fingerprint, _, level, state) in self.candidates.drain(..) {
            let Some(state) = state else { continue };
            self.depth = self.depth.max(level);
            self.marks |= search.model.marks(&state);
            if search.model.check(&state).is_some() {
                search.is_broken(level, fingerprint);
            }
            bytes += search.model.bytes(&state) + size_of::<Item<M::State>>() - size_of::<M::State>();
            self.found.push((fingerprint, level, state));
        }
        search.unique.fetch_add((self.found.len() - before) as u64, Ordering::Relaxed);
        search.frontier.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// A state that was taken from the frontier is done with.
    fn forget(&self, items: &[Item<M::State>]) {
        let extra = size_of::<Item<M::State>>() - size_of::<M::State>();
        let bytes: usize = items.iter().map(|(_, _, state)| self.search.model.bytes(state) + extra).sum();
        self.search.frontier.fetch_sub(bytes as u64, Ordering::Relaxed);
    }

    fn finish(self) {
        let search = self.search;
        search.generated.fetch_add(self.generated, Ordering::Relaxed);
        search.marks.fetch_or(self.marks, Ordering::Relaxed);
        search.depth.fetch_max(self.depth, Ordering::Relaxed);
    }
}

/// Level by level. The states of a level are shared out in chunks, which are freed as they are done.
fn breadth<M: Model>(search: &Search<'_, M>, start: Vec<Item<M::State>>) {
    let mut workers: Vec<_> = (0..search.limits.threads.max(1)).map(|_| Worker::new(search)).collect();
    let mut level = vec![start];
    while level.iter().any(|chunk| !chunk.is_empty()) && search.stop.load(Ordering::Relaxed) == 0 {
        let states: usize = level.iter().map(Vec::len).sum();
        let chunks = Mutex::new(level);
        let next = Mutex::new(Vec::new());
        match &mut workers[..] {
            // A small level is not worth the start of a thread.
            [first, ..] if states < CHUNK => take_level(search, first, &chunks, &next),
            all => std::thread::scope(|scope| {
                for worker in all {
                    let (chunks, next) = (&chunks, &next);
                    scope.spawn(move || take_level(search, worker, chunks, next));
                }
            }),
        }
        search.weigh();
        level = next.into_inner().unwrap_or_else(PoisonError::into_inner);
    }
    workers.into_iter().for_each(Worker::finish);
}

type Chunks<S> = Mutex<Vec<Vec<Item<S>>>>;

fn take_level<M: Model>(
    search: &Search<'_, M>,
    worker: &mut Worker<'_, '_, M>,
    chunks: &Chunks<M::State>,
    next: &Chunks<M::State>,
) {
    let mut batches = 0;
    loop {
        let chunk = chunks.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let Some(chunk) = chunk.filter(|_| !search.is_over()) else { break };
        for item in &chunk {
            worker.expand(item);
            if worker.candidates.len() >= BATCH {
                worker.flush();
                batches += 1;
                hand_on(&mut worker.found, next, CHUNK);
                if batches % 16 == 0 {
                    search.weigh();
                }
            }
        }
        worker.forget(&chunk);
    }
    worker.flush();
    hand_on(&mut worker.found, next, 1);
}

/// Moves what was found to the next level, in chunks of a size that is neither lost in locking nor in waiting.
fn hand_on<S>(found: &mut Vec<Item<S>>, next: &Chunks<S>, at_least: usize) {
    while found.len() >= at_least {
        // Copied, so that a chunk has no room for more than it holds.
        let chunk = found.drain(found.len().saturating_sub(CHUNK)..).collect();
        next.lock().unwrap_or_else(PoisonError::into_inner).push(chunk);
    }
}

/// The latest first. Workers that have nothing left take from a pool what others have to spare.
fn depth<M: Model>(search: &Search<'_, M>, start: Vec<Item<M::State>>) {
    let threads = search.limits.threads.max(1);
    let pool = Mutex::new(vec![start]);
    let idle = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| dive(search, &pool, &idle, threads as u32));
        }
    });
}

fn dive<M: Model>(search: &Search<'_, M>, pool: &Chunks<M::State>, idle: &AtomicU32, threads: u32) {
    let mut worker = Worker::new(search);
    let mut expanded = 0u64;
    while let Some(stack) = wait_for_work(search, pool, idle, threads) {
        worker.found = stack;
        while let Some(item) = worker.found.pop().filter(|_| !search.is_over()) {
            worker.forget(std::slice::from_ref(&item));
            worker.expand(&item);
            worker.flush();
            expanded += 1;
            if expanded.is_multiple_of(4096) {
                search.weigh();
            }
            if idle.load(Ordering::Relaxed) > 0 && worker.found.len() > 1 {
                let rest = worker.found.split_off(worker.found.len() / 2);
                let shared = std::mem::replace(&mut worker.found, rest);
                pool.lock().unwrap_or_else(PoisonError::into_inner).push(shared);
            }
        }
    }
    worker.finish();
}

/// The next stack to work on; `None` when every worker waits for one.
fn wait_for_work<M: Model>(
    search: &Search<'_, M>,
    pool: &Chunks<M::State>,
    idle: &AtomicU32,
    threads: u32,
) -> Option<Vec<Item<M::State>>> {
    idle.fetch_add(1, Ordering::SeqCst);
    loop {
        {
            let mut pool = pool.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(stack) = pool.pop() {
                idle.fetch_sub(1, Ordering::SeqCst);
                return Some(stack);
            }
            // Whoever works may still share: only when all wait, under the lock, is there nothing left.
            if idle.load(Ordering::SeqCst) == threads || search.is_over() {
                return None;
            }
        }
        std::thread::yield_now();
    }
}
