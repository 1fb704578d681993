use super::*;

fn first(previous: &str, question: &str) -> String {
    readings(question, Some(previous)).remove(0)
}

#[test]
fn the_same_question_about_another_object_is_completed() {
    let previous = "¿Qué espesor tiene la losa del primer piso?";
    assert_eq!(first(previous, "¿y la del segundo piso?"), "Qué espesor tiene la losa del segundo piso");
    assert_eq!(
        first("Qué espesor tiene la losa del segundo piso", "¿Y la de la azotea?"),
        "Qué espesor tiene la losa de la azotea"
    );
    assert_eq!(
        first("¿Cuál es el recubrimiento de los pilares?", "¿Y las losas interiores?"),
        "Cuál es el recubrimiento de las losas interiores"
    );
    assert_eq!(
        first("What is the thickness of the slab on the first floor?", "And on the second floor?"),
        "What is the thickness of the slab on the second floor"
    );
    assert_eq!(
        first("How deep was the borehole at the centre of the tower?", "What about the north corner?"),
        "How deep was the borehole at the centre of the north corner"
    );
}

#[test]
fn another_question_about_the_same_object_is_completed() {
    let previous = "¿Con qué membrana se impermeabiliza la azotea?";
    assert_eq!(
        first(previous, "¿Y cuánto cuesta?"),
        "Con qué membrana se impermeabiliza la azotea cuánto cuesta"
    );
    let readings = readings("¿Y cuánto dura la prueba de estanqueidad?", Some(previous));
    assert_eq!(readings[0], "¿Y cuánto dura la prueba de estanqueidad?");
    assert!(readings[1].contains("membrana"));
}

#[test]
fn a_short_question_is_first_read_as_it_is() {
    let previous = "How deep was the borehole at the centre of the tower?";
    assert_eq!(first(previous, "What's the thickness?"), "What's the thickness?");
    assert_eq!(first(previous, "Hola, ¿cuál es el plazo?"), "Hola, ¿cuál es el plazo?");
    let previous = "¿Qué espesor tiene la losa del primer piso?";
    assert_eq!(first(previous, "estan aprobados los planos"), "estan aprobados los planos");
}

#[test]
fn a_complete_question_stays_unchanged() {
    let question = "¿Qué resistencia al fuego tienen las puertas de los shafts eléctricos?";
    assert_eq!(readings(question, Some("¿Cuántos días se curan las losas?")), [question]);
    assert_eq!(readings("¿y la losa?", None), ["¿y la losa?"]);
    assert_eq!(readings("¿y?", Some("¿?")), ["¿y?"]);
}

#[test]
fn unusual_input_does_not_panic() {
    for question in ["", "¿", "y", "y y y", "ñ", "de", "y de", "and the", "Ｙ ｌａ", "İ y"] {
        for previous in ["", "de", "ñ de la", "losa de", "İ de la ñ"] {
            assert!(!readings(question, Some(previous)).is_empty());
        }
    }
}
