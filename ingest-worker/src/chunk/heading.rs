//! Sections: blocks under one path of headings.

use reader::{Block, BlockKind};

/// Separates the headings of a path.
const SEPARATOR: &str = " › ";

/// Maximum length of a path, in characters: the embedding model reads it, too, so it takes room from the text.
const PATH_CHARS: usize = 200;

pub(super) struct Section<'a> {
    /// The headings above the section, outermost first, joined to one text.
    pub heading: String,
    pub blocks: Vec<&'a Block>,
}

/// A heading on the current path.
struct Open<'a> {
    level: u8,
    block: &'a Block,
    /// Whether there is text below the heading, or the heading itself is in a passage as text.
    used: bool,
}

/// Cuts a document at its headings. A heading without text before the next heading of its level becomes text of the
/// section above it: nothing is lost, and no passage consists only of context.
pub(super) fn sections(blocks: &[Block]) -> Vec<Section<'_>> {
    let mut sections: Vec<Section> = Vec::new();
    let mut path: Vec<Open> = Vec::new();
    let mut section = Section { heading: String::new(), blocks: Vec::new() };
    for block in blocks {
        let BlockKind::Heading(level) = block.kind else {
            path.iter_mut().for_each(|open| open.used = true);
            section.blocks.push(block);
            continue;
        };
        finish(&mut sections, section);
        close(&mut path, level, &mut sections);
        path.push(Open { level, block, used: false });
        tell_unshown(&mut path, &mut sections);
        section = Section { heading: joined(&path), blocks: Vec::new() };
        if block.text.chars().nth(PATH_CHARS).is_some() {
            // The heading is cut in the path, so the whole heading is also added as text.
            path.iter_mut().for_each(|open| open.used = true);
            section.blocks.push(block);
        }
    }
    finish(&mut sections, section);
    close(&mut path, 0, &mut sections);
    sections
}

fn finish<'a>(sections: &mut Vec<Section<'a>>, section: Section<'a>) {
    if !section.blocks.is_empty() {
        sections.push(section);
    }
}

/// Removes the headings of this level or below from the path. If the innermost heading had no text, it becomes text
/// under the headings above it.
fn close<'a>(path: &mut Vec<Open<'a>>, level: u8, sections: &mut Vec<Section<'a>>) {
    let keep = path.iter().take_while(|open| open.level < level).count();
    if let Some(innermost) = path.pop_if(|innermost| innermost.level >= level && !innermost.used) {
        path.iter_mut().for_each(|open| open.used = true);
        let heading = joined(path);
        match sections.last_mut() {
            // Several such headings in a row (an index, the labels of a drawing) become one section.
            // A section with text has its text last.
            Some(last)
                if last.heading == heading
                    && matches!(last.blocks.last(), Some(Block { kind: BlockKind::Heading(_), .. })) =>
            {
                last.blocks.push(innermost.block);
            }
            _ => sections.push(Section { heading, blocks: vec![innermost.block] }),
        }
    }
    path.truncate(keep);
}

/// Outer headings that do not fit into the path are added as text, before the text below them.
fn tell_unshown<'a>(path: &mut [Open<'a>], sections: &mut Vec<Section<'a>>) {
    let shown = parts_shown(path);
    for index in 0..path.len() - shown {
        if !std::mem::replace(&mut path[index].used, true) {
            let block = path[index].block;
            sections.push(Section { heading: joined(&path[..index]), blocks: vec![block] });
        }
    }
}

/// Returns the path as text; if it is too long, the outermost headings are left out.
fn joined(path: &[Open]) -> String {
    let shown = &path[path.len() - parts_shown(path)..];
    let titles: Vec<String> = shown.iter().map(|open| title(open).collect()).collect();
    titles.join(SEPARATOR)
}

/// Returns how many headings, from the innermost on, fit into the path.
fn parts_shown(path: &[Open]) -> usize {
    let mut length = 0;
    let fitting = path.iter().rev().take_while(|open| {
        length += title(open).count() + SEPARATOR.chars().count();
        length <= PATH_CHARS
    });
    fitting.count().max(path.len().min(1))
}

fn title<'a>(open: &Open<'a>) -> impl Iterator<Item = char> + 'a {
    open.block.text.chars().map(|c| if c == '\n' { ' ' } else { c }).take(PATH_CHARS)
}
