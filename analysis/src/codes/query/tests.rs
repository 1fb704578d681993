use super::*;

fn found(query: &str) -> Vec<String> {
    in_query(query).into_iter().map(|code| code.normalized).collect()
}

#[test]
fn a_number_is_found_with_any_separators() {
    for query in [
        "200076-CCC02-PL-AR-000400",
        "200076_ccc02_pl_ar_000400",
        "200076 ccc02 pl ar 000400",
        "200076.ccc02.pl.ar.000400",
        "  200076CCC02PLAR000400 ",
    ] {
        assert_eq!(found(query), ["200076CCC02PLAR000400"], "{query}");
        assert!(whole_query(query).is_some(), "{query}");
    }
}

#[test]
fn parts_of_a_number_are_found_inside_a_question() {
    assert_eq!(found("CCC02-PL"), ["CCC02PL"]);
    assert_eq!(found("000400"), ["000400"]);
    assert_eq!(found("rfi 42"), ["RFI42"]);
    assert_eq!(found("¿Qué dice el plano 000400?"), ["000400"]);
    assert_eq!(found("estado de la RFI 0042, por favor"), ["RFI0042"]);
    for query in [
        "RFI N° 0042",
        "rfi n°0042",
        "RFI N ° 0042",
        "RFI Nº 0042",
        "RFI N.º 0042",
        "RFI No. 0042",
        "la RFI núm. 0042",
    ] {
        assert_eq!(found(query), ["RFI0042", "0042"], "{query}");
        assert_eq!(whole_query(query).is_some(), !query.starts_with("la "), "{query}");
    }
    // What follows "N°" may be the whole number.
    assert!(found("OC N° 4500012345").contains(&"4500012345".to_owned()));
    assert!(found("doc. no. 200076 ccc02 pl ar 000400").contains(&"200076CCC02PLAR000400".to_owned()));
    assert_eq!(found("plano N° PL AR 000400"), ["PLAR000400", "AR000400"]);
    assert_eq!(found("N° PL-0042"), ["PL0042"]);
    assert_eq!(found("ART-001"), ["ART001"]);
    assert_eq!(found("bomba P-101A"), ["P101A"]);
    assert_eq!(found("400"), ["400"]);
}

#[test]
fn a_discipline_may_look_like_a_stop_word() {
    for query in ["200076 CCC02 PL ES 000211", "200076 ccc02 pl es 000211", "200076-CCC02 PL.ES_000211"] {
        assert_eq!(found(query), ["200076CCC02PLES000211"], "{query}");
        assert!(whole_query(query).is_some(), "{query}");
    }
    assert_eq!(
        found("el plano 200076 ccc02 pl in 000211"),
        ["200076CCC02PLIN000211", "200076CCC02PL", "000211"]
    );
    assert_eq!(found("plano 200076 en la página 3"), ["200076"]);
    assert_eq!(found("PLANO 200076 EN LA PÁGINA 3"), ["200076"]);
    assert_eq!(found("plano 200076 en, 3"), ["200076"]);
    assert_eq!(found("losa de 20 cm en 3 días"), Vec::<String>::new());
    assert!(found("plano 200076 en 24 horas").contains(&"200076".to_owned()));
}

#[test]
fn short_words_around_a_number_typed_with_spaces_do_not_hide_it() {
    assert_eq!(found("ver RFI 0042"), ["VERRFI0042", "RFI0042"]);
    assert_eq!(found("rfi 0042 eje b"), ["RFI0042EJEB", "RFI0042"]);
    assert!(found("ver RFI N° 0042 eje b").contains(&"RFI0042".to_owned()));
    assert_eq!(found("ver PL-AR-0042-A eje b"), ["VERPLAR0042AEJEB", "PLAR0042A"]);
    assert_eq!(found("¿Qué dice PL-AR-0042-A?"), ["PLAR0042A"]);
    assert_eq!(found("ver 20 cm"), ["VER20CM"], "VER20 would be a part of a measure");
    assert_eq!(found("ver art 12"), ["VERART12"], "an article is no number");
}

#[test]
fn words_after_a_number_do_not_hide_it() {
    for query in [
        "200076-CCC02-PL-AR-000400 rev B",
        "200076 ccc02 pl ar 000400 Rev. 3",
        "PLANO 200076-CCC02-PL-AR-000400 REV B",
        "¿Qué dice el plano 200076-CCC02-PL-AR-000400, rev. 2?",
    ] {
        assert_eq!(found(query), ["200076CCC02PLAR000400"], "{query}");
    }
    assert!(found("losa en la RFI-0042 eje B").contains(&"RFI0042".to_owned()));
    assert_eq!(found("bomba P-101A y RFI-0042/RFI-0043"), ["P101A", "RFI0042RFI0043", "RFI0042", "RFI0043"]);
    // The number of a document may end with its revision.
    assert!(found("P-101_REV3").contains(&"P101REV3".to_owned()));
    assert!(whole_query("P-101_REV3").is_some() && whole_query("PL-NO-0042").is_some());
}

#[test]
fn a_question_without_a_number_has_no_code() {
    for query in [
        "¿Cuántos puntos dejaron escapar en defensa los Panthers?",
        "planos aprobados en 2024",
        "losa de 20 cm",
        "RECUBRIMIENTO DE LA LOSA",
        "Which item costs 1,250,000?",
        "dosis de 0,050 kg, máximo 0,0025",
        "¿Qué dice el art. 12 del pliego?",
        "orden de compra N° 123 a 25 °C",
        "",
        "…",
    ] {
        assert_eq!(found(query), Vec::<String>::new(), "{query}");
    }
    assert!(whole_query("bomba P-101A").is_none());
}

#[test]
fn the_codes_of_a_query_are_bounded() {
    let many: String = (0..100).map(|n| format!("RFI-{n:04}, ")).collect();
    assert_eq!(found(&many).len(), MAX_CODES);
    assert!(found(&"1 ".repeat(1_000)).is_empty());
}
