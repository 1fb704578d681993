//! Measures the peak memory of the ingest worker and of its child processes.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

/// The interval between two measurements. A child runs for some milliseconds; one with much memory runs longer.
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

    /// Returns the peak memory in megabytes, of the worker and of its largest child.
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

/// Returns the peak memory in bytes, as reported by the kernel; 0 if the process has ended.
fn most_memory(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok()).unwrap_or_default() * 1_024
}
