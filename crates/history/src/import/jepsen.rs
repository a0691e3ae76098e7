//! Jepsen's histories: a map per event, `{:index 4, :time 1200, :type :invoke, :process 3, :f :write, :value 5}`, in EDN or JSON.
//!
//! A map per line, or one vector, list or array of maps; comments, discards and tagged records; keys and values that are keywords,
//! symbols or strings. Events of processes that are no numbers (`:nemesis`) are skipped. `:process` and `:f` may be missing.
//! Porcupine's key-value logs are the same with a `:key` in each map.
//!
//! The order is that of the file, or of `:index` where every event has one.

use crate::event::{Events, Kind, Mark, Row, Symbol, Wrong};
use crate::import::Problems;
use crate::import::notation::{Ignore, Notation, Scalar, Scanner};

/// Reads all events. Stops at the first mistake, unless `problems` lets it pass.
pub(super) fn read(text: &str, notation: Notation, problems: &mut Problems) -> Result<Events, Wrong> {
    let mut reader = Reader::new(text, notation);
    loop {
        let begin = reader.scanner.at;
        match reader.next() {
            Ok(true) => {}
            Ok(false) => return Ok(reader.finish()),
            Err(wrong) => {
                problems.pass(wrong)?;
                reader.recover(begin);
            }
        }
    }
}

struct Reader<'a> {
    scanner: Scanner<'a>,
    events: Events,
    /// The `:index` of each row, as long as every row had one.
    indices: Vec<u64>,
    /// The bracket that holds all events, if there is one.
    within: Option<u8>,
    transaction: Symbol,
    /// Where the values of the event under way begin.
    begun: Option<Mark>,
}

/// The fields of a map that make an event.
#[derive(Default)]
struct Fields<'a> {
    kind: Option<Scalar<'a>>,
    kind_at: usize,
    function: Option<Scalar<'a>>,
    process: Option<Option<Scalar<'a>>>,
    time: Option<u64>,
    index: Option<u64>,
    value: Option<Mark>,
    value_at: usize,
    key: Option<Mark>,
    error: Option<Mark>,
    /// What only we write.
    extra: Vec<(&'static str, Scalar<'a>)>,
}

/// The fields that [`crate::edn::export`] adds to an invocation.
const OURS: [&str; 4] = ["due", "node", "phase", "size"];

impl<'a> Reader<'a> {
    fn new(text: &'a str, notation: Notation) -> Reader<'a> {
        let mut events = Events::default();
        let transaction = events.arena.symbol("txn");
        let scanner = Scanner::new(text, notation);
        Reader { scanner, events, indices: Vec::new(), within: None, transaction, begun: None }
    }

    /// Reads one event, or a bracket around events; `false` at the end.
    fn next(&mut self) -> Result<bool, Wrong> {
        let at = |reader: &Self, message: &str| Wrong::new(reader.scanner.at, message);
        match (self.scanner.peek()?, self.within) {
            (None, None) => return Ok(false),
            (None, Some(close)) => {
                let message = format!("expected `{}` at the end of the history", close as char);
                self.within = None;
                return Err(at(self, &message));
            }
            (Some(b'{'), _) => self.event()?,
            (Some(b'['), None) => self.enter(b']'),
            (Some(b'('), None) => self.enter(b')'),
            (Some(byte), Some(close)) if byte == close => {
                self.scanner.at += 1;
                self.within = None;
            }
            (Some(_), _) => return Err(at(self, "expected an event: a map like `{:type :invoke, ...}`")),
        }
        Ok(true)
    }

    fn enter(&mut self, close: u8) {
        self.scanner.at += 1;
        self.within = Some(close);
    }

    /// After a mistake: forgets the event and goes on behind it, on the next line.
    fn recover(&mut self, begin: usize) {
        if let Some(mark) = self.begun.take() {
            self.events.arena.forget(mark);
        }
        self.scanner.surface();
        self.scanner.at = self.scanner.at.max(begin);
        self.scanner.next_line();
    }

    fn event(&mut self) -> Result<(), Wrong> {
        let begin = self.scanner.at;
        let mark = self.mark()?;
        self.begun = Some(mark);
        let fields = self.fields(begin)?;
        match self.row(begin, &fields)? {
            Some(row) => {
                self.events.rows.push(row);
                self.indices.extend(fields.index);
            }
            None => self.events.arena.forget(mark),
        }
        self.begun = None;
        Ok(())
    }

    fn mark(&self) -> Result<Mark, Wrong> {
        let full = || Wrong::new(self.scanner.at, "the history has more than 2^32 values");
        if self.events.rows.len() >= u32::MAX as usize {
            Err(full())
        } else {
            self.events.arena.mark().ok_or_else(full)
        }
    }

    fn fields(&mut self, begin: usize) -> Result<Fields<'a>, Wrong> {
        self.scanner.at += 1;
        let mut fields = Fields::default();
        while self.scanner.more_pairs(begin)? {
            let key = self.scanner.scalar()?;
            if self.scanner.peek()? == Some(b'}') {
                return Err(Wrong::new(begin, "expected an even number of forms in the map"));
            }
            let at = self.scanner.at;
            match key.as_ref().and_then(Scalar::word).unwrap_or("") {
                "type" => (fields.kind, fields.kind_at) = (self.scanner.scalar()?, at),
                "process" => fields.process = Some(self.scanner.scalar()?),
                "f" => fields.function = self.scanner.scalar()?,
                "value" => (fields.value, fields.value_at) = (Some(self.keep()?), at),
                "time" => fields.time = self.natural()?,
                "index" => fields.index = self.natural()?,
                "key" => fields.key = Some(self.keep()?),
                "error" => fields.error = Some(self.keep()?),
                other => match OURS.iter().find(|ours| **ours == other) {
                    Some(ours) => fields.extra.extend(self.scanner.scalar()?.map(|value| (*ours, value))),
                    None => self.scanner.value(&mut Ignore)?,
                },
            }
        }
        Ok(fields)
    }

