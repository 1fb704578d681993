//! Which of two revisions of a document is the newer.

use std::cmp::Ordering;

use chrono::{DateTime, Utc};
use schemas::Metadata;

/// What is known of one revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    pub code: String,
    pub date_modified: Option<DateTime<Utc>>,
    pub accepted_at: DateTime<Utc>,
}

impl Revision {
    pub fn of(metadata: &Metadata, accepted_at: DateTime<Utc>) -> Self {
        Self { code: metadata.fields.revision.clone(), date_modified: metadata.date_modified, accepted_at }
    }

    /// Whether this revision replaces the other: by the revision codes if they can be compared and differ, else by the
    /// dates of the content, else by the time of acceptance.
    pub fn replaces(&self, other: &Self) -> bool {
        let by_code = compare(&self.code, &other.code).filter(|order| order.is_ne());
        let by_date = || Some(self.date_modified?.cmp(&other.date_modified?)).filter(|order| order.is_ne());
        by_code.or_else(by_date).unwrap_or_else(|| self.accepted_at.cmp(&other.accepted_at)).is_gt()
    }
}

/// A parsed revision code. Its numbers are compared one after the other: `1.10` follows `1.9`, and `P02` follows `P01.02`.
#[derive(Debug, PartialEq, Eq)]
enum Code {
    /// Before issue for construction: A, B, …, Z, AA.
    Letters(String),
    /// After issue for construction: 0, 1, 2, with a letter for intermediate revisions (1A).
    Number(Vec<u64>, String),
    /// A series with a number: P01, C02, P01.02.
    Series(String, Vec<u64>),
}

/// Returns `None` for what has no order: words ("AS BUILT", "FINAL") and dates.
fn parse(code: &str) -> Option<Code> {
    let code = code.trim().to_uppercase();
    let code = code.strip_prefix("REVISION").or_else(|| code.strip_prefix("REVISIÓN")).unwrap_or(&code);
    let code = code.strip_prefix("REV").filter(|rest| !rest.is_empty()).unwrap_or(code);
    let is_separator = |c: char| c.is_whitespace() || ".-_/".contains(c);
    let code = code.trim_matches(is_separator);
    let letters_end = code.find(|c: char| !c.is_alphabetic()).unwrap_or(code.len());
    let (letters, rest) = code.split_at(letters_end);
    let rest = rest.trim_start_matches(is_separator);
    let suffix_start = rest.find(|c: char| !c.is_ascii_digit() && !is_separator(c)).unwrap_or(rest.len());
    let (digits, suffix) = rest.split_at(suffix_start);
    let groups = digits.split(is_separator).filter(|group| !group.is_empty());
    let mut numbers = groups.map(str::parse).collect::<Result<Vec<u64>, _>>().ok()?;
    while numbers.len() > 1 && numbers.last() == Some(&0) {
        numbers.pop();
    }
    let is_date = numbers.len() == 3 && numbers.iter().any(|number| *number >= 1_000);
    match (letters.chars().count(), numbers.is_empty(), suffix) {
        (1..=2, true, "") => Some(Code::Letters(letters.to_owned())),
        (0, false, suffix) if !is_date && suffix.chars().all(char::is_alphabetic) => {
            Some(Code::Number(numbers, suffix.to_owned()))
        }
        (1.., false, "") if !is_date => Some(Code::Series(letters.to_owned(), numbers)),
        _ => None,
    }
}

/// Compares two codes; `None` when they belong to schemes that have no order between them.
fn compare(ours: &str, theirs: &str) -> Option<Ordering> {
    use Code::{Letters, Number, Series};
    // In the Spanish alphabet, Ñ stands between N and O, so NZ comes before ÑA: `~` sorts after the letters A to Z.
    let place = |letters: &str| (letters.chars().count(), letters.replace('Ñ', "N~"));
    match (parse(ours)?, parse(theirs)?) {
        (Letters(a), Letters(b)) => Some(place(&a).cmp(&place(&b))),
        (Number(a, x), Number(b, y)) => Some((a, x).cmp(&(b, y))),
        // Letters are for review, numbers for construction.
        (Letters(_), Number(..)) => Some(Ordering::Less),
        (Number(..), Letters(_)) => Some(Ordering::Greater),
        (Series(s, a), Series(t, b)) if s == t => Some(a.cmp(&b)),
        // Preliminary before contractual.
        (Series(s, _), Series(t, _)) if s == "P" && t == "C" => Some(Ordering::Less),
        (Series(s, _), Series(t, _)) if s == "C" && t == "P" => Some(Ordering::Greater),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
