use super::*;

#[test]
fn old_backups_are_removed_with_the_files_that_only_they_need() {
    let folder = tempfile::tempdir().unwrap();
    let repository = Repository::new(folder.path()).unwrap();
    let segment = |number| Segment { timeline: 1, number };
    let write = |path: PathBuf| seal::plain(&path, b"x").unwrap();
    for number in 1..=9 {
        write(repository.wal(&format!("{}.age", segment(number))));
    }
    write(repository.wal("00000002.history.age"));
    for version in ["old", "shared", "new", "nobodys"] {
        write(repository.file(version));
    }
    let moment = |second| DateTime::from_timestamp(second, 0).unwrap();
    let set = |second, base: Option<u64>, files: &[&str]| {
        let mut set = Set::new(repository.new_set(moment(second), "test"), 16 << 20, segment(9));
        set.queue_read_at = moment(second);
        set.base = base.map(|number| Base { wal_start: segment(number), finished_at: moment(second) });
        seal::plain(&set.folder.join(VERSIONS), files.join("\n").as_bytes()).unwrap();
        set.commit().unwrap();
    };
    set(1, Some(2), &["old", "shared"]);
    set(2, None, &["old"]);
    set(3, Some(5), &["shared"]);
    set(4, None, &["new"]);
    set(5, Some(8), &["new"]);
    fs::create_dir_all(repository.new_set(moment(6), "full")).unwrap(); // an interrupted backup

    repository.tidy(2).unwrap();
    let left: Vec<i64> = repository.sets().unwrap().iter().map(|set| set.queue_read_at.timestamp()).collect();
    assert_eq!(left, [3, 4, 5]);
    assert!(!repository.new_set(moment(6), "full").exists());
    let wal = |number| repository.wal(&format!("{}.age", segment(number))).exists();
    assert_eq!([4, 5, 9].map(wal), [false, true, true]);
    assert!(repository.wal("00000002.history.age").exists());
    assert_eq!(
        ["old", "shared", "new", "nobodys"].map(|file| repository.file(file).exists()),
        [false, true, true, false]
    );
}

#[test]
fn what_is_listed_since_the_newest_full_backup_is_not_listed_again() {
    let folder = tempfile::tempdir().unwrap();
    let segment = Segment { timeline: 1, number: 1 };
    let set = |name, is_full: bool, files: &str| {
        let mut set = Set::new(folder.path().join(name), 16 << 20, segment);
        set.base = is_full.then(|| Base { wal_start: segment, finished_at: Utc::now() });
        seal::plain(&set.folder.join(VERSIONS), files.as_bytes()).unwrap();
        set
    };
    let sets = [
        set("1", true, "replaced\nkept\n"),
        set("2", false, "deleted\n"),
        set("3", true, "kept\n"),
        set("4", false, "new\n"),
    ];
    assert_eq!(listed(&sets), HashSet::from(["kept", "new"].map(str::to_owned)));
}

#[test]
fn without_a_list_of_needed_files_nothing_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let repository = Repository::new(folder.path()).unwrap();
    let segment = Segment { timeline: 1, number: 1 };
    for kind in ["old", "new"] {
        let mut set = Set::new(repository.new_set(Utc::now(), kind), 16 << 20, segment);
        set.base = Some(Base { wal_start: segment, finished_at: Utc::now() });
        set.commit().unwrap();
    }
    seal::plain(&repository.file("version"), b"x").unwrap();
    assert!(repository.tidy(1).is_err());
    assert_eq!((repository.sets().unwrap().len(), repository.file("version").exists()), (2, true));
}

#[test]
fn a_folder_takes_no_backup_for_another_key() {
    let folder = tempfile::tempdir().unwrap();
    let repository = Repository::new(folder.path()).unwrap();
    repository.ensure_same_recipient("age1new").unwrap();
    let segment = Segment { timeline: 1, number: 1 };
    let mut set = Set::new(repository.new_set(Utc::now(), "full"), 16 << 20, segment);
    set.recipient = Some("age1old".to_owned());
    set.commit().unwrap();
    // A backup that cannot be read does not say its key, but the log must still be archived.
    seal::plain(&repository.new_set(Utc::now(), "unreadable").join(SET), b"{").unwrap();
    repository.ensure_same_recipient("age1old").unwrap();
    let refused = repository.ensure_same_recipient("age1new").unwrap_err();
    assert!(refused.to_string().contains("age1old"), "{refused}");
}

#[test]
fn the_remains_of_a_first_backup_are_removed_but_not_its_files() {
    let folder = tempfile::tempdir().unwrap();
    let repository = Repository::new(folder.path()).unwrap();
    let remains = repository.new_set(Utc::now(), "full");
    seal::plain(&remains.join(BASE), b"half").unwrap();
    seal::plain(&repository.file("version"), b"x").unwrap();
    repository.tidy(1).unwrap();
    assert_eq!((remains.exists(), repository.file("version").exists()), (false, true));
}

