//! One scanner for EDN (the extensible data notation of Clojure) and JSON, as far as histories need them.
//!
//! Values go as flat tokens into a [`Sink`]; nothing is allocated for a value, unless a string has escapes. In JSON a colon is white
//! space, `null` is nil, and the key of an object that is written like an integer is one. In EDN a tag (`#jepsen.history.Op`)
//! and everything behind `#_` are white space.

use std::borrow::Cow;

use super::swar::{find_either, number};
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

/// What a scan gives; the error is boxed, so that what is not one fits into registers.
pub(crate) type Scan<T> = Result<T, Box<Wrong>>;

impl From<Box<Wrong>> for Wrong {
    fn from(wrong: Box<Wrong>) -> Wrong {
        *wrong
    }
}

/// Deeper nesting than any history has; more would exhaust the stack.
const DEEPEST: usize = 64;

pub(crate) struct Scanner<'a> {
    text: &'a str,
    pub at: usize,
    /// Whether the end of the text was looked at: if more of it is to come, what was read there may be only a part.
    pub starved: bool,
    notation: Notation,
    classes: &'static [u8; 256],
    depth: usize,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(text: &'a str, notation: Notation) -> Scanner<'a> {
        let classes = if notation == Notation::Json { &JSON } else { &EDN };
        Scanner { text, at: 0, starved: false, notation, classes, depth: 0 }
    }

    /// The next byte that is no white space, which stays; `None` at the end.
    #[inline(always)]
    pub(crate) fn peek(&mut self) -> Scan<Option<u8>> {
        let bytes = self.text.as_bytes();
        while let Some(byte) = bytes.get(self.at) {
            let class = self.classes[*byte as usize];
            if class & (BLANK | SPECIAL) == 0 {
                return Ok(Some(*byte));
            }
            if class & BLANK != 0 {
                self.at += 1;
            } else if let Some(byte) = self.special(*byte)? {
                return Ok(Some(byte));
            }
        }
        self.starved = true;
        Ok(None)
    }

    /// A comment, discard or tag, which is left behind; or the begin of a set, which is not.
    #[cold]
    fn special(&mut self, byte: u8) -> Scan<Option<u8>> {
        if byte == b';' {
            self.next_line();
            return Ok(None);
        }
        match self.text.as_bytes().get(self.at + 1) {
            Some(b'{') => return Ok(Some(b'#')),
            Some(b'_') => self.discard()?,
            _ => drop(self.raw_word()),
        }
        Ok(None)
    }

    /// Goes behind the next line feed.
    pub(crate) fn next_line(&mut self) {
        let rest = &self.text.as_bytes()[self.at..];
        let behind = find_either(rest, b'\n', b'\n').map(|i| i + 1);
        self.starved |= behind.is_none();
        self.at += behind.unwrap_or(rest.len());
    }

    fn discard(&mut self) -> Scan<()> {
        let at = self.at;
        self.at += 2;
        self.deeper(at)?;
        self.value(&mut Ignore)?;
        self.depth -= 1;
        Ok(())
    }

    /// Reads one value into the sink.
    #[inline]
    pub(crate) fn value(&mut self, sink: &mut impl Sink) -> Scan<()> {
        match self.peek()? {
            Some(byte) => self.value_at(byte, sink, false),
            None => Err(self.wrong("expected a value, not the end")),
        }
    }

    /// Reads the value that begins with `byte`, where the scanner stands.
    fn value_at(&mut self, byte: u8, sink: &mut impl Sink, is_key: bool) -> Scan<()> {
        match byte {
            b'0'..=b'9' => match self.number() {
                Some(number) => sink.integer(number),
                None => self.atom()?.put(sink),
            },
            b'[' => self.sequence(sink, b']')?,
            b'(' if self.notation == Notation::Edn => self.sequence(sink, b')')?,
            b'{' => self.map(sink)?,
            b'#' if self.notation == Notation::Edn => {
                self.at += 1;
                self.sequence(sink, b'}')?;
            }
            b'"' => {
                let text = self.string()?;
                match integer(&text) {
                    Some(number) if is_key && self.notation == Notation::Json => sink.integer(number),
                    _ => sink.string(&text),
                }
            }
            b']' | b')' | b'}' => return Err(self.wrong("expected a value, not a closing bracket")),
            _ => self.atom()?.put(sink),
        }
        Ok(())
    }

    fn sequence(&mut self, sink: &mut impl Sink, close: u8) -> Scan<()> {
        let begin = self.at;
        self.deeper(begin)?;
        self.at += 1;
        let open = sink.open();
        loop {
            match self.peek()? {
                Some(b'0'..=b'9') => match self.number() {
                    Some(number) => sink.integer(number),
                    None => self.atom()?.put(sink),
                },
                Some(byte) if byte == close => break,
                None | Some(b']' | b')' | b'}') => return Err(self.unclosed(begin, close)),
                Some(byte) => self.value_at(byte, sink, false)?,
            }
        }
        self.at += 1;
        self.depth -= 1;
        sink.close(open, false);
        Ok(())
    }

    fn map(&mut self, sink: &mut impl Sink) -> Scan<()> {
        let begin = self.at;
        self.deeper(begin)?;
        self.at += 1;
        let open = sink.open();
        while let Some(byte) = self.next_key(begin)? {
            self.value_at(byte, sink, true)?;
            self.before_value()?;
            self.value(sink)?;
        }
        self.depth -= 1;
        sink.close(open, true);
        Ok(())
    }

    /// Inside the map that began at `begin`: the byte with which the next key begins; `None`, and the closing bracket is taken, at its end.
    #[inline]
    pub(crate) fn next_key(&mut self, begin: usize) -> Scan<Option<u8>> {
        match self.peek()? {
            Some(b'}') => {
                self.at += 1;
                Ok(None)
            }
            None | Some(b']' | b')') => Err(self.unclosed(begin, b'}')),
            byte => Ok(byte),
        }
    }

    /// Behind a key of a map: goes to its value, which must be there.
    #[inline]
    pub(crate) fn before_value(&mut self) -> Scan<()> {
        match self.peek()? {
            Some(b'}') => Err(self.wrong("expected an even number of forms in the map")),
            _ => Ok(()),
        }
    }

    /// A scalar, without a sink; `None`, and the value is skipped, if it is a sequence or map.
    #[inline]
    pub(crate) fn scalar(&mut self) -> Scan<Option<Scalar<'a>>> {
        match self.peek()? {
            Some(b'0'..=b'9') => match self.number() {
                Some(number) => Ok(Some(Scalar::Integer(number))),
                None => self.atom().map(Some),
            },
            Some(b'"') => Ok(Some(Scalar::Word(self.string()?))),
            Some(b'[' | b'(' | b'{' | b'#') => self.value(&mut Ignore).map(|()| None),
            None | Some(b']' | b')' | b'}') => Err(self.wrong("expected a value")),
            Some(_) => self.atom().map(Some),
        }
    }

    /// The keyword, symbol or string that follows; `None`, and the value is skipped, if it is something else.
    #[inline]
    pub(crate) fn word(&mut self) -> Scan<Option<Cow<'a, str>>> {
        if self.peek()? == Some(b':') {
            return Ok(Some(Cow::Borrowed(&self.raw_word()[1..])));
        }
        Ok(match self.scalar()? {
            Some(Scalar::Word(word)) => Some(word),
            _ => None,
        })
    }

    /// The integer of at most 18 digits that follows, if nothing but a delimiter is behind it.
    #[inline(always)]
    fn number(&mut self) -> Option<i64> {
        let bytes = self.text.as_bytes();
        let (number, length) = number(&bytes[self.at..])?;
        if self.classes[bytes[self.at + length] as usize] & END == 0 {
            return None;
        }
        self.at += length;
        Some(number)
    }

    fn atom(&mut self) -> Scan<Scalar<'a>> {
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

    /// Everything up to the next delimiter. In JSON a colon is one.
    #[inline]
    fn raw_word(&mut self) -> &'a str {
        let begin = self.at;
        let bytes = self.text.as_bytes();
        while let Some(byte) = bytes.get(self.at) {
            if self.classes[*byte as usize] & END != 0 {
                return &self.text[begin..self.at];
            }
            self.at += 1;
        }
        self.starved = true;
        &self.text[begin..]
    }

    fn string(&mut self) -> Scan<Cow<'a, str>> {
        let open = self.at;
        let bytes = self.text.as_bytes();
        let mut at = open + 1;
        let mut escaped = false;
        loop {
            let quote = bytes.get(at..).and_then(|rest| find_either(rest, b'"', b'\\'));
            let Some(quote) = quote else {
                self.starved = true;
                return Err(Box::new(Wrong::new(open, "expected `\"` at the end of the string")));
            };
            at += quote;
            if bytes[at] == b'"' {
                break;
            }
            escaped = true;
            at += 2;
        }
        self.at = at + 1;
        let raw = &self.text[open + 1..at];
        Ok(if escaped { Cow::Owned(unescape(raw)) } else { Cow::Borrowed(raw) })
    }

    fn deeper(&mut self, at: usize) -> Scan<()> {
        self.depth += 1;
        if self.depth <= DEEPEST {
            return Ok(());
        }
        Err(Box::new(Wrong::new(at, format!("expected at most {DEEPEST} brackets within one another"))))
    }

    /// After a mistake in the form that began at `begin`: goes to the next line that begins like a form.
    pub(crate) fn recover(&mut self, begin: usize) {
        self.depth = 0;
        let before = |c: char| c.is_whitespace() || c == ',';
        self.at = self.text.len() - self.text[begin..].trim_start_matches(before).len();
        loop {
            self.next_line();
            let line = self.text[self.at..].trim_start_matches([' ', '\t', ',']);
            if line.is_empty() || line.starts_with(['{', '#', ']', ')']) {
                return;
            }
        }
    }

    #[cold]
    fn unclosed(&self, begin: usize, close: u8) -> Box<Wrong> {
        let open = self.text.as_bytes().get(begin).map_or('{', |byte| *byte as char);
        let lines = self.text[begin..self.at].matches('\n').count();
        let place = if lines > 0 { format!(", {lines} lines before,") } else { String::new() };
        self.wrong(&format!("expected `{}` for the `{open}`{place} that is open", close as char))
    }

    #[cold]
    fn wrong(&self, message: &str) -> Box<Wrong> {
        Box::new(Wrong::new(self.at, message))
    }
}

impl Scalar<'_> {
    #[inline]
    fn put(&self, sink: &mut impl Sink) {
        match self {
            Scalar::Nil => sink.nil(),
            Scalar::Integer(number) => sink.integer(*number),
            Scalar::Word(word) => sink.word(word),
        }
    }
}

/// White space, and what is taken for it.
const BLANK: u8 = 1;
/// What may begin a comment, discard, tag or set.
const SPECIAL: u8 = 2;
/// What ends a word.
const END: u8 = 4;

const fn table(blanks: &[u8], specials: &[u8], others: &[u8]) -> [u8; 256] {
    let mut table = [0; 256];
    let mut i = 0;
    while i < blanks.len() {
        table[blanks[i] as usize] |= BLANK | END;
        i += 1;
    }
    i = 0;
    while i < specials.len() {
        table[specials[i] as usize] |= SPECIAL;
        i += 1;
    }
    i = 0;
    while i < others.len() {
        table[others[i] as usize] |= END;
        i += 1;
    }
    table
}

static EDN: [u8; 256] = table(b" \t\r\n,", b";#", b";()[]{}\"");
static JSON: [u8; 256] = table(b" \t\r\n,:", b"", b"()[]{}\"");

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
