//! Everything is backed up, destroyed, and restored into empty folders: nothing is missing, and nothing that
//! was deleted comes back.

mod content;
mod fixture;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use devstack::Stack;
use e2e::{Options, System};
use reqwest::StatusCode;
use schemas::subjects;
use serde_json::json;
use sqlx::PgPool;

use self::{
    content::{
        Tables, archive_the_rest, ask, delete, files, fill, messages, note, objects, quiet_moment, tables,
    },
    fixture::{Fixture, Target, expect, refuses, succeeds},
};

const PROJECT: &str = "torre-norte";

/// What was stored when everything was destroyed.
struct Before {
    /// A document that was deleted after its job had been backed up.
    deleted: String,
    /// A document whose job was still in the queue.
    waiting: String,
    tables: Tables,
    files: BTreeMap<String, String>,
    /// A conversation. Its last question and answer are only in the log of the database, not in a full
    /// backup.
    history: String,
    dead_letters: u64,
    /// A time before the last documents were uploaded, for a restore to this time.
    moment: String,
    /// The content of the database at `moment`.
    tables_then: Tables,
}

/// All kinds of restores are in one test, because making the backups takes longer than each restore.
#[tokio::test(flavor = "multi_thread")]
async fn everything_comes_back_after_a_disaster() {
    let (fixture, system) = archiving_system().await;
    let before = back_up_in_use(&fixture, system).await;
    damage_is_refused(&fixture).await;
    let (target, system) = restored_to_the_end_of_the_log(&fixture, &before).await;
    the_database_alone_is_restored(&fixture, &target, system).await;
    restored_to_a_moment(&fixture, &before).await;
}

/// Starts an acorag whose PostgreSQL archives its log and has a user for backups.
async fn archiving_system() -> (Fixture, System) {
    let stack =
        tokio::task::spawn_blocking(|| Stack::start(devstack::Options::default())).await.unwrap().unwrap();
    let fixture = Fixture::new(&stack);
    fixture.archive_from(&stack).await;
    let system = System::on(stack, Options::default().durable().env("REGISTRATION", "open")).await.unwrap();
    let pool = PgPool::connect(system.stack.database_url()).await.unwrap();
    for sql in [
        "ALTER ROLE acorag_backup LOGIN REPLICATION PASSWORD 'secret!'",
        "GRANT EXECUTE ON FUNCTION pg_switch_wal() TO acorag_backup",
    ] {
        sqlx::query(sql).execute(&pool).await.unwrap();
    }
    pool.close().await;
    (fixture, system)
}

/// Makes backups of every kind while documents are uploaded and deleted. Then the system is destroyed.
async fn back_up_in_use(fixture: &Fixture, mut system: System) -> Before {
    let client = system.client().unwrap();
    let url = system.stack.database_url().to_owned();

    // A full backup while two jobs wait. After the backup both jobs are done, and one of the two documents is
    // deleted.
    fill(&system, &client).await;
    system.ingest_workers[0].kill().unwrap();
    let done = client.upload(note("hecha")).await.unwrap();
    let deleted = client.upload(note("borrada")).await.unwrap();
    succeeds(fixture.back_up(&system, &[]));
    an_interrupted_backup_does_not_count(fixture, fixture.back_up(&system, &[]));
    files_are_backed_up_meanwhile(fixture, &system);
    system.ingest_workers[0].restart().await.unwrap();
    for id in [&done, &deleted] {
        assert_eq!(client.settled(id, PROJECT).await.unwrap()["state"], "indexed");
    }
    delete(&client, &deleted).await;
    let (moment, tables_then) = quiet_moment(&url).await;

    // More documents, a job that no worker takes, a backup of files and queue only, and then changes that
    // only the archived log contains.
    client.index(note("posterior")).await.unwrap();
    system.ingest_workers[0].kill().unwrap();
    let waiting = client.upload(note("en-cola")).await.unwrap();
    let stored = originals(fixture);
    succeeds(fixture.back_up(&system, &["--files"]));
    let new: Vec<PathBuf> = originals(fixture).difference(&stored).cloned().collect();
    assert_eq!(newest_list(fixture).lines().count(), new.len(), "only what is new is listed");
    damaged_files_are_named_and_saved_again(fixture, &system, &new).await;
    succeeds(fixture.run(&["verify"]).env("DATABASE_URL", &url));
    ask(&client, "¿Y la cota de coronación?").await;
    let (_, tables) = quiet_moment(&url).await;
    archive_the_rest(&url).await;
    let files = files(&client, &url).await;
    let history = client.get("/history/conv_7").await.unwrap().text().await.unwrap();
    assert!(history.contains("coronación"), "{history}");
    let dead_letters = messages(system.stack.nats_url(), subjects::DEAD_LETTERS_STREAM).await;
    assert_eq!(dead_letters, 1);
    assert!(tables["backup_run"].0 >= 6, "{tables:?}");
    let before = Before { deleted, waiting, tables, files, history, dead_letters, moment, tables_then };
    nats_alone_is_restored(fixture, &url, &before).await;
    before
}

