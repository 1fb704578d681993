//! One of acorag's programs, which is restarted when it ends.

use std::time::{Duration, Instant};

use anyhow::Result;
use devstack::{Launch, Process, report};

/// Maximum wait before a program is started again, in seconds. The first wait is one second, and each
/// further one is twice as long as the one before.
const LONGEST_DELAY: u64 = 30;
/// A program that ran for this long is considered healthy again.
const GOOD_RUN: Duration = Duration::from_secs(60);

pub struct Service {
    pub name: String,
    pub launch: Launch,
    /// The program, unless it has ended and waits for its restart.
    process: Option<Process>,
    /// When the program was started, or when it is started again.
    at: Instant,
    /// How many times in a row the program has ended.
    pub failures: u32,
}

impl Service {
    pub fn start(name: String, launch: Launch) -> Result<Self> {
        let process = Some(launch.start()?);
        Ok(Self { name, launch, process, at: Instant::now(), failures: 0 })
    }

    /// Checks whether the program has ended and restarts it after a delay, which grows with each failure.
    pub fn look_after(&mut self) -> Result<()> {
        if let Some(process) = &mut self.process {
            let Some(status) = process.ended()? else { return Ok(()) };
            if self.at.elapsed() > GOOD_RUN {
                self.failures = 0;
            }
            let seconds = 2_u64.saturating_pow(self.failures).min(LONGEST_DELAY);
            self.failures += 1;
            let (name, last_words) = (&self.name, self.launch.last_lines());
            report(format_args!(
                "{name} ended ({status}); starting it again in {seconds} s. Its last words:\n{last_words}"
            ));
            (self.process, self.at) = (None, Instant::now() + Duration::from_secs(seconds));
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
}
