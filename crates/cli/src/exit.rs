//! Exit codes: one table, for the program, its help and the docs.

use std::process::ExitCode;

macro_rules! exits {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal, $about:literal;)+) => {
        /// How the program ends. Verdicts take 0, 1 and 2; the rest are those of sysexits.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Exit { $($(#[doc = $doc])+ $name = $code,)+ }

        /// Every exit code and what it means.
        pub const TABLE: &[(u8, &str)] = &[$(($code, $about),)+];
    };
}

exits! {
    /// Valid.
    Success = 0, "valid, and every objective met (or nothing to judge)";
    /// Invalid.
    Invalid = 1, "invalid, or an objective missed";
    /// Unknown.
    Unknown = 2, "unknown: undecided, a fault without evidence, or untrusted latency with a latency objective";
    /// Usage.
    Usage = 64, "the command line is wrong";
    /// Bad data.
    BadData = 65, "the plan or history is wrong; every place is named";
    /// No input.
    NoInput = 66, "no such file or run";
    /// Unavailable.
    Unavailable = 69, "a program, privilege or part of the testbed is missing, or the system did not start";
    /// Bug.
    Bug = 70, "a bug in assize itself: please report it with what was printed";
    /// Interrupted.
    Interrupted = 130, "interrupted; everything was healed and stopped, the run folder is kept";
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// The table as help text.
pub fn help() -> String {
    let line = |(code, about): &(u8, &str)| format!("  {code:>3}  {about}\n");
    format!("Exit codes:\n{}", TABLE.iter().map(line).collect::<String>())
}

/// The table as a page of the docs.
pub fn page() -> String {
    let row = |(code, about): &(u8, &str)| format!("| {code} | {about} |\n");
    format!(
        "# Exit codes\n\nThe worst of several runs or files counts: 1 before 2 before 0.\n\n| code | meaning |\n| ---: | --- |\n{}",
        TABLE.iter().map(row).collect::<String>()
    )
}
