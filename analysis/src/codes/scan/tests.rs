use super::*;

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
        "12,5 °C; 100 %",
        "…",
    ] {
        assert_eq!(found(text), Vec::<String>::new(), "{text}");
    }
    assert!(find(&"A1-".repeat(1_000)).is_empty(), "a chain of too many segments is no number");
    assert!(find(&"A1".repeat(1_000)).is_empty());
}
