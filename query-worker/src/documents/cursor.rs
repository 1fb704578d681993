//! Cursors: the position where a page of the list of documents begins. Clients cannot interpret them.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::DateTime;
use schemas::{Problem, messages::answers};

use documents::read::After;

/// The list contains the queued documents first, then the stored ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cursor {
    /// From this sequence number of the queue on.
    Queued(u64),
    /// After this stored document; `None` starts at the newest.
    Stored(Option<After>),
}

impl Cursor {
    pub const START: Self = Self::Queued(0);

    pub fn parse(text: &str) -> Result<Self, Problem> {
        let decoded = URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        decoded.as_deref().and_then(Self::read).ok_or_else(|| answers::not_a_cursor().about("cursor"))
    }

    fn read(text: &str) -> Option<Self> {
        match text.split('.').collect::<Vec<_>>().as_slice() {
            ["queued", sequence] => Some(Self::Queued(sequence.parse().ok()?)),
            ["stored"] => Some(Self::Stored(None)),
            ["stored", micros, key] => {
                let accepted_at = DateTime::from_timestamp_micros(micros.parse().ok()?)?;
                Some(Self::Stored(Some(After { accepted_at, key: key.parse().ok()? })))
            }
            _ => None,
        }
    }

    pub fn encode(self) -> String {
        URL_SAFE_NO_PAD.encode(match self {
            Self::Queued(sequence) => format!("queued.{sequence}"),
            Self::Stored(None) => "stored".to_owned(),
            Self::Stored(Some(After { accepted_at, key })) => {
                format!("stored.{}.{key}", accepted_at.timestamp_micros())
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
        for cursor in
            [Cursor::START, Cursor::Queued(u64::MAX), Cursor::Stored(None), Cursor::Stored(Some(after))]
        {
            assert_eq!(Cursor::parse(&cursor.encode()).unwrap(), cursor);
        }
        for wrong in
            ["", "x", "queued", "queued.-1", "stored.1", "stored.1.2.3", "stored.99999999999999999999.1"]
        {
            assert!(Cursor::parse(&URL_SAFE_NO_PAD.encode(wrong)).is_err(), "{wrong}");
            assert!(Cursor::parse(wrong).is_err(), "{wrong}");
        }
    }
}
