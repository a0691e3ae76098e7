//! HTTP/1.1 as our clients need it: write a request, read a response. Bytes in, bytes out.
//!
//! One request at a time on a connection, bodies with `Content-Length` or chunked (RFC 9112 §6-7). No compression,
//! no upgrade: the load path must cost less than the server it measures.

use std::fmt::Write as _;

/// One response, its body copied out of the connection's bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The body, decoded from chunks if it came so.
    pub body: Vec<u8>,
    /// The server will close the connection after this response.
    pub close: bool,
}

/// Appends a request. `extra` are whole header lines, each ending in CRLF.
pub fn put_request(buffer: &mut Vec<u8>, method: &str, path: &str, host: &str, extra: &str, body: &[u8]) {
    let mut head = String::with_capacity(128);
    let _ = write!(head, "{method} {path} HTTP/1.1\r\nHost: {host}\r\n{extra}Content-Length: {}\r\n\r\n", body.len());
    buffer.extend_from_slice(head.as_bytes());
    buffer.extend_from_slice(body);
}

/// Reads the response at the front of `bytes`: it and its length, or `None` if more bytes are needed.
///
/// # Errors
/// What is wrong with the bytes; the connection cannot be used any more.
pub fn read_response(bytes: &[u8]) -> Result<Option<(Response, usize)>, String> {
    let Some(head_end) = find(bytes, b"\r\n\r\n") else {
        return if bytes.len() > MAX_HEAD { Err("response head is too long".into()) } else { Ok(None) };
    };
    let head = std::str::from_utf8(&bytes[..head_end]).map_err(|_| "response head is not text")?;
    let mut lines = head.split("\r\n");
    let status = status_of(lines.next().unwrap_or_default())?;
    let framing = Framing::of(lines, status)?;
    let rest = &bytes[head_end + 4..];
    let body = match framing.body {
        BodyKind::Length(length) => rest.get(..length).map(|body| (body.to_vec(), length)),
        BodyKind::Chunked => read_chunks(rest)?,
    };
    Ok(body.map(|(body, length)| (Response { status, body, close: framing.close }, head_end + 4 + length)))
}

const MAX_HEAD: usize = 64 << 10;
const MAX_BODY: usize = 64 << 20;

enum BodyKind {
    Length(usize),
    Chunked,
}

struct Framing {
    body: BodyKind,
    close: bool,
}

impl Framing {
    fn of<'a>(headers: impl Iterator<Item = &'a str>, status: u16) -> Result<Framing, String> {
        let mut length = None;
        let mut framing = Framing { body: BodyKind::Length(0), close: false };
        let mut chunked = false;
        for header in headers {
            let Some((name, value)) = header.split_once(':') else { continue };
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                let parsed: usize = value.parse().map_err(|_| format!("content-length `{value}` is not a number"))?;
                length = Some(parsed);
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                chunked = value.eq_ignore_ascii_case("chunked");
            } else if name.eq_ignore_ascii_case("connection") {
                framing.close = value.eq_ignore_ascii_case("close");
            }
        }
        framing.body = match length {
            _ if chunked => BodyKind::Chunked,
            Some(length) if length <= MAX_BODY => BodyKind::Length(length),
            Some(length) => return Err(format!("body of {length} bytes is too long")),
            None if matches!(status, 204 | 304) => BodyKind::Length(0),
            None => return Err("response has neither content-length nor chunks; its end cannot be known".into()),
        };
        Ok(framing)
    }
}

fn status_of(line: &str) -> Result<u16, String> {
    let mut parts = line.splitn(3, ' ');
    match (parts.next(), parts.next().and_then(|code| code.parse().ok())) {
        (Some(version), Some(status)) if version.starts_with("HTTP/1.") => Ok(status),
        _ => Err(format!("`{}` is not an HTTP/1.1 status line", line.chars().take(60).collect::<String>())),
    }
}

fn read_chunks(bytes: &[u8]) -> Result<Option<(Vec<u8>, usize)>, String> {
    let mut body = Vec::new();
    let mut at = 0;
    loop {
        let Some(line_end) = find(&bytes[at..], b"\r\n") else { return Ok(None) };
        let line = std::str::from_utf8(&bytes[at..at + line_end]).map_err(|_| "chunk size is not text")?;
        let digits = line.split(';').next().unwrap_or_default().trim();
        let size =
            usize::from_str_radix(digits, 16).map_err(|_| format!("chunk size `{digits}` is not hexadecimal"))?;
        if size > MAX_BODY || body.len() + size > MAX_BODY {
            return Err("chunked body is too long".into());
        }
        at += line_end + 2;
        if size == 0 {
            return Ok(after_trailers(bytes, at).map(|end| (body, end)));
        }
        let Some(chunk) = bytes.get(at..at + size + 2) else { return Ok(None) };
        if &chunk[size..] != b"\r\n" {
            return Err("chunk does not end where its size says".into());
        }
        body.extend_from_slice(&chunk[..size]);
        at += size + 2;
    }
}

/// Where the response ends: after the trailer lines (RFC 9112 §7.1.2), which say nothing to us, and an empty one.
fn after_trailers(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let length = find(&bytes[at..], b"\r\n")?;
        at += length + 2;
        if length == 0 {
            return Some(at);
        }
    }
}

fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_is_read_once_all_of_it_is_there() {
        let bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP";
        for cut in 0..bytes.len() - 4 {
            assert_eq!(read_response(&bytes[..cut]), Ok(None), "after {cut} bytes");
        }
        let (response, length) = read_response(bytes).expect("well formed").expect("complete");
        assert_eq!(response, Response { status: 200, body: b"hello".to_vec(), close: false });
        assert_eq!(&bytes[length..], b"HTTP");
    }

    #[test]
    fn chunks_are_joined() {
        let bytes = b"HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n2;x=1\r\nde\r\n0\r\nGrpc-Trailer-Foo: x\r\n\r\n";
        let (response, length) = read_response(bytes).expect("well formed").expect("complete");
        assert_eq!(response, Response { status: 503, body: b"abcde".to_vec(), close: true });
        assert_eq!(length, bytes.len());
        for cut in 0..bytes.len() {
            assert_eq!(read_response(&bytes[..cut]), Ok(None), "after {cut} bytes");
        }
    }

    #[test]
    fn what_is_not_http_is_an_error() {
        assert!(read_response(b"SSH-2.0-OpenSSH\r\n\r\n").is_err());
        assert!(read_response(b"HTTP/1.1 200 OK\r\n\r\n").is_err(), "no length");
        assert!(read_response(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n").is_err());
        assert!(read_response(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n").is_err());
    }
}