fn originals(fixture: &Fixture) -> BTreeSet<PathBuf> {
    let files = fs::read_dir(fixture.path("backups/files")).unwrap();
    files.map(|file| file.unwrap().path()).collect()
}

/// Returns the list of files of the newest backup; the names of the folders begin with the time.
fn newest_list(fixture: &Fixture) -> String {
    let sets = fs::read_dir(fixture.path("backups/sets")).unwrap().map(|set| set.unwrap().path());
    fs::read_to_string(sets.max().unwrap().join("versions")).unwrap()
}

/// A damaged file and a missing one end neither the check nor a restore. Without the damaged one, the next backup saves both
/// again, because NATS has them.
async fn damaged_files_are_named_and_saved_again(fixture: &Fixture, system: &System, files: &[PathBuf]) {
    let [damaged, missing, ..] = files else { panic!("two documents are new: {files:?}") };
    fs::write(damaged, "rotten").unwrap();
    fs::remove_file(missing).unwrap();
    let output = fixture.run(&["verify"]).output().unwrap();
    for file in [damaged, missing] {
        refuses(&output, file.file_name().unwrap().to_str().unwrap());
    }
    let target = fixture.target("without-two");
    let output = fixture.restore_beside(system.stack.database_url(), &target, &["--keep-database"]).await;
    expect(&output);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("files_missing=2"), "{said}");
    let stack = target.start_beside(system.stack.database_url()).await;
    assert_eq!(messages(stack.nats_url(), subjects::INGEST_STREAM).await, 1, "the queue is restored");
    fs::remove_file(damaged).unwrap();
    succeeds(fixture.back_up(system, &["--files"]));
}

/// NATS is lost and restored; the database keeps running.
async fn nats_alone_is_restored(fixture: &Fixture, url: &str, before: &Before) {
    let target = fixture.target("nats");
    expect(&fixture.restore_beside(url, &target, &["--keep-database"]).await);
    let stack = target.start_beside(url).await;
    assert_eq!(tables(url).await, before.tables);
    queue_is_as_before(&stack, before).await;
    assert_eq!(objects(&stack).await, before.files.len() + 1, "the waiting job's, too");
}

async fn queue_is_as_before(stack: &Stack, before: &Before) {
    assert_eq!(messages(stack.nats_url(), subjects::INGEST_STREAM).await, 1, "one job waited");
    assert_eq!(messages(stack.nats_url(), subjects::DEAD_LETTERS_STREAM).await, before.dead_letters);
}

/// Everything is lost and restored: all transactions up to the last archived segment of the log are there,
/// and the system works.
async fn restored_to_the_end_of_the_log(fixture: &Fixture, before: &Before) -> (Target, System) {
    let disaster = Instant::now();
    let target = fixture.target("restored");
    expect(&fixture.restore(&target, &[]).await);
    let restored = disaster.elapsed();
    let stack = target.start().await;
    assert_eq!(tables(stack.database_url()).await, before.tables);
    queue_is_as_before(&stack, before).await;
    let system = System::on(stack, Options::default()).await.unwrap();
    let client = system.client().unwrap();
    let rows = client.search(PROJECT, "losa del primer piso").await.unwrap();
    assert!(!rows.is_empty());
    eprintln!(
        "{} documents and {} files: {:.1} s until they are restored, {:.1} s until they answer; every commit up to the \
         last archived segment is there",
        before.tables["document"].0,
        before.files.len(),
        restored.as_secs_f32(),
        disaster.elapsed().as_secs_f32()
    );
    assert_eq!(client.settled(&before.waiting, PROJECT).await.unwrap()["state"], "indexed");
    let mut files = files(&client, system.stack.database_url()).await;
    assert!(files.remove(&before.waiting).is_some());
    assert_eq!(files, before.files);
    assert_eq!(client.get("/history/conv_7").await.unwrap().text().await.unwrap(), before.history);
    let login = json!({"email": "ana@obra.cl", "password": "una clave larga"});
    assert_eq!(client.post("/auth/login", &login).await.unwrap().status(), StatusCode::OK);
    let path = format!("/documents/{}?project_id={PROJECT}", before.deleted);
    assert_eq!(client.get(&path).await.unwrap().status(), StatusCode::NOT_FOUND, "it was deleted");
    (target, system)
}

/// The restored database is lost again before there is a full backup of its new timeline. NATS is not lost.
async fn the_database_alone_is_restored(fixture: &Fixture, target: &Target, mut system: System) {
    let url = system.stack.database_url().to_owned();
    system.ingest_workers[0].kill().unwrap();
    system.client().unwrap().upload(note("sin-base")).await.unwrap();
    let (_, tables_before) = quiet_moment(&url).await;
    archive_the_rest(&url).await;
    drop(system);
    fs::remove_dir_all(&target.pgdata).unwrap();
    fixture.make("restored/postgres");
    let output = fixture.restore(target, &["--keep-nats"]).await;
    expect(&output);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("restored_until="), "it says what must be sent again: {said}");
    let stack = target.start().await;
    assert_eq!(tables(stack.database_url()).await, tables_before);
    assert_eq!(messages(stack.nats_url(), subjects::INGEST_STREAM).await, 1, "it still waits");
}

