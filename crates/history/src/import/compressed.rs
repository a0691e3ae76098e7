//! Zstandard and gzip, recognised by their first bytes.

use std::io::{self, BufRead, BufReader, Cursor, Read};

use ruzstd::decoding::{FrameDecoder, StreamingDecoder};

/// The bytes as they are, or what they were compressed from.
pub(super) fn expand<'r>(mut source: impl Read + 'r) -> io::Result<Box<dyn Read + 'r>> {
    let mut start = Vec::with_capacity(4);
    (&mut source).take(4).read_to_end(&mut start)?;
    let magic: [u8; 4] = start.clone().try_into().unwrap_or_default();
    let source = Cursor::new(start).chain(source);
    Ok(match magic {
        [0x28, 0xB5, 0x2F, 0xFD] => {
            Box::new(Zstandard { source: Some(BufReader::with_capacity(1 << 16, source)), frame: None })
        }
        [0x1F, 0x8B, ..] => Box::new(flate2::read::MultiGzDecoder::new(source)),
        _ => Box::new(source),
    })
}

/// One frame after another, as `zstd` writes for several inputs.
struct Zstandard<R: Read> {
    /// Between frames.
    source: Option<BufReader<R>>,
    /// Within one.
    frame: Option<StreamingDecoder<BufReader<R>, FrameDecoder>>,
}

impl<R: Read> Read for Zstandard<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(frame) = &mut self.frame {
                let read = frame.read(buffer)?;
                if read > 0 || buffer.is_empty() {
                    return Ok(read);
                }
                self.source = self.frame.take().map(StreamingDecoder::into_inner);
            }
            let Some(source) = &mut self.source else { return Ok(0) };
            if source.fill_buf()?.is_empty() {
                return Ok(0);
            }
            let wrong = |error| io::Error::new(io::ErrorKind::InvalidData, format!("zstd: {error}"));
            self.frame = self.source.take().map(StreamingDecoder::new).transpose().map_err(wrong)?;
        }
    }
}
