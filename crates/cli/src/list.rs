//! `assize list`: what there is, straight from the registries, and what is missing to use it.

use crate::arguments::What;
use crate::exit::Exit;

/// Prints one kind of thing, or all.
pub fn command(what: Option<What>) -> Exit {
    let all = [What::Systems, What::Workloads, What::Faults, What::Models, What::Plans];
    let wanted: Vec<What> = what.map_or_else(|| all.to_vec(), |one| vec![one]);
    let whole = what.is_some();
    for (i, what) in wanted.iter().enumerate() {
        if i > 0 {
            println!();
        }
        print!("{}", text(*what, whole));
    }
    if !whole {
        println!("\n`assize list plans` and `assize list systems` tell more of these.");
    }
    Exit::Success
}

/// One kind of thing; in an overview, not all of it.
fn text(what: What, whole: bool) -> String {
    match what {
        What::Systems => systems(whole),
        What::Workloads => table("Workloads", workload::WORKLOADS.iter().map(|w| (w.name, w.about.to_string()))),
        What::Faults => faults(),
        What::Models => {
            let models = check::MODELS.iter().map(|model| (model.name, model.summary.to_string()));
            let objects = check::OBJECTS.iter().map(|object| (object.name, object.summary.to_string()));
            table("Models", models) + "\n" + &table("Models of other objects", objects)
        }
        What::Plans => table(
            "Plans",
            run::plans::PLANS.iter().map(|plan| {
                let about = plan.about();
                (plan.name, if whole { about } else { first_sentence(&about).to_string() })
            }),
        ),
    }
}

fn systems(whole: bool) -> String {
    let mut out = table("Systems", system::SYSTEMS.iter().map(|info| (info.name, info.about.to_string())));
    for info in system::SYSTEMS {
        for missing in (info.missing)() {
            let (what, way_out) = (missing.what, missing.way_out);
            out.push_str(&format!("\n`{}` cannot run here: {what} is missing; {way_out}\n", info.name));
        }
    }
    if !whole {
        return out;
    }
    for specimen in system::specimen::SPECIMENS {
        let title = format!("Bugs that can be planted in `{}` (`bug = NAME` in [system])", specimen.name);
        out.push('\n');
        out.push_str(&table(
            &title,
            specimen.bugs.iter().map(|bug| (bug.name, format!("{} ({})", bug.about, bug.source))),
        ));
    }
    out
}

fn faults() -> String {
    let mut out = table("Faults", fault::FAULTS.iter().map(|kind| (kind.name, kind.about.to_string())));
    if let Err(error) = testbed::Namespaces::check() {
        out.push_str(&format!("\ntestbed `namespaces` cannot be used here: {error}\n"));
    }
    out
}

/// Up to the first full stop or colon that ends a clause.
fn first_sentence(text: &str) -> &str {
    let end = [". ", ": "].iter().filter_map(|stop| text.find(stop).map(|at| at + 1)).filter(|at| *at > 20).min();
    text[..end.unwrap_or(text.len())].trim_end_matches(':')
}

/// A title and two columns, the second wrapped to the terminal.
fn table<'a>(title: &str, rows: impl Iterator<Item = (&'a str, String)>) -> String {
    let rows: Vec<(&str, String)> = rows.collect();
    let name_width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let width = usize::from(console::Term::stdout().size().1).clamp(60, 120);
    let mut out = format!("{title}\n");
    for (name, about) in rows {
        let lines = wrap(&about, width.saturating_sub(name_width + 5));
        for (i, line) in lines.iter().enumerate() {
            let name = if i == 0 { name } else { "" };
            out.push_str(&format!("  {name:name_width$}   {line}\n"));
        }
    }
    out
}

fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is always a line");
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(word.to_string());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

/// What to say of a model that does not exist.
pub fn models_hint(name: &str) -> String {
    let of_workloads = check::WORKLOADS.iter().flat_map(|workload| workload.models.iter().copied());
    match plan::nearest(name, check::MODELS.iter().map(|model| model.name).chain(of_workloads)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`assize list models` shows them all".to_string(),
    }
}
