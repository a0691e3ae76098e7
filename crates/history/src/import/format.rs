use crate::segment;

/// How a history is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A segment of our own records.
    Records,
    /// Our own JSON Lines: an operation per line.
    JsonLines,
    /// Jepsen's maps in EDN, Porcupine's key-value logs too.
    JepsenEdn,
    /// The same in JSON.
    JepsenJson,
    /// Jepsen's `history.txt`.
    JepsenTable,
    /// The log of a Jepsen run.
    JepsenLog,
    /// Plume's text.
    Plume,
    /// AWDIT's tests.
    Awdit,
    /// dbcop's bincode, as PolySI keeps it.
    DbcopBincode,
    /// dbcop's JSON.
    DbcopJson,
}

impl Format {
    /// Every format.
    pub const ALL: &[Format] = &[
        Format::Records,
        Format::JsonLines,
        Format::JepsenEdn,
        Format::JepsenJson,
        Format::JepsenTable,
        Format::JepsenLog,
        Format::Plume,
        Format::Awdit,
        Format::DbcopBincode,
        Format::DbcopJson,
    ];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Format::Records => "records",
            Format::JsonLines => "jsonl",
            Format::JepsenEdn => "jepsen-edn",
            Format::JepsenJson => "jepsen-json",
            Format::JepsenTable => "jepsen-history-txt",
            Format::JepsenLog => "jepsen-log",
            Format::Plume => "plume-text",
            Format::Awdit => "awdit-test",
            Format::DbcopBincode => "dbcop-bincode",
            Format::DbcopJson => "dbcop-json",
        }
    }

    /// The format of this name; `porcupine-kv` is written like Jepsen's EDN, and plain `edn` and `json` are Jepsen's.
    pub fn find(name: &str) -> Option<Format> {
        let name = match name {
            "porcupine-kv" | "edn" => "jepsen-edn",
            "json" => "jepsen-json",
            name => name,
        };
        Self::ALL.iter().copied().find(|format| format.name() == name)
    }

    /// Whether it holds events (rather than our own operations).
    pub fn has_events(self) -> bool {
        !matches!(self, Format::Records | Format::JsonLines)
    }

    /// The format of these (decompressed) bytes, by how they begin; else what was looked for.
    pub fn recognise(bytes: &[u8]) -> Result<Format, String> {
        if segment::looks_like_one(bytes) {
            return Ok(Format::Records);
        }
        let start = &bytes[..bytes.len().min(1 << 16)];
        let text = match std::str::from_utf8(start) {
            Ok(text) => text,
            Err(error) if error.error_len().is_none() => {
                std::str::from_utf8(&start[..error.valid_up_to()]).unwrap_or("")
            }
            Err(_) if looks_like_bincode(bytes) => return Ok(Format::DbcopBincode),
            Err(error) => {
                return Err(format!("byte {} is no UTF-8 text, nor is the file a segment", error.valid_up_to()));
            }
        };
        if looks_like_bincode(bytes) {
            return Ok(Format::DbcopBincode);
        }
        let mut lines = text.lines().map(str::trim_start).filter(|line| !line.is_empty() && !line.starts_with(';'));
        let Some(first) = lines.next() else { return Err("it is empty".to_string()) };
        of_line(first, text).ok_or_else(|| {
            "it opens neither like JSON Lines (`{\"process\": ...`) nor like EDN (`{:type ...`)".to_string()
        })
    }
}

fn of_line(first: &str, text: &str) -> Option<Format> {
    let table = || first.split('\t').nth(1).is_some_and(|kind| kind.starts_with(':'));
    match first.as_bytes() {
        [b'{' | b'[' | b'(' | b'#', ..] => Some(braces(text)),
        [b'r' | b'w', b'(', ..] => Some(Format::Plume),
        [b'r' | b'w', b' ', ..] | [b'-', b'-', b'-', ..] | [b'=', b'=', b'=', ..] => Some(Format::Awdit),
        _ if first.contains("jepsen.util - ") || first.starts_with("INFO") => Some(Format::JepsenLog),
        _ if table() => Some(Format::JepsenTable),
        _ => None,
    }
}

/// EDN or JSON, and whose.
fn braces(text: &str) -> Format {
    let inside = text.trim_start_matches(|c: char| c.is_whitespace() || "[{(".contains(c));
    let Some(rest) = inside.strip_prefix('"') else { return Format::JepsenEdn };
    let Some((key, behind)) = rest.split_once('"') else { return Format::JepsenEdn };
    if !behind.trim_start().starts_with(':') {
        return Format::JepsenEdn;
    }
    let object = &inside[..inside.find('\n').unwrap_or(inside.len())];
    match key {
        "params" => Format::DbcopJson,
        _ if object.contains("\"type\"") => Format::JepsenJson,
        _ if text.trim_start().starts_with('[') => Format::JepsenJson,
        _ => Format::JsonLines,
    }
}

/// Whether the words at the start can be dbcop's header: five numbers and a short name.
fn looks_like_bincode(bytes: &[u8]) -> bool {
    let word = |i: usize| bytes.get(i * 8..i * 8 + 8).map(|b| u64::from_le_bytes(b.try_into().expect("eight bytes")));
    (0..5).all(|i| word(i).is_some_and(|number| number < 1 << 40)) && word(5).is_some_and(|length| length < 1 << 10)
}
