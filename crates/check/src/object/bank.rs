//! A bank: transfers move money and make none. `O(n)` over all balances read.
//!
//! The total is that of the first complete read: it must not change from read to read, and no balance may be missing or below zero.

use history::object::{Action, NOTHING, Objects};

use super::{Exactness, Findings, Object};
use crate::model::Options;

/// A bank (Jepsen's rules).
pub static BANK: Object = Object {
    name: "bank",
    summary: "every read of all accounts sees the same total, no balance missing, none below zero",
    exactness: Exactness::Conditions,
    decide,
};

fn decide(history: &Objects, _options: &Options) -> Findings {
    let mut findings = Findings::default();
    let mut first: Option<(usize, i128)> = None;
    for (i, call) in history.calls.iter().enumerate() {
        if call.action != Action::Read || !call.is_ok() {
            continue;
        }
        let mut total: i128 = 0;
        let mut complete = true;
        for account in history.list(call).chunks_exact(2) {
            match account[1] {
                NOTHING => {
                    complete = false;
                    findings.add(
                        "missing balance",
                        String::new(),
                        format!("account {} has no balance", account[0]),
                        [i],
                    );
                }
                balance if balance < 0 => {
                    let because = format!("account {} holds {balance}", account[0]);
                    findings.add("negative balance", String::new(), because, [i]);
                }
                _ => {}
            }
            total += if account[1] == NOTHING { 0 } else { i128::from(account[1]) };
        }
        match first {
            _ if !complete => {}
            None => first = Some((i, total)),
            Some((other, expected)) if expected != total => {
                let because = format!("one read saw {expected} in all, the other {total}");
                findings.add("wrong total", String::new(), because, [other, i]);
            }
            Some(_) => {}
        }
    }
    findings
}
