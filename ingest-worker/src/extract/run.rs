//! Starts the child, listens to it, and makes an outcome of however it ends.

use std::{
    os::unix::process::ExitStatusExt as _,
    path::Path,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, BufReader},
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

/// Reads a document in a process of its own. `program` is this very program.
pub async fn run(
    program: &Path,
    pdfium: &Path,
    input: &Path,
    hints: Hints,
    limits: &Limits,
) -> Result<Extracted, Error> {
    let mut child = start(program, pdfium, input, &hints, limits)?;
    let wall = Duration::from_secs(limits.wall_seconds);
    let Ok(outcome) = tokio::time::timeout(wall, listen(&mut child, limits)).await else {
        // Dropping it would kill it, too; waiting for its end leaves no zombie to the runtime.
        let killed = child.kill().await;
        tracing::warn!(?killed, "the document reader was stopped: it took too long");
        return Err(Error::TimedOut(limits.wall_seconds));
    };
    outcome
}

fn start(
    program: &Path,
    pdfium: &Path,
    input: &Path,
    hints: &Hints,
    limits: &Limits,
) -> Result<Child, Error> {
    let unavailable = |error: &dyn std::fmt::Display| Error::Unavailable(error.to_string());
    let limits = serde_json::to_string(limits).map_err(|error| unavailable(&error))?;
    Command::new(program)
        .arg("extract")
        .arg("--input")
        .arg(input)
        .arg("--pdfium")
        .arg(pdfium)
        .arg(format!("--filename={}", argument(&hints.filename)))
        .arg(format!("--media-type={}", argument(&hints.media_type)))
        .arg(format!("--limits={limits}"))
        // No secret of ours is in the reach of a stranger's document.
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| unavailable(&error))
}

/// A name that can stand on a command line.
fn argument(text: &str) -> String {
    const LONGEST: usize = 1_000;
    let text: String = text.chars().filter(|c| *c != '\0').collect();
    // The end of a name tells the format.
    text.chars().skip(text.chars().count().saturating_sub(LONGEST)).collect()
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
        // The command line was not understood: that is not the document's doing.
        None if status.code() == Some(2) => Error::Unavailable(errors.to_owned()),
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
        assert!(ended(ExitStatus::from_raw(2 << 8), "usage", &Limits::default()).is_transient());
    }

    #[test]
    fn names_keep_their_end() {
        assert_eq!(argument("a\0b.pdf"), "ab.pdf");
        assert!(argument(&format!("{}.pdf", "ñ".repeat(5_000))).ends_with("ñ.pdf"));
    }
}
