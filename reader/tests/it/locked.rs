//! Loads a library in place of PDFium that does what a hostile PDF would do if it could exploit an error of
//! PDFium.

use std::{fs::File, process::Command};

use super::*;

const REFUSED: i32 = 1; // EPERM
/// The number of acts that every process may do if it is not locked in.
const SURE: usize = 15;
const ALL: usize = 39;

fn hostile_library(folder: &Path) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/hostile.c");
    let library = folder.join("libhostile.so");
    // The library is linked with PDFium, which has all functions that it does not replace. `cc` is present,
    // because Rust links with it.
    let output = Command::new("cc")
        .args(["-shared", "-fPIC", "-pthread", "-Wl,--no-as-needed", "-o"])
        .args([&library, &source, &*PDFIUM])
        .arg(format!("-Wl,-rpath,{}", PDFIUM.parent().unwrap().display()))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    library
}

/// Parses the lines that begin with `when`: "before open 0" becomes ("open", 0).
fn tried(said: &str, when: &str) -> Vec<(String, i32)> {
    let line = |line: &str| {
        let (name, errno) = line.strip_prefix(when)?.trim().split_once(' ')?;
        Some((name.to_owned(), errno.parse().ok()?))
    };
    said.lines().filter_map(line).collect()
}

async fn overtaken() -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    let library = tokio::task::spawn_blocking(move || hostile_library(&path)).await.unwrap();
    let input = folder.path().join("hostile.pdf");
    std::fs::write(&input, fixture("report.pdf")).unwrap();
    let reader = Reader { program: PROGRAM.into(), pdfium: library, limits: Limits::default() };
    match reader.read(&input, Hints::default()).await {
        Err(Error::Crashed(said)) if said.ends_with("end") => said,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_file_that_takes_the_reader_over_can_do_nothing_with_it() {
    // A file that the worker leaves open for its child processes. The reader must close it.
    let inherited = File::open(PROGRAM).unwrap();
    rustix::io::fcntl_setfd(&inherited, rustix::io::FdFlags::empty()).unwrap();
    let said = overtaken().await;
    drop(inherited);

    let before = tried(&said, "before");
    assert_eq!(before.len(), SURE, "{said}");
    assert!(before.iter().all(|(_, errno)| *errno == 0), "the acts work where nothing is locked: {said}");

    assert!(said.contains("\nvariables 0\n"), "no variable of the worker: {said}");
    assert!(said.contains("\nfiles 0\n"), "no file, and its own is closed already: {said}");
    let locked = tried(&said, "locked");
    assert_eq!(locked.len(), ALL, "{said}");
    let reader = Reader { program: PROGRAM.into(), pdfium: PDFIUM.clone(), limits: Limits::default() };
    if reader.confinement().await.unwrap().seccomp {
        let done: Vec<_> = locked.iter().filter(|(_, errno)| *errno != REFUSED).collect();
        assert!(done.is_empty(), "not refused: {done:?}");
    } else {
        eprintln!("this kernel has no seccomp: what the reader may do is limited by resources only");
    }
}
