//! A reader of EDN values (the extensible data notation of Clojure), as far as histories need it.

use crate::error::TextError;

/// A value and the byte where it begins.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node<'a> {
    pub at: usize,
    pub value: Edn<'a>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Edn<'a> {
    Nil,
    Integer(i64),
    /// A keyword without its colon, or a symbol (also `true`, `false` and numbers that are no integers).
    Name(&'a str),
    /// A string, escapes as they stand.
    Text(&'a str),
    /// A vector, list or set.
    Sequence(Vec<Node<'a>>),
    Map(Vec<(Node<'a>, Node<'a>)>),
}

impl Edn<'_> {
    pub(super) fn kind(&self) -> String {
        match self {
            Edn::Nil => "nil".into(),
            Edn::Integer(number) => format!("`{number}`"),
            Edn::Name(name) => format!("`{name}`"),
            Edn::Text(text) => format!("\"{text}\""),
            Edn::Sequence(_) => "a sequence".into(),
            Edn::Map(_) => "a map".into(),
        }
    }
}

/// Deeper nesting than any history has; more would exhaust the stack.
const DEEPEST: usize = 64;

/// Reads every value of the text.
pub(super) fn read_all(text: &str) -> Result<Vec<Node<'_>>, TextError> {
    let mut reader = Reader { text, at: 0, depth: 0 };
    let mut nodes = Vec::new();
    loop {
        match reader.next() {
            Ok(Some(node)) => nodes.push(node),
            Ok(None) if reader.at == text.len() => return Ok(nodes),
            Ok(None) => return Err(error_at(text, reader.at, "expected a value, not a closing bracket".into())),
            Err((at, message)) => return Err(error_at(text, at, message)),
        }
    }
}

/// The error at a byte, as line and column.
pub(super) fn error_at(text: &str, at: usize, message: String) -> TextError {
    let before = &text.as_bytes()[..at.min(text.len())];
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let column = at - before.iter().rposition(|byte| *byte == b'\n').map_or(0, |i| i + 1) + 1;
    TextError { line, column, message }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

type Wrong = (usize, String);

impl<'a> Reader<'a> {
    /// The next value; `None` at a closing bracket or at the end.
    fn next(&mut self) -> Result<Option<Node<'a>>, Wrong> {
        self.skip_space();
        let at = self.at;
        let bytes = self.text.as_bytes();
        let Some(&byte) = bytes.get(at) else { return Ok(None) };
        let value = match byte {
            b')' | b']' | b'}' => return Ok(None),
            b'(' => Edn::Sequence(self.sequence(b')')?),
            b'[' => Edn::Sequence(self.sequence(b']')?),
            b'{' => Edn::Map(self.map()?),
            b'"' => Edn::Text(self.string()?),
            b'#' => return self.dispatch(),
            _ => self.atom()?,
        };
        Ok(Some(Node { at, value }))
    }

    fn skip_space(&mut self) {
        let bytes = self.text.as_bytes();
        while let Some(&byte) = bytes.get(self.at) {
            match byte {
                b' ' | b'\t' | b'\n' | b'\r' | b',' => self.at += 1,
                b';' => self.at += bytes[self.at..].iter().position(|b| *b == b'\n').unwrap_or(bytes.len() - self.at),
                _ => return,
            }
        }
    }

    /// `#{set}`, `#_ discarded`, `#tag value`.
    fn dispatch(&mut self) -> Result<Option<Node<'a>>, Wrong> {
        let at = self.at;
        self.deeper(at)?;
        let node = match self.text.as_bytes().get(at + 1) {
            Some(b'{') => {
                self.at += 1;
                Some(Node { at, value: Edn::Sequence(self.sequence(b'}')?) })
            }
            Some(b'_') => {
                self.at += 2;
                self.next()?.ok_or((at, "expected a value after `#_`".to_string()))?;
                self.next()?
            }
            _ => {
                self.at += 1;
                self.word();
                Some(self.next()?.ok_or((at, "expected a value after a tag".to_string()))?)
            }
        };
        self.depth -= 1;
        Ok(node)
    }

    fn deeper(&mut self, at: usize) -> Result<(), Wrong> {
        self.depth += 1;
        if self.depth > DEEPEST { Err((at, format!("nested deeper than {DEEPEST}"))) } else { Ok(()) }
    }

    fn sequence(&mut self, close: u8) -> Result<Vec<Node<'a>>, Wrong> {
        let open = self.at;
        self.deeper(open)?;
        self.at += 1;
        let mut items = Vec::new();
        while let Some(item) = self.next()? {
            items.push(item);
        }
        if self.text.as_bytes().get(self.at) != Some(&close) {
            return Err((self.at, format!("expected `{}` for the bracket at byte {open}", close as char)));
        }
        self.at += 1;
        self.depth -= 1;
        Ok(items)
    }

    fn map(&mut self) -> Result<Vec<(Node<'a>, Node<'a>)>, Wrong> {
        let open = self.at;
        let mut items = self.sequence(b'}')?.into_iter();
        let mut pairs = Vec::with_capacity(items.len() / 2);
        while let Some(key) = items.next() {
            let value = items.next().ok_or((open, "expected an even number of forms in the map".to_string()))?;
            pairs.push((key, value));
        }
        Ok(pairs)
    }

    fn string(&mut self) -> Result<&'a str, Wrong> {
        let open = self.at;
        let bytes = self.text.as_bytes();
        let mut at = open + 1;
        while let Some(&byte) = bytes.get(at) {
            match byte {
                b'"' => {
                    self.at = at + 1;
                    return Ok(&self.text[open + 1..at]);
                }
                b'\\' => at += 2,
                _ => at += 1,
            }
        }
        Err((open, "expected `\"` at the end of the string".to_string()))
    }

    fn word(&mut self) -> &'a str {
        let ends = |byte: &u8| b" \t\r\n,;()[]{}\"".contains(byte);
        let rest = &self.text.as_bytes()[self.at..];
        let length = rest.iter().position(ends).unwrap_or(rest.len());
        let word = &self.text[self.at..self.at + length];
        self.at += length;
        word
    }

    fn atom(&mut self) -> Result<Edn<'a>, Wrong> {
        let word = self.word();
        Ok(match word.strip_prefix(':') {
            Some(name) => Edn::Name(name),
            None if word == "nil" => Edn::Nil,
            None => word.strip_suffix('N').unwrap_or(word).parse().map_or(Edn::Name(word), Edn::Integer),
        })
    }
}
