//! One scanner for EDN (the extensible data notation of Clojure) and JSON, as far as histories need them.
//!
//! Values go as flat tokens into a [`Sink`]; nothing is allocated for a value, unless a string has escapes. In JSON a colon is white
//! space, `null` is nil, and the key of an object that is written like an integer is one. In EDN a tag (`#jepsen.history.Op`)
//! and everything behind `#_` are white space.

use std::borrow::Cow;

use crate::event::{Arena, Wrong};

/// What takes the tokens.
pub(crate) trait Sink {
    fn nil(&mut self);
    fn integer(&mut self, number: i64);
    fn word(&mut self, word: &str);
    fn string(&mut self, text: &str);
    fn open(&mut self) -> usize;
    fn close(&mut self, open: usize, map: bool);
}

impl Sink for Arena {
    fn nil(&mut self) {
        self.nil();
    }
    fn integer(&mut self, number: i64) {
        self.integer(number);
    }
    fn word(&mut self, word: &str) {
        self.word(word);
    }
    fn string(&mut self, text: &str) {
        self.string(text);
    }
    fn open(&mut self) -> usize {
        self.open()
    }
    fn close(&mut self, open: usize, map: bool) {
        self.close(open, map);
    }
}

/// Takes nothing: for values that nobody asks for.
pub(crate) struct Ignore;

impl Sink for Ignore {
    fn nil(&mut self) {}
    fn integer(&mut self, _: i64) {}
    fn word(&mut self, _: &str) {}
    fn string(&mut self, _: &str) {}
    fn open(&mut self) -> usize {
        0
    }
    fn close(&mut self, _: usize, _: bool) {}
}

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notation {
    Edn,
    Json,
}

/// A scalar where a scalar is looked for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Scalar<'a> {
    Nil,
    Integer(i64),
    Word(Cow<'a, str>),
}

impl Scalar<'_> {
    /// The word, if it is one.
    pub(crate) fn word(&self) -> Option<&str> {
        match self {
            Scalar::Word(word) => Some(word),
            _ => None,
        }
    }
}

/// Deeper nesting than any history has; more would exhaust the stack.
const DEEPEST: usize = 64;

