//! The most memory that the ingest worker and any of its children held.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

/// A child lives for some milliseconds; a large one lives longer.
const BETWEEN: Duration = Duration::from_millis(10);

pub struct Watch {
    worker: u32,
    most_of_a_child: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
}

impl Watch {
    pub fn start(worker: u32) -> Self {
        let watch = Self { worker, most_of_a_child: Arc::default(), over: Arc::default() };
        let (most, over) = (watch.most_of_a_child.clone(), watch.over.clone());
        std::thread::spawn(move || {
            while !over.load(Relaxed) {
                for child in children(worker) {
                    most.fetch_max(most_memory(child), Relaxed);
                }
                std::thread::sleep(BETWEEN);
            }
        });
        watch
    }

    /// In megabytes: the worker's, and the largest child's.
    pub fn end(self) -> (u64, u64) {
        self.over.store(true, Relaxed);
        (most_memory(self.worker) / 1_000_000, self.most_of_a_child.load(Relaxed) / 1_000_000)
    }
}

fn children(process: u32) -> Vec<u32> {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{process}/task")) else { return Vec::new() };
    let of = |thread: &Path| std::fs::read_to_string(thread.join("children")).unwrap_or_default();
    let lists = threads.flatten().map(|thread| of(&thread.path()));
    lists.flat_map(|list| list.split_whitespace().flat_map(str::parse).collect::<Vec<_>>()).collect()
}

/// In bytes, as the kernel says; nothing of a process that has ended.
fn most_memory(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok()).unwrap_or_default() * 1_024
}
