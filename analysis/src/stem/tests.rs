use super::*;

fn spanish(word: &str) -> String {
    stem(&crate::fold::fold(word), Language::Spanish)
}

fn english(word: &str) -> String {
    stem(word, Language::English)
}

#[test]
fn accents_do_not_matter() {
    for (accented, plain) in
        [("aplicación", "aplicacion"), ("presión", "presion"), ("cálculo", "calculo"), ("diseño", "diseno")]
    {
        assert_eq!(spanish(accented), spanish(plain));
    }
}

#[test]
fn inflections_have_the_same_stem() {
    for (one, other) in [
        ("aplicación", "aplicaciones"),
        ("presión", "presiones"),
        ("plano", "planos"),
        ("muro", "muros"),
        ("hormigón", "hormigones"),
        ("instalación", "instalaciones"),
        ("impermeabilización", "impermeabilizante"),
    ] {
        assert_eq!(spanish(one), spanish(other), "{one} {other}");
    }
    for (one, other) in [("drawing", "drawings"), ("installation", "installed"), ("pump", "pumps")] {
        assert_eq!(english(one), english(other), "{one} {other}");
    }
}

#[test]
fn figures_are_not_stemmed() {
    assert_eq!(spanish("1234567890.5"), "1234567890.5");
}
