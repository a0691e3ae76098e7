//! One blocking HTTP exchange, for readiness and observation: never on the load path.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::http::{self, Response};

/// Asks `address` and waits at most `limit` for the whole answer.
///
/// # Errors
/// Why there is no answer, as a lower-case fragment.
pub fn exchange(
    address: SocketAddr,
    method: &str,
    path: &str,
    body: &[u8],
    limit: Duration,
) -> Result<Response, String> {
    let end = Instant::now() + limit;
    let fail = |error: std::io::Error| format!("{address} does not answer: {error}");
    let mut stream = TcpStream::connect_timeout(&address, limit).map_err(fail)?;
    let mut request = Vec::new();
    http::put_request(&mut request, method, path, &address.to_string(), "Connection: close\r\n", body);
    stream.set_write_timeout(Some(limit)).map_err(fail)?;
    stream.write_all(&request).map_err(fail)?;
    let mut bytes = Vec::new();
    let mut chunk = [0; 16 << 10];
    loop {
        if let Some((response, _)) = http::read_response(&bytes)? {
            return Ok(response);
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(format!("{address} does not answer within {limit:?}"));
        }
        stream.set_read_timeout(Some(left)).map_err(fail)?;
        match stream.read(&mut chunk).map_err(fail)? {
            0 => return Err(format!("{address} closed the connection in the middle of its answer")),
            length => bytes.extend_from_slice(&chunk[..length]),
        }
    }
}