pub(crate) struct Scanner<'a> {
    text: &'a str,
    pub at: usize,
    notation: Notation,
    depth: usize,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(text: &'a str, notation: Notation) -> Scanner<'a> {
        Scanner { text, at: 0, notation, depth: 0 }
    }

    /// The next byte that is no white space, which stays; `None` at the end.
    #[inline]
    pub(crate) fn peek(&mut self) -> Result<Option<u8>, Wrong> {
        let bytes = self.text.as_bytes();
        loop {
            match bytes.get(self.at) {
                None => return Ok(None),
                Some(b' ' | b',' | b'\n' | b'\t' | b'\r') => self.at += 1,
                Some(b':') if self.notation == Notation::Json => self.at += 1,
                Some(b';') if self.notation == Notation::Edn => self.next_line(),
                Some(b'#') if self.notation == Notation::Edn => match bytes.get(self.at + 1) {
                    Some(b'{') => return Ok(Some(b'#')),
                    Some(b'_') => self.discard()?,
                    _ => drop(self.raw_word()),
                },
                Some(byte) => return Ok(Some(*byte)),
            }
        }
    }

    /// Goes behind the next line feed.
    pub(crate) fn next_line(&mut self) {
        let rest = &self.text.as_bytes()[self.at..];
        self.at += rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |i| i + 1);
    }

    fn discard(&mut self) -> Result<(), Wrong> {
        let at = self.at;
        self.at += 2;
        self.deeper(at)?;
        self.value(&mut Ignore)?;
        self.depth -= 1;
        Ok(())
    }

    /// Reads one value into the sink.
    #[inline]
    pub(crate) fn value(&mut self, sink: &mut impl Sink) -> Result<(), Wrong> {
        self.value_at(sink, false)
    }

    fn value_at(&mut self, sink: &mut impl Sink, is_key: bool) -> Result<(), Wrong> {
        match self.peek()? {
            None => Err(self.wrong("expected a value, not the end")),
            Some(b'[') => self.sequence(sink, b']'),
            Some(b'(') if self.notation == Notation::Edn => self.sequence(sink, b')'),
            Some(b'{') => self.map(sink),
            Some(b'#') => {
                self.at += 1;
                self.sequence(sink, b'}')
            }
            Some(b'"') => {
                let text = self.string()?;
                match self.notation {
                    Notation::Json if is_key => match integer(&text) {
                        Some(number) => sink.integer(number),
                        None => sink.string(&text),
                    },
                    _ => sink.string(&text),
                }
                Ok(())
            }
            Some(b']' | b')' | b'}') => Err(self.wrong("expected a value, not a closing bracket")),
            Some(_) => {
                match self.atom()? {
                    Scalar::Nil => sink.nil(),
                    Scalar::Integer(number) => sink.integer(number),
                    Scalar::Word(word) => sink.word(&word),
                }
                Ok(())
            }
        }
    }

    fn sequence(&mut self, sink: &mut impl Sink, close: u8) -> Result<(), Wrong> {
        let begin = self.at;
        self.deeper(begin)?;
        self.at += 1;
        let open = sink.open();
        loop {
            match self.peek()? {
                Some(byte) if byte == close => break,
                None | Some(b']' | b')' | b'}') => return Err(self.unclosed(begin, close)),
                Some(_) => self.value(sink)?,
            }
        }
        self.at += 1;
        self.depth -= 1;
        sink.close(open, false);
        Ok(())
    }

    fn map(&mut self, sink: &mut impl Sink) -> Result<(), Wrong> {
        let begin = self.at;
        self.deeper(begin)?;
        self.at += 1;
        let open = sink.open();
        while self.more_pairs(begin)? {
            self.value_at(sink, true)?;
            self.value_of_key(sink)?;
        }
        self.depth -= 1;
        sink.close(open, true);
        Ok(())
    }

    /// Inside the map that began at `begin`: whether a key follows; the closing bracket is taken.
    #[inline]
    pub(crate) fn more_pairs(&mut self, begin: usize) -> Result<bool, Wrong> {
        match self.peek()? {
            Some(b'}') => {
                self.at += 1;
                Ok(false)
            }
            None | Some(b']' | b')') => Err(self.unclosed(begin, b'}')),
            Some(_) => Ok(true),
        }
    }

    /// The value behind a key of a map.
    #[inline]
    pub(crate) fn value_of_key(&mut self, sink: &mut impl Sink) -> Result<(), Wrong> {
        if self.peek()? == Some(b'}') {
            return Err(self.wrong("expected an even number of forms in the map"));
        }
        self.value(sink)
    }

    /// A scalar, without a sink; `None`, and the value is skipped, if it is a sequence or map.
    pub(crate) fn scalar(&mut self) -> Result<Option<Scalar<'a>>, Wrong> {
        match self.peek()? {
            Some(b'"') => Ok(Some(Scalar::Word(self.string()?))),
            Some(b'[' | b'(' | b'{' | b'#') => self.value(&mut Ignore).map(|()| None),
            None | Some(b']' | b')' | b'}') => Err(self.wrong("expected a value")),
            Some(_) => self.atom().map(Some),
        }
    }

    fn atom(&mut self) -> Result<Scalar<'a>, Wrong> {
        let word = self.raw_word();
        if word.is_empty() {
            let found = self.text[self.at..].chars().next().unwrap_or(' ');
            return Err(self.wrong(&format!("expected a value, not `{found}`")));
        }
        Ok(match word.as_bytes()[0] {
            b':' => Scalar::Word(Cow::Borrowed(&word[1..])),
            b'0'..=b'9' | b'-' | b'+' => integer(word).map_or(Scalar::Word(Cow::Borrowed(word)), Scalar::Integer),
            b'n' if word == "nil" || word == "null" && self.notation == Notation::Json => Scalar::Nil,
            _ => Scalar::Word(Cow::Borrowed(word)),
        })
    }

    #[inline]
    fn raw_word(&mut self) -> &'a str {
        let rest = &self.text.as_bytes()[self.at..];
        let stops = if self.notation == Notation::Json { &ENDS_JSON } else { &ENDS_EDN };
        let length = rest.iter().position(|byte| stops[*byte as usize]).unwrap_or(rest.len());
        let word = &self.text[self.at..self.at + length];
        self.at += length;
        word
    }

    fn string(&mut self) -> Result<Cow<'a, str>, Wrong> {
        let open = self.at;
        let bytes = self.text.as_bytes();
        let mut at = open + 1;
        let mut escaped = false;
        loop {
            match bytes.get(at) {
                None => return Err(Wrong::new(open, "expected `\"` at the end of the string")),
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    at += 2;
                }
                Some(_) => at += 1,
            }
        }
        self.at = at + 1;
        let raw = &self.text[open + 1..at];
        Ok(if escaped { Cow::Owned(unescape(raw)) } else { Cow::Borrowed(raw) })
    }

    fn deeper(&mut self, at: usize) -> Result<(), Wrong> {
        self.depth += 1;
        if self.depth > DEEPEST { Err(Wrong::new(at, format!("nested deeper than {DEEPEST}"))) } else { Ok(()) }
    }

    /// Back to the surface, after an error.
    pub(crate) fn surface(&mut self) {
        self.depth = 0;
    }

    fn unclosed(&self, begin: usize, close: u8) -> Wrong {
        let line = crate::error::place(self.text.as_bytes(), begin);
        let message = format!("expected `{}` for the bracket at {}:{}", close as char, line.0, line.1);
        Wrong::new(self.at, message)
    }

    fn wrong(&self, message: &str) -> Wrong {
        Wrong::new(self.at, message)
    }
}

