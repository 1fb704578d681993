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
    /// The servers and services that are down, each with the time of its restart.
    down: Vec<(Target, Instant)>,
    /// The number of faults by kind, for the report.
    pub done: BTreeMap<String, usize>,
}

impl Injector {
    pub fn new(system: System) -> Self {
        Self { system, down: Vec::new(), done: BTreeMap::new() }
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
            if self.down.is_empty() && self.all_ready().await {
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
        if self.is_down(fault.target) {
            return Ok(());
        }
        let how = if fault.target.is_service() || fault.kill { "kill -9" } else { "stop" };
        let (now, away) = (started.elapsed().as_secs_f64(), fault.down.as_secs_f64());
        eprintln!("{now:5.1} s  {how} {:?}, away for {away:.1} s", fault.target);
        *self.done.entry(format!("{how} {}", name(fault.target))).or_default() += 1;
        if let Some(service) = self.service(fault.target) {
            service.kill()?;
        } else {
            let server = self.server(fault.target)?;
            block_in_place(|| if fault.kill { server.kill() } else { server.stop() })?;
        }
        self.down.push((fault.target, until));
        Ok(())
    }

    fn is_down(&self, target: Target) -> bool {
        self.down.iter().any(|(down, _)| *down == target)
    }

    fn server(&self, target: Target) -> Result<&Server> {
        match target {
            Target::Nats => self.system.stack.nats(),
            Target::Postgres => self.system.stack.postgres(),
            Target::Redis => self.system.stack.redis(),
            service => bail!("there is no {service:?}"),
        }
    }

    /// Starts the servers and services whose restart is due, and detects services that have ended without a
    /// fault.
    fn look_after(&mut self) -> Result<()> {
        let now = Instant::now();
        let mut due: Vec<_> = self.down.extract_if(.., |(_, until)| *until <= now).collect();
        // The servers first, because the services need them.
        due.sort_by_key(|(target, _)| target.is_service());
        for (target, _) in due {
            if let Some(service) = self.service(target) {
                service.start_again()?;
            } else {
                let server = self.server(target)?;
                block_in_place(|| server.start())?;
            }
        }
        for target in Target::ALL {
            let ended = self.service(target).is_some_and(|service| !service.is_running());
            if ended && !self.is_down(target) {
                *self.done.entry(format!("{} ended by itself", name(target))).or_default() += 1;
                self.down.push((target, now + RESTART));
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
