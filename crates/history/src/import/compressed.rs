//! Zstandard and gzip, recognised by their first bytes.

use std::io::{self, Read};

/// The bytes as they are, or what they were compressed from.
pub(super) fn expand(bytes: Vec<u8>) -> io::Result<Vec<u8>> {
    match bytes.as_slice() {
        [0x28, 0xB5, 0x2F, 0xFD, ..] => zstandard(&bytes),
        [0x1F, 0x8B, ..] => {
            let mut expanded = Vec::with_capacity(bytes.len() * 4);
            flate2::read::MultiGzDecoder::new(bytes.as_slice()).read_to_end(&mut expanded)?;
            Ok(expanded)
        }
        _ => Ok(bytes),
    }
}

/// One frame after another, as `zstd` writes for several inputs.
fn zstandard(mut bytes: &[u8]) -> io::Result<Vec<u8>> {
    let wrong = |error: &dyn std::fmt::Display| io::Error::new(io::ErrorKind::InvalidData, format!("zstd: {error}"));
    let mut expanded = Vec::with_capacity(bytes.len() * 8);
    while !bytes.is_empty() {
        let mut decoder = ruzstd::decoding::StreamingDecoder::new(&mut bytes).map_err(|error| wrong(&error))?;
        decoder.read_to_end(&mut expanded)?;
    }
    Ok(expanded)
}
