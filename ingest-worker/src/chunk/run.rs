//! Groups sentences into passages.

use super::{ChunkOptions, unit::Unit};

/// The sentences of one passage.
type Run<'r, 'a> = Vec<&'r Unit<'a>>;

/// Groups the sentences of a section, page by page, into passages of about the same length: a page of 1.5 times the
/// target length gives two passages of 0.75 times, not a full one and a very short one.
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
    let mut open = Run::new();
    // How many of its sentences are also in the previous passage, and how many tokens it has.
    let (mut overlapping, mut tokens) = (0, 0);
    for unit in page {
        if open.len() > overlapping && is_full(tokens, unit, goal, options.max_tokens) {
            overlapping = shared(&open, unit, options);
            let next = open[open.len() - overlapping..].to_vec();
            tokens = next.iter().map(|unit| unit.tokens).sum();
            runs.push(std::mem::replace(&mut open, next));
        }
        tokens += unit.tokens;
        open.push(unit);
    }
    if !open.is_empty() {
        runs.push(open);
    }
}

/// Whether the passage ends before this sentence: with the sentence it would be too long, or further from the goal than
/// without it, or a paragraph ends close to the goal.
fn is_full(tokens: usize, next: &Unit, goal: usize, max: usize) -> bool {
    let with = tokens + next.tokens;
    let past = with.saturating_sub(goal);
    let short = goal.saturating_sub(tokens);
    let paragraph_ends = next.joint == "\n" && tokens * 5 >= goal * 4 && with > goal;
    with > max || past > short || paragraph_ends
}

/// Returns how many sentences the next passage repeats: as many as fit and leave room for the next sentence.
fn shared(units: &[&Unit], next: &Unit, options: &ChunkOptions) -> usize {
    let room = options.overlap_tokens.min(options.max_tokens.saturating_sub(next.tokens));
    let mut tokens = 0;
    // The first sentence is not repeated: a passage that repeats the whole previous one would make no progress.
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
