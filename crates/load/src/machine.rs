//! What the machine did to the generator: for the explanation of an untrusted run.

use std::fmt;
use std::fs;
use std::num::NonZeroU64;
use std::time::Duration;

use base::units::show_duration;
use rustix::process;
use rustix::thread;

/// What the kernel says of the engine's thread and of the machine, over a span of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// Processor time of the engine's thread.
    pub cpu: Duration,
    /// How long the thread was ready to run but had no processor.
    pub run_queue: Duration,
    /// How often it was given one.
    pub slices: u64,
    /// Processor time that the hypervisor gave to others, over all cores; counted in hundredths of a second.
    pub stolen: Duration,
}

impl Machine {
    /// The counters since the thread and the machine started. Zero where `/proc` does not say.
    pub(crate) fn now() -> Machine {
        let sched = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
        let mut numbers = sched.split_whitespace().filter_map(|word| word.parse::<u64>().ok());
        let mut nanos = || Duration::from_nanos(numbers.next().unwrap_or(0));
        let (cpu, run_queue) = (nanos(), nanos());
        Machine { cpu, run_queue, slices: numbers.next().unwrap_or(0), stolen: stolen() }
    }

    /// What happened since `earlier`.
    pub(crate) fn since(self, earlier: Machine) -> Machine {
        Machine {
            cpu: self.cpu.saturating_sub(earlier.cpu),
            run_queue: self.run_queue.saturating_sub(earlier.run_queue),
            slices: self.slices.saturating_sub(earlier.slices),
            stolen: self.stolen.saturating_sub(earlier.stolen),
        }
    }

    /// The mean wait for a processor.
    pub fn mean_wait(&self) -> Duration {
        Duration::from_nanos((self.run_queue.as_nanos() as u64).checked_div(self.slices).unwrap_or(0))
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the generator used {} of processor time and waited {} for a processor ({} each time); the hypervisor took {}",
            show_duration(self.cpu),
            show_duration(self.run_queue),
            show_duration(self.mean_wait()),
            show_duration(self.stolen),
        )
    }
}

fn stolen() -> Duration {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let ticks = stat.lines().next().and_then(|cpu| cpu.split_whitespace().nth(8)?.parse::<u64>().ok());
    Duration::from_millis(10 * ticks.unwrap_or(0))
}

/// How urgent the engine's thread is while a stage runs. Best effort: raising needs a privilege.
const URGENT: i32 = -10;

/// Makes the calling thread wake on time; undone when dropped, so that what the thread starts later is not favoured.
pub(crate) struct Punctual {
    slack: Option<NonZeroU64>,
    priority: Option<i32>,
    real_time: bool,
}

impl Punctual {
    /// With `real_time`, and where it is permitted (root, `CAP_SYS_NICE`), the thread runs before all ordinary ones (`SCHED_FIFO`):
    /// right for a generator that sleeps most of the time, wrong for one that would starve what it measures.
    pub(crate) fn new(real_time: bool) -> Self {
        let slack = thread::current_timer_slack().ok().and_then(NonZeroU64::new);
        let _ = thread::set_current_timer_slack(NonZeroU64::new(1));
        let before = process::getpriority_process(None).ok();
        let priority = before.filter(|&nice| nice > URGENT && process::setpriority_process(None, URGENT).is_ok());
        let real_time = real_time && schedule(libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK, 1);
        Punctual { slack, priority, real_time }
    }
}

impl Drop for Punctual {
    fn drop(&mut self) {
        let _ = thread::set_current_timer_slack(self.slack);
        if self.real_time {
            schedule(libc::SCHED_OTHER, 0);
        }
        if let Some(priority) = self.priority {
            let _ = process::setpriority_process(None, priority);
        }
    }
}

/// Sets the scheduling policy of the calling thread; false if that is not permitted.
fn schedule(policy: i32, priority: i32) -> bool {
    let parameters = libc::sched_param { sched_priority: priority };
    // SAFETY: the call reads `parameters`, which lives until it returns, and touches nothing else; 0 is the calling thread.
    unsafe { libc::sched_setscheduler(0, policy, &parameters) == 0 }
}
