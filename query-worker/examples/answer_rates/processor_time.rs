//! Processor time of this process and its children, which are the servers.

use std::{collections::HashMap, fs, iter::successors, time::Duration};

/// Linux counts processor time in hundredths of a second.
const TICK: Duration = Duration::from_millis(10);

pub fn of_process_and_children() -> Duration {
    let all: HashMap<u32, (u32, u32)> = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|id| Some((id, parent_and_ticks(id)?)))
        .collect();
    let with_parents = |id: u32| successors(Some(id), |id| all.get(id).map(|(parent, _)| *parent));
    let belongs = |id: u32| with_parents(id).any(|id| id == std::process::id());
    TICK * all.iter().filter(|(id, _)| belongs(**id)).map(|(_, (_, ticks))| ticks).sum::<u32>()
}

/// The second field of `/proc/PID/stat` is the program's name in parentheses, which may contain spaces.
fn parent_and_ticks(id: u32) -> Option<(u32, u32)> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let field = |at: usize| fields.get(at)?.parse::<u32>().ok();
    Some((field(1)?, field(11)? + field(12)?))
}
