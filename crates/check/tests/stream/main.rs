//! Checkers that run while the load runs, against those that see the whole history and against brute force: the same verdict, and
//! an alarm at the first event of which the prefix is already wrong.

mod appends;
mod objects;
mod register;

/// How many random histories each comparison takes: some in every build, `ASSIZE_HISTORIES` of them when asked.
pub fn rounds() -> u64 {
    std::env::var("ASSIZE_HISTORIES").ok().and_then(|text| text.parse().ok()).unwrap_or(20_000)
}
