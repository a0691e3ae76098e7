//! A parsed plan: where its text came from, what was written, what was asked, what is wrong.

use crate::diagnostic::{Diagnostic, Diagnostics, Place, Severity};
use crate::suggest::{listed, nearest};
use crate::table::Table;
use crate::tree::{self, Branch, Entry, Item, Span, Value};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use toml::de::{DeTable, DeValue};

/// A parsed plan.
///
/// Stages read their sections through [`Document::root`]; whatever is wrong is gathered here and told at once by
/// [`Document::finish`], together with every setting that nobody asked for.
#[derive(Debug)]
pub struct Document {
    sources: Vec<Source>,
    root: Branch,
    pub(crate) asked: RefCell<BTreeMap<String, Vec<Asked>>>,
    undecided: RefCell<BTreeSet<String>>,
    broken: RefCell<BTreeSet<String>>,
    reports: RefCell<Vec<(Span, Diagnostic)>>,
}

/// A text that spans point into.
#[derive(Debug)]
struct Source {
    name: String,
    text: String,
}

/// One setting that a reader asked for.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub key: String,
    pub role: Role,
    /// The default that took effect when nothing was written, as TOML.
    pub default: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Value,
    Section,
    Sections,
}

/// How deep plans may extend plans: enough for any sane use, and an end to a circle.
const DEEPEST: usize = 8;

/// How deep an override may reach: below what the parser of TOML accepts, so that the effective plan can be read.
const DEEPEST_SET: usize = 32;

/// The version of the format that this code reads and writes. It reads every older one.
const FORMAT: i128 = 1;

/// Answers with name and text of the plan that `extends` names; the first argument is the extending file's name.
type Loader<'l> = dyn Fn(&str, &str) -> Result<(String, String), String> + 'l;

impl Document {
    /// Parses a plan that stands alone. `name` is what diagnostics call it, usually the file's path.
    pub fn parse(name: &str, text: &str) -> Result<Document, Diagnostics> {
        Document::parse_with(name, text, &|_, _| Err("a base plan cannot be read here".to_owned()))
    }

    /// Parses a plan that may begin with `extends = "base.toml"`: then the base is loaded first and this plan laid on
    /// top of it (tables merge, everything else is replaced).
    pub fn parse_with(name: &str, text: &str, load: &Loader<'_>) -> Result<Document, Diagnostics> {
        let mut document = Document {
            sources: Vec::new(),
            root: Branch::default(),
            asked: RefCell::default(),
            undecided: RefCell::default(),
            broken: RefCell::default(),
            reports: RefCell::default(),
        };
        match document.read(name, text, load, 0) {
            Some(root) => document.root = root,
            None => return Err(document.gathered()),
        }
        Ok(document)
    }

