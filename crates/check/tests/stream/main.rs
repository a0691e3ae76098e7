//! Checkers that run while the load runs, against those that see the whole history and against brute force: the same verdict, and
//! an alarm at the first event of which the prefix is already wrong.

mod appends;
mod objects;
mod register;

use check::Verdict;
use check::stream::{Alarm, Progress};

/// How many random histories each comparison takes: some in every build, `ASSIZE_HISTORIES` of them when asked.
pub fn rounds() -> u64 {
    std::env::var("ASSIZE_HISTORIES").ok().and_then(|text| text.parse().ok()).unwrap_or(20_000)
}

/// What a stream said of a history: its first alarm and after how many events it came, and what is known at the end.
type Played = (Option<(usize, Alarm)>, Progress);

/// What came of the histories of a comparison.
#[derive(Debug, Default)]
struct Tally {
    valid: u64,
    invalid: u64,
    undecided: u64,
    /// Invalid, and found at the first event that makes it so.
    earliest: u64,
}

impl Tally {
    /// Notes what a stream said of a history of so many events. `judge` tells whether its first events are valid, `None` if that is
    /// not known; an alarm must come with the first event after which they are not, if it is to be `exact`.
    fn note(
        &mut self,
        events: usize,
        (first, progress): Played,
        judge: &dyn Fn(usize) -> Option<bool>,
        exact: bool,
        show: &dyn Fn() -> String,
    ) {
        let Some((after, alarm)) = first else {
            return match progress.verdict() {
                Verdict::Valid => {
                    assert_ne!(judge(events), Some(false), "missed:\n{}", show());
                    self.valid += 1;
                }
                Verdict::Unknown { .. } => self.undecided += 1,
                Verdict::Invalid => panic!("invalid without an alarm:\n{}", show()),
            };
        };
        self.invalid += 1;
        assert_eq!(progress.verdict(), Verdict::Invalid);
        assert_ne!(judge(after), Some(true), "false alarm, {alarm}:\n{}", show());
        let early = judge(after - 1) != Some(false);
        assert!(early || !exact, "late, {alarm}:\n{}", show());
        self.earliest += u64::from(early);
    }
}
