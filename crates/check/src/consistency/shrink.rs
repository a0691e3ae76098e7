//! From the operations that an argument names to a witness: a contradiction alone, and no longer one when any operation is taken away
//! (with what saw it).

use super::sessions::Sessions;

/// Operations judged over all attempts.
const WORK: usize = 2_000_000;

/// Takes away ever smaller pieces of what is broken while the rest is (Zeller's ddmin, with what was seen closed under its writes). Returns
/// places, ascending. When the work runs out the witness is a contradiction, but perhaps not the smallest.
pub(super) fn shrink(sessions: &Sessions, broken: &mut dyn FnMut(&Sessions) -> bool) -> Vec<u32> {
    let mut ops: Vec<u32> = (0..sessions.len() as u32).collect();
    let mut work = WORK;
    let mut piece = ops.len().div_ceil(2);
    while piece >= 1 {
        let mut shrunk = false;
        let mut at = 0;
        while at < ops.len() {
            let rest: Vec<u32> =
                ops.iter().enumerate().filter(|(i, _)| !(at..at + piece).contains(i)).map(|(_, op)| *op).collect();
            let rest = sessions.closed(&rest);
            if rest.len() < ops.len() {
                let Some(left) = work.checked_sub(rest.len()) else { return ops };
                work = left;
                if broken(&sessions.only(&rest)) {
                    ops = rest;
                    shrunk = true;
                    continue;
                }
            }
            at += piece;
        }
        if piece == 1 && !shrunk {
            break;
        }
        piece = if piece == 1 { 1 } else { piece / 2 };
    }
    ops
}
