//! One of acorag's programs, which is restarted when it ends.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use devstack::{Launch, Process, report};

const FIRST_DELAY: Duration = Duration::from_secs(1);
const LONGEST_DELAY: Duration = Duration::from_secs(30);
/// A program that ran for this long is considered healthy again.
const GOOD_RUN: Duration = Duration::from_secs(60);
const LAST_LINES: usize = 5;

pub struct Service {
    pub name: String,
    launch: Launch,
    state: State,
    delay: Duration,
    /// How many times in a row the program has ended.
    pub failures: u32,
}

enum State {
    Running { process: Process, since: Instant },
    Waiting { until: Instant },
}

impl Service {
    pub fn start(name: String, launch: Launch) -> Result<Self> {
        let state = State::running(&launch)?;
        Ok(Self { name, launch, state, delay: FIRST_DELAY, failures: 0 })
    }

    /// Checks whether the program has ended and restarts it after a delay, which grows with each failure.
    pub fn look_after(&mut self) -> Result<()> {
        match &mut self.state {
            State::Running { process, since } => {
                let Some(status) = process.ended()? else { return Ok(()) };
                if since.elapsed() > GOOD_RUN {
                    self.delay = FIRST_DELAY;
                    self.failures = 0;
                }
                self.failures += 1;
                report(format_args!(
                    "{} ended ({status}); starting it again in {} s. Its last words:\n{}",
                    self.name,
                    self.delay.as_secs(),
                    self.last_words()
                ));
                self.state = State::Waiting { until: Instant::now() + self.delay };
                self.delay = (self.delay * 2).min(LONGEST_DELAY);
            }
            State::Waiting { until } => {
                if Instant::now() >= *until {
                    self.state = State::running(&self.launch)?;
                    report(format_args!("{} is started again", self.name));
                }
            }
        }
        Ok(())
    }

    pub fn ask_to_stop(&mut self) {
        if let State::Running { process, .. } = &mut self.state {
            // A program that cannot be asked to stop is killed at the deadline.
            let _ = process.ask_to_stop();
        }
    }

    pub fn last_words(&self) -> String {
        self.launch.log_file().map(last_lines).unwrap_or_default()
    }
}

impl State {
    fn running(launch: &Launch) -> Result<Self> {
        Ok(Self::Running { process: launch.start()?, since: Instant::now() })
    }
}

pub fn last_lines(file: &Path) -> String {
    let bytes = fs::read(file).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
}
