use super::*;

#[test]
fn codes_as_projects_write_them() {
    for (older, newer) in [
        ("A", "B"),
        ("Z", "AA"),
        ("N", "Ñ"),
        ("Ñ", "O"),
        ("C", "0"),
        ("0", "1"),
        ("9", "10"),
        ("1", "1A"),
        ("P01", "P02"),
        ("P09", "C01"),
        ("Rev. A", "rev b"),
        ("01", "2"),
        ("P01.02", "P02"),
        ("P01.9", "P01.10"),
        ("1.1", "2"),
        ("0.2", "1"),
        ("1.10", "2.0"),
        ("P-01", "P 02"),
        ("1-A", "1-B"),
    ] {
        assert_eq!(compare(older, newer), Some(Ordering::Less), "{older} < {newer}");
        assert_eq!(compare(newer, older), Some(Ordering::Greater), "{newer} > {older}");
    }
    assert_eq!(compare("2.0", "Rev. 2"), Some(Ordering::Equal));
    for (a, b) in [
        ("", "A"),
        ("P01", "3"),
        ("A1", "B1"),
        ("ñ?", "B"),
        ("99999999999999999999999", "1"),
        ("AS BUILT", "3"),
        ("FINAL", "BORRADOR"),
        ("10/01/2025", "02/05/2025"),
        ("", ""),
        ("-", "1"),
    ] {
        assert_eq!(compare(a, b), None, "{a} ? {b}");
    }
}

#[test]
fn dates_decide_where_codes_do_not_and_arrival_where_dates_do_not() {
    let at = |second| DateTime::from_timestamp(second, 0).unwrap();
    let revision = |code: &str, date: Option<i64>, accepted| Revision {
        code: code.to_owned(),
        date_modified: date.map(at),
        accepted_at: at(accepted),
    };
    assert!(
        revision("B", None, 1).replaces(&revision("A", None, 2)),
        "an old revision that comes late stays old"
    );
    assert!(revision("", Some(20), 1).replaces(&revision("", Some(10), 2)));
    assert!(revision("X1", None, 2).replaces(&revision("4", None, 1)));
    assert!(revision("A", None, 2).replaces(&revision("A", None, 1)), "the same code again is a correction");
}
