use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use base::{NodeId, ProcessId, Time};

use crate::error::OpenError;
use crate::import::{self, Format, Problems};
use crate::operation::{Completion, ErrorKind, Function, Operation, Outcome, Phase, Request};
use crate::segment::{self, ClockDomain, Header};

/// All operations of a run, as the checkers read them, in order of invocation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// What the system saw.
    pub operations: Columns,
    /// What was still queued in the client at its deadline: no part of what is checked, but of what is measured.
    pub never_sent: Columns,
    /// The names of keys in an imported history whose keys are not numbers, by key. Empty: a key is its number.
    pub key_names: Vec<String>,
    /// Where it came from.
    pub origin: Origin,
}

/// Where a history came from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// Made in memory.
    #[default]
    Memory,
    /// The records of a run of ours: one clock per writer.
    Records(Vec<ClockDomain>),
    /// A JSON Lines file.
    JsonLines,
    /// A Jepsen history.
    Edn,
}

impl History {
    /// The operations in order of invocation; those never sent are set apart.
    pub fn from_operations(operations: impl IntoIterator<Item = Operation>) -> History {
        let (mut checked, mut never_sent) = (Vec::new(), Vec::new());
        for operation in operations {
            if operation.was_never_sent() { &mut never_sent } else { &mut checked }.push(operation);
        }
        let columns = |mut operations: Vec<Operation>| {
            if !operations.is_sorted_by_key(|operation| operation.sent) {
                operations.sort_by_key(|operation| operation.sent);
            }
            operations.iter().collect::<Columns>()
        };
        History { operations: columns(checked), never_sent: columns(never_sent), ..History::default() }
    }

    /// Reads a run folder, its `history` folder, one segment of records, JSON Lines, or registers in any of the formats of
    /// [`import`]; which, is recognised by the content.
    pub fn open(path: impl AsRef<Path>) -> Result<History, OpenError> {
        Ok(read(path.as_ref(), &mut Problems::new(false))?.0)
    }

    /// The same, but what is malformed in a text is skipped: how often, and the first mistake.
    pub fn open_lenient(path: impl AsRef<Path>) -> Result<(History, Option<(usize, OpenError)>), OpenError> {
        let mut problems = Problems::new(true);
        let (history, format) = read(path.as_ref(), &mut problems)?;
        let first = problems.first.map(|wrong| import::malformed(path.as_ref(), format, wrong));
        Ok((history, first.map(|first| (problems.count, first))))
    }

    /// How many operations the system saw.
    pub fn len(&self) -> usize {
        self.operations.len()
    }

    /// Whether the system saw none.
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// The operations that the system saw, in order of invocation.
    pub fn iter(&self) -> impl Iterator<Item = Operation> + '_ {
        self.operations.iter()
    }

    /// One more than the greatest key.
    pub fn key_count(&self) -> usize {
        self.operations.key.iter().max().map_or(0, |&key| key as usize + 1)
    }

    /// The key as people wrote it.
    pub fn key_name(&self, key: u32) -> String {
        self.key_names.get(key as usize).cloned().unwrap_or_else(|| key.to_string())
    }
}

