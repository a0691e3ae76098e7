//! Hunting in the simulated world: cases of one seed after another on all cores, until something is found or the time is over.
//!
//! One world a thread, nothing shared. Jobs come in rounds: those of a round depend on what the rounds before it showed, never on how the
//! threads took turns, so what a seed gives does not depend on how many threads there are.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use sim::explore::{Case, Done, Finding, Guide, Job, Scope, Specimen};

use crate::stop::Stop;

/// Jobs of a round: enough to keep a few threads busy.
const ROUND: usize = 32;

/// What to hunt, and for how long.
pub struct Hunt<'a> {
    /// The protocol.
    pub specimen: &'a (dyn Specimen + Sync),
    /// What its cases have in common.
    pub scope: Scope,
    /// The seed of the first case; the next has the next.
    pub first_seed: u64,
    /// At most so many runs.
    pub runs: u64,
    /// At most so long.
    pub time: Duration,
    /// At most so much processor time, of all threads together.
    pub cpu: Duration,
    /// Whether to end when every rare path was taken that the protocol speaks of.
    pub until_marks: bool,
    /// How many threads.
    pub threads: usize,
    /// Whether the user wants an end.
    pub stop: &'a Stop,
}

/// What a hunt did.
#[derive(Clone, Debug, Default)]
pub struct Bag {
    /// Whole runs that came to their end.
    pub runs: u64,
    /// Further futures of rare states in such runs.
    pub futures: u64,
    /// Events in them.
    pub events: u64,
    /// Messages in them.
    pub messages: u64,
    /// Operations of clients in them.
    pub operations: u64,
    /// Simulated time in them.
    pub simulated: Duration,
    /// Edges between abstract states that servers went over.
    pub edges: usize,
    /// Rare paths that were taken, a bit for each of [`Specimen::marks`].
    pub marks: u64,
    /// How the edges grew: after so many runs, so many.
    pub growth: Vec<(u64, usize)>,
    /// How long the hunt took.
    pub took: Duration,
    /// How much processor time the runs took, of all threads together.
    pub cpu: Duration,
    /// The failing case of the lowest seed among those that were run, and what it showed.
    pub found: Option<(Case, Finding)>,
}

impl Hunt<'_> {
    /// Hunts. `progress` is called about every second with what was done so far.
    ///
    /// # Errors
    /// What is wrong with the settings of the protocol.
    pub fn run(&self, progress: &mut dyn FnMut(&Bag)) -> Result<Bag, String> {
        let began = Instant::now();
        let (mut bag, mut guide, mut told) = (Bag::default(), Guide::default(), began);
        let mut index = 0;
        while bag.runs < self.runs && bag.found.is_none() && !self.is_over(began, &bag) {
            let size = (self.runs - bag.runs).min(ROUND as u64);
            let seeds = index..index + size;
            let jobs = seeds.map(|index| guide.job(self.first_seed.wrapping_add(index), &self.scope, self.specimen));
            let jobs: Vec<Job> = jobs.collect();
            for (done, cpu) in self.round(&jobs, began)? {
                bag.cpu += cpu;
                for done in done {
                    bag.add(&done);
                    guide.learn(&done);
                    if let Some(finding) = done.run.finding.filter(|_| bag.found.is_none()) {
                        bag.found = Some((done.case, finding));
                    }
                }
            }
            index += size;
            bag.edges = guide.edges();
            bag.grow();
            bag.took = began.elapsed();
            if told.elapsed() >= Duration::from_secs(1) {
                told = Instant::now();
                progress(&bag);
            }
        }
        Ok(Bag { took: began.elapsed(), ..bag })
    }

    fn is_over(&self, began: Instant, bag: &Bag) -> bool {
        let names = self.specimen.marks();
        let marked = self.until_marks && bag.missed(names).is_empty();
        marked || self.stop.is_set() || began.elapsed() >= self.time || bag.cpu >= self.cpu
    }

    /// Runs the jobs on all threads, in order, and stops early after one that failed. What was run is a prefix of the jobs.
    fn round(&self, jobs: &[Job], began: Instant) -> Result<Vec<(Vec<Done>, Duration)>, String> {
        let (next, over) = (AtomicUsize::new(0), AtomicBool::new(false));
        let done = Mutex::new(Vec::new());
        let work = || {
            while !over.load(Ordering::Relaxed) && !self.stop.is_set() && began.elapsed() < self.time {
                let place = next.fetch_add(1, Ordering::Relaxed);
                let Some(job) = jobs.get(place) else { return };
                let before = thread_cpu();
                let runs = job.run(self.specimen);
                let failed = runs.as_ref().map_or(true, |runs| runs.iter().any(|done| done.run.finding.is_some()));
                over.fetch_or(failed, Ordering::Relaxed);
                let mut done = done.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                done.push((place, runs, thread_cpu().saturating_sub(before)));
            }
        };
        match self.threads {
            0 | 1 => work(),
            threads => std::thread::scope(|scope| (0..threads).for_each(|_| _ = scope.spawn(work))),
        }
        let mut done = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        done.sort_by_key(|(place, ..)| *place);
        done.into_iter().map(|(_, runs, cpu)| Ok((runs?, cpu))).collect()
    }
}

impl Bag {
    /// Notes how the edges grew: seldom enough to stay a small list, and evenly.
    fn grow(&mut self) {
        let since = self.growth.last().map_or(0, |(runs, _)| *runs);
        if self.runs - since >= (self.runs / 100).max(ROUND as u64 / 2) {
            self.growth.push((self.runs, self.edges));
        }
    }

    /// Those of the rare paths that no run took.
    pub fn missed(&self, names: &'static [&'static str]) -> Vec<&'static str> {
        let missed = |(place, _): &(usize, _)| self.marks >> place & 1 == 0;
        names.iter().enumerate().filter(missed).map(|(_, name)| *name).collect()
    }

    fn add(&mut self, done: &Done) {
        self.marks |= done.run.marks;
        match done.whole {
            true => self.runs += 1,
            false => self.futures += 1,
        }
        let figures = &done.figures;
        self.events += figures.events;
        self.messages += figures.messages;
        self.operations += figures.operations as u64;
        self.simulated += figures.simulated;
    }
}

/// Processor time of this thread.
pub fn thread_cpu() -> Duration {
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(spent.tv_sec.max(0) as u64, spent.tv_nsec.max(0) as u32)
}
