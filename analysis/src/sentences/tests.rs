use proptest::{collection::vec, prelude::*, sample::select};

use super::*;

#[test]
fn a_text_is_split_at_the_end_of_its_sentences() {
    assert_eq!(
        split("El muro se ejecutará en hormigón. ¿Cuándo? ¡Ya! The slab follows. It is 3.5 m thick."),
        ["El muro se ejecutará en hormigón.", "¿Cuándo?", "¡Ya!", "The slab follows.", "It is 3.5 m thick."]
    );
    assert!(split(" \n ").is_empty() && split("").is_empty());
}

#[test]
fn abbreviations_do_not_end_a_sentence() {
    for whole in [
        "El Sr. Pérez y la Dra. Gómez firmaron el acta.",
        "Según la fig. 3 y el art. 12 del pliego núm. 4 de la obra.",
        "See Fig. A-3 and Ref. P-101 for details.",
        "El ancho es máx. 3 m y mín. 2 m.",
        "Firmado por J. M. Pérez en Madrid.",
        "La empresa Construcciones S.A. Ingenieros presentó la oferta.",
        "Item No. 5 is closed.",
        "Mide 12.500,50 m2 aprox. 3 veces más.",
        "Se usará p. ej. acero o similar.",
        "Av. Los Próceres 123, Lima.",
        "El Depto. Técnico aprobó la Res. Exenta según el Ord. N° 123 y el Of. Nº 45.",
    ] {
        assert_eq!(split(whole), [whole]);
    }
}

#[test]
fn words_that_look_like_abbreviations_end_a_sentence() {
    assert_eq!(split("La respuesta es no. El plazo sigue."), ["La respuesta es no.", "El plazo sigue."]);
    assert_eq!(split("Es el bloque B. El hormigón es HA-25."), ["Es el bloque B.", "El hormigón es HA-25."]);
    assert_eq!(split("Espere 10 min. Después vierta."), ["Espere 10 min.", "Después vierta."]);
}

#[test]
fn list_items_and_table_rows_stand_alone_with_their_markers() {
    assert_eq!(split("1. Excavar\n2. Hormigonar\na) Curar"), ["1. Excavar", "2. Hormigonar", "a) Curar"]);
    assert_eq!(split("- uno\n- dos"), ["- uno", "- dos"]);
    assert_eq!(
        split("Sala: A; Área: 20 m2\nSala: B; Área: 30 m2"),
        ["Sala: A; Área: 20 m2", "Sala: B; Área: 30 m2"]
    );
    assert_eq!(split("3.2. Alcance del trabajo."), ["3.2. Alcance del trabajo."]);
}

#[test]
fn a_table_row_is_one_sentence_also_if_a_cell_has_several() {
    for row in [
        "N.º: 3; Acuerdo: Se instala baranda. El plazo es el viernes; Responsable: Soto",
        "Muro; Acuerdo: Se pica. Se rehace; Plazo: 3 días",
        "id: 3; acuerdo: se instala la baranda. El plazo es el viernes; responsable: Soto",
    ] {
        let text = format!("Se acordó lo siguiente.\n{row}\n{row}\nNada más. Firman.");
        assert_eq!(split(&text), ["Se acordó lo siguiente.", row, row, "Nada más.", "Firman."]);
    }
}

#[test]
fn prose_with_colons_is_no_table_row() {
    assert_eq!(
        split("El contrato incluye: losas y muros; excluye: pinturas. El plazo es de 30 días."),
        ["El contrato incluye: losas y muros; excluye: pinturas.", "El plazo es de 30 días."]
    );
    assert_eq!(
        split("La losa se arma. Nota: ver plano; Obs: revisar; Plano: E-2. Luego se hormigona."),
        ["La losa se arma.", "Nota: ver plano; Obs: revisar; Plano: E-2.", "Luego se hormigona."]
    );
    assert_eq!(
        split(
            "Hormigón: H-30; Acero: A630-420H. Las barras se traslapan 60 cm. El recubrimiento es de 3 cm."
        ),
        [
            "Hormigón: H-30; Acero: A630-420H.",
            "Las barras se traslapan 60 cm.",
            "El recubrimiento es de 3 cm.",
        ]
    );
}

