//! What the logs of nodes say about crashes. A node that panicked and was restarted may answer as if nothing had happened.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use serde::Serialize;

/// A line that no healthy node writes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Line number, from 1.
    pub line: u64,
    /// What it means.
    pub kind: FindingKind,
    /// The line, cut to a readable length.
    pub text: String,
    /// The lines after it, which often hold the message.
    pub context: Vec<String>,
}

/// What a line of a log means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// The program found itself broken: a Rust or Go panic, a failed assertion.
    Panic,
    /// The program logged that it cannot go on.
    Fatal,
    /// The kernel ended it: segmentation fault, abort.
    Crash,
    /// No memory was left.
    OutOfMemory,
    /// A sanitizer found a bug: a data race, a use after free.
    Sanitizer,
    /// An exception that nobody caught, in a language where one thread may die alone.
    Exception,
}

/// Reads a log line by line, in constant memory. At most 50 findings are returned: more say
/// nothing new.
pub fn scan_log(path: &Path) -> io::Result<Vec<Finding>> {
    let mut reader = BufReader::with_capacity(256 << 10, File::open(path)?);
    let mut scanner = Scanner::default();
    let mut line = Vec::new();
    while !scanner.is_full() {
        line.clear();
        // A line without end must not fill the memory: it is read in pieces.
        if reader.by_ref().take(LONGEST).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        scanner.line(&String::from_utf8_lossy(&line));
    }
    Ok(scanner.findings)
}

/// As [`scan_log`], of text in memory.
pub fn scan_text(text: &str) -> Vec<Finding> {
    let mut scanner = Scanner::default();
    text.lines().for_each(|line| scanner.line(line));
    scanner.findings
}

/// Findings of one log.
const MOST: usize = 50;
const LONGEST: u64 = 64 << 10;
/// Characters of a line that are kept.
const READABLE: usize = 300;
/// Lines after a finding that belong to it.
const CONTEXT: u64 = 3;

/// Marks of broken programs, the specific before the general. `Start` is the start of the line, so that a log line that merely
/// speaks of a panic does not count.
const MARKS: &[(FindingKind, Place, &str)] = &[
    (FindingKind::Panic, Place::Anywhere, "' panicked at "),
    (FindingKind::Panic, Place::Anywhere, ") panicked at "), // thread 'name' (id), since Rust 1.91
    (FindingKind::Panic, Place::Start, "panic: "),
    (FindingKind::Panic, Place::Anywhere, "\"level\":\"panic\""),
    (FindingKind::Panic, Place::Anywhere, "\"level\":\"dpanic\""),
    (FindingKind::Panic, Place::Anywhere, " PANIC:  "), // PostgreSQL
    (FindingKind::Panic, Place::Anywhere, "Assertion `"),
    (FindingKind::Panic, Place::Anywhere, "REDIS BUG REPORT START"),
    (FindingKind::OutOfMemory, Place::Anywhere, "java.lang.OutOfMemoryError"),
    (FindingKind::OutOfMemory, Place::Start, "memory allocation of "),
    (FindingKind::OutOfMemory, Place::Start, "fatal error: runtime: out of memory"),
    (FindingKind::OutOfMemory, Place::Anywhere, "Out of memory"),
    (FindingKind::Fatal, Place::Start, "fatal error: "),
    (FindingKind::Fatal, Place::Anywhere, "\"level\":\"fatal\""),
    (FindingKind::Fatal, Place::Anywhere, "level=fatal"),
    (FindingKind::Fatal, Place::Anywhere, "A fatal error has been detected by the Java Runtime Environment"),
    (FindingKind::Crash, Place::Anywhere, "Segmentation fault"),
    (FindingKind::Crash, Place::Anywhere, "SIGSEGV"),
    (FindingKind::Crash, Place::Anywhere, "(core dumped)"),
    (FindingKind::Crash, Place::Anywhere, "*** stack smashing detected ***"),
    (FindingKind::Crash, Place::Anywhere, "double free or corruption"),
    (FindingKind::Sanitizer, Place::Anywhere, "WARNING: DATA RACE"),
    (FindingKind::Sanitizer, Place::Anywhere, "ERROR: AddressSanitizer"),
    (FindingKind::Sanitizer, Place::Anywhere, "WARNING: ThreadSanitizer"),
    (FindingKind::Exception, Place::Start, "Traceback (most recent call last):"),
    (FindingKind::Exception, Place::Start, "Exception in thread "),
];

#[derive(Clone, Copy)]
enum Place {
    Start,
    Anywhere,
}

