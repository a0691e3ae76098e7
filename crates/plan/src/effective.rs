//! Writes the plan as it takes effect.

use crate::document::{Asked, Role, element, join};
use crate::tree::{Branch, Item, Value};
use std::collections::BTreeMap;

/// What was written, then the defaults that were asked for; values before sections, as TOML wants it.
pub(crate) fn write(root: &Branch, asked: &BTreeMap<String, Vec<Asked>>) -> String {
    let mut writer = Writer { asked, out: String::new() };
    writer.table(Some(root), "", "", false);
    writer.out
}

/// A key as TOML: bare where it may be.
pub(crate) fn key(key: &str) -> String {
    let bare = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if bare { key.to_owned() } else { string(key) }
}

/// A basic string of TOML.
pub(crate) fn string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

struct Writer<'a> {
    asked: &'a BTreeMap<String, Vec<Asked>>,
    out: String,
}

impl<'a> Writer<'a> {
    /// One table. `path` names it in `asked` (elements have an index), `header` in TOML (they have none).
    fn table(&mut self, branch: Option<&'a Branch>, path: &str, header: &str, element: bool) {
        let lines = self.values(branch, path);
        let sections = self.sections(branch, path);
        if !header.is_empty() && (element || !lines.is_empty() || (sections.is_empty() && branch.is_some())) {
            let (open, close) = if element { ("[[", "]]") } else { ("[", "]") };
            self.out.push_str(&format!("\n{open}{header}{close}\n"));
        }
        for line in lines {
            self.out.push_str(&line);
        }
        for (name, item) in sections {
            self.section(item, &join(path, name), &join(header, name));
        }
    }

    fn section(&mut self, item: Option<&'a Item>, path: &str, header: &str) {
        match item.map(|it| &it.value) {
            Some(Value::Array(items)) => {
                for (i, item) in items.iter().enumerate() {
                    if let Value::Table(branch) = &item.value {
                        self.table(Some(branch), &element(path, i), header, true);
                    }
                }
            }
            Some(Value::Table(branch)) => self.table(Some(branch), path, header, false),
            _ => self.table(None, path, header, false),
        }
    }

    /// The lines `key = value` of a table.
    fn values(&self, branch: Option<&Branch>, path: &str) -> Vec<String> {
        let written = branch.into_iter().flat_map(|branch| &branch.entries).filter(|entry| !is_section(&entry.item));
        let mut lines: Vec<String> =
            written.map(|entry| format!("{} = {}\n", key(&entry.key), inline(&entry.item))).collect();
        for asked in self.asked.get(path).into_iter().flatten() {
            if let (Some(default), true) = (&asked.default, is_absent(branch, &asked.key)) {
                lines.push(format!("{} = {default}\n", key(&asked.key)));
            }
        }
        lines
    }

    /// The sections below a table: those written, then those that only have defaults.
    fn sections(&self, branch: Option<&'a Branch>, path: &str) -> Vec<(&'a str, Option<&'a Item>)> {
        let written = branch.into_iter().flat_map(|branch| &branch.entries).filter(|entry| is_section(&entry.item));
        let asked = self.asked.get(path).into_iter().flatten();
        let absent = asked.filter(|it| it.role == Role::Section && is_absent(branch, &it.key));
        written
            .map(|entry| (entry.key.as_str(), Some(&entry.item)))
            .chain(absent.map(|it| (it.key.as_str(), None)))
            .collect()
    }
}

fn is_absent(branch: Option<&Branch>, key: &str) -> bool {
    branch.is_none_or(|branch| branch.get(key).is_none())
}

fn is_section(item: &Item) -> bool {
    match &item.value {
        Value::Table(_) => true,
        Value::Array(items) => !items.is_empty() && items.iter().all(|item| matches!(item.value, Value::Table(_))),
        _ => false,
    }
}

fn inline(item: &Item) -> String {
    match &item.value {
        Value::Boolean(value) => value.to_string(),
        Value::Integer { written, .. } | Value::Float { written, .. } | Value::Datetime(written) => written.clone(),
        Value::Text(text) => string(text),
        Value::Array(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Value::Table(table) => {
            let pairs: Vec<String> =
                table.entries.iter().map(|entry| format!("{} = {}", key(&entry.key), inline(&entry.item))).collect();
            format!("{{{}}}", pairs.join(", "))
        }
    }
}
