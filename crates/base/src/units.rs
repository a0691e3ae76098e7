//! Quantities as people write them: `250ms`, `2000/s`, `4KiB`, `5%`.

use std::time::Duration;

/// Reads `250ms`, `1.5s`, `20us`, `100ns`, `2m`, `1h`, or `0`.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a duration; write it like `250ms`, `1.5s` or `2m`");
    let (number, unit) = split_number(text).ok_or_else(wrong)?;
    let seconds = match unit {
        "ns" => 1e-9,
        "us" | "µs" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        "" if number == 0.0 => 0.0,
        _ => return Err(wrong()),
    };
    Duration::try_from_secs_f64(number * seconds).map_err(|_| wrong())
}

/// Reads `2000/s`, `1.5k/s`, `60/m`; the result is per second.
pub fn parse_rate(text: &str) -> Result<f64, String> {
    let wrong = || format!("`{text}` is not a rate; write it like `2000/s` or `60/m`");
    let (amount, per) = text.split_once('/').ok_or_else(wrong)?;
    let (number, unit) = split_number(amount.trim()).ok_or_else(wrong)?;
    let factor = match unit {
        "" => 1.0,
        "k" => 1e3,
        "M" => 1e6,
        _ => return Err(wrong()),
    };
    let seconds = match per.trim() {
        "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err(wrong()),
    };
    Ok(number * factor / seconds)
}

/// Reads a whole number of things: `64`.
pub fn parse_count(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| format!("`{text}` is not a count"))
}

/// Reads `256B`, `4KiB`, `64MB`, or a bare number of bytes.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is not a size; write it like `256B` or `4KiB`");
    let (number, unit) = split_number(text).ok_or_else(wrong)?;
    let factor: u64 = match unit {
        "" | "B" => 1,
        "kB" => 1_000,
        "KiB" => 1 << 10,
        "MB" => 1_000_000,
        "MiB" => 1 << 20,
        "GB" => 1_000_000_000,
        "GiB" => 1 << 30,
        _ => return Err(wrong()),
    };
    Ok((number * factor as f64) as u64)
}

/// Reads `5%` or `0.05` as a share of 1.
pub fn parse_share(text: &str) -> Result<f64, String> {
    let wrong = || format!("`{text}` is not a share; write it like `5%` or `0.05`");
    let (number, unit) = split_number(text).ok_or_else(wrong)?;
    let share = match unit {
        "" => number,
        "%" => number / 100.0,
        _ => return Err(wrong()),
    };
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err(format!("`{text}` is not between 0 % and 100 %")) }
}

/// Three significant digits and the unit that fits: `1.20 s`, `250 ms`, `85.3 us`.
pub fn show_duration(span: Duration) -> String {
    let nanos = span.as_nanos() as f64;
    let (value, unit) = match nanos {
        n if n >= 1e9 => (n / 1e9, "s"),
        n if n >= 1e6 => (n / 1e6, "ms"),
        n if n >= 1e3 => (n / 1e3, "us"),
        n => (n, "ns"),
    };
    let digits = if value >= 100.0 || unit == "ns" {
        0
    } else if value >= 10.0 {
        1
    } else {
        2
    };
    format!("{value:.digits$} {unit}")
}

/// Groups of three digits: `1 234 567`.
pub fn show_count(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

fn split_number(text: &str) -> Option<(f64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '_')).unwrap_or(text.len());
    let number: f64 = text[..end].replace('_', "").parse().ok()?;
    Some((number, text[end..].trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_read_as_people_write_them() {
        assert_eq!(parse_duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(parse_duration("20 us"), Ok(Duration::from_micros(20)));
        assert!(parse_duration("20").is_err(), "a bare number has no unit");
        assert_eq!(parse_rate("2k/s"), Ok(2000.0));
        assert_eq!(parse_rate("60/m"), Ok(1.0));
        assert_eq!(parse_size("4KiB"), Ok(4096));
        assert_eq!(parse_share("5%"), Ok(0.05));
        assert!(parse_share("150%").is_err());
    }

    #[test]
    fn quantities_are_shown_with_three_digits() {
        assert_eq!(show_duration(Duration::from_micros(85_312)), "85.3 ms");
        assert_eq!(show_duration(Duration::from_nanos(1_204_000_000)), "1.20 s");
        assert_eq!(show_count(1234567), "1 234 567");
    }
}
