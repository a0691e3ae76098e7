//! A strict little reader of markup: what it accepts, every parser of XML reads the same way.

/// Reads markup to its end and returns the names of its elements in order, or says what is wrong with it. `html` knows elements
/// without end tags, and those whose content is no markup.
pub fn elements(text: &str, html: bool) -> Result<Vec<String>, String> {
    let mut reader = Reader { rest: text, html, open: Vec::new(), seen: Vec::new() };
    while !reader.rest.is_empty() {
        reader.step().map_err(|error| format!("{error}, before `{:.80}`", reader.rest.replace('\n', " ")))?;
    }
    if reader.open.is_empty() { Ok(reader.seen) } else { Err(format!("not closed: {:?}", reader.open)) }
}

struct Reader<'a> {
    rest: &'a str,
    html: bool,
    open: Vec<String>,
    seen: Vec<String>,
}

const VOID: &[&str] = &["meta", "img"];
const RAW: &[&str] = &["script", "style"];

impl Reader<'_> {
    fn step(&mut self) -> Result<(), String> {
        if let Some(end) = self.open.last().filter(|name| self.html && RAW.contains(&name.as_str())) {
            let end = self.rest.to_lowercase().find(&format!("</{end}")).ok_or("raw text without end")?;
            self.rest = &self.rest[end..];
        }
        match self.rest {
            rest if rest.starts_with("<?xml") || rest.starts_with("<!doctype html>") => self.skip_to(">"),
            rest if rest.starts_with("</") => self.end_tag(),
            rest if rest.starts_with('<') => self.start_tag(),
            _ => self.text(),
        }
    }

    fn skip_to(&mut self, end: &str) -> Result<(), String> {
        let at = self.rest.find(end).ok_or_else(|| format!("no `{end}`"))?;
        self.rest = &self.rest[at + end.len()..];
        Ok(())
    }

    fn text(&mut self) -> Result<(), String> {
        let end = self.rest.find('<').unwrap_or(self.rest.len());
        let (text, rest) = self.rest.split_at(end);
        characters(text)?;
        if text.contains('>') {
            return Err("`>` in text".into());
        }
        self.rest = rest;
        Ok(())
    }

    fn end_tag(&mut self) -> Result<(), String> {
        let name = self.rest[2..].split('>').next().unwrap_or("").to_string();
        let open = self.open.pop();
        if open.as_ref() != Some(&name) {
            return Err(format!("`{name}` ends while {open:?} is open"));
        }
        self.skip_to(">")
    }

    fn start_tag(&mut self) -> Result<(), String> {
        let name: String = self.rest[1..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
        if name.is_empty() {
            return Err("`<` in text".into());
        }
        self.rest = &self.rest[1 + name.len()..];
        let mut names = Vec::new();
        while let Some(attribute) = self.attribute()? {
            if names.contains(&attribute) {
                return Err(format!("attribute `{attribute}` twice"));
            }
            names.push(attribute);
        }
        let closed = self.rest.starts_with("/>");
        self.skip_to(">")?;
        self.seen.push(name.clone());
        let void = self.html && VOID.contains(&name.as_str());
        if !closed && !void {
            self.open.push(name);
        }
        Ok(())
    }

    /// The name of the next attribute; `None` at the end of the tag.
    fn attribute(&mut self) -> Result<Option<String>, String> {
        self.rest = self.rest.trim_start();
        if self.rest.starts_with('>') || self.rest.starts_with("/>") {
            return Ok(None);
        }
        let name: String = self.rest.chars().take_while(|c| c.is_ascii_alphanumeric() || "-:".contains(*c)).collect();
        if name.is_empty() {
            return Err("no attribute".into());
        }
        self.rest = &self.rest[name.len()..];
        // HTML knows attributes without a value.
        let Some(value) = self.rest.strip_prefix("=\"") else {
            return if self.html { Ok(Some(name)) } else { Err(format!("attribute `{name}` without a quoted value")) };
        };
        let (value, rest) = value.split_once('"').ok_or("quote without end")?;
        if value.contains('<') {
            return Err("`<` in an attribute".into());
        }
        characters(value)?;
        self.rest = rest;
        Ok(Some(name))
    }
}

fn characters(text: &str) -> Result<(), String> {
    if let Some(c) = text.chars().find(|c| c.is_control() && !"\n\t".contains(*c)) {
        return Err(format!("control character {c:?}"));
    }
    for part in text.split('&').skip(1) {
        let entity = part.split(';').next().unwrap_or("");
        if !["amp", "lt", "gt", "quot", "apos", "#39", "nbsp"].contains(&entity) {
            return Err(format!("entity `{entity}`"));
        }
    }
    Ok(())
}

#[test]
fn the_reader_refuses_what_is_malformed() {
    assert_eq!(elements("<a x=\"1\"><b/>&amp;</a>", false), Ok(vec!["a".into(), "b".into()]));
    for wrong in
        ["<a>", "<a></b>", "<a x=1/>", "<a x=\"1\" x=\"2\"/>", "a & b", "<a>\u{1}</a>", "a > b", "<a x=\"<\"/>"]
    {
        assert!(elements(wrong, false).is_err(), "{wrong}");
    }
    assert!(elements("<script>if (a < b) { c & d }</script>", true).is_ok());
}
