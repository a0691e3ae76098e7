use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::hash::BuildHasherDefault;

use base::Fingerprint;

/// An interned name or text of one [`Events`](super::Events): equal if and only if the text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Symbol(pub u32);

/// A place in the arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark(u32);

impl Mark {
    /// Where nil stands in every arena.
    pub(crate) const NIL: Mark = Mark(0);
}

/// A value in one word: the tag in the low three bits. Sequences and maps hold how many tokens follow that are inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Token(u64);

const NIL: u64 = 0;
const INTEGER: u64 = 1;
/// Keyword or symbol.
const NAME: u64 = 2;
const TEXT: u64 = 3;
/// An integer that does not fit beside the tag: a place in `wide`.
const WIDE: u64 = 4;
const SEQUENCE: u64 = 5;
const MAP: u64 = 6;

impl Token {
    const fn new(tag: u64, payload: u64) -> Token {
        Token(payload << 3 | tag)
    }

    fn tag(self) -> u64 {
        self.0 & 7
    }

    fn payload(self) -> u64 {
        self.0 >> 3
    }

    /// How many tokens it takes, with what is inside.
    fn length(self) -> usize {
        match self.tag() {
            SEQUENCE | MAP => self.payload() as usize + 1,
            _ => 1,
        }
    }
}

/// All values of a history.
#[derive(Clone, Debug)]
pub(crate) struct Arena {
    tokens: Vec<Token>,
    wide: Vec<i64>,
    wide_ids: HashMap<i64, u32, BuildHasherDefault<Fingerprint>>,
    /// All names, one after another.
    text: String,
    /// Where each begins and ends in `text`.
    names: Vec<(usize, usize)>,
    ids: HashMap<u64, u32, BuildHasherDefault<Fingerprint>>,
    /// Short names seen last, by a hash of their bytes: `r`, `append`, `read`. No name is 0.
    recent: [(u64, Symbol); 1 << RECENT_BITS],
}

impl Default for Arena {
    fn default() -> Self {
        Arena {
            tokens: vec![Token::new(NIL, 0)],
            wide: Vec::new(),
            wide_ids: HashMap::default(),
            text: String::new(),
            names: Vec::new(),
            ids: HashMap::default(),
            recent: [(0, Symbol(0)); 1 << RECENT_BITS],
        }
    }
}

impl Arena {
    /// The place of the next token; `None` when there is no more room (2^32 tokens).
    #[inline]
    pub(crate) fn mark(&self) -> Option<Mark> {
        u32::try_from(self.tokens.len()).ok().map(Mark)
    }

    /// Forgets everything from `mark` on.
    pub(crate) fn forget(&mut self, mark: Mark) {
        self.tokens.truncate((mark.0 as usize).max(1));
    }

    #[inline]
    pub(crate) fn nil(&mut self) {
        self.tokens.push(Token::new(NIL, 0));
    }

    #[inline]
    pub(crate) fn integer(&mut self, number: i64) {
        if (number << 3) >> 3 == number {
            return self.tokens.push(Token((number as u64) << 3 | INTEGER));
        }
        let next = self.wide.len() as u32;
        let id = *self.wide_ids.entry(number).or_insert(next);
        if id == next {
            self.wide.push(number);
        }
        self.tokens.push(Token::new(WIDE, u64::from(id)));
    }

    /// A keyword or symbol.
    #[inline]
    pub(crate) fn word(&mut self, word: &str) {
        let symbol = self.symbol(word);
        self.name_of(symbol);
    }

    /// The keyword or symbol of this text.
    #[inline]
    pub(crate) fn name_of(&mut self, symbol: Symbol) {
        self.tokens.push(Token::new(NAME, u64::from(symbol.0)));
    }

    /// A string.
    #[inline]
    pub(crate) fn string(&mut self, text: &str) {
        let symbol = self.symbol(text);
        self.tokens.push(Token::new(TEXT, u64::from(symbol.0)));
    }

    /// Begins a sequence or map at the returned place; [`Arena::close`] ends it.
    #[inline]
    pub(crate) fn open(&mut self) -> usize {
        self.tokens.push(Token::new(NIL, 0));
        self.tokens.len() - 1
    }

    /// Ends what `open` began.
    #[inline]
    pub(crate) fn close(&mut self, open: usize, map: bool) {
        let inside = (self.tokens.len() - open - 1) as u64;
        self.tokens[open] = Token::new(if map { MAP } else { SEQUENCE }, inside);
    }

