//! A certificate as text: a line for each thing it says. `docs/certificates.md` has the format.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use crate::txn::{Class, Variant};
use crate::verdict::Verdict;

/// The first line.
const HEAD: &str = "assize-certificate 1";
/// Numbers in a line.
const WIDTH: usize = 32;

/// A verdict and what proves it.
#[derive(Clone, Debug, PartialEq)]
pub struct Certificate {
    /// What the operations are of.
    pub workload: String,
    /// What was asked of it.
    pub model: String,
    /// What else was said about it.
    pub settings: BTreeMap<String, String>,
    /// How many operations or transactions the history has.
    pub operations: usize,
    /// That of [`Subject::fingerprint`](super::Subject::fingerprint).
    pub fingerprint: u64,
    /// What is proven.
    pub verdict: Verdict,
    /// The proof.
    pub proof: Proof,
    /// What people read: of no meaning.
    pub remarks: Vec<String>,
}

/// What proves a verdict.
#[derive(Clone, Debug, PartialEq)]
pub enum Proof {
    /// An order of all operations that happened.
    Order(Numbers),
    /// Operations that contradict each other.
    Witness(Numbers),
    /// Transactions that no order explains.
    Anomalies(Vec<Shown>),
    /// Nothing here, because of this.
    None(String),
}

/// Places of operations, and the lines on which they stand.
#[derive(Clone, Debug, Default)]
pub struct Numbers {
    /// The places.
    pub all: Vec<u32>,
    /// Of each line of the file its number and the first of `all` behind it.
    lines: Vec<(usize, usize)>,
}

impl PartialEq for Numbers {
    fn eq(&self, other: &Numbers) -> bool {
        self.all == other.all
    }
}

impl From<Vec<u32>> for Numbers {
    fn from(all: Vec<u32>) -> Numbers {
        Numbers { all, lines: Vec::new() }
    }
}

impl Numbers {
    /// The line on which a number stands; the last if there is none such.
    pub(crate) fn line(&self, place: usize) -> usize {
        let at = self.lines.partition_point(|(_, behind)| *behind <= place).min(self.lines.len().saturating_sub(1));
        self.lines.get(at).map_or(0, |(line, _)| *line)
    }
}

/// An anomaly of transactions.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Its kind.
    pub class: Class,
    /// What order it needs.
    pub variant: Variant,
    /// The transactions.
    pub transactions: Vec<u32>,
    /// Of a cycle: kind, from, to, and the name of the key.
    pub edges: Vec<(String, u32, u32, String)>,
    /// The line of the file.
    pub(crate) line: usize,
}

impl PartialEq for Shown {
    /// Wherever they stand.
    fn eq(&self, other: &Shown) -> bool {
        (self.class, self.variant, &self.transactions, &self.edges)
            == (other.class, other.variant, &other.transactions, &other.edges)
    }
}

/// What is wrong with numbers of a proof, at which of them, and of which operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Doubt {
    pub(crate) place: usize,
    pub(crate) operation: u32,
    pub(crate) why: String,
}

impl Doubt {
    pub(crate) fn at(place: usize, operation: u32, why: &str) -> Doubt {
        Doubt { place, operation, why: format!("operation {operation} {why}") }
    }

    pub(crate) fn of_transaction(place: usize, t: u32, why: &str) -> Doubt {
        Doubt { place, operation: t, why: format!("transaction {t} {why}") }
    }

    pub(crate) fn of_all(why: impl Into<String>) -> Doubt {
        Doubt { place: 0, operation: u32::MAX, why: why.into() }
    }
}

/// Why a certificate proves nothing, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The line; 0 if it is in memory.
    pub line: usize,
    /// The reason.
    pub why: String,
}

impl Refused {
    pub(crate) fn at(line: usize, why: impl Into<String>) -> Refused {
        Refused { line, why: why.into() }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.line, self.why)
    }
}

