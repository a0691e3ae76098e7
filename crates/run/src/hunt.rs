//! Hunting in the simulated world: cases of one seed after another on all cores, until something is found or the time is over.
//!
//! One world a thread, nothing shared: what a seed gives does not depend on how many threads there are.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sim::Transcript;
use sim::explore::{Case, Finding, Scope, Specimen};

use crate::stop::Stop;

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
    /// How long the hunt took.
    pub took: Duration,
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
        let (next, over) = (AtomicU64::new(0), AtomicBool::new(false));
        let bag = Mutex::new(Ok(Bag::default()));
        std::thread::scope(|scope| {
            let hunters: Vec<_> =
                (0..self.threads.max(1)).map(|_| scope.spawn(|| self.hunt(began, &next, &over, &bag))).collect();
            let mut told = Instant::now();
            while !hunters.iter().all(|hunter| hunter.is_finished()) {
                std::thread::sleep(Duration::from_millis(5));
                if told.elapsed() >= Duration::from_secs(1) {
                    told = Instant::now();
                    let so_far = lock(&bag).clone();
                    so_far.iter().for_each(|bag| progress(&Bag { took: began.elapsed(), ..bag.clone() }));
                }
            }
        });
        let bag = lock(&bag).clone()?;
        Ok(Bag { took: began.elapsed(), ..bag })
    }

    fn hunt(&self, began: Instant, next: &AtomicU64, over: &AtomicBool, bag: &Mutex<Result<Bag, String>>) {
        while !over.load(Ordering::Relaxed) && !self.stop.is_set() && began.elapsed() < self.time {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= self.runs {
                break;
            }
            let case = Case::draw(self.first_seed.wrapping_add(index), &self.scope, self.specimen);
            let run = case.run(self.specimen, Transcript::Off);
            let mut shared = lock(bag);
            match (run, shared.as_mut()) {
                (Ok(run), Ok(bag)) => {
                    bag.runs += 1;
                    bag.events += run.events;
                    bag.messages += run.messages;
                    bag.operations += run.operations as u64;
                    bag.simulated += run.simulated;
                    if let Some(finding) = run.finding {
                        over.store(true, Ordering::Relaxed);
                        if bag.found.as_ref().is_none_or(|(other, _)| case.seed < other.seed) {
                            bag.found = Some((case, finding));
                        }
                    }
                }
                (Err(error), _) => {
                    over.store(true, Ordering::Relaxed);
                    *shared = Err(error);
                }
                (_, Err(_)) => return,
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
