//! The reader of one section. Whoever reads says what it takes; what is wrong is gathered in the document.

use crate::diagnostic::Severity;
use crate::document::{Document, Role, element, join};
use crate::suggest::{listed, nearest};
use crate::tree::{Branch, Entry, Span, Value};
use crate::value::{FromValue, Wrong};

/// The reader of one section, which may be absent: then nothing is set in it.
#[derive(Clone, Debug)]
pub struct Table<'d> {
    document: &'d Document,
    branch: Option<&'d Branch>,
    path: String,
    /// The section's header, or the nearest thing above it.
    span: Span,
}

impl<'d> Table<'d> {
    pub(crate) fn root(document: &'d Document, branch: &'d Branch) -> Self {
        Table { document, branch: Some(branch), path: String::new(), span: document.end() }
    }

    /// The section's path: `load`, `faults.at[0]`, or nothing for the whole plan.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether the section is in the plan.
    pub fn is_present(&self) -> bool {
        self.branch.is_some()
    }

    /// The keys that are set, in the order of the file.
    pub fn keys(&self) -> Vec<&'d str> {
        self.branch.map_or(Vec::new(), |branch| branch.entries.iter().map(|entry| entry.key.as_str()).collect())
    }

    /// The value, if it is set and can be read. What is wrong with it is gathered.
    pub fn get<T: FromValue>(&self, key: &str) -> Option<T> {
        self.document.ask(&self.path, key, Role::Value, None);
        let entry = self.entry(key)?;
        T::from_value(&entry.item).map_err(|wrong| self.wrong(key, wrong)).ok()
    }

    /// The value, or the default, which then becomes part of the effective plan.
    pub fn or<T: FromValue>(&self, key: &str, default: T) -> T {
        self.document.ask(&self.path, key, Role::Value, Some(default.literal()));
        self.get(key).unwrap_or(default)
    }

    /// The value; that it is missing is an error.
    pub fn need<T: FromValue>(&self, key: &str) -> Option<T> {
        let value = self.get(key);
        if self.entry(key).is_none() {
            self.missing(key, &T::kind());
        }
        value
    }

    /// The value that a name stands for, if the name is set and known.
    pub fn choice<V: Clone>(&self, key: &str, options: &[(&str, V)]) -> Option<V> {
        let name: String = self.get(key)?;
        self.chosen(key, &name, self.value_span(key), options)
    }

    /// As [`Table::choice`]; without the setting, the option named `default`, which must be one of them.
    pub fn choice_or<V: Clone>(&self, key: &str, options: &[(&str, V)], default: &str) -> V {
        let name: String = self.or(key, default.to_owned());
        let span = self.value_span(key);
        let fallback = options.iter().find(|(option, _)| *option == default).or(options.first());
        let chosen = self.chosen(key, &name, span, options);
        chosen.unwrap_or_else(|| fallback.expect("a choice has options").1.clone())
    }

    /// As [`Table::choice`]; that the setting is missing is an error.
    pub fn choice_needed<V: Clone>(&self, key: &str, options: &[(&str, V)]) -> Option<V> {
        let value = self.choice(key, options);
        if self.entry(key).is_none() {
            self.missing(key, &format!("one of {}", listed(options.iter().map(|(name, _)| *name))));
            self.document.give_up(&self.path);
        }
        value
    }

    /// The values that a list of names stands for.
    pub fn choices<V: Clone>(&self, key: &str, options: &[(&str, V)]) -> Option<Vec<V>> {
        let names: Vec<String> = self.get(key)?;
        let Value::Array(items) = &self.entry(key)?.item.value else { return None };
        let known = names.iter().zip(items).map(|(name, item)| self.chosen(key, name, item.span, options));
        // Every name is looked at, so that all wrong ones are told.
        let known: Vec<Option<V>> = known.collect();
        known.into_iter().collect()
    }

    /// The section below, if it is in the plan.
    pub fn table(&self, key: &str) -> Option<Table<'d>> {
        let section = self.section(key);
        section.is_present().then_some(section)
    }

    /// The section below; absent, it reads as empty, and its defaults become part of the effective plan.
    pub fn section(&self, key: &str) -> Table<'d> {
        self.document.ask(&self.path, key, Role::Section, None);
        let path = join(&self.path, key);
        let Some(entry) = self.entry(key) else {
            return Table { document: self.document, branch: None, path, span: self.span };
        };
        let branch = match &entry.item.value {
            Value::Table(branch) => Some(branch),
            _ => {
                self.document.break_off(&path);
                let message = format!("`{path}` is a section, not {}", entry.item.found());
                self.report(
                    Severity::Error,
                    entry.item.span,
                    message,
                    format!("write `[{path}]` on a line of its own"),
                );
                None
            }
        };
        Table { document: self.document, branch, path, span: entry.key_span }
    }

    /// The elements of an array of tables (`[[key]]`), in order; none when it is absent.
    pub fn tables(&self, key: &str) -> Vec<Table<'d>> {
        self.document.ask(&self.path, key, Role::Sections, None);
        let path = join(&self.path, key);
        let Some(entry) = self.entry(key) else { return Vec::new() };
        let Value::Array(items) = &entry.item.value else {
            self.document.break_off(&path);
            self.document.give_up(&path);
            let message = format!("`{path}` is a list of sections, not {}", entry.item.found());
            self.report(Severity::Error, entry.item.span, message, format!("write `[[{path}]]` above each of them"));
            return Vec::new();
        };
        let mut tables = Vec::new();
        for (i, item) in items.iter().enumerate() {
            match &item.value {
                Value::Table(branch) => tables.push(Table {
                    document: self.document,
                    branch: Some(branch),
                    path: element(&path, i),
                    span: item.span,
                }),
                _ => {
                    let message = format!("`{path}` is a list of sections and has {} in it", item.found());
                    self.report(Severity::Error, item.span, message, format!("write `[[{path}]]` above each of them"));
                }
            }
        }
        tables
    }

    /// Reports an impossible value or combination. Points at the value of `key`, or at the section when it is not set.
    /// The message names the setting; the help says what to do and may be empty.
    pub fn error(&self, key: &str, message: impl Into<String>, help: impl Into<String>) {
        self.report(Severity::Error, self.value_span(key), message.into(), help.into());
    }

    /// As [`Table::error`], for what can be run and is probably not meant.
    pub fn warning(&self, key: &str, message: impl Into<String>, help: impl Into<String>) {
        self.report(Severity::Warning, self.value_span(key), message.into(), help.into());
    }

    /// Gives up on the section: what else it may hold depends on something that is wrong, so nothing in it is called
    /// unknown. A choice that fails does this by itself.
    pub fn give_up(&self) {
        self.document.give_up(&self.path);
    }

    fn chosen<V: Clone>(&self, key: &str, name: &str, span: Span, options: &[(&str, V)]) -> Option<V> {
        if let Some((_, value)) = options.iter().find(|(option, _)| *option == name) {
            return Some(value.clone());
        }
        let names = || options.iter().map(|(option, _)| *option);
        let help = match nearest(name, names()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known: {}", listed(names())),
        };
        self.report(Severity::Error, span, format!("`{}`: there is no `{name}`", join(&self.path, key)), help);
        self.document.give_up(&self.path);
        None
    }

    fn missing(&self, key: &str, kind: &str) {
        if self.document.is_broken(&self.path) {
            return;
        }
        let message = format!("missing setting `{}`", join(&self.path, key));
        let help = match self.branch {
            Some(_) => format!("add `{key}`, {kind}"),
            None => format!("add a section `[{}]` with `{key}`, {kind}", self.path),
        };
        self.report(Severity::Error, self.span, message, help);
    }

    fn wrong(&self, key: &str, wrong: Wrong) {
        let span = wrong.span.unwrap_or_else(|| self.value_span(key));
        self.report(Severity::Error, span, format!("`{}`: {}", join(&self.path, key), wrong.message), wrong.help);
    }

    fn value_span(&self, key: &str) -> Span {
        self.entry(key).map_or(self.span, |entry| entry.item.span)
    }

    fn entry(&self, key: &str) -> Option<&'d Entry> {
        self.branch?.get(key)
    }

    fn report(&self, severity: Severity, span: Span, message: String, help: String) {
        self.document.report(severity, span, message, help);
    }
}
