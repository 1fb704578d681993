//! Builds the tree of a page, but no very deep one: for each further tag, the parser looks at the elements that are open.

use std::iter::successors;

use html5ever::{ParseOpts, driver, tendril::TendrilSink as _};
use scraper::{Html, HtmlTreeSink};

use crate::{Error, Limits};

/// HTML may be nested deeper than XML by this factor: what old editors leave open is nested.
const SLACK: usize = 5;
/// The number of bytes after which the depth is looked at again.
const STEP: usize = 4_096;

pub(super) fn parse(text: &str, limits: &Limits) -> Result<Html, Error> {
    let mut parser = driver::parse_document(HtmlTreeSink::new(Html::new_document()), ParseOpts::default());
    let mut rest = text;
    while !rest.is_empty() {
        let (part, after) = rest.split_at(rest.floor_char_boundary(STEP));
        parser.process(part.into());
        let depth = depth(&parser.tokenizer.sink.sink.0.borrow());
        Error::if_over("nesting", depth, limits.depth * SLACK)?;
        rest = after;
    }
    Ok(parser.finish())
}

/// The depth at the end of the tree, where its open elements are. Those that stand in a table but not in a cell are put
/// before the table and not seen here; for them there is the time limit of the program.
fn depth(page: &Html) -> usize {
    successors(Some(page.tree.root()), |node| node.last_child()).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_really_nested_counts() {
        let read = |unit: &str| parse(&unit.repeat(20_000), &Limits::default());
        for unit in ["<div>", "<b></x>", "<svg><g>", "<ul><li>"] {
            assert!(read(unit).is_err(), "{unit}");
        }
        for unit in [
            "<div><p>x<br></div>",
            "a < b ",
            "<script>if (a<b) document.write('<div>')</script>",
            "<!-- <div> --><style><b></style>",
            "<svg><path d='M0'/><circle/></svg>",
            "<table><tr><td rowspan=2>á<td>b</table>",
        ] {
            assert!(read(unit).is_ok(), "{unit}");
        }
    }

    #[test]
    fn a_page_that_is_read_in_parts_is_the_same_page() {
        let text = format!("<p>{}</p>", "ñandú <b>x</b> 👷🏽 &amp; ".repeat(1_000));
        assert_eq!(parse(&text, &Limits::default()).unwrap(), Html::parse_document(&text));
    }
}
