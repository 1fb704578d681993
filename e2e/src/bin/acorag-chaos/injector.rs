//! Causes the planned faults, and restarts everything, as an orchestrator does.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use devstack::Server;
use e2e::{Service, System};
use tokio::task::block_in_place;

use crate::plan::{Fault, Target};

/// The time after which a service that has ended is started again.
const RESTART: Duration = Duration::from_millis(500);
const TICK: Duration = Duration::from_millis(50);
/// Maximum time until everything is ready after the last fault.
const READY_WITHIN: Duration = Duration::from_secs(120);

pub struct Injector {
    pub system: System,
    /// The servers that are down, each with the time of its restart.
    down: Vec<(Target, Instant)>,
    /// The services that wait for their restart.
    restarts: Vec<(Target, Instant)>,
    /// The number of faults by kind, for the report.
    pub done: BTreeMap<String, usize>,
}

impl Injector {
    pub fn new(system: System) -> Self {
        Self { system, down: Vec::new(), restarts: Vec::new(), done: BTreeMap::new() }
    }

    /// Causes each planned fault at its time.
    pub async fn run(&mut self, faults: &[Fault]) -> Result<()> {
        let started = Instant::now();
        let mut faults = faults.iter().peekable();
        while faults.peek().is_some() {
            while let Some(fault) = faults.next_if(|fault| started.elapsed() >= fault.at) {
                self.inject(fault, started)?;
            }
            self.look_after()?;
            tokio::time::sleep(TICK).await;
        }
        Ok(())
    }

    /// Restarts everything and returns when all of it is ready.
    pub async fn recover(&mut self) -> Result<()> {
        let deadline = Instant::now() + READY_WITHIN;
        for (_, until) in &mut self.down {
            *until = Instant::now();
        }
        loop {
            self.look_after()?;
            if self.down.is_empty() && self.restarts.is_empty() && self.all_ready().await {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("not everything is ready again after {} s", READY_WITHIN.as_secs());
            }
            tokio::time::sleep(TICK).await;
        }
    }

    fn inject(&mut self, fault: &Fault, started: Instant) -> Result<()> {
        let until = Instant::now() + fault.down;
        let is_service = matches!(fault.target, Target::IngestWorker(_) | Target::QueryWorker | Target::Api);
        let gone = self.down.iter().chain(&self.restarts).any(|(target, _)| *target == fault.target);
        if gone {
            return Ok(());
        }
        let how = if is_service || fault.kill { "kill -9" } else { "stop" };
        eprintln!(
            "{:5.1} s  {how} {:?}, away for {:.1} s",
            started.elapsed().as_secs_f64(),
            fault.target,
            fault.down.as_secs_f64()
        );
        *self.done.entry(format!("{how} {}", name(fault.target))).or_default() += 1;
        if is_service {
            if let Some(service) = self.service(fault.target) {
                service.kill()?;
            }
            self.restarts.push((fault.target, until));
        } else {
            let server = self.server(fault.target)?;
            block_in_place(|| if fault.kill { server.kill() } else { server.stop() })?;
            self.down.push((fault.target, until));
        }
        Ok(())
    }

    fn server(&self, target: Target) -> Result<&Server> {
        match target {
            Target::Nats => self.system.stack.nats(),
            Target::Postgres => self.system.stack.postgres(),
            _ => self.system.stack.redis(),
        }
    }

    /// Starts the servers and services whose restart is due, and detects services that have ended without a
    /// fault.
    fn look_after(&mut self) -> Result<()> {
        let now = Instant::now();
        let (due, later): (Vec<_>, Vec<_>) = self.down.drain(..).partition(|(_, until)| *until <= now);
        self.down = later;
        for (target, _) in due {
            let server = self.server(target)?;
            block_in_place(|| server.start())?;
        }
        let (due, later): (Vec<_>, Vec<_>) = self.restarts.drain(..).partition(|(_, until)| *until <= now);
        self.restarts = later;
        for (target, _) in due {
            if let Some(service) = self.service(target) {
                service.start_again()?;
            }
        }
        for target in self.services() {
            let waits = self.restarts.iter().any(|(waiting, _)| *waiting == target);
            if !waits && self.service(target).is_some_and(|service| !service.is_running()) {
                *self.done.entry(format!("{} ended by itself", name(target))).or_default() += 1;
                self.restarts.push((target, now + RESTART));
            }
        }
        Ok(())
    }

    async fn all_ready(&self) -> bool {
        let system = &self.system;
        let services = system.apis.iter().chain(&system.query_workers).chain(&system.ingest_workers);
        let ready = services.map(|service| tokio::time::timeout(Duration::from_secs(1), service.ready()));
        futures::future::join_all(ready).await.into_iter().all(|ready| matches!(ready, Ok(Ok(()))))
    }

    fn services(&self) -> Vec<Target> {
        let workers = (0..self.system.ingest_workers.len()).map(Target::IngestWorker);
        workers.chain([Target::QueryWorker, Target::Api]).collect()
    }

    fn service(&mut self, target: Target) -> Option<&mut Service> {
        match target {
            Target::IngestWorker(index) => self.system.ingest_workers.get_mut(index),
            Target::QueryWorker => self.system.query_workers.first_mut(),
            Target::Api => self.system.apis.first_mut(),
            Target::Nats | Target::Postgres | Target::Redis => None,
        }
    }
}

fn name(target: Target) -> &'static str {
    match target {
        Target::IngestWorker(_) => "ingest worker",
        Target::QueryWorker => "query worker",
        Target::Api => "api",
        Target::Nats => "NATS",
        Target::Postgres => "PostgreSQL",
        Target::Redis => "Redis",
    }
}
