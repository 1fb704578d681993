//! Refuses markup that is nested so deeply that building its tree would take unbounded time.

use super::super::{Error, Limits};

/// HTML may be nested deeper than XML by this factor: unclosed elements of old editors count as nested.
const SLACK: usize = 5;

/// Estimates the depth from the tags: counts open elements, except those that need no end tag.
pub(super) fn check(text: &str, limits: &Limits) -> Result<(), Error> {
    let limit = limits.depth * SLACK;
    let mut depth = 0_usize;
    for tag in text.split('<').skip(1) {
        let closes = tag.starts_with('/');
        let name: String = tag
            .trim_start_matches('/')
            .chars()
            .take(12)
            .take_while(char::is_ascii_alphanumeric)
            .map(|c| c.to_ascii_lowercase())
            .collect();
        if name.is_empty() || needs_no_end(&name) {
            continue;
        }
        if closes {
            depth = depth.saturating_sub(1);
        } else {
            depth += 1;
        }
        Error::if_over("nesting of elements", depth, limit)?;
    }
    Ok(())
}

fn needs_no_end(name: &str) -> bool {
    const NONE: [&str; 33] = [
        "area", "base", "br", "col", "colgroup", "dd", "dt", "embed", "hr", "img", "input", "keygen", "li",
        "link", "meta", "optgroup", "option", "p", "param", "rp", "rt", "script", "source", "style", "tbody",
        "td", "tfoot", "th", "thead", "title", "tr", "track", "wbr",
    ];
    NONE.binary_search(&name).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closed_elements_do_not_count() {
        let limits = Limits::default();
        assert!(check(&"<div><p>x<br></div>".repeat(10_000), &limits).is_ok());
        assert!(check(&"<div>".repeat(1_001), &limits).is_err());
        assert!(check(&"a < b ".repeat(10_000), &limits).is_ok());
    }
}
