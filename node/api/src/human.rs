//! Numbers as text for people: sizes, rates, times. Pure functions.

/// Bytes in binary units with three significant digits: `512 B`, `1.50 KiB`, `64.0 MiB`.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let mut value = count as f64;
    let mut unit = "B";
    for next in UNITS {
        // 1,023.5 would be shown as 1024.
        if value < 1023.5 {
            break;
        }
        (value, unit) = (value / 1024.0, next);
    }
    let digits = if value < 9.995 {
        2
    } else if value < 99.95 {
        1
    } else {
        0
    };
    format!("{value:.digits$} {unit}")
}

/// Bytes per second.
pub fn rate(count: u64, seconds: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "a rate for people; the cast saturates"
    )]
    let per_second = if seconds > 0.0 { (count as f64 / seconds) as u64 } else { count };
    format!("{}/s", bytes(per_second))
}

/// A number with thousands separators: `1,234,567`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count and its noun: `1 file`, `2 files`.
pub fn counted(number: u64, noun: &str) -> String {
    counted_as(number, noun, &format!("{noun}s"))
}

/// As [`counted`], for a noun with an irregular plural.
pub fn counted_as(number: u64, one: &str, several: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{} {several}", count(number)) }
}

/// Ascending numbers as ranges: `4–12, 15`. Of a list that names fewer than `total`, `…` stands for the rest.
pub fn ranges(numbers: &[u64], total: u64) -> String {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(*number) => *last = *number,
            _ => runs.push((*number, *number)),
        }
    }
    let run = |(first, last): (u64, u64)| {
        if first == last { first.to_string() } else { format!("{first}–{last}") }
    };
    let rest = if total > numbers.len() as u64 { vec!["…".to_owned()] } else { Vec::new() };
    runs.into_iter().map(run).chain(rest).collect::<Vec<_>>().join(", ")
}

/// A duration: `0.35 s`, `42 s`, `3 min 20 s`, `5 h 12 min`, `9 d 3 h`.
pub fn span(seconds: f64) -> String {
    if seconds < 10.0 {
        return format!("{seconds:.2} s");
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "positive; the cast saturates"
    )]
    let whole = seconds as u64;
    age(whole)
}

/// A duration in whole seconds.
pub fn age(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86400, seconds % 86400 / 3600),
    }
}

/// Milliseconds since 1970 as `2026-11-22 08:30:00` UTC; the bare number where no calendar reaches that far.
pub fn time(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms)
        .map_or_else(|_| format!("{ms} ms"), |time| time.strftime("%Y-%m-%d %H:%M:%S").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_three_digits() {
        let cases = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.00 KiB"),
            (1536, "1.50 KiB"),
            (10_235, "10.0 KiB"),
            (1_048_063, "1023 KiB"),
            (1_048_064, "1.00 MiB"),
            (67_108_864, "64.0 MiB"),
            (u64::MAX, "16.0 EiB"),
        ];
        for (number, text) in cases {
            assert_eq!(bytes(number), text);
        }
    }

    #[test]
    fn counts_and_spans() {
        assert_eq!([count(0), count(999), count(1000), count(1_234_567)], ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(counted(1, "file"), "1 file");
        assert_eq!(counted(2000, "file"), "2,000 files");
        assert_eq!(ranges(&[4, 5, 6, 8, 10, 11], 6), "4–6, 8, 10–11");
        assert_eq!(
            (ranges(&[7], 1), ranges(&[1, 2], 9), ranges(&[], 0)),
            ("7".into(), "1–2, …".into(), String::new())
        );
        assert_eq!(span(0.351), "0.35 s");
        assert_eq!(span(200.0), "3 min 20 s");
        assert_eq!(span(1e6), "11 d 13 h");
        assert_eq!(rate(3 << 20, 2.0), "1.50 MiB/s");
    }

    #[test]
    fn dates_hold_at_the_edges() {
        assert_eq!(time(0), "1970-01-01 00:00:00");
        assert_eq!(time(-1), "1969-12-31 23:59:59");
        assert_eq!(time(951_826_153_000), "2000-02-29 12:09:13");
        assert_eq!(time(1_795_336_140_000), "2026-11-22 08:29:00");
    }
}
