//! The page of all planted bugs.

use system::specimen::SPECIMENS;

use crate::arguments::SimOptions;

use super::{Row, Summary, WAYS, total};

/// What was measured so far, bug by bug.
pub fn page(rows: &[Row], options: &SimOptions) -> String {
    let mut text = introduction(options);
    for info in SPECIMENS {
        text.push_str(&format!(
            "## {}\n\n| bug | clock | swarm | triggers | guided | exhaustive | steps | found by | happened in |\n\
             | --- | ---: | ---: | ---: | ---: | ---: | ---: | --- | --- |\n",
            info.name
        ));
        for bug in info.bugs {
            let of = |level| Summary::of(rows, info.name, bug.name, level);
            let cell = |level| of(level).cell();
            let guided = of("guided");
            text.push_str(&format!(
                "| `{}` | {} | {} | {} | {} | {} | {} | {} | {} |\n",
                bug.name,
                cell("clock"),
                cell("swarm"),
                cell("triggers"),
                guided.cell(),
                cell("exhaustive"),
                guided.steps(),
                guided.by(),
                bug.source.replace('|', "\\|"),
            ));
        }
        text.push('\n');
    }
    text.push_str("## All of them\n\n");
    for (_, name) in WAYS {
        let all: Vec<Option<f64>> = rows.iter().filter(|row| row.level == name).map(|row| row.seconds).collect();
        let told = if all.is_empty() { "not measured".into() } else { total(&all) };
        text.push_str(&format!("- {name}: {told}\n"));
    }
    text.push_str(&format!("- shrinking: {}\n", shrinking(rows)));
    text
}

fn introduction(options: &SimOptions) -> String {
    let (limit, bases) = (options.time.clone().unwrap_or_else(|| "20s".into()), options.bases);
    format!(
        "# Planted bugs, and how soon each is found\n\n\
         `assize sim --bugs --table docs/bugs.md --for {limit} --bases {bases}` measures and writes this page. Every bug is one switch in one of our own \
         specimens, and happened somewhere; `assize list systems` says what each does wrong. A cell is the median of the seconds of processor time until \
         an oracle or a checker found the bug, from up to {bases} base seeds; a hunt is given up after {limit}. `no`: from no seed; `(1 of 3)`: from some; \
         `-`: not measured.\n\n\
         - *clock*: crashes, partitions and pauses at random instants, the same mix in every run;\n\
         - *swarm*: every run leaves most kinds of fault out, and has conditions of its own;\n\
         - *triggers*: and faults placed by what an actor does;\n\
         - *guided*: and copies of the world that go on from states which few runs reached. This is what `assize sim` does;\n\
         - *exhaustive*: search of all states of a few small clusters, in growing portions;\n\
         - *steps*: inputs of actors in the shortest story (median).\n\n"
    )
}

/// How long shrinking took and how short stories became.
fn shrinking(rows: &[Row]) -> String {
    let mut steps: Vec<usize> = rows.iter().filter(|row| row.level == "guided").filter_map(|row| row.steps).collect();
    let mut took: Vec<f64> = rows.iter().filter_map(|row| row.shrinking).collect();
    steps.sort_unstable();
    took.sort_by(f64::total_cmp);
    match (steps.get(steps.len() / 2), took.get(took.len() / 2)) {
        (Some(steps), Some(took)) => format!("median {steps} steps, {took:.2} s of processor time"),
        _ => "not measured".into(),
    }
}
