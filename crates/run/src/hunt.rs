//! Hunting in the simulated world: cases of one seed after another on all cores, until something is found or the time is over.
//!
//! One world a thread, nothing shared. Cases come in rounds: those of a round depend on what the rounds before it showed, never on how the
//! threads took turns, so what a seed gives does not depend on how many threads there are.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use sim::Transcript;
use sim::explore::{Case, Finding, Guide, Run, Scope, Specimen};

use crate::stop::Stop;

/// Cases of a round: enough to keep a few threads busy.
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
    /// How many threads.
    pub threads: usize,
    /// Whether the user wants an end.
    pub stop: &'a Stop,
}

/// What a hunt did.
#[derive(Clone, Debug, Default)]
pub struct Bag {
    /// Runs that came to their end.
    pub runs: u64,
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
        while index < self.runs && bag.found.is_none() && !self.is_over(began, &bag) {
            let size = (self.runs - index).min(ROUND as u64);
            let seeds = index..index + size;
            let cases = seeds.map(|index| guide.case(self.first_seed.wrapping_add(index), &self.scope, self.specimen));
            let cases: Vec<Case> = cases.collect();
            for (case, run, cpu) in self.round(&cases, began)? {
                bag.cpu += cpu;
                bag.add(&run);
                guide.learn(&case, &run);
                if let Some(finding) = run.finding.filter(|_| bag.found.is_none()) {
                    bag.found = Some((case, finding));
                }
            }
            index += size;
            bag.edges = guide.edges();
            bag.took = began.elapsed();
            if told.elapsed() >= Duration::from_secs(1) {
                told = Instant::now();
                progress(&bag);
            }
        }
        Ok(Bag { took: began.elapsed(), ..bag })
    }

    fn is_over(&self, began: Instant, bag: &Bag) -> bool {
        self.stop.is_set() || began.elapsed() >= self.time || bag.cpu >= self.cpu
    }

    /// Runs the cases on all threads, in order, and stops early after one that failed. What was run is a prefix of the cases.
    fn round(&self, cases: &[Case], began: Instant) -> Result<Vec<(Case, Run, Duration)>, String> {
        let (next, over) = (AtomicUsize::new(0), AtomicBool::new(false));
        let done = Mutex::new(Vec::new());
        let work = || {
            while !over.load(Ordering::Relaxed) && !self.stop.is_set() && began.elapsed() < self.time {
                let place = next.fetch_add(1, Ordering::Relaxed);
                let Some(case) = cases.get(place) else { return };
                let before = thread_cpu();
                let run = case.run(self.specimen, Transcript::Off);
                let failed = run.as_ref().map_or(true, |run| run.finding.is_some());
                over.fetch_or(failed, Ordering::Relaxed);
                let mut done = done.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                done.push((place, run, thread_cpu().saturating_sub(before)));
            }
        };
        match self.threads {
            0 | 1 => work(),
            threads => std::thread::scope(|scope| (0..threads).for_each(|_| _ = scope.spawn(work))),
        }
        let mut done = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        done.sort_by_key(|(place, ..)| *place);
        done.into_iter().map(|(place, run, cpu)| Ok((cases[place].clone(), run?, cpu))).collect()
    }
}

impl Bag {
    fn add(&mut self, run: &Run) {
        self.runs += 1;
        self.events += run.events;
        self.messages += run.messages;
        self.operations += run.operations as u64;
        self.simulated += run.simulated;
    }
}

/// Processor time of this thread.
pub fn thread_cpu() -> Duration {
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(spent.tv_sec.max(0) as u64, spent.tv_nsec.max(0) as u32)
}
