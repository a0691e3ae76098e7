//! What an operation costs as histories grow, 10 000 to ten million: a table, and a picture of it.
//!
//! `growth FILE.svg [largest]`: ten million transactions need 8 GB.

use bench::{Kind, Large, LargeObject, LargeTxn, Usage};
use check::txn::{check_transactions, register, weak};
use check::{LINEARIZABLE, Object, Options, check, check_object};

/// A line of the picture: nanoseconds of CPU time per operation, by number of operations.
struct Line {
    name: &'static str,
    points: Vec<(u64, f64)>,
}

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().unwrap_or_else(|| "growth.svg".to_string());
    let largest = arguments.next().and_then(|size| size.parse().ok()).unwrap_or(10_000_000);
    let sizes: Vec<u64> =
        [10_000, 100_000, 1_000_000, 10_000_000].into_iter().filter(|size| *size <= largest).collect();
    type Cost = fn(u64) -> f64;
    let costs: [(&str, Cost); 7] = [
        ("register", |n| registers(Large { operations: n, ..Large::REGISTER })),
        ("kv, 1000 keys", |n| registers(Large { operations: n, keys: 1000, processes: 50, ..Large::REGISTER })),
        ("cas, 30 %", |n| registers(Large { operations: n, cas: 0.3, ..Large::REGISTER })),
        ("queue", queue),
        ("list-append, strict serializable", |n| every_level(LargeTxn { transactions: n, ..LargeTxn::LISTS })),
        ("rw-register, causal", causal),
        ("rw-register, blind, every level", |n| every_level(LargeTxn { transactions: n, ..LargeTxn::REGISTERS })),
    ];
    println!(
        "| ns per operation or transaction | {} |",
        sizes.iter().map(u64::to_string).collect::<Vec<_>>().join(" | ")
    );
    println!("| --- |{}", " ---: |".repeat(sizes.len()));
    let mut lines = Vec::new();
    for (name, cost) in costs {
        let points: Vec<(u64, f64)> = sizes.iter().map(|&n| (n, cost(n))).collect();
        println!("| {name} | {} |", points.iter().map(|(_, ns)| format!("{ns:.0}")).collect::<Vec<_>>().join(" | "));
        lines.push(Line { name, points });
    }
    std::fs::write(file, picture(&lines))
}

fn cost(operations: u64, work: impl FnMut()) -> f64 {
    let times = if operations > 2_000_000 { 2 } else { 5 };
    Usage::least(times, work).cpu * 1e9 / operations as f64
}

fn registers(large: Large) -> f64 {
    let history = large.history();
    cost(large.operations, || assert_eq!(check(&history, &LINEARIZABLE, &Options::default()).verdict.name(), "valid"))
}

fn queue(operations: u64) -> f64 {
    let history = LargeObject { operations, ..LargeObject::million(Kind::Queue) }.history();
    let object = Object::find("fifo-queue").expect("the object is in the registry");
    cost(operations, || assert_eq!(check_object(&history, object, &Options::default()).verdict.name(), "valid"))
}

fn every_level(large: LargeTxn) -> f64 {
    let history = large.history();
    cost(large.transactions, || assert!(check_transactions(&history).order.is_some()))
}

fn causal(transactions: u64) -> f64 {
    let history = LargeTxn { transactions, ..LargeTxn::REGISTERS }.history();
    cost(transactions, || {
        let (_, reads) = register::reads(&history);
        assert!(weak::violation(&reads, weak::Weak::Causal, &[]).is_none());
    })
}

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 380.0;
/// Where the plot begins and ends; names of lines stand right of it.
const LEFT: f64 = 60.0;
const RIGHT: f64 = 500.0;
const TOP: f64 = 20.0;
const BOTTOM: f64 = 340.0;

/// Both axes are logarithmic, so that what grows in proportion to the history is a level line.
fn picture(lines: &[Line]) -> String {
    let x = |n: u64| LEFT + ((n as f64).log10() - 4.0) / 3.0 * (RIGHT - LEFT);
    let y = |ns: f64| BOTTOM - (ns.log10() - 1.0) / 2.3 * (BOTTOM - TOP);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    let mut put = |element: String| svg.push_str(&(element + "\n"));
    for ns in [10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0] {
        let y = y(ns);
        put(format!("<line x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"#ddd\"/>"));
        put(format!("<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{ns} ns</text>", LEFT - 6.0, y + 4.0));
    }
    for (n, name) in [(10_000, "10 000"), (100_000, "100 000"), (1_000_000, "1 million"), (10_000_000, "10 million")] {
        let y = BOTTOM + 22.0;
        put(format!("<text x=\"{:.1}\" y=\"{y}\" text-anchor=\"middle\">{name}</text>", x(n)));
    }
    let colours = ["#1b6ca8", "#2a9d8f", "#6a4c93", "#e76f51", "#264653", "#b5838d", "#c1121f"];
    let mut names: Vec<(f64, usize)> =
        lines.iter().map(|line| y(line.points.last().map_or(10.0, |p| p.1))).zip(0..).collect();
    names.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut free = TOP;
    for (at, i) in names {
        let (line, colour) = (&lines[i], colours[i % colours.len()]);
        let points: Vec<String> = line.points.iter().map(|&(n, ns)| format!("{:.1},{:.1}", x(n), y(ns))).collect();
        put(format!(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            points.join(" ")
        ));
        free = at.max(free);
        put(format!("<text x=\"{}\" y=\"{:.1}\" fill=\"{colour}\">{}</text>", RIGHT + 12.0, free + 4.0, line.name));
        free += 15.0;
    }
    svg + "</svg>\n"
}
