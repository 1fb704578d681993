//! The timelines of the write-ahead log. A restored server, and one that takes over, begins a new timeline: it continues an
//! earlier one up to a position. What was written there after this position is not on the new timeline.

use age::x25519::Identity;
use anyhow::{Result, ensure};
use chrono::{DateTime, Utc};

use crate::{
    repository::{Repository, Set},
    wal::{self, Segment},
};

pub struct Timeline {
    pub id: u32,
    /// The timelines that this one continues, each with the position (LSN) up to which it does.
    earlier: Vec<(u32, u64)>,
}

impl Timeline {
    /// Returns the wanted timeline, or the newest one. The newest one is refused if the backups before and after `to` show
    /// that the database wrote an earlier timeline then: PostgreSQL would succeed, with an older state than that of `to`.
    pub fn choose(
        repository: &Repository,
        identity: &Identity,
        sets: &[Set],
        wanted: Option<u32>,
        to: Option<DateTime<Utc>>,
    ) -> Result<Self> {
        if let Some(id) = wanted {
            return Self::read(repository, identity, id);
        }
        let newest = Self::read(repository, identity, newest(repository, sets))?;
        if let Some(to) = to {
            let before = sets.iter().rfind(|set| set.queue_read_at <= to);
            let after = sets.iter().find(|set| set.queue_read_at > to);
            for set in before.into_iter().chain(after) {
                let (at, own, id) = (set.queue_read_at.to_rfc3339(), set.wal_end.timeline, newest.id);
                ensure!(
                    newest.contains(set),
                    "the backup of {at} is on timeline {own}, and the newest timeline ({id}) does not continue it that far: \
                     add --timeline {own} to restore what was there then, or --timeline {id} to restore the newest timeline"
                );
            }
        }
        Ok(newest)
    }

    pub fn read(repository: &Repository, identity: &Identity, id: u32) -> Result<Self> {
        let name = history(id);
        let mut text = Vec::new();
        // The first timeline of a server has no history.
        if repository.wal(&format!("{name}.age")).exists() {
            wal::read(repository, identity, &name, &mut text)?;
        }
        let earlier = String::from_utf8_lossy(&text).lines().filter_map(parse).collect();
        Ok(Self { id, earlier })
    }

    /// Whether all of the log that this backup needs is on this timeline.
    pub fn contains(&self, set: &Set) -> bool {
        self.of(set.wal_end.number, set.wal_segment_bytes) == set.wal_end.timeline
    }

    /// Returns the archived segments of this timeline from `start` on; see [`wal::chain`].
    pub fn chain(&self, repository: &Repository, start: Segment, set: &Set) -> Result<Vec<Segment>> {
        wal::chain(repository, start, set, |number| {
            let timeline = self.of(number, set.wal_segment_bytes);
            timeline..=timeline
        })
    }

    /// Returns the timeline that wrote the segment of this number. What an earlier timeline wrote after this one left it is
    /// in segments of the same numbers.
    fn of(&self, number: u64, segment_bytes: u64) -> u32 {
        let end = Segment { timeline: self.id, number }.end(segment_bytes);
        self.earlier.iter().find(|(_, until)| end <= *until).map_or(self.id, |(id, _)| *id)
    }
}

/// Returns the newest timeline, like PostgreSQL's `latest`. It has no backup yet if its server has just been restored.
pub fn newest(repository: &Repository, sets: &[Set]) -> u32 {
    let mut newest = sets.iter().map(|set| set.wal_end.timeline).max().unwrap_or(1);
    while repository.wal(&format!("{}.age", history(newest + 1))).exists() {
        newest += 1;
    }
    newest
}

/// The name of the file in which PostgreSQL describes what a timeline continues.
fn history(timeline: u32) -> String {
    format!("{timeline:08X}.history")
}

/// Reads a line of that file: the timeline, the position and the reason, such as `1 0/5000000 before 2026-11-24 …`.
fn parse(line: &str) -> Option<(u32, u64)> {
    let mut words = line.split_whitespace();
    let timeline = words.next()?.parse().ok()?;
    let (high, low) = words.next()?.split_once('/')?;
    let part = |digits| u64::from_str_radix(digits, 16).ok();
    Some((timeline, (part(high)? << 32) | part(low)?))
}

#[cfg(test)]
mod tests;
