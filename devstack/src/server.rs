//! A server that can be stopped, killed and started again with the same port and data.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::launch::{Launch, Process};

const READY_WITHIN: Duration = Duration::from_secs(60);
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_millis(20);
const TAIL: usize = 2_000;
/// After a kill, PostgreSQL does not start, and says this, until its last backend has ended.
const PASSING: &str = "pre-existing shared memory block";

/// A server of a [`Stack`](crate::Stack), which tests can stop and start again.
pub struct Server {
    name: &'static str,
    url: String,
    launch: Launch,
    answers: Box<dyn Fn() -> Result<()> + Send + Sync>,
    process: Mutex<Option<Process>>,
}

impl Server {
    /// Starts a server. The launch must have a log.
    pub(crate) fn start_new(
        name: &'static str,
        url: String,
        launch: Launch,
        answers: impl Fn() -> Result<()> + Send + Sync + 'static,
    ) -> Result<Self> {
        let server = Self { name, url, launch, answers: Box::new(answers), process: Mutex::default() };
        server.start().map(|()| server)
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Returns the process id while the server runs.
    pub fn id(&self) -> Option<u32> {
        self.process().as_ref().map(Process::id)
    }

    /// Starts the server with the same port and data as before; returns when it answers.
    pub fn start(&self) -> Result<()> {
        let mut process = self.process();
        if process.is_some() {
            return Ok(());
        }
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            let log = self.launch.log.as_deref();
            let log_from = log.and_then(|log| fs::metadata(log).ok()).map_or(0, |metadata| metadata.len());
            let mut started = self.launch.start()?;
            let Err(error) = self.wait_until_it_answers(&mut started, deadline) else {
                *process = Some(started);
                return Ok(());
            };
            let said = log_tail(log, log_from);
            if !said.contains(PASSING) || Instant::now() > deadline {
                bail!("{} did not start: {error:#}\n{}{}", self.name, said.trim(), hint(&said));
            }
        }
    }

    pub fn stop(&self) -> Result<()> {
        self.process().take().map_or(Ok(()), |mut process| process.stop().map(drop))
    }

    /// Kills the server with SIGKILL, like a crash.
    pub fn kill(&self) -> Result<()> {
        self.process().take().map_or(Ok(()), |mut process| process.kill().map(drop))
    }

    fn wait_until_it_answers(&self, process: &mut Process, deadline: Instant) -> Result<()> {
        loop {
            if let Some(status) = process.ended()? {
                bail!("it ended at once ({status})");
            }
            match (self.answers)() {
                // Another server may use the port, so ours must still run when the answer comes.
                Ok(()) if process.ended()?.is_none() => return Ok(()),
                Err(error) if Instant::now() > deadline => {
                    bail!("no answer within {} s ({error:#})", READY_WITHIN.as_secs());
                }
                _ => thread::sleep(POLL),
            }
        }
    }

    /// A panic in another thread does not damage this value.
    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends a request to a server on this machine and reads until the server closes the connection.
pub(crate) fn ask(port: u16, request: &str) -> Result<String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut connection = TcpStream::connect_timeout(&address, ANSWER_WITHIN)?;
    connection.set_read_timeout(Some(ANSWER_WITHIN))?;
    connection.write_all(request.as_bytes())?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    Ok(answer)
}

/// Returns the end of the log text that was written after the first `from` bytes.
fn log_tail(log: Option<&Path>, from: u64) -> String {
    let bytes = log.and_then(|path| fs::read(path).ok()).unwrap_or_default();
    let new = bytes.get(usize::try_from(from).unwrap_or(0)..).unwrap_or_default();
    String::from_utf8_lossy(&new[new.len().saturating_sub(TAIL)..]).into_owned()
}

fn hint(said: &str) -> &'static str {
    if said.contains("error while loading shared libraries") {
        "\nThe packaged PostgreSQL needs a few libraries of the system; on Debian and Ubuntu: \
         apt install libssl3 libgssapi-krb5-2 liblz4-1 libzstd1 zlib1g liblzma5"
    } else if said.contains("could not look up effective user ID") {
        "\nPostgreSQL needs its user to have a name (an entry in /etc/passwd)"
    } else {
        ""
    }
}
