//! What a section takes, as data: the source of `docs/` and of help texts.

use crate::document::{Document, Role, join};

/// One section of the plan and what may stand in it. A section whose settings depend on a choice is described by
/// several of these with the same path.
#[derive(Clone, Copy, Debug)]
pub struct Section {
    /// Its path: `load`, or `faults.at[]` for each element of a list.
    pub path: &'static str,
    /// The setting and its value on which these settings depend; none when they can always be set.
    pub when: Option<(&'static str, &'static str)>,
    /// What it is for: one sentence.
    pub about: &'static str,
    /// What may stand in it.
    pub fields: &'static [Field],
}

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its name.
    pub key: &'static str,
    /// What is wanted: `duration`, `rate`, `` `open` or `closed` ``.
    pub kind: &'static str,
    /// What happens when it is not set: the default as TOML, or words such as `required` or `none`.
    pub default: &'static str,
    /// What it does: one sentence.
    pub about: &'static str,
}

/// A setting, as a row: its name, what is wanted, the default, what it does.
pub const fn field(key: &'static str, kind: &'static str, default: &'static str, about: &'static str) -> Field {
    Field { key, kind, default, about }
}

/// The reference of these sections, in Markdown.
pub fn markdown(sections: &[Section]) -> String {
    let mut out = String::new();
    for section in sections {
        let header = header(section.path);
        match section.when {
            None => out.push_str(&format!("## `{header}`\n\n")),
            Some((key, value)) => out.push_str(&format!("### `{header}` with `{key} = \"{value}\"`\n\n")),
        }
        out.push_str(&format!("{}\n\n{}", sentence(section.about), table(section.fields)));
    }
    out
}

/// The settings as a table in Markdown; nothing when there are none.
pub fn table(fields: &[Field]) -> String {
    if fields.is_empty() {
        return String::new();
    }
    let mut out = "| setting | takes | default | |\n| --- | --- | --- | --- |\n".to_owned();
    for Field { key, kind, default, about } in fields {
        out.push_str(&format!("| `{key}` | {kind} | {default} | {about} |\n"));
    }
    out.push('\n');
    out
}

/// With a capital letter and a full stop, for descriptions that are fragments elsewhere.
pub fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let mut out: String = chars.next().map_or(String::new(), |first| first.to_uppercase().chain(chars).collect());
    if !out.ends_with('.') {
        out.push('.');
    }
    out
}

/// `[load]`, `[[faults.at]]`; the top of the plan has none.
fn header(path: &str) -> String {
    match path.strip_suffix("[]") {
        Some(list) => format!("[[{list}]]"),
        None if path.is_empty() => "top of the plan".to_owned(),
        None => format!("[{path}]"),
    }
}

/// The settings that readers asked this document for and that no section describes: a test keeps this empty.
pub fn undocumented(document: &Document, sections: &[Section]) -> Vec<String> {
    let asked = document.asked.borrow();
    let mut missing = Vec::new();
    for (path, keys) in asked.iter() {
        let path = without_indices(path);
        let described = |key: &str| {
            let mut there = sections.iter().filter(|section| section.path == path);
            there.any(|section| section.fields.iter().any(|field| field.key == key))
        };
        let new = keys.iter().filter(|it| it.role == Role::Value && !described(&it.key));
        missing.extend(new.map(|it| join(&path, &it.key)));
    }
    missing.sort();
    missing.dedup();
    missing
}

/// `faults.at[3]` is described as `faults.at[]`.
fn without_indices(path: &str) -> String {
    let mut out = String::new();
    let mut inside = false;
    for c in path.chars() {
        inside = (inside || c == '[') && c != ']';
        if !inside || c == '[' {
            out.push(c);
        }
    }
    out
}
