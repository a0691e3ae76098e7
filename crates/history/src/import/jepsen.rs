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
use crate::import::window::{Stop, View, Window};

/// Reads all events. Stops at the first mistake, unless `problems` lets it pass.
pub(super) fn read(mut window: Window<'_>, notation: Notation, problems: &mut Problems) -> Result<Events, Stop> {
    let mut reader = Reader::new();
    loop {
        let view = window.view(|wrong| problems.pass(wrong))?;
        let last = view.last;
        let used = Part { scanner: Scanner::new(view.text, notation), view, reader: &mut reader }.read(problems)?;
        if last {
            return Ok(reader.finish());
        }
        window.go_on(used)?;
    }
}

/// What was read so far.
struct Reader {
    events: Events,
    /// The `:index` of each row, as long as every row had one.
    indices: Vec<u64>,
    /// The bracket that holds all events, if there is one.
    within: Option<u8>,
    transaction: Symbol,
    /// The names of [`OURS`].
    ours: [Symbol; 4],
}

/// A window of the text, and the reader it is for.
struct Part<'a, 'r> {
    scanner: Scanner<'a>,
    view: View<'a>,
    reader: &'r mut Reader,
}

/// The fields of a map that make an event.
#[derive(Clone, Copy)]
struct Fields {
    kind: Option<Kind>,
    /// Where `:type` stands, if it does.
    kind_at: Option<usize>,
    function: Option<Symbol>,
    process: Process,
    time: Option<u64>,
    index: Option<u64>,
    value: Mark,
    value_at: usize,
    key: Mark,
    error: Mark,
    /// What only we write.
    extra: [Option<Extra>; 4],
}

/// Who an event is of.
#[derive(Clone, Copy)]
enum Process {
    /// The event does not say.
    Unnamed,
    Number(i64),
    /// No client: `:nemesis`.
    Other,
}

/// A scalar.
#[derive(Clone, Copy)]
enum Extra {
    Nil,
    Integer(i64),
    Word(Symbol),
}

/// The fields that [`crate::edn::export`] adds to an invocation.
const OURS: [&str; 4] = ["due", "node", "phase", "size"];

impl Part<'_, '_> {
    /// Reads the events that are whole; how many bytes of the window are used up.
    fn read(mut self, problems: &mut Problems) -> Result<usize, Wrong> {
        loop {
            let begin = self.scanner.at;
            let mark = self.mark()?;
            self.scanner.starved = false;
            match self.next() {
                Ok(true) => {}
                Ok(false) => return Ok(begin),
                Err(_) if self.may_be_cut() => {
                    self.reader.events.arena.forget(mark);
                    return Ok(begin);
                }
                Err(wrong) => {
                    problems.pass(Wrong { at: self.view.base + wrong.at, ..wrong })?;
                    self.reader.events.arena.forget(mark);
                    self.scanner.recover(begin);
                }
            }
        }
    }

    /// Whether more text may make good the mistake before which the scanner stands, or is at least needed to go on behind it.
    fn may_be_cut(&self) -> bool {
        !self.view.last && (self.scanner.starved || !self.view.text[self.scanner.at..].contains('\n'))
    }

    /// Reads one event, or a bracket around events; `false` at the end.
    fn next(&mut self) -> Result<bool, Wrong> {
        let wrong = |part: &Self, message: &str| Wrong::new(part.scanner.at, message);
        match (self.scanner.peek()?, self.reader.within) {
            (None, Some(close)) if self.view.last => {
                self.reader.within = None;
                return Err(wrong(self, &format!("expected `{}` at the end of the history", close as char)));
            }
            (None, _) => return Ok(false),
            (Some(b'{'), _) => self.event()?,
            (Some(b'['), None) => self.enter(b']'),
            (Some(b'('), None) => self.enter(b')'),
            (Some(byte), Some(close)) if byte == close => {
                self.scanner.at += 1;
                self.reader.within = None;
            }
            _ => return Err(wrong(self, "expected an event: a map like `{:type :invoke, ...}`")),
        }
        Ok(true)
    }

    fn enter(&mut self, close: u8) {
        self.scanner.at += 1;
        self.reader.within = Some(close);
    }

    fn event(&mut self) -> Result<(), Wrong> {
        let begin = self.scanner.at;
        let mark = self.mark()?;
        let fields = self.fields(begin)?;
        match self.row(begin, &fields)? {
            Some(row) => {
                self.reader.events.rows.push(row);
                self.reader.indices.extend(fields.index);
            }
            None => self.reader.events.arena.forget(mark),
        }
        Ok(())
    }

    fn mark(&self) -> Result<Mark, Wrong> {
        let full = || Wrong::new(self.scanner.at, "the history has more than 2^32 values");
        let room = self.reader.events.rows.len() < u32::MAX as usize;
        self.reader.events.arena.mark().filter(|_| room).ok_or_else(full)
    }