#[test]
fn rows_are_recognized_as_the_reader_writes_them() {
    for row in [
        "Sala: A; Área: 20 m2",
        "Peso; U1: 17,0; U2: 19,0",
        "Tema: Losa; Acuerdo: Se cura. Se mide.",
        "Vigas y losas: H-35",
        "P-204; 0,90 m; F-60",
        "P-204 | 0,90 m",
    ] {
        assert!(is_row(row), "{row}");
    }
    for prose in [
        "La losa se cura siete días.",
        "Nota: la losa se cura siete días.",
        "Se arma; se hormigona; se cura.",
        "La losa se cura. Plazo: siete días",
        "Se indica lo siguiente: ",
        "",
    ] {
        assert!(!is_row(prose), "{prose}");
    }
}

#[test]
fn wrapped_lines_are_one_sentence() {
    let wrapped = "El contratista presentará el programa de trabajo\nantes de iniciar la excavación.";
    assert_eq!(split(wrapped), [wrapped]);
    assert_eq!(split("acero\nmadera"), ["acero", "madera"]);
    assert_eq!(split("Primer párrafo sin punto que es bastante largo\n\ny otro").len(), 2);
}

#[test]
fn nothing_but_white_space_is_lost() {
    for text in [
        "A. B.\r\nC…  D?! «E.» (F.) \u{2029}G\u{c}H\u{85}I",
        "日本語。テキスト。 👷🏽‍♀️ Obra. \u{0}",
        "...... ... ?!?! \n\n\n- \n1.\n",
        "e\u{301}.\u{301} Ünï. ﬁn",
    ] {
        let solid = |s: &str| s.chars().filter(|c| !c.is_whitespace()).collect::<String>();
        let sentences = split(text);
        assert_eq!(solid(&sentences.concat()), solid(text), "{text:?}");
        assert!(sentences.iter().all(|sentence| sentence.trim() == *sentence && !sentence.is_empty()));
    }
}

#[test]
fn the_time_is_linear_in_the_length() {
    let units =
        ["a", ". ", ")", "(", " ", "\n", "a. ", "1. ", "Sr. ", ".", "1.", "?)", "J. ", ".\n", "\u{301}"];
    let rows = ["; ", ": ", "A; ", "a: B; ", "A: B. C; ", "A: B; C: D. E\n"];
    // After a full stop, Unicode's rules look ahead.
    let ahead = [")", "\"", " ", "\u{345}", ")\u{345}", ")\u{ad}", "1)", "-"]
        .map(|unit| format!("a.{}", unit.repeat(200_000)));
    for text in units.into_iter().chain(rows).map(|unit| unit.repeat(200_000)).chain(ahead) {
        let start = std::time::Instant::now();
        split(&text);
        assert!(start.elapsed().as_secs() < 20, "{:?} took {:?}", &text.get(..6), start.elapsed());
    }
}

/// Characters of each kind that Unicode's rules for sentences name, and what may stand between them.
const PIECES: &[&str] = &[
    ".", "!", "?", "…", "。", "\u{2024}", " ", "\u{a0}", "\t", "\n", "\r", "\r\n", "\u{85}", "\u{2029}", "a",
    "B", "ñ", "É", "ª", "ǅ", "א", "1", "٣", "²", "(", ")", "»", "\"", ",", ":", "-", "—", "\u{301}",
    "\u{ad}", "\u{200d}", "×", "😀",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn looking_only_around_marks_finds_all_of_unicodes_boundaries(pieces in vec(select(PIECES), 0..24)) {
        let text = pieces.concat();
        let all: Vec<usize> = text.split_sentence_bound_indices().skip(1).map(|(at, _)| at).collect();
        prop_assert_eq!(boundaries(&text), all);
    }
}
