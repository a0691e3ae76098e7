//! What encodings of messages are made of: numbers as LEB128 varints, so that small ones take a byte, and payloads that share
//! the bytes of the frame they came in.

use base::Bytes;

use crate::actor::Malformed;

/// Appends numbers as LEB128 varints: seven bits a byte, low ones first, the top bit says that more follows.
pub fn put(buffer: &mut Vec<u8>, numbers: &[u64]) {
    for &number in numbers {
        let mut rest = number;
        while rest >= 0x80 {
            buffer.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        buffer.push(rest as u8);
    }
}

/// Appends a payload behind its length.
pub fn put_bytes(buffer: &mut Vec<u8>, bytes: &[u8]) {
    put(buffer, &[bytes.len() as u64]);
    buffer.extend_from_slice(bytes);
}

/// Reads back what [`put`] and its like wrote. Every error names what is wrong; none panics.
#[derive(Debug)]
pub struct Reader<'a> {
    bytes: &'a Bytes,
    at: usize,
}

impl<'a> Reader<'a> {
    /// From the start of `bytes`.
    pub fn new(bytes: &'a Bytes) -> Self {
        Reader { bytes, at: 0 }
    }

    /// How many bytes are left.
    pub fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// One byte.
    pub fn byte(&mut self) -> Result<u8, Malformed> {
        let byte = *self.bytes.get(self.at).ok_or_else(|| self.cut())?;
        self.at += 1;
        Ok(byte)
    }

    /// A byte that is 0 or 1.
    pub fn flag(&mut self) -> Result<bool, Malformed> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(Malformed(format!("flag of value {other}"))),
        }
    }

    /// A varint of at most 64 bits.
    pub fn number(&mut self) -> Result<u64, Malformed> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            if shift == 63 && byte > 1 {
                break;
            }
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(Malformed("number of more than 64 bits".into()))
    }

    /// A varint that fits a smaller type; `what` names it in the error.
    pub fn small<T: TryFrom<u64>>(&mut self, what: &str) -> Result<T, Malformed> {
        let number = self.number()?;
        T::try_from(number).map_err(|_| Malformed(format!("{what} {number} is too large")))
    }

    /// The next `length` bytes, shared.
    pub fn take(&mut self, length: u64) -> Result<Bytes, Malformed> {
        if length > self.left() as u64 {
            return Err(self.cut());
        }
        let start = self.at;
        self.at += length as usize;
        Ok(self.bytes.slice(start..self.at))
    }

    /// A payload behind its length, shared.
    pub fn bytes(&mut self) -> Result<Bytes, Malformed> {
        let length = self.number()?;
        self.take(length)
    }

    /// All that is left, shared.
    pub fn rest(&mut self) -> Bytes {
        let rest = self.bytes.slice(self.at..);
        self.at = self.bytes.len();
        rest
    }

    /// Nothing may be left behind a `kind`.
    pub fn finish(&self, kind: &str) -> Result<(), Malformed> {
        match self.left() {
            0 => Ok(()),
            left => Err(Malformed(format!("{left} bytes after a {kind}"))),
        }
    }

    fn cut(&self) -> Malformed {
        Malformed(format!("message cut off after {} bytes", self.bytes.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_payloads_survive() {
        let numbers = [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX];
        let mut buffer = Vec::new();
        put(&mut buffer, &numbers);
        put_bytes(&mut buffer, b"payload");
        let bytes = Bytes::from(buffer);
        let mut reader = Reader::new(&bytes);
        numbers.iter().for_each(|number| assert_eq!(reader.number(), Ok(*number)));
        assert_eq!(reader.bytes(), Ok(Bytes::from_static(b"payload")));
        assert_eq!(reader.finish("test"), Ok(()));
    }

    #[test]
    fn what_is_too_long_or_too_short_is_refused() {
        let long = Bytes::from_static(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02]);
        assert!(Reader::new(&long).number().is_err());
        assert!(Reader::new(&Bytes::from_static(&[5, 1])).bytes().is_err());
        assert!(Reader::new(&Bytes::from_static(&[0x80])).number().is_err());
        assert!(Reader::new(&Bytes::from_static(&[0xff, 0x7f])).small::<u8>("node").is_err());
    }
}