impl fmt::Display for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEAD}\nworkload {}\nmodel {}", self.workload, self.model)?;
        self.settings.iter().try_for_each(|(name, value)| writeln!(f, "setting {name}={value}"))?;
        writeln!(f, "operations {}\nfingerprint {:016x}", self.operations, self.fingerprint)?;
        writeln!(f, "verdict {}", self.verdict.name())?;
        if let Verdict::Unknown { reason } = &self.verdict {
            writeln!(f, "reason {}", one_line(reason))?;
        }
        self.remarks.iter().try_for_each(|remark| writeln!(f, "# {}", one_line(remark)))?;
        match &self.proof {
            Proof::Order(order) => numbers(f, "order", &order.all)?,
            Proof::Witness(witness) => numbers(f, "witness", &witness.all)?,
            Proof::Anomalies(all) => all.iter().try_for_each(|shown| anomaly(f, shown))?,
            Proof::None(why) => writeln!(f, "unproven {}", one_line(why))?,
        }
        f.write_str("end\n")
    }
}

fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

/// A count, and lines of numbers: the first as it is, each other as what has to be added to the one before it.
fn numbers(f: &mut fmt::Formatter<'_>, name: &str, all: &[u32]) -> fmt::Result {
    writeln!(f, "{name} {}", all.len())?;
    let mut line = String::new();
    for row in all.chunks(WIDTH) {
        line.clear();
        write!(line, "{}", row[0])?;
        for pair in row.windows(2) {
            write!(line, " {}", i64::from(pair[1]) - i64::from(pair[0]))?;
        }
        writeln!(f, "{line}")?;
    }
    Ok(())
}

fn anomaly(f: &mut fmt::Formatter<'_>, shown: &Shown) -> fmt::Result {
    let variant = ["plain", "process", "realtime"][shown.variant as usize];
    writeln!(f, "anomaly {} {variant}", shown.class.name())?;
    let all: Vec<String> = shown.transactions.iter().map(u32::to_string).collect();
    writeln!(f, "transactions {}", all.join(" "))?;
    shown.edges.iter().try_for_each(|(kind, from, to, key)| {
        let line = format!("edge {kind} {from} {to} {}", key.escape_default());
        writeln!(f, "{}", line.trim_end())
    })
}

impl Certificate {
    /// Reads what [`Display`](fmt::Display) wrote.
    pub fn parse(text: &str) -> Result<Certificate, Refused> {
        let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim_end()));
        let mut parser = Parser { lines: lines.filter(|(_, line)| !line.starts_with('#')).peekable(), at: 0 };
        parser.certificate()
    }
}

struct Parser<'a, I: Iterator<Item = (usize, &'a str)>> {
    lines: std::iter::Peekable<I>,
    at: usize,
}

