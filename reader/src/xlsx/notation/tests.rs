use super::*;

fn shown(code: &str, number: &str) -> String {
    Notation::read(code).shown(number)
}

#[test]
fn numbers_are_shown_with_their_currency_or_unit() {
    for (code, number, expected) in [
        ("\"UF \"#,##0.00", "12.5", "UF 12.5"),
        ("#,##0.00\\ [$€-40A]", "-12.5", "-12.5 €"),
        ("[$UF] #,##0;[Red]-[$UF] #,##0", "-3", "-UF 3"),
        ("_-* #,##0.00\\ \"€\"_-;\\-* #,##0.00\\ \"€\"_-;_-* \"-\"??\\ \"€\"_-;_-@_-", "7", "7 €"),
        ("_($* #,##0_);_($* (#,##0);_($* \"-\"_);_(@_)", "5", "$5"),
        ("General\" m2\"", "20", "20 m2"),
        ("0.0\" %\"", "45", "45 %"),
        ("0%;[Red]-0%", "45", "45%"),
        ("0%;;", "45", "45%"),
        ("+0%;-0%;0%", "3", "+3%"),
        ("+0%;-0%;0%", "-3", "-3%"),
    ] {
        assert_eq!(shown(code, number), expected, "{code}");
    }
    assert!(Notation::read("0%").percent && !Notation::read("0.0\" %\"").percent);
}

#[test]
fn leading_zeros_are_kept() {
    for (code, number, expected) in [
        ("0000", "21", "0021"),
        ("\"P-\"000", "7", "P-007"),
        ("00.00", "-7.25", "-07.25"),
        ("0000", "123456", "123456"),
        ("0.00", "0.5", "0.5"),
        ("#,##0", "5", "5"),
    ] {
        assert_eq!(shown(code, number), expected, "{code}");
    }
    assert_eq!(shown("0000", ""), "");
}

#[test]
fn a_notation_that_would_change_the_number_is_not_read() {
    for code in [
        "General",
        "@",
        "0.00E+00",
        "# ?/?",
        "000\\-000",
        "0.0,,\" M\"",
        "[>=1000]0\" alta\";0\" baja\"",
        "0\" sobre\";0\" bajo\"",
        "\"sí\";\"no\"",
        ";;;",
        "\"abierto",
        "0\\",
    ] {
        assert_eq!(shown(code, "1234"), "1234", "{code}");
    }
    assert_eq!(shown(&format!("0\"{}\"", "m".repeat(LONGEST_CODE)), "1234"), "1234");
}
