//! One of acorag's programs, which is restarted when it ends.

use std::time::{Duration, Instant};

use anyhow::Result;
use devstack::{Launch, Process, report};

const FIRST_DELAY: Duration = Duration::from_secs(1);
const LONGEST_DELAY: Duration = Duration::from_secs(30);
/// A program that ran for this long is considered healthy again.
const GOOD_RUN: Duration = Duration::from_secs(60);

pub struct Service {
    pub name: String,
    launch: Launch,
    /// The program, unless it has ended and waits for its restart.
    process: Option<Process>,
    /// When the program was started, or when it is started again.
    at: Instant,
    delay: Duration,
    /// How many times in a row the program has ended.
    pub failures: u32,
}

impl Service {
    pub fn start(name: String, launch: Launch) -> Result<Self> {
        let process = Some(launch.start()?);
        Ok(Self { name, launch, process, at: Instant::now(), delay: FIRST_DELAY, failures: 0 })
    }

    /// Checks whether the program has ended and restarts it after a delay, which grows with each failure.
    pub fn look_after(&mut self) -> Result<()> {
        if let Some(process) = &mut self.process {
            let Some(status) = process.ended()? else { return Ok(()) };
            if self.at.elapsed() > GOOD_RUN {
                self.delay = FIRST_DELAY;
                self.failures = 0;
            }
            self.failures += 1;
            let (name, seconds, last_words) = (&self.name, self.delay.as_secs(), self.last_words());
            report(format_args!(
                "{name} ended ({status}); starting it again in {seconds} s. Its last words:\n{last_words}"
            ));
            (self.process, self.at) = (None, Instant::now() + self.delay);
            self.delay = (self.delay * 2).min(LONGEST_DELAY);
        } else if Instant::now() >= self.at {
            (self.process, self.at) = (Some(self.launch.start()?), Instant::now());
            report(format_args!("{} is started again", self.name));
        }
        Ok(())
    }

    pub fn ask_to_stop(&mut self) {
        if let Some(process) = &mut self.process {
            // A program that cannot be asked to stop is killed at the deadline.
            let _ = process.ask_to_stop();
        }
    }

    pub fn last_words(&self) -> String {
        self.launch.last_lines()
    }
}