    fn fields(&mut self, begin: usize) -> Result<Fields, Wrong> {
        self.scanner.at += 1;
        let nil = Mark::NIL;
        let mut fields = Fields {
            kind: None,
            kind_at: None,
            function: None,
            process: Process::Unnamed,
            time: None,
            index: None,
            value: nil,
            value_at: begin,
            key: nil,
            error: nil,
            extra: [None; 4],
        };
        while self.scanner.next_key(begin)?.is_some() {
            let key = self.scanner.word()?;
            self.scanner.before_value()?;
            let at = self.scanner.at;
            match key.as_deref().unwrap_or("") {
                "type" => {
                    fields.kind = self.scanner.word()?.and_then(|name| Kind::find(&name));
                    fields.kind_at = Some(at);
                }
                "process" => {
                    fields.process = match self.scanner.scalar()? {
                        Some(Scalar::Integer(process)) => Process::Number(process),
                        Some(Scalar::Nil) => Process::Unnamed,
                        _ => Process::Other,
                    }
                }
                "f" => fields.function = self.scanner.word()?.map(|name| self.reader.events.arena.symbol(&name)),
                "value" => (fields.value, fields.value_at) = (self.keep()?, at),
                "time" => fields.time = self.natural()?,
                "index" => fields.index = self.natural()?,
                "key" => fields.key = self.keep()?,
                "error" => fields.error = self.keep()?,
                "real-time" => {
                    let known = self.scanner.word()?.is_none_or(|word| word != "false");
                    self.reader.events.real_time &= known;
                }
                other => match OURS.iter().position(|ours| *ours == other) {
                    Some(ours) => fields.extra[ours] = self.extra()?,
                    None => self.scanner.value(&mut Ignore)?,
                },
            }
        }
        Ok(fields)
    }

    fn keep(&mut self) -> Result<Mark, Wrong> {
        let mark = self.mark()?;
        self.scanner.value(&mut self.reader.events.arena)?;
        Ok(mark)
    }

    fn natural(&mut self) -> Result<Option<u64>, Wrong> {
        Ok(match self.scanner.scalar()? {
            Some(Scalar::Integer(number)) => u64::try_from(number).ok(),
            _ => None,
        })
    }
    fn extra(&mut self) -> Result<Option<Extra>, Wrong> {
        let arena = &mut self.reader.events.arena;
        Ok(self.scanner.scalar()?.map(|scalar| match scalar {
            Scalar::Nil => Extra::Nil,
            Scalar::Integer(number) => Extra::Integer(number),
            Scalar::Word(word) => Extra::Word(arena.symbol(&word)),
        }))
    }

    /// The row of these fields; `None` for an event of no client.
    fn row(&mut self, begin: usize, fields: &Fields) -> Result<Option<Row>, Wrong> {
        let process = match fields.process {
            Process::Unnamed => None,
            Process::Other => return Ok(None),
            Process::Number(process) => {
                let wrong = || Wrong::new(begin, format!("expected a process, not `{process}`"));
                Some(u32::try_from(process).ok().filter(|process| *process != u32::MAX).ok_or_else(wrong)?)
            }
        };
        let Some(kind_at) = fields.kind_at else { return Err(Wrong::new(begin, "expected `:type` in the event")) };
        let wrong = || Wrong::new(kind_at, "expected `:invoke`, `:ok`, `:fail` or `:info`");
        let kind = fields.kind.ok_or_else(wrong)?;
        let function = fields.function.unwrap_or(self.reader.transaction);
        let mut row = Row::new(self.view.base + begin, kind, function);
        if let Some(process) = process {
            row = row.of(process);
        }
        row.value_behind = u32::try_from(fields.value_at - begin).unwrap_or(0);
        row.time = fields.time.unwrap_or(row.time);
        (row.value, row.key, row.error) = (fields.value, fields.key, fields.error);
        if fields.extra.iter().any(Option::is_some) {
            row.extra = self.mark()?;
            self.put_extra(&fields.extra);
        }
        Ok(Some(row))
    }

    fn put_extra(&mut self, extra: &[Option<Extra>; 4]) {
        let arena = &mut self.reader.events.arena;
        let open = arena.open();
        for (name, value) in self.reader.ours.iter().zip(extra) {
            let Some(value) = value else { continue };
            arena.name_of(*name);
            match value {
                Extra::Nil => arena.nil(),
                Extra::Integer(number) => arena.integer(*number),
                Extra::Word(word) => arena.name_of(*word),
            }
        }
        arena.close(open, true);
    }
}

impl Reader {
    fn new() -> Reader {
        let mut events = Events::default();
        let transaction = events.arena.symbol("txn");
        let ours = OURS.map(|name| events.arena.symbol(name));
        Reader { events, indices: Vec::new(), within: None, transaction, ours }
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
