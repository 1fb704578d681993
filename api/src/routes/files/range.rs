//! HTTP ranges and validators of a stored file.

use axum::http::{HeaderMap, header};

/// Which part of a file to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Whole,
    Range { start: u64, length: u64 },
    Unsatisfiable,
}

/// Parses the `Range` header. Several ranges, other units and unreadable values are ignored, as RFC 9110 allows.
pub fn part(headers: &HeaderMap, size: u64, etag: &str) -> Part {
    // If the client has another version of the file, a part of this version would not fit it.
    if headers.get(header::IF_RANGE).is_some_and(|validator| validator != etag) {
        return Part::Whole;
    }
    let Some((from, to)) = headers
        .get(header::RANGE)
        .and_then(|value| value.to_str().ok()?.strip_prefix("bytes="))
        .and_then(|range| range.trim().split_once('-'))
    else {
        return Part::Whole;
    };
    let number = |text: &str| text.parse::<u64>().ok();
    let bounds = match (from.trim(), to.trim()) {
        ("", suffix) => number(suffix).map(|length| (size.saturating_sub(length), size)),
        (from, "") => number(from).map(|start| (start, size)),
        (from, to) => number(from)
            .zip(number(to))
            .filter(|(start, end)| start <= end)
            .map(|(start, end)| (start, end.saturating_add(1).min(size))),
    };
    match bounds {
        None => Part::Whole,
        Some((start, end)) if start >= end => Part::Unsatisfiable,
        Some((start, end)) => Part::Range { start, length: end - start },
    }
}

/// Whether the client already has the version of the file with this `etag`.
pub fn is_fresh(headers: &HeaderMap, etag: &str) -> bool {
    headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok()).any(|value| {
        value.split(',').map(str::trim).any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn of(range: &str) -> Part {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, range.parse().unwrap());
        part(&headers, 100, "\"a\"")
    }

    #[test]
    fn ranges() {
        let range = |start, length| Part::Range { start, length };
        assert_eq!(of("bytes=0-9"), range(0, 10));
        assert_eq!(of("bytes=90-"), range(90, 10));
        assert_eq!(of("bytes=-10"), range(90, 10));
        assert_eq!(of("bytes=-200"), range(0, 100));
        assert_eq!(of("bytes=99-500"), range(99, 1));
        for unsatisfiable in ["bytes=100-", "bytes=100-200", "bytes=-0"] {
            assert_eq!(of(unsatisfiable), Part::Unsatisfiable, "{unsatisfiable}");
        }
        for ignored in ["bytes=0-1,5-6", "bytes=9-1", "bytes=a-b", "pages=1-2", "bytes=", "bytes=--1"] {
            assert_eq!(of(ignored), Part::Whole, "{ignored}");
        }
    }

    #[test]
    fn validators() {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, "bytes=0-9".parse().unwrap());
        for other in [&b"\"b\""[..], b"\"\xe1\""] {
            headers.insert(header::IF_RANGE, HeaderValue::from_bytes(other).unwrap());
            assert_eq!(part(&headers, 100, "\"a\""), Part::Whole);
        }
        headers.insert(header::IF_NONE_MATCH, "\"x\", W/\"a\"".parse().unwrap());
        assert!(is_fresh(&headers, "\"a\"") && !is_fresh(&headers, "\"b\""));
    }
}
