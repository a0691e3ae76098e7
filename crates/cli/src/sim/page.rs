//! What was found, as files that a person opens: the diagram, and a page with everything about it.

use std::path::{Path, PathBuf};

use ::sim::explore::{Finding, Shrunk, diagram};

use crate::exit::Exit;

/// Writes `FILE.svg` and `FILE.html` beside the case that was kept, and says which page to open. Runs that are not made of steps
/// (nobody makes progress) have no diagram.
pub fn write(
    case: &Path,
    title: &str,
    figures: &str,
    finding: &Finding,
    shrunk: &Shrunk,
) -> Result<PathBuf, (Exit, String)> {
    let drawn = diagram(shrunk.case.nodes, &shrunk.run);
    let steps = !shrunk.run.steps.is_empty();
    if steps {
        save(&case.with_extension("svg"), &drawn)?;
    }
    let story: String = shrunk.run.story.iter().map(|line| format!("{line}\n")).collect();
    let picture =
        if steps { format!("<h2>Space and time</h2><div class=\"picture\">{drawn}</div>") } else { String::new() };
    let page = format!(
        "<!doctype html><meta charset=\"utf-8\"><title>{title}</title><style>{STYLE}</style>\
         <h1>INVALID · {by}</h1><p>{sentence}</p><p class=\"figures\">{figures}</p>\
         <p>{count} steps in a cluster of {nodes}. To see it again: <code>assize sim --replay {file} --step</code></p>\
         {picture}<h2>Story</h2><pre>{story}</pre>",
        title = escape(title),
        by = escape(&finding.by),
        sentence = escape(&finding.sentence),
        figures = escape(figures),
        count = shrunk.run.steps.len(),
        nodes = shrunk.case.nodes,
        file = escape(&case.display().to_string()),
        story = escape(&story),
    );
    let file = case.with_extension("html");
    save(&file, &page)?;
    Ok(file)
}

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#1c2430}\
    h1{color:#c22f2f;font-size:1.5rem}h2{font-size:1.1rem}pre{font-size:13px;background:#f4f6f9;padding:1rem;overflow:auto}\
    .picture{overflow:auto;border:1px solid #d9dee6}.figures{color:#5a6573}";

fn save(file: &Path, text: &str) -> Result<(), (Exit, String)> {
    std::fs::write(file, text).map_err(|error| (Exit::Unavailable, format!("{}: {error}", file.display())))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
