use super::*;

fn texts(text: &str, language: Language) -> Vec<String> {
    index_terms(text, language).into_iter().map(|term| term.text).collect()
}

/// Returns how many words of the query the text contains in any form, and how many words the query has.
fn hits(query: &str, text: &str, language: Language) -> (usize, usize) {
    let index: HashSet<String> = texts(text, language).into_iter().collect();
    let terms = query_terms(query);
    let hits = terms.iter().filter(|term| term.forms.iter().any(|form| index.contains(form))).count();
    (hits, terms.len())
}

#[test]
fn stems_are_counted_without_stop_words() {
    let terms = index_terms("Los planos de la planta; un plano.", Language::Spanish);
    let plano = terms.iter().find(|term| term.text == "plan").expect("the stem of plano");
    assert_eq!(plano.frequency, 2);
    assert!(!terms.iter().any(|term| ["los", "de", "la", "un"].contains(&term.text.as_str())));
}

#[test]
fn words_typed_without_accents_are_found() {
    assert_eq!(
        hits("aplicacion pintura diseno", "La aplicación de la pintura del diseño", Language::Spanish),
        (3, 3)
    );
    assert_eq!(hits("cálculo", "Memoria-Ca\u{301}lculo-01.pdf", Language::Spanish), (1, 1));
    assert_eq!(hits("APLICACIÓN", "aplicaciones", Language::Spanish), (1, 1));
}

#[test]
fn a_query_word_is_found_in_both_languages() {
    assert_eq!(hits("drawings of the pumps", "The drawing shows one pump.", Language::English), (2, 2));
    assert_eq!(hits("bombas", "La bomba", Language::Spanish), (1, 1));
    assert_eq!(hits("bombas", "bomba 3", Language::Unknown), (1, 1));
}

#[test]
fn a_code_is_found_whole_in_part_and_however_typed() {
    let text = "Ver plano 200076-CCC02-PL-AR-000400 y la RFI-0042.";
    for language in [Language::Spanish, Language::English, Language::Unknown] {
        for query in [
            "200076-CCC02-PL-AR-000400",
            "200076_ccc02_pl_ar_000400",
            "200076 CCC02 PL AR 000400",
            "CCC02",
            "000400",
            "400",
            "rfi",
            "RFI-0042",
        ] {
            let (hits, all) = hits(query, text, language);
            assert_eq!(hits, all, "{query}: {:?}", query_terms(query));
        }
        assert_eq!(hits("rfi 42", text, language).0, 2, "both parts of the number are found");
    }
    assert!(texts(text, Language::Spanish).contains(&"#200076CCC02PLAR000400".to_owned()));
    assert!(texts(text, Language::Spanish).contains(&"#000400".to_owned()));
}

#[test]
fn only_what_is_typed_with_spaces_is_a_supposed_code() {
    let supposed = supposed_codes("¿Espesor del muro eje 3 b según RFI-0042?");
    assert!(supposed.contains("#EJE3B") && !supposed.contains("#RFI0042"), "{supposed:?}");
}

#[test]
fn figures_are_found_whatever_their_separators() {
    assert_eq!(hits("1,250.5 kg", "pesa 1.250,5kg", Language::Spanish), (2, 2));
    assert_eq!(hits("20 mm", "barras de 20mm", Language::Spanish), (2, 2));
    assert_eq!(hits("20 m2", "20 m²", Language::Spanish), (2, 2));
}

#[test]
fn stop_words_alone_are_still_a_query() {
    assert_eq!(query_terms("who").len(), 1);
    assert!(query_terms("").is_empty());
    assert!(query_terms("¿?").is_empty());
}

#[test]
fn terms_and_queries_are_bounded() {
    let long: String = (0..500).map(|n| format!("palabra{n} ")).collect();
    assert_eq!(query_terms(&long).len(), MAX_QUERY_TERMS);
    for term in index_terms(&format!("{} {}", "ñ".repeat(5_000), "a".repeat(5_000)), Language::Spanish) {
        assert!(term.text.chars().count() <= MAX_TERM_CHARS);
    }
    for term in index_terms(&"9".repeat(5_000), Language::Spanish) {
        assert!(term.text.chars().count() <= MAX_TERM_CHARS);
    }
}

#[test]
fn the_words_of_a_query_are_found_in_a_text_as_its_terms_are() {
    let text = "Ver plano 200076-CCC02-PL-AR-000400 y la RFI-0042 (rev. 3): «hormigón» H-30 de 1.250,5kg; el Ñandú, a 20mm del \
                eje A y/o B. Dying trees are lying; using ivy, they skied. An early y-joint, ugly\u{ad}ly done: 6 x 7 = P101A.pdf İSTANBUL \
                inspección col·lecció Straße mañana más días×3 CIMENTACIÓN ÁREA";
    let queries = text.split(' ').chain([
        "die", "lie", "use", "nandu", "hormigon", "ccc02", "400", "rfi 42", "3", "B", "leccion", "area",
        "dia",
    ]);
    for query in queries.chain(["losa", "x y z", "dañar", "mm", "#", ""]) {
        let terms = query_terms(query);
        for language in [Language::Spanish, Language::English, Language::Unknown] {
            let index: HashSet<String> = texts(text, language).into_iter().collect();
            let contains = |term: &QueryTerm| term.forms.iter().any(|form| index.contains(form));
            let words = terms.iter().enumerate().filter(|(_, term)| contains(term));
            let expected = words.fold(0, |found, (number, _)| found | 1 << number);
            assert_eq!(Sought::of(&terms).words(text, language), expected, "{query} {language:?}");
        }
    }
}

#[test]
fn any_unicode_text_is_accepted() {
    for text in
        ["\u{0}\u{fffd}", "日本語のテキスト", "مرحبا", "👷🏽‍♀️ obra", "\u{301}\u{301}", "İSTANBUL", "ﷺ ½ Ⅷ ٣"]
    {
        for language in [Language::Spanish, Language::English, Language::Unknown] {
            index_terms(text, language);
        }
        query_terms(text);
    }
}

#[test]
fn the_time_is_linear_in_the_length() {
    // A quadratic algorithm would take minutes here.
    for unit in ["a", "1.", "-", "A-1-", "ñ ", " ", "1,", "P-101A "] {
        let text = unit.repeat(100_000);
        let start = std::time::Instant::now();
        index_terms(&text, Language::Spanish);
        query_terms(&text);
        assert!(start.elapsed().as_secs() < 20, "{unit:?} took {:?}", start.elapsed());
    }
}
