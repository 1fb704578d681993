//! Headers and footers that every page repeats.

use std::collections::HashMap;

use super::Page;

/// The share of a page's height, at its top and at its bottom, in which such lines stand.
const MARGIN: f32 = 0.12;

/// Fewer pages do not show whether a line is repeated on purpose.
const MIN_PAGES: usize = 3;

/// Drops lines that stand in the margins of most pages, figures aside ("Página 3 de 20"). The first page that has one
/// keeps it: it may be the only place that names the document.
pub(super) fn drop_repeated(pages: &mut [Page]) {
    if pages.len() < MIN_PAGES {
        return;
    }
    let mut seen: HashMap<Key, usize> = HashMap::new();
    for page in pages.iter() {
        let mut of_page: Vec<Key> = page.lines.iter().filter_map(|line| key(page, line)).collect();
        of_page.sort_unstable();
        of_page.dedup();
        for key in of_page {
            *seen.entry(key).or_default() += 1;
        }
    }
    // Left and right pages may differ: a line on a little less than half of them is repeated, too.
    let enough = MIN_PAGES.max(pages.len() * 2 / 5);
    seen.retain(|_, count| *count >= enough);
    for page in pages.iter_mut() {
        let keys: Vec<Option<Key>> = page.lines.iter().map(|line| key(page, line)).collect();
        let mut keys = keys.into_iter();
        page.lines.retain(|_| match keys.next().flatten().and_then(|key| seen.get_mut(&key)) {
            // Its count, no longer needed, remembers that it was seen.
            Some(count) => std::mem::take(count) > 0,
            None => true,
        });
    }
}

/// What two pages' lines must share to be the same: the text without its figures, and the height on the page.
type Key = (String, i32);

fn key(page: &Page, line: &super::Line) -> Option<Key> {
    const SAME_HEIGHT: f32 = 6.0;
    let middle = f32::midpoint(line.bottom, line.top);
    let in_margin = middle < page.height * MARGIN || middle > page.height * (1.0 - MARGIN);
    if !in_margin {
        return None;
    }
    let mut text = String::new();
    for c in line.text().chars().filter(|c| !c.is_whitespace()) {
        match c {
            c if c.is_ascii_digit() => {
                if !text.ends_with('#') {
                    text.push('#');
                }
            }
            c => text.push(c),
        }
    }
    Some((text, (middle / SAME_HEIGHT).round() as i32))
}

#[cfg(test)]
mod tests {
    use super::{super::Line, *};

    fn line(text: String, bottom: f32) -> Line {
        Line { cells: vec![text], bottom, top: bottom + 10.0, size: 10.0, ..Line::default() }
    }

    fn texts(pages: &[Page]) -> Vec<Vec<String>> {
        pages.iter().map(|page| page.lines.iter().map(Line::text).collect()).collect()
    }

    fn document(count: u32) -> Vec<Page> {
        (1..=count)
            .map(|number| Page {
                number,
                height: 800.0,
                lines: vec![
                    line("200076-PL-0004".to_owned(), 770.0),
                    line(format!("Texto {number} propio"), 760.0 - number as f32 * 9.0),
                    line("Se repite en el cuerpo".to_owned(), 400.0),
                    line(format!("Página {number} de {count}"), 20.0),
                ],
            })
            .collect()
    }

    #[test]
    fn only_the_first_page_keeps_them() {
        let mut pages = document(4);
        drop_repeated(&mut pages);
        let texts = texts(&pages);
        assert_eq!(texts[0].len(), 4);
        assert_eq!(texts[2], ["Texto 3 propio", "Se repite en el cuerpo"]);
    }

    #[test]
    fn two_pages_show_nothing() {
        let mut pages = document(2);
        drop_repeated(&mut pages);
        assert_eq!(texts(&pages)[1].len(), 4);
    }
}
