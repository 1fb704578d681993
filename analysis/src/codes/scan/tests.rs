use proptest::{collection::vec, prelude::*};

use super::*;
use crate::codes::{identity, in_query, whole_query};

fn found(text: &str) -> Vec<String> {
    find(text).into_iter().map(|code| code.normalized).collect()
}

#[test]
fn codes_are_found_in_running_text() {
    assert_eq!(
        found("Según el plano 200076-CCC02-PL-AR-000400 (ver RFI-0042/RFI-0043), la bomba P-101A y la P102."),
        ["200076CCC02PLAR000400", "RFI0042", "RFI0043", "P101A", "P102"]
    );
    assert_eq!(found("200076_CCC02_PL_AR_000400.pdf"), ["200076CCC02PLAR000400"]);
    assert_eq!(found("norma E.060, hormigón HA-25/B/20/IIa, EXP/2024/12"), ["E060", "HA25", "EXP202412"]);
    assert_eq!(found("2024-000123"), ["2024000123"]);
}

#[test]
fn a_code_has_its_range_and_parts() {
    let text = "¡Ojo: RFI–0042!";
    let codes = find(text);
    assert_eq!(&text[codes[0].range.clone()], "RFI–0042");
    assert_eq!(codes[0].parts, ["RFI", "0042"]);
}

#[test]
fn dates_figures_and_quantities_are_no_codes() {
    for text in [
        "2024-01-15, 15/01/2024, 15-1-24",
        "1990-2000",
        "3.2.1 y 3.5m",
        "20mm, 3 kg/m2, 5-10m",
        "aire-agua, y/o",
        "diseño-2ª fase",
        "disen\u{303}o-2, Memoria-Ca\u{301}lculo-01",
        "12,5 °C; 100 %",
        "…",
    ] {
        assert_eq!(found(text), Vec::<String>::new(), "{text}");
    }
    assert!(find(&"A1-".repeat(1_000)).is_empty(), "a chain of too many segments is no number");
    assert!(find(&"A1".repeat(1_000)).is_empty());
}

/// The parts of random texts that contain document numbers and similar strings.
fn any_text() -> impl Strategy<Value = String> {
    let pieces = [
        "RFI", "pl", "0", "42", "1", "A", "-", "–", "_", "/", ".", " ", "²", "ñ", "İ", "ß", "٣", "\u{301}",
        "\n",
    ];
    let piece = prop_oneof![
        8 => proptest::sample::select(pieces.to_vec()).prop_map(str::to_owned),
        1 => any::<String>(),
    ];
    vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn whatever_is_found_stands_in_the_text(text in any_text()) {
        let mut end = 0;
        for code in find(&text) {
            prop_assert!(code.range.start >= end, "in order, and none within another");
            end = code.range.end;
            prop_assert_eq!(normalize(&text[code.range]), code.normalized.as_str());
            prop_assert_eq!(code.parts.concat(), code.normalized.as_str());
            prop_assert!(code.normalized.len() <= MAX_CODE_CHARS && code.parts.len() <= MAX_SEGMENTS);
        }
    }

    #[test]
    fn whatever_a_query_names_stands_in_it(text in any_text()) {
        let codes = in_query(&text);
        prop_assert!(codes.len() <= 8);
        for code in codes {
            prop_assert!(text.get(code.range.clone()).is_some());
            prop_assert!(!code.normalized.is_empty() && code.normalized.is_ascii());
        }
        // Without "N°" and the like, which say that a number follows.
        if let Some(code) = whole_query(&text) && !text.contains(['n', 'N', 'º']) {
            prop_assert_eq!(normalize(&text), code.normalized);
        }
    }

    #[test]
    fn a_number_in_its_form_keeps_it(text in any_text()) {
        let normalized = normalize(&text);
        prop_assert_eq!(normalize(&normalized), normalized);
        if let Some(identity_of) = identity(&text) {
            prop_assert!(identity_of.chars().any(char::is_numeric));
        }
    }
}