#[derive(Default)]
struct Scanner {
    findings: Vec<Finding>,
    /// Lines seen.
    lines: u64,
}

impl Scanner {
    fn line(&mut self, line: &str) {
        self.lines += 1;
        let line = line.trim_end();
        // A crash is often told in several lines: they make one finding.
        if let Some(last) = self.findings.last_mut().filter(|last| self.lines - last.line <= CONTEXT) {
            return last.context.push(readable(line));
        }
        if let Some(kind) = classify(line).filter(|_| !self.is_full()) {
            self.findings.push(Finding { line: self.lines, kind, text: readable(line), context: Vec::new() });
        }
    }

    fn is_full(&self) -> bool {
        // The last finding still collects its context.
        self.findings.len() >= MOST && self.findings.last().is_some_and(|last| self.lines - last.line >= CONTEXT)
    }
}

fn classify(line: &str) -> Option<FindingKind> {
    let mark = MARKS.iter().find(|(_, place, mark)| match place {
        Place::Start => line.starts_with(mark),
        Place::Anywhere => line.contains(mark),
    });
    mark.map(|(kind, _, _)| *kind)
}

fn readable(line: &str) -> String {
    match line.char_indices().nth(READABLE) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(log: &str, expected: Expect) {
        let lines = |finding: &Finding| {
            let context: Vec<String> = finding.context.iter().map(|line| format!("    {line}\n")).collect();
            format!("{}: {:?}: {}\n{}", finding.line, finding.kind, finding.text, context.concat())
        };
        expected.assert_eq(&scan_text(log).iter().map(lines).collect::<String>());
    }

    #[test]
    fn panics_of_rust_and_go_are_found_with_their_message() {
        check(
            "up\nthread 'main' panicked at src/log.rs:7:5:\ntorn entry 9\nnote: run with `RUST_BACKTRACE=1`\n\n\
             thread 'disk' (4211) panicked at src/disk.rs:1:1:\nfull\na\nb\nc\n\
             panic: assignment to entry in nil map\n\ngoroutine 1 [running]:\nmain.main()\nup again",
            expect![[r#"
                2: Panic: thread 'main' panicked at src/log.rs:7:5:
                    torn entry 9
                    note: run with `RUST_BACKTRACE=1`
                    
                6: Panic: thread 'disk' (4211) panicked at src/disk.rs:1:1:
                    full
                    a
                    b
                11: Panic: panic: assignment to entry in nil map
                    
                    goroutine 1 [running]:
                    main.main()
            "#]],
        );
    }

    #[test]
    fn a_crash_told_in_several_lines_is_one_finding() {
        check(
            "fatal error: unexpected signal during runtime execution\n[signal SIGSEGV: segmentation violation]\n",
            expect![[r#"
                1: Fatal: fatal error: unexpected signal during runtime execution
                    [signal SIGSEGV: segmentation violation]
            "#]],
        );
        check(
            "sh: line 1: 7 Segmentation fault (core dumped) ./store\n",
            expect![[r#"
                1: Crash: sh: line 1: 7 Segmentation fault (core dumped) ./store
            "#]],
        );
        check(
            "{\"level\":\"fatal\",\"msg\":\"failed to open WAL\"}\nok\nok\nok\nmemory allocation of 9000000000 bytes failed\n",
            expect![[r#"
                1: Fatal: {"level":"fatal","msg":"failed to open WAL"}
                    ok
                    ok
                    ok
                5: OutOfMemory: memory allocation of 9000000000 bytes failed
            "#]],
        );
    }

    #[test]
    fn healthy_lines_that_speak_of_trouble_are_not_findings() {
        check(
            "INFO recovered from a panic: retrying\nwarn: no fatal error: none\nleader panicked? no\nKilled\n\
             ---- assize: start 2 of n1, unix time 1.000 ----\n{\"level\":\"error\",\"msg\":\"dial failed\"}",
            expect![[""]],
        );
    }

    #[test]
    fn a_log_of_a_thousand_panics_is_cut_short() {
        let log = "panic: again\n1\n2\n3\n".repeat(1000);
        let findings = scan_text(&log);
        assert_eq!(findings.len(), MOST);
        assert!(findings.iter().all(|finding| finding.context.len() == 3));
    }

    #[test]
    fn a_line_without_end_and_bytes_that_are_no_text_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("node.log");
        let mut log = vec![0xff; 3 * LONGEST as usize];
        log.extend_from_slice(b"\npanic: at the end");
        std::fs::write(&path, log).unwrap();
        let findings = scan_log(&path).unwrap();
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].text, "panic: at the end");
    }
}
