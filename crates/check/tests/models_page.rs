//! `docs/models.md` shows what the registries hold. After a change of them: `ASSIZE_BLESS=1 cargo test -p assize-check --test models_page`.

use std::fmt::Write;

use check::consistency::MAP;
use check::object::Exactness;
use check::txn::level::{LEVELS, NAMES};
use check::{MODELS, OBJECTS, WORKLOADS};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/models.md");

#[test]
fn the_page_shows_the_registries() {
    let page = std::fs::read_to_string(PAGE).expect("the page is there");
    let parts = [("registers", registers()), ("workloads", workloads()), ("objects", objects()), ("levels", levels())];
    let wanted = parts.iter().fold(page.clone(), |page, (name, text)| with_part(&page, name, text));
    if std::env::var_os("ASSIZE_BLESS").is_some() {
        std::fs::write(PAGE, &wanted).expect("the page can be written");
    } else {
        assert!(
            page == wanted,
            "docs/models.md is out of date: ASSIZE_BLESS=1 cargo test -p assize-check --test models_page"
        );
    }
    // The table of who decides what is written by hand.
    for model in MODELS {
        assert!(wanted.contains(&format!("| `{}` | ", model.name)), "`{}` has no row", model.name);
    }
}

/// The page with this text between the marks of a part.
fn with_part(page: &str, name: &str, text: &str) -> String {
    let mark = format!("<!-- {name}: from the registry -->\n");
    let start = page.find(&mark).unwrap_or_else(|| panic!("no part `{name}`")) + mark.len();
    let end = start + page[start..].find("<!-- end -->").expect("every part has an end");
    format!("{}{text}{}", &page[..start], &page[end..])
}

/// A drawing of who implies whom, which GitHub renders.
fn drawing(edges: impl Iterator<Item = (&'static str, &'static str)>) -> String {
    let lines: String = edges.map(|(strong, weak)| format!("    {strong} --> {weak}\n")).collect();
    format!("```mermaid\ngraph TD\n{lines}```\n")
}

fn registers() -> String {
    let mut out = drawing(MAP.iter().copied());
    out.push_str("\n| model | promise |\n| --- | --- |\n");
    for model in MODELS {
        let _ = writeln!(out, "| **{}** | {} |", model.name, model.summary);
    }
    out
}

fn workloads() -> String {
    let mut out = String::from("| workload | operations | models |\n| --- | --- | --- |\n");
    for workload in WORKLOADS {
        let models = if workload.models == NAMES { "every level of transactions" } else { &workload.models.join(", ") };
        let _ = writeln!(out, "| `{}` | {} | {models} |", workload.name, workload.summary);
    }
    out
}

fn objects() -> String {
    let mut out = String::from("| object | promise | verdict |\n| --- | --- | --- |\n");
    for object in OBJECTS {
        let exactness = match object.exactness {
            Exactness::Exact => "exact",
            Exactness::Conditions => "conditions",
        };
        let _ = writeln!(out, "| `{}` | {} | {exactness} |", object.name, object.summary);
    }
    out
}

fn levels() -> String {
    let edges = LEVELS.iter().rev().flat_map(|level| level.above.iter().map(|weaker| (level.name, *weaker)));
    let mut out = drawing(edges);
    out.push_str("\n| level | promise |\n| --- | --- |\n");
    for level in LEVELS.iter().rev() {
        let _ = writeln!(out, "| `{}` | {} |", level.name, level.summary);
    }
    out
}
