//! Parses dates of PDF, such as D:20260301120000+01'00'; everything after the year may be missing.

use chrono::{DateTime, Utc};

pub(super) fn parse(text: &str) -> Option<DateTime<Utc>> {
    /// The start of a year, after the four digits of the year.
    const MISSING: &str = "00000101000000";
    let text = text.strip_prefix("D:").unwrap_or(text).replace('\'', "");
    let (stamp, zone) = text.split_at(text.bytes().take_while(u8::is_ascii_digit).count());
    let missing = MISSING.get(stamp.len()..).filter(|_| stamp.len() >= 4)?;
    // A missing or invalid zone is UTC.
    [zone, "Z"].into_iter().find_map(|zone| {
        let date = DateTime::parse_from_str(&format!("{stamp}{missing}{zone}"), "%Y%m%d%H%M%S%#z").ok()?;
        Some(date.to_utc())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_any_precision_are_read() {
        for (text, expected) in [
            ("D:20260301120000+01'00'", Some("2026-03-01T11:00:00+00:00")),
            ("D:20260301120000-05'30", Some("2026-03-01T17:30:00+00:00")),
            ("D:20260301120000-0530", Some("2026-03-01T17:30:00+00:00")),
            ("D:20260301120000Z", Some("2026-03-01T12:00:00+00:00")),
            ("D:20260301120000+hora", Some("2026-03-01T12:00:00+00:00")),
            ("20260301", Some("2026-03-01T00:00:00+00:00")),
            ("D:2026", Some("2026-01-01T00:00:00+00:00")),
            ("D:20261301", None),
            ("ayer", None),
            ("D:202ñ", None),
        ] {
            assert_eq!(parse(text).map(|date| date.to_rfc3339()).as_deref(), expected, "{text}");
        }
    }
}
