//! `--certify OUT` and `--certificate FILE`: proofs of verdicts, written and checked again.

use std::path::Path;
use std::time::Instant;

use ::check::certificate::{Certificate, Proof, Standing, Subject, certify, verify};
use ::check::workload::{Question, WORKLOADS};
use ::check::{Report, Verdict};

use super::told::{Judged, Proven, operations};
use crate::exit::Exit;

/// Writes the certificate of a report, and says what is in it.
pub fn write(
    file: &Path,
    subject: &Subject,
    workload: &str,
    question: &Question,
    report: &Report,
) -> Result<Proven, Exit> {
    let certificate = certify(subject, workload, &question.settings, report, &question.options);
    std::fs::write(file, certificate.to_string()).map_err(|error| {
        eprintln!("error: cannot write the certificate {}: {error}", file.display());
        Exit::Unavailable
    })?;
    Ok(proven(file, &certificate))
}

/// Reads a certificate.
pub fn read(file: &Path) -> Result<Certificate, Exit> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        eprintln!("error: {}: {error}", file.display());
        if error.kind() == std::io::ErrorKind::NotFound { Exit::NoInput } else { Exit::BadData }
    })?;
    Certificate::parse(&text).map_err(|refused| {
        eprintln!("error: {}:{refused}", file.display());
        Exit::BadData
    })
}

/// Checks a certificate again, and nothing else.
pub fn judge(history: &Path, file: &Path, subject: &Subject, certificate: &Certificate) -> Result<Judged, Exit> {
    let start = Instant::now();
    let standing = verify(subject, certificate).map_err(|refused| {
        let place = if refused.line > 0 { format!(":{}", refused.line) } else { String::new() };
        eprintln!("error: {}{place}: the certificate is refused: {}", file.display(), refused.why);
        Exit::BadData
    })?;
    let verdict = match standing {
        Standing::Proven => certificate.verdict.clone(),
        Standing::Unproven(why) => match &certificate.verdict {
            unknown @ Verdict::Unknown { .. } => unknown.clone(),
            told => Verdict::unknown(format!("`{}` is told without a proof: {why}", told.name())),
        },
    };
    let known = WORKLOADS.iter().flat_map(|workload| workload.models).find(|model| **model == certificate.model);
    let report = Report::new(known.copied().unwrap_or(""), verdict, subject.len());
    let judged = Judged::own(history, report, start.elapsed().as_secs_f64(), None);
    Ok(judged.proven(proven(file, certificate).again()))
}

fn proven(file: &Path, certificate: &Certificate) -> Proven {
    let (proof, what) = match &certificate.proof {
        Proof::Order(order) => ("order", format!("an order of {}", operations(order.all.len()))),
        Proof::Witness(witness) => ("witness", format!("{} that contradict each other", operations(witness.all.len()))),
        Proof::Anomalies(all) => {
            ("anomalies", format!("{} anomal{}, edge by edge", all.len(), if all.len() == 1 { "y" } else { "ies" }))
        }
        Proof::None(why) => ("none", format!("no proof: {why}")),
    };
    Proven { file: file.display().to_string(), proof, what, again: false }
}