    fn keep(&mut self) -> Result<Mark, Wrong> {
        let mark = self.mark()?;
        self.scanner.value_of_key(&mut self.events.arena)?;
        Ok(mark)
    }

    fn natural(&mut self) -> Result<Option<u64>, Wrong> {
        Ok(match self.scanner.scalar()? {
            Some(Scalar::Integer(number)) => u64::try_from(number).ok(),
            _ => None,
        })
    }

    /// The row of these fields; `None` for an event of no client.
    fn row(&mut self, begin: usize, fields: &Fields<'_>) -> Result<Option<Row>, Wrong> {
        let process = match fields.process {
            None | Some(Some(Scalar::Nil)) => None,
            Some(Some(Scalar::Integer(process))) => {
                let wrong = || Wrong::new(begin, format!("expected a process, not `{process}`"));
                Some(u32::try_from(process).ok().filter(|process| *process != u32::MAX).ok_or_else(wrong)?)
            }
            Some(_) => return Ok(None),
        };
        let Some(kind) = &fields.kind else { return Err(Wrong::new(begin, "expected `:type` in the event")) };
        let kind = kind.word().and_then(Kind::find);
        let wrong = || Wrong::new(fields.kind_at, "expected `:invoke`, `:ok`, `:fail` or `:info`");
        let kind = kind.ok_or_else(wrong)?;
        let function = match fields.function.as_ref().and_then(Scalar::word) {
            Some(name) => self.events.arena.symbol(name),
            None => self.transaction,
        };
        let mut row = Row::new(begin, kind, function);
        row.value_behind = u32::try_from(fields.value_at.saturating_sub(begin)).unwrap_or(0);
        if let Some(process) = process {
            row = row.of(process);
        }
        row.time = fields.time.unwrap_or(row.time);
        row.value = fields.value.unwrap_or(row.value);
        row.key = fields.key.unwrap_or(row.key);
        row.error = fields.error.unwrap_or(row.error);
        if !fields.extra.is_empty() {
            row.extra = self.mark()?;
            self.put_extra(&fields.extra);
        }
        Ok(Some(row))
    }

    fn put_extra(&mut self, extra: &[(&'static str, Scalar<'_>)]) {
        let arena = &mut self.events.arena;
        let open = arena.open();
        for (name, value) in extra {
            arena.word(name);
            match value {
                Scalar::Nil => arena.nil(),
                Scalar::Integer(number) => arena.integer(*number),
                Scalar::Word(word) => arena.word(word),
            }
        }
        arena.close(open, true);
    }

    fn finish(self) -> Events {
        let Reader { mut events, indices, .. } = self;
        if indices.len() == events.rows.len() && !indices.is_sorted() {
            let mut order: Vec<usize> = (0..indices.len()).collect();
            order.sort_by_key(|row| indices[*row]);
            events.rows = order.into_iter().map(|row| events.rows[row]).collect();
        }
        events
    }
}
