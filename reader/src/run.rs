//! Starts the child, listens to it, and makes an outcome of however it ends.

use std::{
    io,
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    process::{Child, Command},
};

use super::{Error, Extracted, Limits, wire};

/// What the sender says about the file.
#[derive(Debug, Clone, Default)]
pub struct Hints {
    pub filename: String,
    pub media_type: String,
}

/// Bytes of the child's error output that are kept for the log.
const ERROR_OUTPUT_BYTES: u64 = 4 * 1024;

/// The form of [`Request`] and of the answer. A worker and a program of different releases may meet while one of them is
/// being replaced; they refuse each other, and the file is read once both are of one release.
pub const PROTOCOL: u32 = 1;

/// What the program is asked, as JSON on its standard input.
#[derive(Debug, Serialize, Deserialize)]
pub struct Request {
    pub protocol: u32,
    /// The file to read.
    pub input: PathBuf,
    /// The PDFium library.
    pub pdfium: PathBuf,
    /// The name the file came with.
    pub filename: String,
    /// The media type it came with.
    pub media_type: String,
    pub limits: Limits,
}

/// Where the program is: as configured, else beside the program that runs.
pub fn program(configured: Option<&Path>) -> io::Result<PathBuf> {
    let program = match configured {
        Some(path) => path.to_owned(),
        None => std::env::current_exe()?.with_file_name("acorag-reader"),
    };
    if program.is_file() {
        return Ok(program);
    }
    let missing = format!("{} is missing (READER_PATH names another place)", program.display());
    Err(io::Error::new(io::ErrorKind::NotFound, missing))
}

/// Reads a file in a process of its own, by the program at `program`.
pub async fn run(
    program: &Path,
    pdfium: &Path,
    input: &Path,
    hints: Hints,
    limits: &Limits,
) -> Result<Extracted, Error> {
    let request = Request {
        protocol: PROTOCOL,
        input: input.to_owned(),
        pdfium: pdfium.to_owned(),
        filename: hints.filename,
        media_type: hints.media_type,
        limits: limits.clone(),
    };
    let mut child = start(program)?;
    let wall = Duration::from_secs(limits.wall_seconds);
    let outcome = tokio::time::timeout(wall, async {
        ask(&mut child, &request).await?;
        listen(&mut child, limits).await
    });
    let Ok(outcome) = outcome.await else {
        // Dropping it would kill it, too; waiting for its end leaves no zombie to the runtime.
        let killed = child.kill().await;
        tracing::warn!(?killed, "the document reader was stopped: it took too long");
        return Err(Error::TimedOut(limits.wall_seconds));
    };
    outcome
}

fn start(program: &Path) -> Result<Child, Error> {
    Command::new(program)
        // No secret of ours is in the reach of a file from outside.
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| Error::Unavailable(error.to_string()))
}

async fn ask(child: &mut Child, request: &Request) -> Result<(), Error> {
    let json = serde_json::to_vec(request).map_err(|error| Error::Unavailable(error.to_string()))?;
    let Some(mut stdin) = child.stdin.take() else { return Ok(()) };
    match stdin.write_all(&json).await {
        // It ended before it listened: how it ended is what is said.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Error::Unavailable(error.to_string())),
        _ => Ok(()),
    }
}

async fn listen(child: &mut Child, limits: &Limits) -> Result<Extracted, Error> {
    let unavailable = |error: std::io::Error| Error::Unavailable(error.to_string());
    let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(Error::Unavailable("the reader's output is not connected".to_owned()));
    };
    let said = async {
        // Once enough is read the pipe closes, and a child that goes on writing ends.
        let stdout = BufReader::new(stdout.take(wire::longest_output(limits)));
        wire::read(stdout, limits).await
    };
    let (said, errors) = tokio::join!(said, first_and_drain(stderr));
    let status = child.wait().await.map_err(unavailable)?;
    match said.map_err(unavailable)? {
        Some(outcome) => outcome,
        None => Err(ended(status, &errors, limits)),
    }
}

/// The beginning of the error output; the rest is read, too, so that the child does not wait for us.
async fn first_and_drain(mut stderr: impl AsyncRead + Unpin) -> String {
    let mut first = Vec::new();
    let kept = (&mut stderr).take(ERROR_OUTPUT_BYTES).read_to_end(&mut first).await;
    let drained = tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await;
    if kept.is_err() || drained.is_err() {
        tracing::debug!("the reader's error output broke off");
    }
    String::from_utf8_lossy(&first).trim().to_owned()
}

/// Why a child ended without a word.
fn ended(status: ExitStatus, errors: &str, limits: &Limits) -> Error {
    const ABORT: i32 = 6;
    const KILL: i32 = 9;
    const TERMINATE: i32 = 15;
    const CPU_TIME: i32 = 24;
    match status.signal() {
        Some(CPU_TIME) => Error::TimedOut(limits.cpu_seconds),
        // When memory is refused, Rust ends with this sentence and PDFium without a word, unlike a broken heap; when
        // there is none left, the kernel kills.
        Some(ABORT) if errors.is_empty() || errors.contains("memory allocation") => Error::OutOfMemory,
        Some(KILL) => Error::OutOfMemory,
        Some(TERMINATE) => Error::Unavailable("the reader was told to stop".to_owned()),
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
