//! The reference pages of the docs, made from the registries, so that they cannot lie.

use std::path::Path;

use plan::reference::markdown;

use crate::exit::{self, Exit};

/// Writes the pages into a folder, or checks that they are up to date.
pub fn command(folder: &Path, check: bool) -> Exit {
    let mut stale = Vec::new();
    for (name, text) in pages() {
        let file = folder.join(name);
        if std::fs::read_to_string(&file).ok().as_deref() == Some(&text) {
            continue;
        }
        if check {
            stale.push(file.display().to_string());
        } else if let Err(error) = std::fs::write(&file, text) {
            eprintln!("error: `{}`: {error}", file.display());
            return Exit::Unavailable;
        }
    }
    if stale.is_empty() {
        return Exit::Success;
    }
    eprintln!("error: out of date: {}; run `cargo xtask docs`", stale.join(", "));
    Exit::Invalid
}

fn pages() -> Vec<(&'static str, String)> {
    vec![("plans.md", plans()), ("faults.md", faults()), ("exit-codes.md", exit::page()), ("command-line.md", help())]
}

fn plans() -> String {
    let built_in: String =
        run::plans::PLANS.iter().map(|plan| format!("- `{}`: {}\n", plan.name, plan.about())).collect();
    format!(
        "# Plans\n\nA plan is a TOML file. Durations are written `250ms`, rates `500/s`, shares `5%`, sizes `256B`. \
         `extends = \"other.toml\"` lays a plan on top of another. `--set load.rate=2k/s` overrides a setting.\n\n\
         ## Built-in plans\n\n{built_in}\n{}",
        markdown(&run::plan::sections())
    )
}

fn faults() -> String {
    let mut out =
        "# Faults\n\nEvery fault must prove that it bit; a run with one that did not is `unknown`.\n\n".to_string();
    for kind in fault::FAULTS {
        out.push_str(&format!(
            "## {}\n\n{}.\n\n- What it does: {}.\n- What it may reveal: {}.\n- What proves it: {}.\n\n",
            kind.name, kind.about, kind.effect, kind.reveals, kind.evidence
        ));
    }
    out.push_str(include_str!("../templates/links.md"));
    out
}

fn help() -> String {
    use clap::CommandFactory;
    let mut command = crate::arguments::Arguments::command().term_width(100);
    let mut out = format!("# Command line\n\n```text\n{}```\n", command.render_long_help());
    for sub in command.get_subcommands_mut().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help") {
        let help = sub.clone().bin_name(format!("assize {}", sub.get_name())).term_width(100).render_long_help();
        out.push_str(&format!("\n## {}\n\n```text\n{help}```\n", sub.get_name()));
    }
    out
}
