use std::time::{Duration, Instant};

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
    let process = Path::new("/proc").join(std::fs::read_to_string(file.path()).unwrap().trim());
    let deadline = Instant::now() + Duration::from_secs(60);
    while process.join("cmdline").exists()
        && !std::fs::read(process.join("cmdline")).unwrap_or_default().is_empty()
    {
        assert!(Instant::now() < deadline, "the child outlived its caller");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
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
