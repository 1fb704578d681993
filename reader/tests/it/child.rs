use std::{
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use super::*;

/// Runs a misbehaving program in place of the reader; `input` is the file that it is given.
async fn run(program: &str, input: &Path, limits: &Limits) -> Result<Extracted, Error> {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/children").join(program);
    let reader = Reader { program, pdfium: PathBuf::from("unused"), limits: limits.clone() };
    match reader.read(input, Hints::default()).await? {
        Found::Document(extracted) => Ok(extracted),
        Found::Records(_) => panic!("records were not expected"),
    }
}

#[tokio::test]
async fn a_child_that_hangs_is_killed() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let limits = Limits { wall_seconds: 1, ..Limits::default() };
    assert_eq!(run("hangs", file.path(), &limits).await, Err(Error::TimedOut(1)));
    let id = std::fs::read_to_string(file.path()).unwrap();
    assert!(!Path::new("/proc").join(id.trim()).exists(), "process {id} is still there");
}

#[tokio::test]
async fn a_child_is_killed_when_its_caller_is_dropped() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let limits = Limits::default();
    let started = async {
        while std::fs::read_to_string(file.path()).unwrap().trim().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        outcome = run("hangs", file.path(), &limits) => panic!("it answered: {outcome:?}"),
        () = started => {}
    }
    ends(std::fs::read_to_string(file.path()).unwrap().trim()).await;
}

/// Waits until a process has ended. A zombie counts as ended.
async fn ends(id: &str) {
    let command = Path::new("/proc").join(id).join("cmdline");
    let deadline = Instant::now() + Duration::from_secs(60);
    while !std::fs::read(&command).unwrap_or_default().is_empty() {
        assert!(Instant::now() < deadline, "process {id} goes on");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_reader_ends_with_its_worker() {
    // The shell takes the place of the worker. The reader waits for a request that never comes, because this
    // test holds the pipe open.
    let mut worker = Command::new("sh")
        .args(["-c", "exec 3<&0; \"$0\" <&3 & echo $!; wait", PROGRAM])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut id = String::new();
    BufReader::new(worker.stdout.take().unwrap()).read_line(&mut id).unwrap();
    let id = id.trim();
    // Waits until the process runs the reader program and sleeps: then it waits for the request, and has
    // already told the kernel to end it with its parent.
    let process = Path::new("/proc").join(id);
    loop {
        let own = std::fs::read_link(process.join("exe")).is_ok_and(|exe| exe.ends_with("acorag-reader"));
        let state = std::fs::read_to_string(process.join("stat")).unwrap_or_default();
        if own && state.contains(") S ") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    worker.kill().unwrap();
    worker.wait().unwrap();
    ends(id).await;
}

#[tokio::test]
async fn the_error_says_how_the_child_died() {
    let limits = Limits::default();
    let nothing = Path::new("/dev/null");
    assert_eq!(run("dies-of-kill", nothing, &limits).await, Err(Error::OutOfMemory));
    assert_eq!(run("dies-of-xcpu", nothing, &limits).await, Err(Error::TimedOut(120)));
    assert!(matches!(run("dies-of-segv", nothing, &limits).await, Err(Error::Crashed(_))));
    assert!(run("dies-of-term", nothing, &limits).await.unwrap_err().is_transient());
    assert!(matches!(run("stops-half-way", nothing, &limits).await, Err(Error::Crashed(_))));
}

#[tokio::test]
async fn the_output_of_a_child_is_bounded() {
    let limits = Limits { text_bytes: 1024 * 1024, ..Limits::default() };
    let start = Instant::now();
    assert!(matches!(run("babbles", Path::new("/dev/null"), &limits).await, Err(Error::Crashed(_))));
    assert!(start.elapsed().as_secs() < 30, "took {:?}", start.elapsed());
}