macro_rules! columns {
    ($($(#[doc = $doc:literal])+ $name:ident: $type:ty = |$operation:ident| $value:expr;)+) => {
        /// Operations as one array per field: a checker touches only the fields it needs.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct Columns { $($(#[doc = $doc])+ pub $name: Vec<$type>,)+ }

        impl Columns {
            /// Adds one operation at the end.
            pub fn push(&mut self, operation: &Operation) {
                $({ let $operation = operation; self.$name.push($value); })+
            }

            /// Makes room for `more` operations.
            pub fn reserve(&mut self, more: usize) {
                $(self.$name.reserve(more);)+
            }
        }
    };
}

columns! {
    /// When each should have left: ns since the start of the run.
    due: u64 = |op| op.due.0;
    /// When each was invoked, ns.
    sent: u64 = |op| op.sent.0;
    /// When each completed, ns; `u64::MAX` for `info`.
    done: u64 = |op| op.done.0;
    /// The new value of a mutation.
    argument: u64 = |op| op.request.argument;
    /// What a cas wanted to find.
    expected: u64 = |op| op.request.expected;
    /// The value read.
    result: u64 = |op| op.completion.result;
    /// Who asked.
    process: u32 = |op| op.process.0;
    /// The key.
    key: u32 = |op| op.request.key;
    /// Bytes of the value on the wire.
    size: u32 = |op| op.request.size;
    /// The node that was asked first.
    node: u16 = |op| op.node.0;
    /// What was asked.
    function: Function = |op| op.request.function;
    /// What came of it.
    outcome: Outcome = |op| op.completion.outcome;
    /// Why it is not `ok`.
    error: ErrorKind = |op| op.completion.error;
    /// The part of the run.
    phase: Phase = |op| op.phase;
}

impl Columns {
    /// How many operations.
    pub fn len(&self) -> usize {
        self.sent.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.sent.is_empty()
    }

    /// One operation. Panics when `index` is not below [`Columns::len`].
    pub fn get(&self, index: usize) -> Operation {
        Operation {
            process: ProcessId(self.process[index]),
            node: NodeId(self.node[index]),
            request: Request {
                function: self.function[index],
                key: self.key[index],
                argument: self.argument[index],
                expected: self.expected[index],
                size: self.size[index],
            },
            due: Time(self.due[index]),
            sent: Time(self.sent[index]),
            done: Time(self.done[index]),
            completion: Completion {
                outcome: self.outcome[index],
                result: self.result[index],
                error: self.error[index],
            },
            phase: self.phase[index],
        }
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = Operation> + '_ {
        (0..self.len()).map(|index| self.get(index))
    }
}

impl<'a> FromIterator<&'a Operation> for Columns {
    fn from_iter<I: IntoIterator<Item = &'a Operation>>(operations: I) -> Columns {
        let operations = operations.into_iter();
        let mut columns = Columns::default();
        columns.reserve(operations.size_hint().0);
        operations.for_each(|operation| columns.push(operation));
        columns
    }
}

fn read_records(dir: &Path) -> Result<History, OpenError> {
    let io = |source| OpenError::Io { path: dir.to_owned(), source };
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir).map_err(io)? {
        let path = entry.map_err(io)?.path();
        if path.extension().is_some_and(|extension| extension == "rec") {
            paths.push(path);
        }
    }
    if paths.is_empty() {
        let message = "the folder holds no segment of records (`NNN-NNNN.rec`)".to_string();
        return Err(OpenError::Unrecognised { path: dir.to_owned(), message });
    }
    paths.sort();
    read_segments(&paths)
}

fn read_segments(paths: &[PathBuf]) -> Result<History, OpenError> {
    let mut operations = Vec::new();
    let mut clocks: BTreeMap<u16, ClockDomain> = BTreeMap::new();
    for path in paths {
        if let Some(Header { writer, clock, .. }) = segment::read(path, |operation| operations.push(operation))? {
            clocks.entry(writer).or_insert(clock);
        }
    }
    let mut history = History::from_operations(operations);
    history.origin = Origin::Records(clocks.into_values().collect());
    Ok(history)
}

/// A history, and how it is written.
fn read(path: &Path, problems: &mut Problems) -> Result<(History, Format), OpenError> {
    let io = |source| OpenError::Io { path: path.to_owned(), source };
    if fs::metadata(path).map_err(io)?.is_dir() {
        let inner = path.join("history");
        return Ok((read_records(if inner.is_dir() { &inner } else { path })?, Format::Records));
    }
    let mut start = [0; 8];
    let length = File::open(path).and_then(|mut file| file.read(&mut start)).map_err(io)?;
    if segment::looks_like_one(&start[..length]) {
        return Ok((read_segments(&[path.to_owned()])?, Format::Records));
    }
    read_text(path, problems)
}

fn read_text(path: &Path, problems: &mut Problems) -> Result<(History, Format), OpenError> {
    let window = import::window_of(path)?;
    let format = import::recognise(path, &window, None)?;
    let read = if format.has_events() {
        import::read_events(window, format, problems).and_then(|events| Ok(crate::register::from_events(&events)?))
    } else {
        crate::jsonl::read(window, problems)
    };
    Ok((read.map_err(|stop| import::stopped(path, format, stop))?, format))
}
