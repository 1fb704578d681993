//! Starts the reader process, reads its output, and converts each way in which it can end into a result.

use std::{
    io,
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Take},
    process::{Child, ChildStdout, Command},
    task::JoinHandle,
    time::{error::Elapsed, timeout},
};

use super::{
    Confinement, Error, Extracted, Limits, Record, RecordError,
    wire::{self, Answer, CHECK, PROTOCOL, Request},
};

/// Maximum number of bytes of the reader's error output that are kept for the log.
const ERROR_OUTPUT_BYTES: u64 = 4 * 1024;

#[derive(Debug, Clone)]
pub struct Reader {
    pub program: PathBuf,
    /// The path of the PDFium library.
    pub pdfium: PathBuf,
    pub limits: Limits,
}

/// The sender's information about the file.
#[derive(Debug, Clone, Default)]
pub struct Hints {
    pub filename: String,
    pub media_type: String,
}

#[derive(Debug)]
pub enum Found {
    Document(Extracted),
    Records(Records),
}

impl Reader {
    /// Uses the configured program, or else `acorag-reader` in the folder of the current program.
    pub fn find(program: Option<&Path>, pdfium: &Path, limits: Limits) -> io::Result<Self> {
        let program = match program {
            Some(path) => path.to_owned(),
            None => std::env::current_exe()?.with_file_name("acorag-reader"),
        };
        if !program.is_file() {
            let missing = format!("{} is missing (READER_PATH says where it is)", program.display());
            return Err(io::Error::new(io::ErrorKind::NotFound, missing));
        }
        Ok(Self { program, pdfium: pdfium.to_owned(), limits })
    }

    /// Returns the locks that this kernel supports, as reported by the reader program.
    pub async fn confinement(&self) -> io::Result<Confinement> {
        let said = command(&self.program).arg(CHECK).stdin(Stdio::null()).output().await?;
        Ok(serde_json::from_slice(&said.stdout)?)
    }

    /// Reads a file in a separate process.
    pub async fn read(&self, input: &Path, hints: Hints) -> Result<Found, Error> {
        let request = Request {
            protocol: PROTOCOL,
            input: input.to_owned(),
            pdfium: self.pdfium.clone(),
            filename: hints.filename,
            media_type: hints.media_type,
            limits: self.limits.clone(),
        };
        match Conversation::start(self, &request).await? {
            // The reader has sent everything. It ends by itself, or is killed because the conversation is
            // dropped here.
            (Answer::Document(extracted), _) => Ok(Found::Document(extracted)),
            (Answer::Records, conversation) => {
                Ok(Found::Records(Records(Some(Box::new(conversation.about_records())))))
            }
        }
    }
}

/// The records of a bulk import. The reader continues only while records are taken, and ends when this value is
/// dropped.
#[derive(Debug)]
pub struct Records(Option<Box<Conversation>>);

impl Records {
    /// Returns the next records, at most `most`; an empty list at the end.
    pub async fn next(&mut self, most: usize) -> Result<Vec<Result<Record, RecordError>>, Error> {
        let Some(mut conversation) = self.0.take() else { return Ok(Vec::new()) };
        let started = Instant::now();
        let batch = wire::records(&mut conversation.said, &conversation.limits, most);
        let batch = timeout(conversation.patience, batch).await;
        let ((records, more), conversation) = conversation.unless_ended(started, batch).await?;
        self.0 = more.then(|| Box::new(conversation));
        Ok(records)
    }
}

/// A running reader process.
#[derive(Debug)]
struct Conversation {
    child: Child,
    said: BufReader<Take<ChildStdout>>,
    errors: JoinHandle<String>,
    /// Their `wall_seconds` are the maximum total time of waiting for the reader.
    limits: Limits,
    /// How much of this time is left.
    patience: Duration,
}

impl Conversation {
    /// Starts a reader, and returns its answer to the request.
    async fn start(reader: &Reader, request: &Request) -> Result<(Answer, Self), Error> {
        let mut child = command(&reader.program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(unavailable)?;
        let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(Error::Unavailable("the reader's output is not connected".to_owned()));
        };
        let limits = &reader.limits;
        let mut conversation = Self {
            child,
            said: BufReader::new(stdout.take(wire::longest_output(limits))),
            errors: tokio::spawn(first_and_drain(stderr)),
            limits: limits.clone(),
            patience: Duration::from_secs(limits.wall_seconds),
        };
        let started = Instant::now();
        let answer = timeout(conversation.patience, async {
            send(&mut conversation.child, request).await?;
            wire::read(&mut conversation.said, limits).await
        });
        let answer = answer.await;
        let (answer, conversation) = conversation.unless_ended(started, answer).await?;
        Ok((answer?, conversation))
    }

