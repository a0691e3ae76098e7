//! Verdict and exit code from all that is known of a run.

use crate::results::{Objective, Results, Standing, Verdict};

impl Results {
    /// Sets verdict, reasons and exit code from checks, faults and objectives. Reasons that are there stay, in front.
    ///
    /// - the verdict is the worst of the checks; a run without a check, or with a fault that nothing proves, is no better
    ///   than `unknown`. Reasons that are there before do the same: they say why the run cannot be judged;
    /// - the exit code is 1 when the verdict is `invalid` or an objective was missed, else 2 when the verdict or an objective is
    ///   `unknown`, else 0.
    pub fn conclude(&mut self) {
        let mut verdict = self.checks.iter().map(|check| check.verdict).max().unwrap_or(Verdict::Unknown);
        if !self.reasons.is_empty() || self.faults.iter().any(|fault| !fault.proven) {
            verdict = verdict.max(Verdict::Unknown);
        }
        let standing = self.objectives.iter().map(|objective| objective.standing).max().unwrap_or(Standing::Met);
        self.verdict = verdict;
        self.exit_code = match (verdict, standing) {
            (Verdict::Invalid, _) | (_, Standing::Missed) => 1,
            (Verdict::Unknown, _) | (_, Standing::Unknown) => 2,
            (Verdict::Valid, Standing::Met) => 0,
        };
        let mut reasons = self.reasons_of_checks();
        reasons.append(&mut self.reasons);
        reasons.extend(self.reasons_of_faults());
        reasons.extend(self.reasons_of_objectives());
        self.reasons = reasons;
    }

    fn reasons_of_checks(&self) -> Vec<String> {
        if self.checks.is_empty() {
            return vec!["nothing was checked".into()];
        }
        let mut reasons = Vec::new();
        for check in self.checks.iter().filter(|check| check.verdict != Verdict::Valid) {
            let (model, reason) = (&check.model, &check.reason);
            let anomaly = self.anomalies.iter().find(|anomaly| anomaly.model == *model).map(|anomaly| &anomaly.title);
            let told = if reason.is_empty() { anomaly } else { Some(reason) };
            let invalid = check.verdict == Verdict::Invalid;
            let how = match (invalid, check.operations > 0 || check.model == "linearizable") {
                (true, true) => format!("not {model}"),
                (false, true) => format!("not known whether it is {model}"),
                (true, false) => format!("`{model}` does not hold"),
                (false, false) => format!("not known whether `{model}` holds"),
            };
            reasons.push(told.map_or(how.clone(), |told| format!("{how}: {told}")));
        }
        reasons
    }

    fn reasons_of_faults(&self) -> Vec<String> {
        let unproven = self.faults.iter().filter(|fault| !fault.proven);
        unproven
            .map(|fault| format!("nothing proves that fault #{} ({} {}) bit", fault.id, fault.kind, fault.target))
            .collect()
    }

    fn reasons_of_objectives(&self) -> Vec<String> {
        // A model that was checked has given its reason already.
        let checked = |objective: &&Objective| self.checks.iter().any(|check| check.model == objective.name);
        let missed = self.objectives.iter().filter(|o| o.standing == Standing::Missed && !checked(o));
        let mut reasons: Vec<String> =
            missed.map(|o| format!("objective missed: {} {}, wanted {}", o.name, o.measured, o.target)).collect();
        let unknown = self.objectives.iter().filter(|o| o.standing == Standing::Unknown && !checked(o));
        let names: Vec<&str> = unknown.map(|objective| objective.name.as_str()).collect();
        match (names.len(), self.trusted) {
            (0, _) => {}
            (_, false) if !self.untrusted_because.is_empty() => {
                reasons.push(format!("latency and rate cannot be trusted: {}", self.untrusted_because));
            }
            _ => reasons.push(format!("not known whether objectives are met: {}", names.join(", "))),
        }
        reasons
    }
}