    /// The number of this text, the same for equal texts.
    #[inline]
    pub(crate) fn symbol(&mut self, text: &str) -> Symbol {
        let Some(packed) = packed(text) else { return self.long_symbol(text) };
        let place = (packed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - RECENT_BITS)) as usize;
        if self.recent[place].0 == packed {
            return self.recent[place].1;
        }
        let symbol = self.long_symbol(text);
        self.recent[place] = (packed, symbol);
        symbol
    }

    fn long_symbol(&mut self, text: &str) -> Symbol {
        let mut hash = Fingerprint::of(&text.as_bytes());
        loop {
            let next = self.names.len() as u32;
            let id = *self.ids.entry(hash).or_insert(next);
            if id == next {
                self.names.push((self.text.len(), self.text.len() + text.len()));
                self.text.push_str(text);
                return Symbol(id);
            }
            if self.name(Symbol(id)) == text {
                return Symbol(id);
            }
            // Two texts of one hash: the later one goes on to the next.
            hash = hash.wrapping_add(1);
        }
    }

    #[inline]
    pub(crate) fn name(&self, symbol: Symbol) -> &str {
        let (begin, end) = self.names[symbol.0 as usize];
        &self.text[begin..end]
    }

    #[inline]
    pub(crate) fn value(&self, mark: Mark) -> Value<'_> {
        let tokens = &self.tokens[mark.0 as usize..];
        Value { arena: self, tokens: &tokens[..tokens[0].length()] }
    }
}

const RECENT_BITS: u32 = 6;

/// A text of one to seven bytes in a word, its length above them.
#[inline]
fn packed(text: &str) -> Option<u64> {
    let bytes = text.as_bytes();
    if bytes.is_empty() || bytes.len() > 7 {
        return None;
    }
    let word = bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
    Some((bytes.len() as u64) << 56 | word)
}

/// A value of an event: nil, an integer, a name (keyword or symbol), a text, a sequence (vector, list or set), a map.
///
/// Numbers that are no integers and `true` and `false` are names. A JSON history gives the same values as its EDN twin, but that
/// names are texts; [`Value::word`] and [`Value::same`] do not tell these apart.
#[derive(Clone, Copy)]
pub struct Value<'a> {
    arena: &'a Arena,
    /// At least one.
    tokens: &'a [Token],
}

impl<'a> Value<'a> {
    #[inline]
    fn token(self) -> Token {
        self.tokens[0]
    }

    /// Whether it is nil.
    #[inline]
    pub fn is_nil(self) -> bool {
        self.token().tag() == NIL
    }

    /// The integer, if it is one.
    #[inline]
    pub fn integer(self) -> Option<i64> {
        match self.token().tag() {
            INTEGER => Some(self.token().0 as i64 >> 3),
            WIDE => Some(self.arena.wide[self.token().payload() as usize]),
            _ => None,
        }
    }

