//! Parsing of sizes, and medians of measurements.

use anyhow::{Context, Result};

/// Reads a size such as `2G`: bytes, or thousands, millions or thousand millions of them with K, M or G.
pub fn parse_bytes(text: &str) -> Result<u64> {
    let (digits, unit) = match text.chars().last() {
        Some('K' | 'k') => (text.trim_end_matches(['K', 'k']), 1_000),
        Some('M' | 'm') => (text.trim_end_matches(['M', 'm']), 1_000_000),
        Some('G' | 'g') => (text.trim_end_matches(['G', 'g']), 1_000_000_000),
        _ => (text, 1),
    };
    let count: u64 = digits.parse().with_context(|| format!("`{text}` is no size such as 2G"))?;
    count.checked_mul(unit).with_context(|| format!("{text} bytes are too many"))
}

/// The middle value, the higher of the two if their number is even; 0 of an empty list.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!(parse_bytes("2G").unwrap(), 2_000_000_000);
        assert_eq!(parse_bytes("16m").unwrap(), 16_000_000);
        assert_eq!(parse_bytes("77").unwrap(), 77);
        assert!(parse_bytes("two").is_err());
        assert!(parse_bytes("99999999999G").is_err());
    }

    #[test]
    fn one_slow_run_of_three_does_not_move_a_median() {
        assert!((median(vec![9.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
    }
}
