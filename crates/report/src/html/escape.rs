//! Makes text harmless in HTML.

use crate::show;

/// Text as element content or as the value of a quoted attribute.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(c),
            c => out.push(show::plain(c)),
        }
    }
    out
}

/// A figure with its unit: text that is never broken over lines.
pub(crate) fn figure(text: &str) -> String {
    escape(text).replace(' ', "&nbsp;")
}

/// JSON as the content of a script element, which ends at the first `</script` whatever quotes stand around it.
pub(crate) fn json_in_html(json: &str) -> String {
    json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

/// An SVG document as the address of an image.
pub(crate) fn svg_address(svg: &str) -> String {
    let mut out = String::from("data:image/svg+xml;charset=utf-8,");
    for byte in svg.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~ /:=;,".contains(&byte) {
            out.push(byte as char);
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_text() {
        assert_eq!(
            escape("<a b='c' d=\"e\">&\u{1b}\u{202e}"),
            "&lt;a b=&#39;c&#39; d=&quot;e&quot;&gt;&amp;\u{fffd}\u{fffd}"
        );
        assert_eq!(json_in_html(r#"{"a":"</script>"}"#), r#"{"a":"\u003c/script\u003e"}"#);
        assert_eq!(svg_address("<a b=\"é\"/>"), "data:image/svg+xml;charset=utf-8,%3Ca b=%22%C3%A9%22/%3E");
    }
}