    /// The name or text, if it is one.
    #[inline]
    pub fn word(self) -> Option<&'a str> {
        self.symbol().map(|symbol| self.arena.name(symbol))
    }

    /// The name or text as a number that is equal for equal texts of one history.
    #[inline]
    pub fn symbol(self) -> Option<Symbol> {
        matches!(self.token().tag(), NAME | TEXT).then(|| Symbol(self.token().payload() as u32))
    }

    /// Whether it is a text, rather than a name.
    #[inline]
    pub(crate) fn is_text(self) -> bool {
        self.token().tag() == TEXT
    }

    /// Whether it is a vector, list or set.
    #[inline]
    pub fn is_sequence(self) -> bool {
        self.token().tag() == SEQUENCE
    }

    /// Whether it is a map.
    #[inline]
    pub fn is_map(self) -> bool {
        self.token().tag() == MAP
    }

    /// What is in a sequence, or the keys and values of a map in turn; nothing for other values.
    #[inline]
    pub fn items(self) -> Items<'a> {
        let rest = if matches!(self.token().tag(), SEQUENCE | MAP) { &self.tokens[1..] } else { &[] };
        Items { arena: self.arena, rest }
    }

    /// How many first items of two sequences are the same scalars.
    #[inline]
    pub(crate) fn common(self, other: Value<'_>) -> usize {
        let both = self.tokens.iter().zip(other.tokens).skip(1);
        both.take_while(|(mine, theirs)| mine == theirs && !matches!(mine.tag(), SEQUENCE | MAP)).count()
    }

    /// The items behind the first `known`, which must be scalars.
    #[inline]
    pub(crate) fn items_behind(self, known: usize) -> Items<'a> {
        let mut items = self.items();
        items.rest = items.rest.get(known..).unwrap_or(&[]);
        items
    }

    /// The items of a sequence of exactly `N`.
    #[inline]
    pub fn tuple<const N: usize>(self) -> Option<[Value<'a>; N]> {
        if !self.is_sequence() {
            return None;
        }
        let mut items = self.items();
        let mut tuple = [self; N];
        for place in &mut tuple {
            *place = items.next()?;
        }
        items.next().is_none().then_some(tuple)
    }

    /// The keys and values of a map; nothing for other values.
    pub fn pairs(self) -> impl Iterator<Item = (Value<'a>, Value<'a>)> {
        let mut items = if self.is_map() { self.items() } else { Items { arena: self.arena, rest: &[] } };
        std::iter::from_fn(move || Some((items.next()?, items.next()?)))
    }

    /// The value in a map under the key with this name.
    pub fn get(self, name: &str) -> Option<Value<'a>> {
        self.pairs().find(|(key, _)| key.word() == Some(name)).map(|(_, value)| value)
    }

    /// Whether both are the same; a name and a text of the same letters are.
    pub fn same(self, other: Value<'_>) -> bool {
        if let (Some(a), Some(b)) = (self.word(), other.word()) {
            return a == b;
        }
        if let (Some(a), Some(b)) = (self.integer(), other.integer()) {
            return a == b;
        }
        let both = |tag: u64| self.token().tag() == tag && other.token().tag() == tag;
        if both(SEQUENCE) || both(MAP) {
            return self.tokens.len() == other.tokens.len() && self.items().zip(other.items()).all(|(a, b)| a.same(b));
        }
        both(NIL)
    }

    /// Whether this may be what came back for `asked`: the same, where `asked` is not nil.
    pub(super) fn answers(self, asked: Value<'_>) -> bool {
        if asked.is_nil() || self.same(asked) {
            return true;
        }
        let both_sequences = self.is_sequence() && asked.is_sequence();
        both_sequences
            && self.items().count() == asked.items().count()
            && self.items().zip(asked.items()).all(|(mine, theirs)| mine.answers(theirs))
    }

    /// The one word of a value that is no sequence or map; names are texts.
    #[inline]
    pub(super) fn scalar(self) -> Option<u64> {
        let token = self.token();
        match token.tag() {
            SEQUENCE | MAP => None,
            NAME => Some(Token::new(TEXT, token.payload()).0),
            _ => Some(token.0),
        }
    }

    /// The words of the value for the interner: a scalar is one, and names are texts.
    pub(super) fn words(self) -> impl Iterator<Item = u64> + 'a {
        self.tokens.iter().map(|token| if token.tag() == NAME { Token::new(TEXT, token.payload()).0 } else { token.0 })
    }

    /// What it is, for messages: `nil`, the scalar itself, `a sequence`, `a map`.
    pub fn describe(self) -> Cow<'static, str> {
        match self.token().tag() {
            NIL => "nil".into(),
            SEQUENCE => "a sequence".into(),
            MAP => "a map".into(),
            _ => format!("`{self}`").into(),
        }
    }
}

/// The value as EDN without colons and commas.
impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.token().tag(), self.integer(), self.word()) {
            (_, Some(number), _) => write!(f, "{number}"),
            (_, _, Some(word)) => f.write_str(word),
            (SEQUENCE, ..) => put_items(f, *self, "[", "]"),
            (MAP, ..) => put_items(f, *self, "{", "}"),
            _ => f.write_str("nil"),
        }
    }
}

fn put_items(f: &mut fmt::Formatter<'_>, value: Value<'_>, open: &str, close: &str) -> fmt::Result {
    f.write_str(open)?;
    for (i, item) in value.items().enumerate() {
        write!(f, "{}{item}", if i > 0 { " " } else { "" })?;
    }
    f.write_str(close)
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The items of a sequence or map, in order.
#[derive(Clone, Copy)]
pub struct Items<'a> {
    arena: &'a Arena,
    rest: &'a [Token],
}

impl<'a> Iterator for Items<'a> {
    type Item = Value<'a>;

    #[inline]
    fn next(&mut self) -> Option<Value<'a>> {
        let length = self.rest.first()?.length();
        let (tokens, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(Value { arena: self.arena, tokens })
    }
}