#[test]
fn a_backup_that_cannot_be_read_is_not_removed() {
    let folder = tempfile::tempdir().unwrap();
    let repository = Repository::new(folder.path()).unwrap();
    let segment = Segment { timeline: 1, number: 1 };
    let mut set = Set::new(repository.new_set(Utc::now(), "full"), 16 << 20, segment);
    set.base = Some(Base { wal_start: segment, finished_at: Utc::now() });
    seal::plain(&set.folder.join(VERSIONS), b"").unwrap();
    set.commit().unwrap();
    // Reading a folder fails, as reading a file of a volume that is gone does.
    let unreadable = repository.new_set(Utc::now(), "unreadable");
    fs::create_dir_all(unreadable.join(SET)).unwrap();
    assert!(repository.tidy(1).is_err());
    assert!(unreadable.exists());
}

#[test]
fn backups_of_another_format_are_kept_until_newer_ones_take_their_place() {
    let folder = tempfile::tempdir().unwrap();
    let repository = Repository::new(folder.path()).unwrap();
    let moment = |second| DateTime::from_timestamp(second, 0).unwrap();
    let other = |second| {
        let folder = repository.new_set(moment(second), "full");
        // Another format has other fields.
        seal::plain(&folder.join(SET), br#"{"format": 1, "files": []}"#).unwrap();
        folder
    };
    let full = |second| {
        let segment = Segment { timeline: 1, number: 1 };
        let mut set = Set::new(repository.new_set(moment(second), "full"), 16 << 20, segment);
        set.queue_read_at = moment(second);
        set.base = Some(Base { wal_start: segment, finished_at: moment(second) });
        seal::plain(&set.folder.join(VERSIONS), b"").unwrap();
        set.commit().unwrap();
    };
    let before = other(1);
    seal::plain(&repository.file("version"), b"x").unwrap();
    repository.tidy(1).unwrap();
    assert!(repository.sets().unwrap().is_empty());
    assert!(before.exists() && repository.file("version").exists());

    full(2);
    let after = other(3);
    repository.tidy(1).unwrap();
    assert_eq!(repository.sets().unwrap().len(), 1);
    assert_eq!((before.exists(), after.exists(), repository.file("version").exists()), (false, true, true));

    full(4);
    repository.tidy(1).unwrap();
    assert_eq!(repository.sets().unwrap().len(), 1);
    assert_eq!((after.exists(), repository.file("version").exists()), (false, false));
}

#[test]
fn a_new_timeline_keeps_its_log_while_backups_of_the_old_one_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let repository = Repository::new(folder.path()).unwrap();
    let moment = |second| DateTime::from_timestamp(second, 0).unwrap();
    // After the second backup, the database was restored to a moment in segment 4.
    for (second, timeline, number) in [(1, 1, 2), (2, 1, 8), (3, 2, 5)] {
        let segment = Segment { timeline, number };
        let mut set = Set::new(repository.new_set(moment(second), "full"), 16 << 20, segment);
        set.queue_read_at = moment(second);
        set.base = Some(Base { wal_start: segment, finished_at: moment(second) });
        seal::plain(&set.folder.join(VERSIONS), b"").unwrap();
        set.commit().unwrap();
    }
    let log = |timeline, number| repository.wal(&format!("{}.age", Segment { timeline, number }));
    for (timeline, number) in [(1, 2), (1, 8), (2, 4), (2, 5), (2, 6)] {
        seal::plain(&log(timeline, number), b"x").unwrap();
    }
    repository.tidy(2).unwrap();
    let left =
        [(1, 2), (1, 8), (2, 4), (2, 5), (2, 6)].map(|(timeline, number)| log(timeline, number).exists());
    assert_eq!(left, [false, true, false, true, true]);
}

#[tokio::test]
async fn a_run_waits_for_the_lock_for_a_bounded_time() {
    let folder = tempfile::tempdir().unwrap();
    let repository = Repository::new(folder.path()).unwrap();
    let _full = repository.lock_full().unwrap();
    assert!(repository.lock_full().is_err());
    // A full backup that copies the database does not prevent other runs.
    let held = repository.lock(Duration::ZERO).await.unwrap();
    assert!(repository.lock(Duration::ZERO).await.is_err());
    let mut waiting = std::pin::pin!(repository.lock(Duration::from_secs(600)));
    assert!(tokio::time::timeout(Duration::from_millis(300), &mut waiting).await.is_err());
    drop(held);
    waiting.await.unwrap();
}
