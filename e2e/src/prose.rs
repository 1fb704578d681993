//! Generates sentences about a construction project, and unique words.

use crate::Random;

const WHO: [&str; 12] = [
    "El contratista",
    "La inspección técnica",
    "El proyectista estructural",
    "La empresa de montaje",
    "El laboratorio",
    "La oficina técnica",
    "El mandante",
    "El encargado de prevención",
    "La jefatura de terreno",
    "El subcontrato de instalaciones",
    "El topógrafo",
    "La administración del edificio",
];

const DOES: [&str; 14] = [
    "verificará",
    "documentará",
    "aprobará por escrito",
    "corregirá antes de la recepción",
    "ensayará en presencia del mandante",
    "registrará en el libro de obra",
    "protegerá durante la ejecución",
    "repetirá sin costo adicional",
    "coordinará con las demás especialidades",
    "entregará con su certificado de calidad",
    "reemplazará dentro de cinco días",
    "medirá con instrumentos calibrados",
    "marcará en el plano conforme a obra",
    "detendrá hasta nueva instrucción",
];

const WHAT: [&str; 24] = [
    "la impermeabilización de la cubierta",
    "el hormigonado de la losa",
    "la armadura de los muros perimetrales",
    "el encofrado de las vigas de borde",
    "la red húmeda contra incendios",
    "el grupo electrógeno de respaldo",
    "las puertas cortafuego",
    "la tabiquería de los departamentos",
    "el sello de las juntas de dilatación",
    "la presurización de las escaleras",
    "el anclaje de la fachada ventilada",
    "la prueba de estanqueidad",
    "los ascensores de servicio",
    "el tablero general de fuerza",
    "la climatización de los subterráneos",
    "el postensado de los tendones",
    "la bomba de elevación de aguas servidas",
    "el relleno compactado de la zanja",
    "la barandilla de los balcones",
    "el pavimento del estacionamiento",
    "la iluminación de emergencia",
    "los pilotes del socalzado",
    "el aislante acústico de la sala de máquinas",
    "la cañería de gas",
];

const WHERE: [&str; 16] = [
    "en el sector oriente",
    "en el piso tipo",
    "en el segundo subterráneo",
    "junto al eje C",
    "entre los ejes 4 y 7",
    "en la azotea",
    "en la sala de bombas",
    "en el acceso principal",
    "en la caja de escaleras norte",
    "en el patio de maniobras",
    "en el nivel de transferencia",
    "bajo la rampa vehicular",
    "en el límite con el predio vecino",
    "en la torre B",
    "en el hall de ascensores",
    "en el último tramo de la cañería",
];

const HOW: [&str; 14] = [
    "según la especificación técnica vigente",
    "con una tolerancia de tres milímetros",
    "a más tardar el viernes siguiente",
    "después de veintiocho días de curado",
    "conforme a la norma aplicable",
    "con personal calificado y equipo inspeccionado",
    "salvo indicación distinta del proyectista",
    "a una presión de diez bar durante dos horas",
    "sin interrumpir la circulación de los vecinos",
    "de acuerdo con el protocolo firmado en terreno",
    "antes de cerrar los cielos falsos",
    "con registro fotográfico de cada etapa",
    "previa limpieza de la superficie",
    "en dos capas cruzadas y con traslape",
];

/// Returns a sentence: "La inspección técnica ensayará … la prueba de estanqueidad en la azotea, con registro
/// fotográfico de cada etapa."
pub fn sentence(random: &mut Random) -> String {
    let [who, does] = [random.pick(&WHO), random.pick(&DOES)];
    let [what, place, how] = [random.pick(&WHAT), random.pick(&WHERE), random.pick(&HOW)];
    format!("{who} {does} {what} {place}, {how}.")
}

pub fn paragraph(random: &mut Random, sentences: usize) -> String {
    (0..sentences).map(|_| sentence(random)).collect::<Vec<_>>().join(" ")
}

/// A search query: "quién verificará la red húmeda contra incendios en la azotea".
pub fn question(random: &mut Random) -> String {
    let [what, place, other] = [random.pick(&WHAT), random.pick(&WHERE), random.pick(&WHAT)];
    format!("quién {} {what} {place} y {other}", random.pick(&DOES))
}

/// A word that is different for each number and is not in any text by chance. It has eight consonants, so that stemming
/// and truncation do not make it equal to another word.
pub fn word(number: usize) -> String {
    const LETTERS: &[u8] = b"bdfgkmpqtvwz";
    const WORDS: u64 = 12_u64.pow(7);
    // The factor makes the words of consecutive numbers different; it has no common divisor with 12.
    let mut rest = (number as u64).wrapping_mul(7_654_319) % WORDS;
    let mut word = String::from("x");
    for _ in 0..7 {
        word.push(char::from(LETTERS[usize::try_from(rest % 12).unwrap_or(0)]));
        rest /= 12;
    }
    word
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use analysis::{Language, terms};

    use super::*;

    #[test]
    fn every_word_is_one_term_of_its_own_in_every_language() {
        let words: HashSet<String> = (0..5_000).map(word).collect();
        assert_eq!(words.len(), 5_000);
        let mut all = HashSet::new();
        for word in &words {
            let forms = terms::query_terms(word).remove(0).forms;
            assert_eq!(forms, std::slice::from_ref(word));
            for language in [Language::Spanish, Language::English, Language::Unknown] {
                let indexed = terms::index_terms(word, language);
                assert_eq!((indexed.len(), indexed[0].text.as_str()), (1, word.as_str()));
            }
            assert!(all.insert(forms[0].clone()));
        }
    }
}
