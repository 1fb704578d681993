//! Sentences to passages.

use super::{ChunkOptions, unit::Unit};

/// The sentences of one passage.
pub(super) struct Run<'r, 'a> {
    pub units: Vec<&'r Unit<'a>>,
    /// How many of them the passage before it has, too.
    pub overlapping: usize,
}

/// Cuts the sentences of a section, page by page, into passages of about the same size: a page of one and a half
/// targets gives two passages of three quarters, not one and a stub.
pub(super) fn runs<'r, 'a>(units: &'r [Unit<'a>], options: &ChunkOptions) -> Vec<Run<'r, 'a>> {
    let mut runs = Vec::new();
    for page in units.chunk_by(|before, after| before.page_first == after.page_first) {
        let total: usize = page.iter().map(|unit| unit.tokens).sum();
        let passages = (total as f64 / options.target_tokens as f64).round().max(1.0);
        let goal = ((total as f64 / passages).ceil() as usize).min(options.max_tokens);
        fill(page, goal, options, &mut runs);
    }
    runs
}

fn fill<'r, 'a>(page: &'r [Unit<'a>], goal: usize, options: &ChunkOptions, runs: &mut Vec<Run<'r, 'a>>) {
    let mut open = Run { units: Vec::new(), overlapping: 0 };
    let mut tokens = 0;
    for unit in page {
        if open.units.len() > open.overlapping && is_full(tokens, unit, goal, options.max_tokens) {
            let shared = shared(&open.units, unit, options);
            let next = open.units[open.units.len() - shared..].to_vec();
            tokens = next.iter().map(|unit| unit.tokens).sum();
            runs.push(std::mem::replace(&mut open, Run { units: next, overlapping: shared }));
        }
        tokens += unit.tokens;
        open.units.push(unit);
    }
    if !open.units.is_empty() {
        runs.push(open);
    }
}

/// Whether a passage ends before this sentence: it would be too long with it, or further from the goal than without
/// it, or a paragraph ends close to the goal.
fn is_full(tokens: usize, next: &Unit, goal: usize, max: usize) -> bool {
    let with = tokens + next.tokens;
    let past = with.saturating_sub(goal);
    let short = goal.saturating_sub(tokens);
    let paragraph_ends = next.joint == "\n" && tokens * 5 >= goal * 4 && with > goal;
    with > max || past > short || paragraph_ends
}

/// How many sentences at the end of a passage the next one repeats: those that fit, and leave room for what is new.
fn shared(units: &[&Unit], next: &Unit, options: &ChunkOptions) -> usize {
    let room = options.overlap_tokens.min(options.max_tokens.saturating_sub(next.tokens));
    let mut tokens = 0;
    // The first sentence stays: a passage that repeats the whole one before it would never end.
    units
        .iter()
        .skip(1)
        .rev()
        .take_while(|unit| {
            tokens += unit.tokens;
            unit.repeats && tokens <= room
        })
        .count()
}
