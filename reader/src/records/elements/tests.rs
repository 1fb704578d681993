use super::*;

const LIMIT: usize = 100;

/// Returns each element as its place with its JSON or its error. The buffer is so small that it ends in every
/// state of the parser.
fn of(json: &str) -> Vec<String> {
    let reader = std::io::BufReader::with_capacity(3, json.as_bytes());
    elements(reader, LIMIT)
        .map(|(place, json)| match json {
            Ok(json) => format!("{place}:{}", String::from_utf8(json).unwrap().trim()),
            Err(Error::TooLarge(LIMIT)) => format!("{place}:too large"),
            Err(error) => format!("{place}:{error:?}").to_lowercase(),
        })
        .collect()
}

#[test]
fn lists_lines_and_single_objects_are_split() {
    assert_eq!(of("{\"a\":1}\n\n{\"a\":2}\r\n"), ["1:{\"a\":1}", "3:{\"a\":2}"]);
    assert_eq!(of("\n{\"a\":1}"), ["2:{\"a\":1}"]);
    assert_eq!(
        of("[{\"a\":[1,2]}, {\"b\":\"]}\\\"\"}\n, 3,\"x\" ]\n"),
        ["1:{\"a\":[1,2]}", "2:{\"b\":\"]}\\\"\"}", "3:3", "4:\"x\""]
    );
    assert_eq!(of("{\n \"a\": 1\n}\n{\"b\":\n2}"), ["1:{\n \"a\": 1\n}", "2:{\"b\":\n2}"]);
    assert_eq!(of("[]"), Vec::<String>::new());
    assert_eq!(of("  \n "), Vec::<String>::new());
}

#[test]
fn an_invalid_line_does_not_affect_the_others() {
    assert_eq!(of("{\"a\":1}\n{\"a\":\n{\"a\":3}\n"), ["1:{\"a\":1}", "2:{\"a\":", "3:{\"a\":3}"]);
    assert_eq!(of("{\"a\":\n{\"a\":2}\n"), ["1:{\"a\":", "2:{\"a\":2}"]);
}

#[test]
fn values_that_are_too_large_are_skipped() {
    let large = format!("{{\"a\":\"{}\"}}", "x".repeat(1_000));
    assert_eq!(
        of(&format!("{{\"a\":1}}\n{large}\n{{\"a\":3}}")),
        ["1:{\"a\":1}", "2:too large", "3:{\"a\":3}"]
    );
    assert_eq!(of(&format!("{large}\n{{\"a\":2}}")), ["1:too large", "2:{\"a\":2}"]);
    assert_eq!(of(&format!("[{large},{{\"a\":2}}]")), ["1:too large", "2:{\"a\":2}"]);
}

#[test]
fn a_missing_end_is_reported() {
    assert_eq!(of("[{\"a\":1}, {\"a\""), ["1:{\"a\":1}", "2:incomplete"]);
    assert_eq!(of("[{\"a\":1}"), ["1:{\"a\":1}", "2:incomplete"]);
    assert_eq!(of("{\"a\":\n{"), ["1:incomplete"]);
    assert_eq!(of("[1] x"), ["1:1", "2:stray"]);
}
