use chrono::TimeDelta;

use super::*;
use crate::seal;

const SIZE: u64 = 16 << 20;

/// A database whose second timeline leaves the first one in the middle of segment 5, written after 14:02.
fn restored_once() -> (tempfile::TempDir, Repository, Identity) {
    let folder = tempfile::tempdir().unwrap();
    let repository = Repository::new(folder.path()).unwrap();
    let identity = Identity::generate();
    let file = folder.path().join("history");
    std::fs::write(&file, "1\t0/5800000\tbefore 2026-11-24 14:02:00+00\n").unwrap();
    wal::archive(&repository, &identity.to_public(), &file, "00000002.history").unwrap();
    (folder, repository, identity)
}

fn at(minute: i64) -> DateTime<Utc> {
    "2026-11-24T14:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::minutes(minute)
}

fn set(minute: i64, timeline: u32, number: u64) -> Set {
    let mut set = Set::new("set".into(), SIZE, Segment { timeline, number });
    set.queue_read_at = at(minute);
    set
}

#[test]
fn only_backups_before_the_fork_are_on_the_next_timeline() {
    let (_folder, repository, identity) = restored_once();
    let choose = |wanted| Timeline::choose(&repository, &identity, &[], wanted, None).unwrap();
    let contained = |timeline: &Timeline, sets: [(u32, u64); 5]| {
        sets.map(|(id, number)| timeline.contains(&set(0, id, number)))
    };
    let sets = [(1, 4), (1, 5), (1, 9), (2, 5), (2, 9)];
    let newest = choose(None);
    assert_eq!((newest.id, contained(&newest, sets)), (2, [true, false, false, true, true]));
    let first = choose(Some(1));
    assert_eq!((first.id, contained(&first, sets)), (1, [true, true, true, false, false]));
}

#[test]
fn a_moment_that_the_newest_timeline_does_not_have_is_refused() {
    let (_folder, repository, identity) = restored_once();
    let mut sets = vec![set(0, 1, 4), set(10, 1, 7), set(20, 1, 9)];
    let choose = |sets: &[Set], minute| {
        Timeline::choose(&repository, &identity, sets, None, Some(at(minute))).map(|timeline| timeline.id)
    };
    assert_eq!(choose(&sets, -1).unwrap(), 2);
    for minute in [5, 15, 25] {
        let error = choose(&sets, minute).unwrap_err().to_string();
        assert!(error.contains("add --timeline 1"), "{error}");
    }
    // The restored server makes backups from 14:40 on.
    sets.extend([set(40, 2, 6), set(50, 2, 7)]);
    assert!(choose(&sets, 15).is_err());
    assert_eq!(choose(&sets, 45).unwrap(), 2);
    assert_eq!(choose(&sets, 55).unwrap(), 2);
}

#[test]
fn what_another_timeline_wrote_hides_no_gap() {
    let (_folder, repository, identity) = restored_once();
    let archive = |timeline, number| {
        seal::plain(&repository.wal(&format!("{}.age", Segment { timeline, number })), b"").unwrap();
    };
    for (timeline, number) in [(1, 4), (1, 5), (1, 6), (1, 7), (2, 5), (2, 7)] {
        archive(timeline, number);
    }
    let chain = |id| {
        let timeline = Timeline::read(&repository, &identity, id).unwrap();
        timeline.chain(&repository, Segment { timeline: 1, number: 4 }, &set(0, id, 7))
    };
    assert_eq!(chain(1).unwrap().len(), 4);
    let error = chain(2).unwrap_err().to_string();
    assert!(error.contains("000000020000000000000006 is missing"), "{error}");
    archive(2, 6);
    let found: Vec<_> = chain(2).unwrap().iter().map(|segment| (segment.timeline, segment.number)).collect();
    assert_eq!(found, [(1, 4), (2, 5), (2, 6), (2, 7)]);
}

#[test]
fn the_position_at_which_a_segment_ends_follows_from_its_name() {
    let end = |name| Segment::parse(name).unwrap().end(SIZE);
    assert_eq!(end("000000010000000000000004"), 0x500_0000);
    assert_eq!(end("0000000100000000000000FF"), 1 << 32);
    assert_eq!(parse("2\t1/0\tno recovery target specified"), Some((2, 1 << 32)));
    assert_eq!(parse(""), None);
}