    /// Removes the limit on output, because the number of records is not limited. The size of each record and
    /// the total time still have limits.
    fn about_records(mut self) -> Self {
        self.said.get_mut().set_limit(u64::MAX);
        let seconds = self.limits.import_seconds;
        // The reader has raised its own limit, too; an error names it.
        (self.limits.wall_seconds, self.limits.cpu_seconds) = (seconds, seconds);
        self.patience = Duration::from_secs(seconds);
        self
    }

    /// Returns what the reader sent, or the reason why it sent nothing.
    async fn unless_ended<T>(
        mut self,
        started: Instant,
        said: Result<io::Result<Option<T>>, Elapsed>,
    ) -> Result<(T, Self), Error> {
        self.patience = self.patience.saturating_sub(started.elapsed());
        if let Ok(said) = said {
            if let Some(said) = said.map_err(unavailable)? {
                return Ok((said, self));
            }
            // This closes the pipe, so a reader that is still writing ends.
            drop(self.said);
            if let Ok(status) = timeout(self.patience, self.child.wait()).await {
                let errors = self.errors.await.unwrap_or_default();
                return Err(ended(status.map_err(unavailable)?, &errors, &self.limits));
            }
        }
        // Dropping the child would kill it, too, but waiting for its end leaves no zombie process.
        let killed = self.child.kill().await;
        tracing::warn!(?killed, "the document reader was stopped: it took too long");
        Err(Error::TimedOut(self.limits.wall_seconds))
    }
}

fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    // The environment contains secrets of the worker, and the reader processes files from outside.
    command.env_clear();
    // In a separate process group: otherwise a signal to the worker's group, such as Ctrl-C in a terminal, would look
    // like a fault of the document.
    command.process_group(0);
    command.kill_on_drop(true);
    command
}

async fn send(child: &mut Child, request: &Request) -> io::Result<()> {
    let json = serde_json::to_vec(request)?;
    let Some(mut stdin) = child.stdin.take() else { return Ok(()) };
    match stdin.write_all(&json).await {
        // The reader ended before it read the request; its exit status gives the reason.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}

fn unavailable(error: io::Error) -> Error {
    Error::Unavailable(error.to_string())
}

/// Returns the beginning of the error output. The rest is read and dropped, so that the child never waits for a full
/// pipe.
async fn first_and_drain(mut stderr: impl AsyncRead + Unpin) -> String {
    let mut first = Vec::new();
    let kept = (&mut stderr).take(ERROR_OUTPUT_BYTES).read_to_end(&mut first).await;
    let drained = tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await;
    if kept.is_err() || drained.is_err() {
        tracing::debug!("the reader's error output broke off");
    }
    String::from_utf8_lossy(&first).trim().to_owned()
}

/// Returns the reason why a child ended without an answer.
fn ended(status: ExitStatus, errors: &str, limits: &Limits) -> Error {
    const REFUSED_MEMORY: [&str; 2] = ["memory allocation", "cannot catch foreign exceptions"];
    match status.signal() {
        Some(libc::SIGXCPU) => Error::TimedOut(limits.cpu_seconds),
        // After a failed allocation, Rust prints the first text of REFUSED_MEMORY. PDFium prints nothing, or
        // throws a C++ exception, for which Rust prints the second text. A damaged heap causes other
        // messages. When the machine has no memory left, the kernel ends the process with SIGKILL.
        Some(libc::SIGABRT)
            if errors.is_empty() || REFUSED_MEMORY.iter().any(|says| errors.contains(says)) =>
        {
            Error::OutOfMemory
        }
        Some(libc::SIGKILL) => Error::OutOfMemory,
        Some(libc::SIGTERM) => Error::Unavailable("the reader was told to stop".to_owned()),
        _ => Error::Crashed(format!("{status}: {errors}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_signal(signal: i32, errors: &str) -> Error {
        ended(ExitStatus::from_raw(signal), errors, &Limits::default())
    }

    #[test]
    fn endings() {
        assert_eq!(by_signal(24, ""), Error::TimedOut(120));
        assert_eq!(by_signal(6, "memory allocation of 9 bytes failed"), Error::OutOfMemory);
        assert_eq!(by_signal(6, ""), Error::OutOfMemory);
        let of_pdfium = "fatal runtime error: Rust cannot catch foreign exceptions, aborting";
        assert_eq!(by_signal(6, of_pdfium), Error::OutOfMemory);
        assert!(matches!(by_signal(6, "free(): invalid pointer"), Error::Crashed(_)));
        assert_eq!(by_signal(9, ""), Error::OutOfMemory);
        assert!(by_signal(15, "").is_transient());
        assert!(matches!(by_signal(11, "x"), Error::Crashed(_)));
        assert!(matches!(
            ended(ExitStatus::from_raw(101 << 8), "panicked", &Limits::default()),
            Error::Crashed(_)
        ));
    }
}