/// Restores to the time `moment`: afterwards there is exactly what was there at that time.
async fn restored_to_a_moment(fixture: &Fixture, before: &Before) {
    let target = fixture.target("earlier");
    expect(&fixture.restore(&target, &["--to", &before.moment]).await);
    let stack = target.start().await;
    assert_eq!(tables(stack.database_url()).await, before.tables_then);
    assert_eq!(messages(stack.nats_url(), subjects::INGEST_STREAM).await, 0, "both jobs were done by then");
    assert_eq!(objects(&stack).await, before.files.len() - 1, "one file came later");
    drop(stack);
    refuses(&fixture.restore(&target, &[]).await, "NATS is not empty");
}

/// Ctrl-C while the database is copied ends the backup at once, and the incomplete backup does not count.
fn an_interrupted_backup_does_not_count(fixture: &Fixture, command: Command) {
    let before = fixture.sets();
    let mut process = streaming(fixture, command);
    signal(&process, "-INT");
    assert_eq!(process.wait().unwrap().code(), Some(130));
    assert_eq!(fixture.sets(), before);
}

/// Copying the database may take hours. Meanwhile, files and queue can be backed up; a second full backup is
/// refused.
fn files_are_backed_up_meanwhile(fixture: &Fixture, system: &System) {
    let before = fixture.sets();
    let mut full = streaming(fixture, fixture.back_up(system, &[]));
    signal(&full, "-STOP");
    succeeds(fixture.back_up(system, &["--files"]));
    assert_eq!(fixture.sets(), before + 1);
    refuses(&fixture.back_up(system, &[]).output().unwrap(), "another full backup is running");
    signal(&full, "-CONT");
    assert!(full.wait().unwrap().success());
    assert_eq!(fixture.sets(), before + 2);
}

/// Starts a full backup, and returns while the database is being copied.
fn streaming(fixture: &Fixture, mut command: Command) -> Child {
    let sets = fixture.path("backups/sets");
    let unfinished = || -> Vec<PathBuf> {
        let sets = fs::read_dir(&sets).unwrap().map(|set| set.unwrap().path());
        sets.filter(|set| !set.join("set.json").exists()).collect()
    };
    let left_over = unfinished();
    let mut process = command.stderr(Stdio::null()).spawn().unwrap();
    let begun = |set: &PathBuf| !left_over.contains(set) && set.read_dir().unwrap().next().is_some();
    while !unfinished().iter().any(begun) {
        assert!(process.try_wait().unwrap().is_none(), "it ended before it was seen to begin");
        std::thread::sleep(Duration::from_millis(5));
    }
    process
}

fn signal(process: &Child, signal: &str) {
    succeeds(Command::new("kill").args([signal, &process.id().to_string()]));
}

/// A restore from damaged or incomplete backups, or into a folder that is not empty, is refused with a
/// reason.
async fn damage_is_refused(fixture: &Fixture) {
    let target = fixture.target("refused");
    refuses(
        &fixture.restore(&target, &["--to", "2020-01-01T00:00:00Z"]).await,
        "the oldest full backup is of",
    );
    fs::write(target.pgdata.join("something"), "").unwrap();
    refuses(&fixture.restore(&target, &[]).await, "is not empty");
    fs::remove_file(target.pgdata.join("something")).unwrap();

    let log = newest_segment(&fixture.path("backups/wal"));
    let whole = fs::read(&log).unwrap();
    let mut damaged = whole.clone();
    damaged[whole.len() / 2] ^= 1;
    fs::write(&log, damaged).unwrap();
    refuses(&fixture.run(&["verify"]).output().unwrap(), "is damaged");
    refuses(&fixture.restore(&target, &[]).await, "PostgreSQL ended while it recovered");
    fs::write(&log, whole).unwrap();
    let segment = log.with_extension("").file_name().unwrap().to_str().unwrap().to_owned();
    let (older, missing) = (log.with_file_name("kept"), predecessor(&log));
    fs::rename(&missing, &older).unwrap();
    refuses(&fixture.run(&["verify"]).output().unwrap(), "is missing in the archive");
    fs::rename(&older, &missing).unwrap();
    succeeds(fixture.run(&["fetch-wal", &segment, fixture.path("tmp/segment").to_str().unwrap()]));

    let other = fixture.path("keys/other");
    succeeds(fixture.run(&["keygen", other.to_str().unwrap()]));
    let output = fixture.run(&["verify"]).env("BACKUP_IDENTITY", &other).output().unwrap();
    refuses(&output, "is encrypted to another key");
}

fn segments(folder: &Path) -> Vec<PathBuf> {
    let mut segments: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "age"))
        .filter(|path| path.file_stem().unwrap().len() == 24)
        .collect();
    segments.sort();
    segments
}

fn newest_segment(folder: &Path) -> PathBuf {
    segments(folder).pop().unwrap()
}

fn predecessor(segment: &Path) -> PathBuf {
    segments(segment.parent().unwrap()).into_iter().rev().nth(1).unwrap()
}
