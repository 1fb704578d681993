//! Groups lines into paragraphs, headings, list items and table rows.

mod group;
mod labels;
mod order;
mod rows;

use std::collections::{BTreeSet, HashMap};

use super::{Page, line::Line};
use crate::{
    BlockKind, Error,
    blocks::Blocks,
    text::{is_list_item, numbered_level},
};
use group::{Group, groups};
use rows::Rows;

/// Minimum font size of a heading, divided by the font size of the body text.
const HEADING_SCALE: f32 = 1.14;

/// Maximum number of characters of a heading. A longer text is an emphasized paragraph.
const HEADING_CHARS: usize = 160;

pub(super) fn write(pages: Vec<Page>, blocks: &mut Blocks) -> Result<(), Error> {
    let body = body_size(&pages);
    let mut by_page = Vec::with_capacity(pages.len());
    for mut page in pages {
        order::reading_order(&mut page.lines);
        labels::join(&mut page.lines, body * HEADING_SCALE);
        by_page.push((page.number, groups(&page.lines), page.notes));
    }
    let headings = Headings::of(by_page.iter().flat_map(|(_, groups, _)| groups), body);
    let mut table = Rows::default();
    for (number, groups, notes) in &by_page {
        let mut rows: Vec<&Line> = Vec::new();
        for group in groups {
            if let Group::Row(line) = group {
                rows.push(line);
                continue;
            }
            table.write(&std::mem::take(&mut rows), *number, blocks)?;
            let text = group.text();
            let kind = match headings.level(group) {
                Some(level) => BlockKind::Heading(level),
                None if is_list_item(&text) => BlockKind::ListItem,
                None => BlockKind::Paragraph,
            };
            table.pass(group.lines().len(), kind != BlockKind::Paragraph);
            blocks.push(kind, &text, Some(*number))?;
        }
        table.write(&rows, *number, blocks)?;
        for note in notes {
            blocks.push(BlockKind::Paragraph, note, Some(*number))?;
        }
    }
    Ok(())
}

/// Returns the font size of most of the text, in points.
fn body_size(pages: &[Page]) -> f32 {
    let mut letters: HashMap<i32, usize> = HashMap::new();
    for line in pages.iter().flat_map(|page| &page.lines) {
        *letters.entry(half_points(line.size)).or_default() += line.letters();
    }
    letters.into_iter().max_by_key(|(size, count)| (*count, *size)).map_or(0.0, |(size, _)| size as f32 / 2.0)
}

fn half_points(size: f32) -> i32 {
    (size * 2.0).round() as i32
}

/// The levels of headings. Each font size above that of the body text is one level; the largest is level 1.
/// Bold lines in the size of the body text are headings below all of these.
struct Headings {
    body: f32,
    sizes: BTreeSet<i32>,
}

impl Headings {
    fn of<'a>(groups: impl Iterator<Item = &'a Group>, body: f32) -> Self {
        let mut headings = Self { body, sizes: BTreeSet::new() };
        let large = groups.filter(|group| headings.is_large(group));
        headings.sizes = large.map(|group| half_points(group.size())).collect();
        headings
    }

    fn level(&self, group: &Group) -> Option<u8> {
        let text = group.text();
        let level = if self.is_large(group) {
            self.sizes.range(half_points(group.size())..).count()
        } else if group.is_bold()
            && group.lines().len() <= 2
            && self.may_be_one(group, &text)
            && !text.ends_with(['.', ',', ';', ':'])
        {
            self.sizes.len() + usize::from(numbered_level(&text).unwrap_or(1))
        } else {
            return None;
        };
        Some(level.min(6) as u8)
    }

    fn is_large(&self, group: &Group) -> bool {
        // Without a known size of the body text, no text is larger than it.
        self.body > 0.0
            && group.size() >= self.body * HEADING_SCALE
            && group.lines().len() <= 3
            && self.may_be_one(group, &group.text())
    }

    fn may_be_one(&self, group: &Group, text: &str) -> bool {
        matches!(group, Group::Text(_))
            && group.size() >= self.body * 0.95
            && text.chars().count() <= HEADING_CHARS
            && text.chars().filter(|c| c.is_alphabetic()).count() >= 3
    }
}