    /// Overrides one setting, as `--set key=value` does: `key` is a dotted path (a number picks an element of an
    /// array), `value` is TOML, and what is not TOML is a string (`500/s`, `leader`).
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), Diagnostics> {
        let source = self.add_source("--set", &format!("{key}={value}"));
        let key_span = Span { source, start: 0, end: key.len() };
        let item = self.override_item(key_span, value)?;
        let path: Vec<&str> = key.split('.').map(str::trim).collect();
        let inserted = match path.len() > DEEPEST_SET {
            true => Err(format!("`--set` reaches at most {DEEPEST_SET} deep")),
            false => insert(&mut self.root, &path, key_span, item),
        };
        inserted.map_err(|message| {
            self.report(Severity::Error, key_span, message, "write it like `--set load.rate=500/s`".to_owned());
            self.gathered()
        })
    }

    /// The reader of the whole plan.
    pub fn root(&self) -> Table<'_> {
        Table::root(self, &self.root)
    }

    /// Everything that is wrong, at once: what readers found, and every setting that none of them asked for.
    pub fn finish(&self) -> Result<(), Diagnostics> {
        let mut all = self.reports.borrow().clone();
        all.extend(self.unknown());
        let all = sorted(all);
        if all.has_errors() { Err(all) } else { Ok(()) }
    }

    /// What the plan's author should know although the plan can be run.
    pub fn warnings(&self) -> Diagnostics {
        let reports = self.reports.borrow();
        sorted(reports.iter().filter(|(_, it)| it.severity == Severity::Warning).cloned().collect())
    }

    /// The plan as it takes effect: what was written, overridden and inherited, and the defaults that were asked for.
    /// Parsed again, it gives the same values.
    pub fn effective(&self) -> String {
        format!("format = {FORMAT}\n{}", crate::effective::write(&self.root, &self.asked.borrow()))
    }

    pub(crate) fn ask(&self, path: &str, key: &str, role: Role, default: Option<String>) {
        let mut asked = self.asked.borrow_mut();
        let table = asked.entry(path.to_owned()).or_default();
        match table.iter_mut().find(|it| it.key == key) {
            Some(known) => {
                known.role = if known.role == Role::Value { role } else { known.role };
                known.default = known.default.take().or(default);
            }
            None => table.push(Asked { key: key.to_owned(), role, default }),
        }
    }

    /// Gives up on a section: what else it may hold cannot be known, so nothing in it is called unknown.
    pub(crate) fn give_up(&self, path: &str) {
        self.undecided.borrow_mut().insert(path.to_owned());
    }

    /// Notes that a section is not one: that settings are missing from it goes without saying.
    pub(crate) fn break_off(&self, path: &str) {
        self.broken.borrow_mut().insert(path.to_owned());
    }

    pub(crate) fn is_broken(&self, path: &str) -> bool {
        self.broken.borrow().contains(path)
    }

    pub(crate) fn report(&self, severity: Severity, span: Span, message: String, help: String) {
        let source = &self.sources[span.source];
        let place = Place::new(&source.name, &source.text, span.start, span.end);
        self.reports.borrow_mut().push((span, Diagnostic::new(severity, place, &message, &help)));
    }

    /// Where a missing section would be added: behind the last line of the plan itself.
    pub(crate) fn end(&self) -> Span {
        let at = self.sources[0].text.trim_end().len();
        Span { source: 0, start: at, end: at }
    }

    fn add_source(&mut self, name: &str, text: &str) -> usize {
        self.sources.push(Source { name: name.to_owned(), text: text.to_owned() });
        self.sources.len() - 1
    }

    /// One file and, below it, the plans it extends. `None` when something is wrong, which is then in the reports.
    fn read(&mut self, name: &str, text: &str, load: &Loader<'_>, depth: usize) -> Option<Branch> {
        let source = self.add_source(name, text);
        let (table, errors) = DeTable::parse_recoverable(text);
        if !errors.is_empty() {
            self.report_syntax(source, 0, &errors);
            return None;
        }
        let mut root = tree::branch(source, 0, table.get_ref());
        if let Some(at) = root.entries.iter().position(|entry| entry.key == "format") {
            self.judge_format(&root.entries.remove(at).item)?;
        }
        match root.entries.iter().position(|entry| entry.key == "extends") {
            None => Some(root),
            Some(at) => {
                let extends = root.entries.remove(at).item;
                let mut base = self.read_base(name, &extends, load, depth)?;
                base.overlay(root);
                Some(base)
            }
        }
    }

    /// `None` when the plan was written for another assize.
    fn judge_format(&self, format: &Item) -> Option<()> {
        if let Value::Integer { value: 1..=FORMAT, .. } = format.value {
            return Some(());
        }
        let message = format!("`format`: this assize reads plans of format {FORMAT}, found {}", format.found());
        self.report(Severity::Error, format.span, message, "use a newer assize".to_owned());
        None
    }

    fn read_base(&mut self, name: &str, extends: &Item, load: &Loader<'_>, depth: usize) -> Option<Branch> {
        let wrong = match extends.as_str() {
            None => Err(format!("`extends` wants the path of a plan, not {}", extends.found())),
            Some(_) if depth == DEEPEST => Err(format!("plans extend each other more than {DEEPEST} deep")),
            Some(path) => load(name, path).map_err(|reason| format!("cannot extend `{path}`: {reason}")),
        };
        match wrong {
            Ok((base_name, base_text)) => self.read(&base_name, &base_text, load, depth + 1),
            Err(message) => {
                self.report(Severity::Error, extends.span, message, "name a plan beside this one".to_owned());
                None
            }
        }
    }

    fn report_syntax(&self, source: usize, offset: usize, errors: &[toml::de::Error]) {
        for error in errors {
            let range = error.span().unwrap_or(0..0);
            let span = Span { source, start: range.start + offset, end: range.end + offset };
            let text = self.sources[source].text.get(span.start..span.end).unwrap_or_default();
            let (message, help) = match error.message() {
                "duplicate key" => (format!("`{text}` is set twice"), "remove one of the two"),
                message => (message.to_owned(), ""),
            };
            self.report(Severity::Error, span, message, help.to_owned());
        }
    }

    fn override_item(&self, key_span: Span, value: &str) -> Result<Item, Diagnostics> {
        let offset = key_span.end + 1;
        let (parsed, errors) = DeValue::parse_recoverable(value);
        if errors.is_empty() {
            return Ok(tree::item(key_span.source, offset, parsed.span(), parsed.get_ref()));
        }
        if value.trim_start().starts_with(['[', '{', '"', '\'']) {
            self.report_syntax(key_span.source, offset, &errors);
            return Err(self.gathered());
        }
        let span = Span { source: key_span.source, start: offset, end: offset + value.len() };
        Ok(Item { span, value: Value::Text(value.to_owned()) })
    }

    /// What was reported so far, taken out.
    fn gathered(&self) -> Diagnostics {
        sorted(self.reports.take())
    }

    fn unknown(&self) -> Vec<(Span, Diagnostic)> {
        let mut found = Vec::new();
        self.unknown_in(&self.root, "", &mut found);
        found
    }

    fn unknown_in(&self, branch: &Branch, path: &str, found: &mut Vec<(Span, Diagnostic)>) {
        let asked = self.asked.borrow();
        let known = asked.get(path).map_or(&[][..], Vec::as_slice);
        for entry in &branch.entries {
            let below = join(path, &entry.key);
            match known.iter().find(|it| it.key == entry.key).map(|it| it.role) {
                None if self.undecided.borrow().contains(path) => {}
                None => found.push(self.unknown_setting(entry, path, known, &asked)),
                Some(Role::Value) => {}
                Some(Role::Section | Role::Sections) => match &entry.item.value {
                    Value::Table(table) => self.unknown_in(table, &below, found),
                    Value::Array(items) => {
                        for (i, item) in items.iter().enumerate() {
                            if let Value::Table(table) = &item.value {
                                self.unknown_in(table, &element(&below, i), found);
                            }
                        }
                    }
                    _ => {}
                },
            }
        }
    }

    fn unknown_setting(
        &self,
        entry: &Entry,
        path: &str,
        known: &[Asked],
        asked: &BTreeMap<String, Vec<Asked>>,
    ) -> (Span, Diagnostic) {
        let section = matches!(entry.item.value, Value::Table(_));
        let what = if section { "section" } else { "setting" };
        let inside = if path.is_empty() { String::new() } else { format!(" in {}", bracketed(path)) };
        let elsewhere = || asked.iter().find(|(_, keys)| keys.iter().any(|it| it.key == entry.key)).map(|(at, _)| at);
        let help = match (nearest(&entry.key, known.iter().map(|it| it.key.as_str())), elsewhere()) {
            (Some(name), _) => format!("did you mean `{name}`?"),
            (None, Some(other)) if other.is_empty() => {
                "it belongs to the top of the plan, before every section".to_owned()
            }
            (None, Some(other)) => format!("it belongs to {}", bracketed(other)),
            (None, None) if known.is_empty() => String::new(),
            (None, None) => format!("known here: {}", listed(known.iter().map(|it| it.key.as_str()))),
        };
        let source = &self.sources[entry.key_span.source];
        let place = Place::new(&source.name, &source.text, entry.key_span.start, entry.key_span.end);
        let message = format!("unknown {what} `{}`{inside}", entry.key);
        (entry.key_span, Diagnostic::new(Severity::Error, place, &message, &help))
    }
}