impl<'a, I: Iterator<Item = (usize, &'a str)>> Parser<'a, I> {
    fn certificate(&mut self) -> Result<Certificate, Refused> {
        if self.line() != Some(HEAD) {
            return Err(self.wrong(format!("expected `{HEAD}`")));
        }
        let (workload, model) = (self.field("workload")?, self.field("model")?);
        let mut settings = BTreeMap::new();
        while let Some(text) = self.optional("setting") {
            let (name, value) = text.split_once('=').ok_or_else(|| self.wrong("expected `setting name=value`"))?;
            settings.insert(name.to_string(), value.to_string());
        }
        let operations = self.number("operations")?;
        let fingerprint = self.field("fingerprint")?;
        let digits = (fingerprint.len() == 16).then(|| u64::from_str_radix(fingerprint, 16).ok()).flatten();
        let fingerprint = digits.ok_or_else(|| self.wrong("expected sixteen hexadecimal digits"))?;
        let verdict = match self.field("verdict")? {
            "valid" => Verdict::Valid,
            "invalid" => Verdict::Invalid,
            "unknown" => Verdict::unknown(self.field("reason")?),
            other => return Err(self.wrong(format!("expected `valid`, `invalid` or `unknown`, not `{other}`"))),
        };
        let proof = self.proof()?;
        if self.line() != Some("end") || self.line().is_some() {
            return Err(self.wrong("expected `end`, and nothing behind it"));
        }
        let (workload, model) = (workload.to_string(), model.to_string());
        Ok(Certificate { workload, model, settings, operations, fingerprint, verdict, proof, remarks: Vec::new() })
    }

    fn proof(&mut self) -> Result<Proof, Refused> {
        if let Some(why) = self.optional("unproven") {
            return Ok(Proof::None(why.to_string()));
        }
        if self.next_is("order") {
            return Ok(Proof::Order(self.numbers("order")?));
        }
        if self.next_is("witness") {
            return Ok(Proof::Witness(self.numbers("witness")?));
        }
        let mut all = Vec::new();
        while let Some(text) = self.optional("anomaly") {
            all.push(self.anomaly(text)?);
        }
        if all.is_empty() {
            self.line();
            return Err(self.wrong("expected `order`, `witness`, `anomaly` or `unproven`"));
        }
        Ok(Proof::Anomalies(all))
    }

    fn anomaly(&mut self, text: &str) -> Result<Shown, Refused> {
        let line = self.at;
        let (class, variant) = text.split_once(' ').unwrap_or((text, ""));
        let class = Class::find(class).ok_or_else(|| self.wrong(format!("there is no anomaly `{class}`")))?;
        let place = ["plain", "process", "realtime"].iter().position(|name| *name == variant);
        let place = place.ok_or_else(|| self.wrong("expected `plain`, `process` or `realtime`"))?;
        let transactions =
            self.field("transactions")?.split(' ').map(|word| self.parsed(word)).collect::<Result<_, _>>();
        let mut shown =
            Shown { class, variant: Variant::ALL[place], transactions: transactions?, edges: Vec::new(), line };
        while let Some(text) = self.optional("edge") {
            let mut words = text.splitn(4, ' ');
            let (kind, from, to) = (words.next(), words.next(), words.next());
            let (from, to) = (self.parsed(from.unwrap_or(""))?, self.parsed(to.unwrap_or(""))?);
            shown.edges.push((kind.unwrap_or("").to_string(), from, to, words.next().unwrap_or("").to_string()));
        }
        Ok(shown)
    }

    fn numbers(&mut self, name: &str) -> Result<Numbers, Refused> {
        let count: usize = self.number(name)?;
        let mut found = Numbers { all: Vec::with_capacity(count.min(1 << 24)), lines: vec![(self.at, 0)] };
        while found.all.len() < count {
            let Some(line) = self.line() else { return Err(self.wrong(format!("expected {count} numbers"))) };
            let mut last = 0;
            for word in line.split(' ') {
                let step: i64 = self.parsed(word)?;
                last += step.clamp(-1 << 33, 1 << 33);
                let place = u32::try_from(last).map_err(|_| self.wrong(format!("{last} is no operation")))?;
                found.all.push(place);
            }
            found.lines.push((self.at, found.all.len()));
        }
        if found.all.len() > count { Err(self.wrong(format!("expected {count} numbers, no more"))) } else { Ok(found) }
    }

    fn line(&mut self) -> Option<&'a str> {
        let (at, line) = self.lines.next()?;
        self.at = at;
        Some(line)
    }

    fn next_is(&mut self, name: &str) -> bool {
        self.lines.peek().is_some_and(|(_, line)| line.split(' ').next() == Some(name))
    }

    fn optional(&mut self, name: &str) -> Option<&'a str> {
        if !self.next_is(name) {
            return None;
        }
        self.line().map(|line| line[name.len()..].trim_start())
    }

    fn field(&mut self, name: &str) -> Result<&'a str, Refused> {
        if let Some(text) = self.optional(name) {
            return Ok(text);
        }
        self.line();
        Err(self.wrong(format!("expected `{name}`")))
    }

    fn number(&mut self, name: &str) -> Result<usize, Refused> {
        let text = self.field(name)?;
        self.parsed(text)
    }

    fn parsed<T: std::str::FromStr>(&self, word: &str) -> Result<T, Refused> {
        word.parse().map_err(|_| self.wrong(format!("expected a number, not `{word}`")))
    }

    fn wrong(&self, why: impl Into<String>) -> Refused {
        Refused::at(self.at, why)
    }
}
