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

/// Returns the milliseconds of some of the processes.
type Part = fn(&Cpu) -> f64;

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

    /// Reports the processor time since `before`, divided by `count` pieces of `work`: the whole, and the part of each
    /// process beside the embedding.
    pub fn report(self, before: Self, count: usize, work: &str, figures: &mut Figures) {
        let each = |part: Part| (part(&self) - part(&before)) / count.max(1) as f64;
        let embedding = each(|cpu| cpu.embedding);
        let parts: [(&str, Part); 6] = [
            ("  beside the embedding", |cpu| cpu.sum() - cpu.embedding),
            ("  worker and reader", |cpu| cpu.workers),
            ("  api", |cpu| cpu.api),
            ("  PostgreSQL", |cpu| cpu.servers[0]),
            ("  NATS", |cpu| cpu.servers[1]),
            ("  Valkey", |cpu| cpu.servers[2]),
        ];
        figures.ratio(format!("{work}: processor time"), each(Self::sum), "ms", "its embedding", embedding);
        for (name, part) in parts {
            figures.ratio(name, each(part), "ms", "its embedding", embedding);
        }
    }

    /// Milliseconds of all processes since `before`, divided by `count` pieces of work.
    pub fn each(self, before: Self, count: usize) -> f64 {
        (self.sum() - before.sum()) / count.max(1) as f64
    }

    /// Milliseconds of PostgreSQL since `before`, divided by `count` pieces of work.
    pub fn postgres(self, before: Self, count: usize) -> f64 {
        (self.servers[0] - before.servers[0]) / count.max(1) as f64
    }

    fn sum(&self) -> f64 {
        self.embedding + self.workers + self.api + self.servers.iter().sum::<f64>()
    }
}

/// All processes with their processor time in ticks, including that of children that have ended.
pub struct Processes(HashMap<u32, Process>);

pub struct Process {
    name: String,
    parent: u32,
    ticks: f64,
}

impl Processes {
    pub fn read() -> Result<Self> {
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
        self.family(root).iter().filter_map(|id| self.0.get(id)).map(|process| process.ticks * TICK).sum()
    }

    /// A process and all its children, and theirs.
    pub fn family(&self, root: u32) -> Vec<u32> {
        let children = self.0.iter().filter(|(_, process)| process.parent == root);
        let mut family = vec![root];
        family.extend(children.flat_map(|(id, _)| self.family(*id)));
        family
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

    #[test]
    fn a_family_has_all_generations() {
        let process = |parent| Process { name: String::new(), parent, ticks: 1.0 };
        let processes =
            Processes([(1, process(0)), (2, process(1)), (3, process(2)), (4, process(0))].into());
        assert_eq!(processes.family(1), [1, 2, 3]);
        assert_eq!(processes.tree(1), 3.0 * TICK);
    }

    #[test]
    fn the_whole_is_the_sum_of_its_parts() {
        let before = Cpu { embedding: 10.0, ..Cpu::default() };
        let after = Cpu { embedding: 30.0, workers: 4.0, api: 2.0, servers: [6.0, 1.0, 1.0] };
        assert_eq!((after.each(before, 2), after.postgres(before, 2)), (17.0, 3.0));
    }
}