/// The path of `key` in the table at `path`.
pub(crate) fn join(path: &str, key: &str) -> String {
    let key = crate::effective::key(key);
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

/// The path of one element of an array of tables.
pub(crate) fn element(path: &str, index: usize) -> String {
    format!("{path}[{index}]")
}

/// `` `[load]` ``; elements of lists have brackets already.
fn bracketed(path: &str) -> String {
    if path.ends_with(']') { format!("`{path}`") } else { format!("`[{path}]`") }
}

/// In the order of the file; what was said twice about one place is said once.
fn sorted(mut all: Vec<(Span, Diagnostic)>) -> Diagnostics {
    all.sort_by_key(|(span, _)| *span);
    let mut list: Vec<Diagnostic> = all.into_iter().map(|(_, diagnostic)| diagnostic).collect();
    list.dedup();
    Diagnostics { list }
}

fn insert(branch: &mut Branch, path: &[&str], key_span: Span, item: Item) -> Result<(), String> {
    let [key, rest @ ..] = path else { return Err("`--set` names no setting".to_owned()) };
    if key.is_empty() {
        return Err("`--set` names no setting".to_owned());
    }
    if branch.get(key).is_none() {
        let value = Value::Table(Branch::default());
        branch.entries.push(Entry { key: (*key).to_owned(), key_span, item: Item { span: key_span, value } });
    }
    let entry = branch.get_mut(key).expect("just added");
    if rest.is_empty() {
        entry.key_span = key_span;
    }
    insert_into(&mut entry.item, key, rest, key_span, item)
}

fn insert_into(target: &mut Item, name: &str, rest: &[&str], key_span: Span, item: Item) -> Result<(), String> {
    if rest.is_empty() {
        *target = item;
        return Ok(());
    }
    match &mut target.value {
        Value::Table(table) => insert(table, rest, key_span, item),
        Value::Array(items) => {
            let count = items.len();
            let element = rest[0].parse().ok().and_then(|index: usize| items.get_mut(index));
            let element =
                element.ok_or_else(|| format!("`{}` is not one of the {count} elements of `{name}`", rest[0]))?;
            insert_into(element, rest[0], &rest[1..], key_span, item)
        }
        _ => Err(format!("`{name}` is not a section: nothing can be set in it")),
    }
}
