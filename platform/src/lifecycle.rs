//! The start and the end of a service. It protects its memory from other programs, and shuts down in stages: it takes
//! no new work, finishes the current work, and ends no later than the deadline.

use std::time::Duration;

use anyhow::Context as _;
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

#[derive(Debug, Clone, clap::Args)]
#[group(skip)]
pub struct Config {
    /// Maximum time to finish the current work after SIGTERM or Ctrl-C, in seconds.
    #[arg(long, env = "SHUTDOWN_TIMEOUT", default_value_t = 25)]
    pub shutdown_timeout: u64,
}

/// Protects the memory and the environment of this process, which contain secrets, from other programs of the same
/// user: they cannot read `/proc/PID/environ` or attach a debugger, and a crash writes no core file.
pub fn close_to_others() -> anyhow::Result<()> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable).context("PR_SET_DUMPABLE")
}

/// Provides the stop signal and tracks the running tasks.
#[derive(Debug, Clone, Default)]
pub struct Lifecycle {
    stopping: CancellationToken,
    tasks: TaskTracker,
}

impl Lifecycle {
    /// Returns the token that is cancelled when no more work may be taken.
    pub fn stopping(&self) -> CancellationToken {
        self.stopping.clone()
    }

    /// Runs a task that shutdown waits for. A task that ends or panics without a stop signal stops the whole service: without
    /// its consumer, a worker would look healthy and do nothing, so it must be restarted.
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = anyhow::Result<()>> + Send + 'static) {
        let stopping = self.stopping.clone();
        self.tasks.spawn(async move {
            let _stop = stopping.drop_guard_ref();
            match task.await {
                Err(error) => tracing::error!(task = name, error = format!("{error:#}"), "task failed"),
                Ok(()) if !stopping.is_cancelled() => {
                    tracing::error!(task = name, "task ended before it was asked to");
                }
                Ok(()) => {}
            }
        });
    }

    /// Like [`Self::spawn`], for work that has no end of its own. A stop ends it at any point.
    pub fn spawn_until_stopped(
        &self,
        name: &'static str,
        work: impl Future<Output = anyhow::Result<()>> + Send + 'static,
    ) {
        let stopping = self.stopping();
        self.spawn(name, async move { stopping.run_until_cancelled(work).await.unwrap_or(Ok(())) });
    }

    /// Waits for a signal or the end of a task, then at most SHUTDOWN_TIMEOUT for the remaining tasks. The end of a task is an
    /// error, so that whatever restarts only failed services restarts this one.
    pub async fn run(self, config: &Config) -> anyhow::Result<()> {
        let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
        let ended = tokio::select! {
            _ = terminate.recv() => {
                tracing::info!("SIGTERM: stopping");
                Ok(())
            }
            _ = tokio::signal::ctrl_c() => {
                tracing::info!("interrupted: stopping");
                Ok(())
            }
            () = self.stopping.cancelled() => Err(anyhow::anyhow!("a task ended before it was asked to")),
        };
        self.stopping.cancel();
        self.tasks.close();
        tokio::time::timeout(Duration::from_secs(config.shutdown_timeout), self.tasks.wait())
            .await
            .context("work under way did not finish before SHUTDOWN_TIMEOUT; it will be redelivered")
            .and(ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_fails_or_panics_ends_the_service_with_an_error() {
        for panics in [false, true] {
            let lifecycle = Lifecycle::default();
            lifecycle.spawn("test", async move {
                assert!(!panics);
                Err(anyhow::anyhow!("failed"))
            });
            let config = Config { shutdown_timeout: 5 };
            let ended = tokio::time::timeout(Duration::from_secs(60), lifecycle.run(&config)).await;
            ended.unwrap().unwrap_err();
        }
    }

    #[test]
    fn a_service_is_closed_to_other_programs_of_its_user() {
        close_to_others().unwrap();
        assert_eq!(rustix::process::dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
    }
}
