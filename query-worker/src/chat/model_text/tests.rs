use super::*;

fn through(pieces: &[&str]) -> (String, bool) {
    let mut start = AnswerStart::default();
    let mut out: String = pieces.iter().map(|piece| start.push(piece)).collect();
    out.push_str(&start.finish());
    (out, start.denied)
}

#[test]
fn the_word_for_no_answer_is_never_shown() {
    assert_eq!(through(&["NO", "_ANS", "WER", "."]), (String::new(), true));
    assert_eq!(through(&["**NO_ANSWER** sorry"]), (String::new(), true));
    assert_eq!(through(&["<think>NO_", "ANSWER?</think>", " Siete", " días"]), ("Siete días".into(), false));
    assert_eq!(through(&["<thi", "nk>hm"]), (String::new(), false));
}

#[test]
fn an_answer_is_passed_on_at_once() {
    let mut start = AnswerStart::default();
    assert_eq!(start.push("No"), "No");
    assert_eq!(start.push(" menos de 7 días."), " menos de 7 días.");
    assert_eq!(through(&["NO", " se permite"]), ("NO se permite".into(), false));
    assert_eq!(through(&["NO"]), ("NO".into(), false));
    assert_eq!(through(&["<", "b>x"]), ("<b>x".into(), false));
}

#[test]
fn a_denial_in_other_words_is_recognized() {
    for denial in [
        "Los documentos no contienen esa información.",
        "El documento no menciona el plazo.",
        "Esa información no se encuentra en los documentos.",
        "The documents do not mention it.",
        "The documents don’t specify it.",
        "The documents do not indicate the thickness.",
        "The deadline does not appear in them, and they don't say who decides.",
        "I cannot find it.",
        "It isn’t stated anywhere.",
        "Lo siento: NO_ANSWER.",
    ] {
        assert!(denies(denial), "{denial}");
    }
    assert!(!denies("Siete días."));
}
