use super::*;

fn of(json: &str) -> Vec<String> {
    read(json.as_bytes(), &Limits::default()).unwrap().blocks.into_iter().map(|block| block.text).collect()
}

#[test]
fn values_are_named_by_their_path() {
    assert_eq!(
        of(
            r#"{"obra": {"nombre": "Torre", "pisos": 12}, "usos": ["casa", "tienda"], "x": null, "n": [{"a": 1}]}"#
        ),
        ["obra.nombre: Torre\nobra.pisos: 12\nusos: casa, tienda\nn.a: 1"]
    );
    assert_eq!(of("{\"a\":1}\n{\"a\":2}\n"), ["a: 1", "a: 2"]);
    assert_eq!(of("[{\"a\":1}, \"dos\"]"), ["a: 1", "dos"]);
}

#[test]
fn invalid_and_deep_json_is_refused_as_damaged() {
    for json in [
        "{\"a\": 1",
        "[1, 2",
        "{\"a\" 1}",
        &"[".repeat(100_000),
        &format!("{}1{}", "[".repeat(500), "]".repeat(500)),
    ] {
        assert!(matches!(read(json.as_bytes(), &Limits::default()), Err(Error::Damaged(_))), "{json:.20}");
    }
}