const fn table(ends: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut i = 0;
    while i < ends.len() {
        table[ends[i] as usize] = true;
        i += 1;
    }
    table
}

static ENDS_EDN: [bool; 256] = table(b" \t\r\n,;()[]{}\"");
static ENDS_JSON: [bool; 256] = table(b" \t\r\n,:()[]{}\"");

/// The integer that the whole word is; `N` may follow (Clojure's big integers).
#[inline]
pub(crate) fn integer(word: &str) -> Option<i64> {
    let word = word.strip_suffix('N').unwrap_or(word);
    let bytes = word.as_bytes();
    if bytes.len() > 18 || !bytes.first().is_some_and(u8::is_ascii_digit) {
        return word.parse().ok();
    }
    bytes.iter().try_fold(0i64, |number, byte| byte.is_ascii_digit().then(|| number * 10 + i64::from(byte - b'0')))
}

/// The text that was meant: `\n`, `\t`, `\r`, `\"`, `\\`, `\/`, `\b`, `\f`, `\uXXXX`. Other escapes stay as they are.
fn unescape(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let Some(escape) = rest.chars().next() else { break };
        rest = &rest[escape.len_utf8()..];
        match escape {
            'n' => out.push('\n'),
            't' => out.push('\t'),
            'r' => out.push('\r'),
            'b' => out.push('\u{8}'),
            'f' => out.push('\u{c}'),
            '"' | '\\' | '/' => out.push(escape),
            'u' => match unicode(rest) {
                Some((character, length)) => {
                    out.push(character);
                    rest = &rest[length..];
                }
                None => out.push_str("\\u"),
            },
            other => {
                out.push('\\');
                out.push(other);
            }
        }
    }
    out.push_str(rest);
    out
}

/// The character of `XXXX` or `XXXX\uXXXX` (a surrogate pair), and how many bytes that took.
fn unicode(rest: &str) -> Option<(char, usize)> {
    let unit = |from: usize| u32::from_str_radix(rest.get(from..from + 4)?, 16).ok();
    let first = unit(0)?;
    if let Some(character) = char::from_u32(first) {
        return Some((character, 4));
    }
    if rest.get(4..6)? != "\\u" {
        return None;
    }
    let second = unit(6)?;
    let code = 0x10000 + (first.checked_sub(0xD800)? << 10) + second.checked_sub(0xDC00)?;
    char::from_u32(code).map(|character| (character, 10))
}
