use base::Time;

use super::{Builder, Kind, Transactions};
use crate::operation::Outcome;

/// Reads transactions drawn as on a whiteboard: a line per process, time runs to the right, a column is a millisecond.
///
/// ```text
/// p0: (x+1 y=[])    (x=[1,2])        append 1 to x and read y; read x
/// p1:      (x+2 ?)      (z:=3 w=nil)    an unknown outcome; write 3 to the register z and read w
/// p2:  (x+4 !)   (x=[?])                a failure; a read without a known result
/// ```
///
/// `(` is the invocation, `)` the completion. Numbers are values. Panics on anything else: it is for tests.
pub fn notation(text: &str) -> Transactions {
    let mut builder = Builder::new(true);
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let (process, lane) = line.split_once(": ").unwrap_or_else(|| panic!("`{line}` has no `p0:`"));
        let process = process.trim().strip_prefix('p').and_then(|digits| digits.parse().ok());
        let process: u32 = process.unwrap_or_else(|| panic!("`{line}` does not begin with `p0:`"));
        let mut at = 0;
        while let Some(open) = lane[at..].find('(').map(|i| at + i) {
            let close = open + lane[open..].find(')').unwrap_or_else(|| panic!("`{line}` has no `)` at its end"));
            transaction(&mut builder, process, &lane[open + 1..close], (open as u64, close as u64));
            at = close + 1;
        }
    }
    builder.finish().expect("a drawing is small")
}

fn transaction(builder: &mut Builder, process: u32, text: &str, (open, close): (u64, u64)) {
    builder.begin(process, open, Time(open * 1_000_000));
    let mut outcome = Outcome::Ok;
    for word in text.split_whitespace() {
        match word {
            "?" => outcome = Outcome::Info,
            "!" => outcome = Outcome::Fail,
            _ => micro(builder, word),
        }
    }
    builder.end(close, Time(close * 1_000_000), outcome);
}

fn micro(builder: &mut Builder, word: &str) {
    if let Some((key, value)) = word.split_once(":=") {
        let key = builder.key(key);
        let version = builder.version(key, number(value));
        return builder.write(version);
    }
    if let Some((key, value)) = word.split_once('+') {
        let key = builder.key(key);
        let version = builder.version(key, number(value));
        return builder.append(version);
    }
    let (key, value) = word.split_once('=').unwrap_or_else(|| panic!("`{word}` is none of x+1, x=[1], x:=1 and x=1"));
    let key = builder.key(key);
    match value.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some("?") => builder.unread(Kind::ReadList, key),
        Some(list) => {
            let numbers = list.split(',').filter(|word| !word.is_empty()).map(number);
            let elements: Vec<u32> = numbers.map(|value| builder.version(key, value)).collect();
            builder.read_list(key, &elements);
        }
        None if value == "?" => builder.unread(Kind::Read, key),
        None if value == "nil" => builder.read(key, None),
        None => {
            let version = builder.version(key, number(value));
            builder.read(key, Some(version));
        }
    }
}

fn number(text: &str) -> i64 {
    text.parse().unwrap_or_else(|_| panic!("`{text}` is no number"))
}
