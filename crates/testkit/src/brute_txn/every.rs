use base::Time;
use history::Outcome;
use history::txn::{Builder, Kind, Transactions};

/// How large all small histories are.
#[derive(Clone, Copy, Debug)]
pub struct Small {
    /// Transactions.
    pub transactions: usize,
    /// Micro-operations of each, exactly.
    pub ops: usize,
    /// Keys.
    pub keys: usize,
    /// Lists, or registers.
    pub lists: bool,
}

/// One after another of one process, of two, or at the same time; and whether the first one's outcome is unknown.
const LAYOUTS: [(bool, bool, bool); 4] =
    [(true, true, false), (true, false, false), (false, false, false), (false, false, true)];

/// Visits every history of this size: all micro-operations, all results of reads that are made of what was written to the key, in four
/// layouts of processes, time and outcome. How many there were.
pub fn every_small_history(small: Small, visit: &mut dyn FnMut(&Transactions)) -> u64 {
    let slots = small.transactions * small.ops;
    let kinds = small.keys * 2;
    let mut count = 0;
    for shape in 0..kinds.pow(slots as u32) as u64 {
        let ops: Vec<(bool, usize)> = digits(shape, kinds, slots).map(|kind| (kind % 2 == 0, kind / 2)).collect();
        let results: Vec<Vec<Vec<i64>>> = ops.iter().map(|op| results(small, &ops, op)).collect();
        let total: u64 = results.iter().map(|results| results.len() as u64).product();
        for mut chosen in 0..total {
            let reads: Vec<&Vec<i64>> = (results.iter())
                .map(|results| {
                    let at = chosen % results.len() as u64;
                    chosen /= results.len() as u64;
                    &results[at as usize]
                })
                .collect();
            for layout in LAYOUTS {
                visit(&build(small, &ops, &reads, layout));
                count += 1;
            }
        }
    }
    count
}

fn digits(mut number: u64, base: usize, count: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |_| {
        let digit = number % base as u64;
        number /= base as u64;
        digit as usize
    })
}

/// What a read may have returned; of a write, one of no meaning.
fn results(small: Small, ops: &[(bool, usize)], (write, key): &(bool, usize)) -> Vec<Vec<i64>> {
    if *write {
        return vec![Vec::new()];
    }
    let written: Vec<i64> = (0..ops.len()).filter(|at| ops[*at] == (true, *key)).map(|at| at as i64).collect();
    if !small.lists {
        return std::iter::once(Vec::new()).chain(written.into_iter().map(|value| vec![value])).collect();
    }
    let mut lists: Vec<Vec<i64>> = vec![Vec::new()];
    let mut at = 0;
    while at < lists.len() {
        let open: Vec<i64> = written.iter().copied().filter(|value| !lists[at].contains(value)).collect();
        for value in open {
            let mut longer: Vec<i64> = lists[at].clone();
            longer.push(value);
            lists.push(longer);
        }
        at += 1;
    }
    lists
}

fn build(small: Small, ops: &[(bool, usize)], reads: &[&Vec<i64>], layout: (bool, bool, bool)) -> Transactions {
    let (sequential, one_process, unknown) = layout;
    let mut builder = Builder::new(true);
    for key in 0..small.keys {
        builder.key(&format!("k{key}"));
    }
    for t in 0..small.transactions {
        let begin = if sequential { t as u64 * 2 } else { 0 };
        builder.begin(if one_process { 0 } else { t as u32 }, begin, Time(begin));
        let outcome = if unknown && t == 0 { Outcome::Info } else { Outcome::Ok };
        for at in t * small.ops..(t + 1) * small.ops {
            let (write, key) = (ops[at].0, ops[at].1 as u32);
            if write {
                let version = builder.version(key, at as i64);
                if small.lists { builder.append(version) } else { builder.write(version) }
            } else if outcome != Outcome::Ok {
                builder.unread(if small.lists { Kind::ReadList } else { Kind::Read }, key);
            } else {
                let versions: Vec<u32> = reads[at].iter().map(|value| builder.version(key, *value)).collect();
                if small.lists {
                    builder.read_list(key, &versions)
                } else {
                    builder.read(key, versions.last().copied())
                }
            }
        }
        builder.end(begin + 1, Time(begin + 1), outcome);
    }
    builder.finish().expect("small")
}
