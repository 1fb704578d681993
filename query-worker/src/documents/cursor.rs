//! Cursors: the position where a page of the list of documents begins. Clients cannot interpret them.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::DateTime;
use schemas::{Problem, messages::answers, metadata::plausible};

use documents::read::After;

/// The list contains the queued documents first, then the stored ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cursor {
    /// From this sequence number of the queue on.
    Queued(u64),
    /// After this stored document; `None` starts at the newest. The documents with these keys are left out, because an
    /// earlier page listed them as queued.
    Stored(Option<After>, Vec<i64>),
}

impl Cursor {
    pub const START: Self = Self::Queued(0);

    pub fn parse(text: &str) -> Result<Self, Problem> {
        let decoded = URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        decoded.as_deref().and_then(Self::read).ok_or_else(|| answers::not_a_cursor().about("cursor"))
    }

    fn read(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('.').collect();
        let (after, listed) = match &*parts {
            ["queued", sequence] => return Some(Self::Queued(sequence.parse().ok()?)),
            // As the release before wrote it.
            ["stored"] => (None, &[][..]),
            ["stored", "", "", listed @ ..] => (None, listed),
            ["stored", micros, key, listed @ ..] => {
                let accepted_at =
                    DateTime::from_timestamp_micros(micros.parse().ok()?).and_then(plausible)?;
                (Some(After { accepted_at, key: key.parse().ok()? }), listed)
            }
            _ => return None,
        };
        let listed: Option<Vec<i64>> = listed.iter().map(|key| key.parse().ok()).collect();
        Some(Self::Stored(after, listed?))
    }

    pub fn encode(self) -> String {
        URL_SAFE_NO_PAD.encode(match self {
            Self::Queued(sequence) => format!("queued.{sequence}"),
            Self::Stored(after, listed) => {
                let place = after.map_or_else(
                    || "stored..".to_owned(),
                    |After { accepted_at, key }| format!("stored.{}.{key}", accepted_at.timestamp_micros()),
                );
                listed.iter().fold(place, |text, key| format!("{text}.{key}"))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_leads_back_to_its_place() {
        let after =
            After { accepted_at: DateTime::from_timestamp_micros(1_790_000_000_123_456).unwrap(), key: 7 };
        let stored =
            [(None, vec![]), (Some(after), vec![]), (None, vec![7]), (Some(after), vec![8, i64::MAX])];
        let stored = stored.map(|(after, listed)| Cursor::Stored(after, listed));
        for cursor in [Cursor::START, Cursor::Queued(u64::MAX)].into_iter().chain(stored) {
            assert_eq!(Cursor::parse(&cursor.clone().encode()).unwrap(), cursor);
        }
        // Clients may still have cursors of the release before.
        for (former, after) in [("stored", None), ("stored.1790000000123456.7", Some(after))] {
            let cursor = Cursor::parse(&URL_SAFE_NO_PAD.encode(former)).unwrap();
            assert_eq!(cursor, Cursor::Stored(after, vec![]));
        }
        for wrong in [
            "",
            "x",
            "queued",
            "queued.-1",
            "stored.1",
            "stored.1.2.x",
            "stored.1.",
            "stored.",
            "stored.99999999999999999999.1",
            "stored.-8000000000000000000.1",
            "stored.listed.x",
        ] {
            assert!(Cursor::parse(&URL_SAFE_NO_PAD.encode(wrong)).is_err(), "{wrong}");
            assert!(Cursor::parse(wrong).is_err(), "{wrong}");
        }
    }
}
