//! Keys and values as text, for systems that store strings.

/// The key's name: the run's prefix and the number.
pub fn key(prefix: &str, key: u32) -> String {
    format!("{prefix}{key}")
}

/// The value as decimal digits, padded with dots to `size` bytes.
pub fn value(number: u64, size: u32) -> String {
    let mut text = number.to_string();
    while text.len() < size as usize {
        text.push('.');
    }
    text
}

/// The number in front of the padding; `None` if there is none.
pub fn number(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?.trim().trim_end_matches('.');
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_padded_value_reads_back() {
        assert_eq!(value(42, 6), "42....");
        assert_eq!(number(b"42...."), Some(42));
        assert_eq!(number(b"42"), Some(42));
        assert_eq!(number(b""), None);
        assert_eq!(number(b"4x"), None);
    }
}
