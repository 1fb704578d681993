//! The processor time that a piece of work costs, by process. Other programs on the machine reduce rates, but hardly
//! change processor time, so these figures are best for comparing two versions.

use std::{collections::HashMap, fs, path::Path};

use anyhow::{Context as _, Result};
use e2e::{Service, System};

use crate::figures::Figures;

/// Milliseconds of processor time since the start, by process.
#[derive(Clone, Copy, Default, PartialEq, Debug)]
pub struct Cpu {
    /// The threads of the workers that run the model.
    embedding: f64,
    /// The other threads of the workers, and the children that read documents.
    workers: f64,
    api: f64,
    /// PostgreSQL, NATS and Valkey, with their children.
    servers: [f64; 3],
}

/// Milliseconds in one clock tick of the kernel: 1/100 s on every Linux that is supported.
const TICK: f64 = 10.0;

impl Cpu {
    pub fn read(system: &System) -> Result<Self> {
        let processes = Processes::read()?;
        let of = |service: &Service| service.id().map_or(0.0, |id| processes.tree(id));
        let (mut embedding, mut workers) = (0.0, 0.0);
        for worker in system.ingest_workers.iter().chain(&system.query_workers) {
            let model = worker.id().map_or(Ok(0.0), embedding_threads)?;
            embedding += model;
            workers += of(worker) - model;
        }
        let mut servers = [0.0; 3];
        for id in system.stack.process_ids() {
            let name = processes.0.get(&id).map_or("", |process| process.name.as_str());
            let at = ["postgres", "nats-server"].iter().position(|known| *known == name).unwrap_or(2);
            servers[at] += processes.tree(id);
        }
        Ok(Self { embedding, workers, api: system.apis.iter().map(of).sum(), servers })
    }

    /// Reports the processor time since `before`, divided by `count` pieces of work.
    pub fn report(self, before: Self, count: usize, names: [&'static str; 6], figures: &mut Figures) {
        let each = |now: f64, then: f64| (now - then) / count.max(1) as f64;
        let embedding = each(self.embedding, before.embedding);
        let [postgres, nats, redis] =
            [0, 1, 2].map(|server| each(self.servers[server], before.servers[server]));
        let (workers, api) = (each(self.workers, before.workers), each(self.api, before.api));
        let all = workers + api + postgres + nats + redis;
        let parts = [all, workers, api, postgres, nats, redis];
        for (name, part) in names.into_iter().zip(parts) {
            figures.ratio(name, part, "ms", "embedding", embedding);
        }
    }
}

/// All processes with their processor time in ticks, including that of children that have ended.
struct Processes(HashMap<u32, Process>);

struct Process {
    name: String,
    parent: u32,
    ticks: f64,
}

impl Processes {
    fn read() -> Result<Self> {
        let mut processes = HashMap::new();
        for entry in fs::read_dir("/proc")? {
            let entry = entry?;
            let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            // A process that has ended is included in its parent.
            if let Some(process) = Process::read(&entry.path()) {
                processes.insert(id, process);
            }
        }
        Ok(Self(processes))
    }

    /// Milliseconds of a process and of all its children.
    fn tree(&self, root: u32) -> f64 {
        let own = self.0.get(&root).map_or(0.0, |process| process.ticks * TICK);
        let children = self.0.iter().filter(|(_, process)| process.parent == root);
        own + children.map(|(id, _)| self.tree(*id)).sum::<f64>()
    }
}

impl Process {
    fn read(folder: &Path) -> Option<Self> {
        Self::parse(&fs::read_to_string(folder.join("stat")).ok()?)
    }

    /// `id (name) state parent … utime stime cutime cstime …`; a name may contain any character, even a parenthesis.
    fn parse(stat: &str) -> Option<Self> {
        let (head, rest) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let ticks = fields.get(11..15)?.iter().map(|field| field.parse::<f64>().unwrap_or(0.0)).sum();
        Some(Self { name: head.split_once('(')?.1.to_owned(), parent: fields.get(1)?.parse().ok()?, ticks })
    }
}

/// Milliseconds of the threads that the model names `embed-0`, `embed-1`, …
fn embedding_threads(process: u32) -> Result<f64> {
    let mut ticks = 0.0;
    for thread in fs::read_dir(format!("/proc/{process}/task")).context("a worker's threads")? {
        if let Some(thread) = Process::read(&thread?.path())
            && thread.name.starts_with("embed-")
        {
            // Only the thread's own time: children belong to the process.
            ticks += thread.ticks;
        }
    }
    Ok(ticks * TICK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read_whatever_its_name() {
        let process =
            Process::parse("7 (a) b) S 3 7 7 0 -1 4194560 1 0 0 0 10 5 2 1 20 0 4 0 1 1 1").unwrap();
        assert_eq!((process.name.as_str(), process.parent, process.ticks), ("a) b", 3, 18.0));
    }

    #[test]
    fn this_very_process_is_there() {
        let processes = Processes::read().unwrap();
        assert!(processes.0.contains_key(&std::process::id()));
    }
}
