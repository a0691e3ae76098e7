//! What a section takes, as data: the source of `docs/` and of help texts.

use crate::document::Document;

/// One section of the plan and what may stand in it.
#[derive(Clone, Copy, Debug)]
pub struct Section {
    /// Its path: `load`, `faults.at` for each element of a list.
    pub path: &'static str,
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

/// The reference of these sections, in Markdown.
pub fn markdown(sections: &[Section]) -> String {
    let mut out = String::new();
    for section in sections {
        out.push_str(&format!("## `[{}]`\n\n{}\n\n", section.path, section.about));
        out.push_str("| setting | takes | default | |\n| --- | --- | --- | --- |\n");
        for Field { key, kind, default, about } in section.fields {
            out.push_str(&format!("| `{key}` | {kind} | {default} | {about} |\n"));
        }
        out.push('\n');
    }
    out
}

/// The settings that readers asked this document for and that no section describes: a test keeps this empty.
pub fn undocumented(document: &Document, sections: &[Section]) -> Vec<String> {
    let asked = document.asked.borrow();
    let mut missing = Vec::new();
    for (path, keys) in asked.iter() {
        let plain = without_indices(path);
        for key in keys.iter().filter(|it| it.role == crate::document::Role::Value) {
            let section = sections.iter().find(|section| section.path == plain);
            if !section.is_some_and(|section| section.fields.iter().any(|field| field.key == key.key)) {
                missing.push(crate::document::join(&plain, &key.key));
            }
        }
    }
    missing.dedup();
    missing
}

fn without_indices(path: &str) -> String {
    let mut out = String::new();
    let mut inside = false;
    for c in path.chars() {
        match c {
            '[' => inside = true,
            ']' => inside = false,
            c if !inside => out.push(c),
            _ => {}
        }
    }
    out
}
