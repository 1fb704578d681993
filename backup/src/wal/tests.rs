use super::*;

const SIZE: u64 = 16 << 20;

fn archive_of(names: &[&str]) -> (tempfile::TempDir, Repository, Identity) {
    let folder = tempfile::tempdir().unwrap();
    let repository = Repository::new(folder.path()).unwrap();
    let identity = Identity::generate();
    for name in names {
        let file = folder.path().join(name);
        std::fs::write(&file, name).unwrap();
        archive(&repository, &identity.to_public(), &file, name).unwrap();
    }
    (folder, repository, identity)
}

#[test]
fn a_segment_is_archived_once_and_fetched_as_it_was() {
    let (folder, repository, identity) = archive_of(&["000000010000000000000001"]);
    let file = folder.path().join("000000010000000000000001");
    let again = |text: &str| {
        std::fs::write(&file, text).unwrap();
        archive(&repository, &identity.to_public(), &file, "000000010000000000000001")
    };
    again("000000010000000000000001").unwrap();
    assert!(again("of another database").is_err());
    let to = folder.path().join("fetched");
    assert!(fetch(&repository, &identity, "000000010000000000000001", &to).unwrap());
    assert_eq!(std::fs::read_to_string(&to).unwrap(), "000000010000000000000001");
    assert!(!fetch(&repository, &identity, "00000002.history", &to).unwrap());
    // A valid file under another name can be decrypted, but must be refused.
    std::fs::copy(
        repository.wal("000000010000000000000001.age"),
        repository.wal("000000010000000000000002.age"),
    )
    .unwrap();
    seal::plain(&repository.wal("000000010000000000000002.sha256"), b"00").unwrap();
    assert!(fetch(&repository, &identity, "000000010000000000000002", &to).is_err());
}

#[test]
fn the_log_is_not_archived_with_another_key_than_the_backups() {
    let (folder, repository, identity) = archive_of(&["000000010000000000000001"]);
    let segment = Segment { timeline: 1, number: 1 };
    let mut set = Set::new(repository.new_set(chrono::Utc::now(), "full"), SIZE, segment);
    set.recipient = Some(identity.to_public().to_string());
    set.commit().unwrap();
    let file = folder.path().join("000000010000000000000001");
    let archive = |key: &Identity| archive(&repository, &key.to_public(), &file, "000000010000000000000002");
    let refused = archive(&Identity::generate()).unwrap_err().to_string();
    assert!(refused.contains("Use that key, or a new folder"), "{refused}");
    archive(&identity).unwrap();
}

#[test]
fn a_gap_in_the_log_is_an_error() {
    let names = [
        "0000000100000000000000FE",
        "0000000100000000000000FF",
        "000000010000000100000000",
        "000000020000000100000001",
    ];
    let segment = |name| Segment::parse(name).unwrap();
    assert_eq!(segment(names[2]).to_string(), names[2]);
    let (_folder, repository, _) = archive_of(&names);
    let chain =
        |end| chain(&repository, segment(names[0]), &Set::new("set".into(), SIZE, segment(end)), |_| 1..=2);
    let all = chain(names[1]).unwrap();
    assert_eq!(all, names.map(segment));
    assert!(chain("000000020000000100000002").is_err());
    std::fs::remove_file(repository.wal(&format!("{}.age", names[2]))).unwrap();
    let error = chain(names[1]).unwrap_err();
    assert!(error.to_string().contains(names[2]), "{error}");
}
