//! Starts programs that end with this process at the latest, and stops them.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use rustix::process::{Pid, Signal, kill_process};

const LAUNCHER: &str = include_str!("../launch.py");
const POLL: Duration = Duration::from_millis(10);
/// How many lines of a log are quoted.
const LAST_LINES: usize = 15;

#[must_use]
#[derive(Debug, Clone)]
pub struct Launch {
    program: PathBuf,
    arguments: Vec<OsString>,
    environment: BTreeMap<OsString, OsString>,
    /// The signal that asks the program to stop, also when this process dies. Default: SIGTERM.
    pub(crate) stop_signal: Signal,
    stop_within: Duration,
    /// The user and group under which the program runs.
    pub(crate) user: Option<u32>,
    pub(crate) log: Option<PathBuf>,
}

impl Launch {
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            arguments: Vec::new(),
            environment: BTreeMap::new(),
            stop_signal: Signal::TERM,
            stop_within: Duration::from_secs(20),
            user: None,
            log: None,
        }
    }

    pub fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    pub fn args(mut self, arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Adds a variable to the environment that the program inherits.
    pub fn env(self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.envs([(name, value)])
    }

    /// Adds variables; if a name occurs twice, the later value counts.
    pub fn envs(mut self, all: impl IntoIterator<Item = (impl AsRef<OsStr>, impl AsRef<OsStr>)>) -> Self {
        let owned =
            all.into_iter().map(|(name, value)| (name.as_ref().to_owned(), value.as_ref().to_owned()));
        self.environment.extend(owned);
        self
    }

    /// The time that the program may take to stop before it is killed. Default: 20 s.
    pub fn stop_within(mut self, time: Duration) -> Self {
        self.stop_within = time;
        self
    }

    /// Appends the program's output to a file. The program gets a process group of its own, so that Ctrl-C reaches only
    /// this process, which then stops everything in order.
    pub fn log(mut self, file: impl Into<PathBuf>) -> Self {
        self.log = Some(file.into());
        self
    }

    /// Returns the last lines of the log; nothing if there is no log.
    pub fn last_lines(&self) -> String {
        let bytes = self.log.as_ref().and_then(|log| fs::read(log).ok()).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).envs(&self.environment);
        command
    }

    pub fn start(&self) -> Result<Process> {
        let mut command = Command::new("python3");
        command.args(["-I", "-S", "-c", LAUNCHER]);
        command.arg(self.stop_signal.as_raw().to_string());
        command.arg(self.user.map_or_else(|| "-".to_owned(), |user| user.to_string()));
        command.arg(std::process::id().to_string());
        command.arg(&self.program).args(&self.arguments).envs(&self.environment);
        if let Some(log) = &self.log {
            let file = File::options().create(true).append(true).open(log);
            let file = file.with_context(|| format!("cannot write {}", log.display()))?;
            command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).process_group(0);
        }
        let child = spawn(command).with_context(|| format!("cannot start {}", self.program.display()))?;
        Ok(Process { child, stop_signal: self.stop_signal, stop_within: self.stop_within, asked: false })
    }
}

/// Returns the path of a program of acorag. It is next to this program, or one folder above if this program is a test.
pub fn binary(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe().context("cannot tell where this program is")?;
    let mut places = own.ancestors().skip(1).take(2).map(|folder| folder.join(name));
    places.find(|path| path.is_file()).with_context(|| {
        format!("{name} is missing: build everything (`make` lists the ways; for tests, `cargo build --workspace --bins`)")
    })
}

/// A running program. Dropping this value stops it.
pub struct Process {
    child: Child,
    stop_signal: Signal,
    stop_within: Duration,
    asked: bool,
}

impl Process {
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    pub fn wait(&mut self) -> Result<ExitStatus> {
        Ok(self.child.wait()?)
    }

    /// Asks the program to stop, without waiting.
    pub fn ask_to_stop(&mut self) -> Result<()> {
        if self.ended()?.is_none() {
            kill_process(Pid::from_child(&self.child), self.stop_signal)?;
            self.asked = true;
        }
        Ok(())
    }

    /// Asks the program to stop unless it was asked before, waits, and kills it at the deadline.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        if !self.asked {
            self.ask_to_stop()?;
        }
        let deadline = Instant::now() + self.stop_within;
        while Instant::now() < deadline {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            thread::sleep(POLL);
        }
        self.kill()
    }

    /// Kills the program with SIGKILL, like a crash.
    pub fn kill(&mut self) -> Result<ExitStatus> {
        self.child.kill()?;
        Ok(self.child.wait()?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // An error cannot be reported here; the kernel ends the program when this process ends.
        let _ = self.stop();
    }
}

/// Starts a child from a thread that lives as long as this process. For the kernel, the parent of a child is the
/// *thread* that started it, and the thread of a test ends with the test.
fn spawn(command: Command) -> Result<Child> {
    type Request = (Command, Sender<std::io::Result<Child>>);
    static KEEPER: OnceLock<Sender<Request>> = OnceLock::new();
    let keeper = KEEPER.get_or_init(|| {
        let (requests, inbox) = channel::<Request>();
        thread::spawn(move || {
            for (mut command, reply) in inbox {
                // If the caller has gone, the child is not needed and is killed.
                if let Err(unwanted) = reply.send(command.spawn())
                    && let Ok(mut child) = unwanted.0
                {
                    let _ = child.kill();
                }
            }
        });
        requests
    });
    let (reply, answer) = channel();
    keeper.send((command, reply)).map_err(|_| anyhow!("the thread that starts programs is gone"))?;
    answer.recv().context("the thread that starts programs is gone")?.context("cannot run python3")
}
