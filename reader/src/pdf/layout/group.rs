//! Decides which lines belong to the same paragraph.

use std::collections::BTreeMap;

use super::Line;
use crate::text::{is_list_item, unhyphenate};

/// The lines of one block.
#[derive(Debug)]
pub(super) enum Group {
    Text(Vec<Line>),
    /// A line that is divided into cells.
    Row(Line),
}

impl Group {
    pub fn lines(&self) -> &[Line] {
        match self {
            Self::Text(lines) => lines,
            Self::Row(line) => std::slice::from_ref(line),
        }
    }

    pub fn text(&self) -> String {
        let mut text = String::new();
        for line in self.lines() {
            append(&mut text, &line.text());
        }
        text
    }

    pub fn size(&self) -> f32 {
        self.lines().first().map_or(0.0, |line| line.size)
    }

    pub fn is_bold(&self) -> bool {
        self.lines().iter().all(|line| line.bold)
    }
}

fn append(text: &mut String, next: &str) {
    if !text.is_empty() && !unhyphenate(text, next) {
        text.push(' ');
    }
    text.push_str(next);
}

pub(super) fn groups(lines: &[Line]) -> Vec<Group> {
    let (pitch, columns) = (usual_pitch(lines), Columns::of(lines));
    let mut groups: Vec<Group> = Vec::new();
    for line in lines {
        match groups.last_mut() {
            _ if line.is_row() => groups.push(Group::Row(line.clone())),
            Some(Group::Text(open)) if continues(open, line, &columns, pitch) => open.push(line.clone()),
            Some(Group::Row(row)) if let Some(column) = continued_cell(row, line) => {
                append(&mut row.cells[column], &line.text());
                row.bottom = line.bottom;
            }
            _ => groups.push(Group::Text(vec![line.clone()])),
        }
    }
    groups
}

/// Returns the usual distance between consecutive lines of the page, divided by their font size.
fn usual_pitch(lines: &[Line]) -> f32 {
    let mut pitches: Vec<f32> = lines
        .windows(2)
        .filter(|pair| same_size(&pair[0], &pair[1]))
        .map(|pair| (pair[0].top - pair[1].top) / pair[0].size.max(1.0))
        .filter(|pitch| (0.8..2.6).contains(pitch))
        .collect();
    pitches.sort_unstable_by(f32::total_cmp);
    // The list also contains the larger gaps between paragraphs. The distances inside paragraphs are smaller
    // and more frequent, so the value at one third of the sorted list is one of them.
    pitches.get(pitches.len() / 3).copied().unwrap_or(1.2)
}

fn same_size(a: &Line, b: &Line) -> bool {
    (a.size - b.size).abs() <= 0.08 * a.size.max(b.size)
}

fn continues(paragraph: &[Line], next: &Line, columns: &Columns, pitch: f32) -> bool {
    let Some(last) = paragraph.last() else { return false };
    let distance = (last.top - next.top) / last.size.max(1.0);
    // PDFium may also split one line of a paragraph into two that are side by side.
    if distance > pitch * 1.3 || distance < -0.5 || !same_size(last, next) || last.bold != next.bold {
        return false;
    }
    let beside = next.left > last.right || next.right < last.left;
    if (beside && distance > 0.5) || is_list_item(&next.text()) {
        return false;
    }
    let left = paragraph.get(1).unwrap_or(last).left.min(last.left);
    let is_item = paragraph.first().is_some_and(|line| is_list_item(&line.text()));
    let indented = next.left - left > last.size && !is_item;
    let ended = last.cells.last().is_some_and(|cell| cell.ends_with(['.', ':', ';', '?', '!']));
    let short = last.right < columns.right(last) - last.size * 4.0;
    !((ended && short) || (indented && (ended || short)))
}

/// Returns the cell of the row above that a line continues: it begins at the same position. The first cell is excluded,
/// because ordinary text begins at that position too.
fn continued_cell(row: &Line, line: &Line) -> Option<usize> {
    const ALIGNED: f32 = 3.0;
    let distance = (row.bottom - line.bottom) / line.size.max(1.0);
    let column = row.spans.iter().position(|(left, _)| (left - line.left).abs() < ALIGNED)?;
    let is_below = (0.0..1.5).contains(&distance) && (row.size - line.size).abs() <= 0.5;
    (is_below && (1..row.cells.len()).contains(&column)).then_some(column)
}

/// The right end of the longest line of each column. Lines that begin close together are in one column.
struct Columns(BTreeMap<i32, f32>);

impl Columns {
    const WIDTH: f32 = 20.0;

    fn of(lines: &[Line]) -> Self {
        let mut columns = BTreeMap::new();
        for line in lines {
            let right = columns.entry(Self::key(line)).or_insert(line.right);
            *right = right.max(line.right);
        }
        Self(columns)
    }

    fn key(line: &Line) -> i32 {
        (line.left / Self::WIDTH).round() as i32
    }

    /// Lines that begin slightly further left or right belong to the same column.
    fn right(&self, line: &Line) -> f32 {
        let key = Self::key(line);
        let near = self.0.range(key.saturating_sub(1)..=key.saturating_add(1));
        near.map(|(_, right)| *right).fold(line.right, f32::max)
    }
}

#[cfg(test)]
pub(super) mod tests;
