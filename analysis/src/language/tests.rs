use super::*;

#[test]
fn sentences_and_short_queries_are_detected() {
    for (text, language) in [
        ("¿Cuál es el recubrimiento de las armaduras?", Language::Spanish),
        ("cual es la presion de la bomba", Language::Spanish),
        ("planos de arquitectura", Language::Spanish),
        ("muros de contención", Language::Spanish),
        ("what is the pump pressure", Language::English),
        ("minutes of the meeting", Language::English),
        ("drawings for review", Language::English),
        ("The slab shall be cured for seven days after the concrete is placed.", Language::English),
        ("El forjado se curará durante siete días después del hormigonado.", Language::Spanish),
        ("Reinforcement detailing requirements, structural concrete foundations", Language::English),
        ("Instalaciones eléctricas, ventilación, climatización", Language::Spanish),
        ("200076-CCC02-PL-AR-000400", Language::Unknown),
        ("12,5; 14; 2024-01-02", Language::Unknown),
        ("Проект здания и сооружения", Language::Unknown),
        ("", Language::Unknown),
    ] {
        assert_eq!(detect(text), language, "{text}");
    }
}

#[test]
fn a_sample_cut_inside_a_letter_is_no_panic() {
    assert_eq!(detect(&"ñ".repeat(SAMPLE_BYTES)), Language::Spanish);
    assert_eq!(detect(&"a…".repeat(SAMPLE_BYTES)), detect(&"a…".repeat(SAMPLE_BYTES)));
}

#[test]
fn codes_round_trip() {
    for language in [Language::Spanish, Language::English, Language::Unknown] {
        assert_eq!(Language::from_code(language.code()), language);
    }
}
