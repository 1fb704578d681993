//! The vectors of sentences come from the run over their passage.

use embedding::{Embed, Model, Passage};
use serde_json::json;

use crate::folders::{config_of, tiny};
use crate::{dot, model};

/// A passage of these sentences, and their places.
fn passage(sentences: &[&str]) -> Passage {
    let mut passage = Passage::default();
    for sentence in sentences {
        let start = passage.text.len();
        passage.text.push_str(sentence);
        passage.sentences.push(start..passage.text.len());
        passage.text.push_str("  ");
    }
    passage
}

#[tokio::test]
async fn a_question_is_nearest_to_the_sentence_that_answers_it() {
    let model = model();
    // Accents in both forms, characters that become others in the model's vocabulary, and emoji stand before what is
    // asked, so a place that counts anything but the bytes of the text is a wrong place.
    let passage = passage(&[
        "La cimentacio\u{301}n de la torre ﬁnal mide 3 ½ m³ … ﷺ Ⅳ.",
        "👩‍👩‍👧‍👦🏗️🏗️ ¡Ojo: hormigón HA-30 en los pilares del edificio!",
        "El plazo de ejecución de los trabajos será de dieciocho meses.",
        "La cafetería sirve almuerzos de doce a dos.",
    ]);
    let embedded = model.passages(vec![passage]).await.unwrap().remove(0);
    assert_eq!(embedded.sentences.len(), 4);
    let question = model.query("¿Cuál es el plazo de ejecución de la obra?").await.unwrap();
    let similarity = |number: &usize| dot(&question, &embedded.sentences[*number]);
    let nearest = (0..4).max_by(|a, b| similarity(a).total_cmp(&similarity(b)));
    assert_eq!(nearest, Some(2));
}

#[tokio::test]
async fn the_vector_of_a_passage_does_not_depend_on_its_sentences() {
    let model = model();
    let with = passage(&["La losa mide 22 cm.", "El muro mide 30 cm."]);
    let without = Passage { sentences: Vec::new(), ..with.clone() };
    let embedded = model.passages(vec![with, without]).await.unwrap();
    assert_eq!(embedded[0].vector, embedded[1].vector);
    let whole =
        |text: &str| Passage { text: text.to_owned(), sentences: std::iter::once(0..text.len()).collect() };
    let one = model.passages(vec![whole("La losa mide 22 cm.")]).await.unwrap().remove(0);
    // A sentence that is the whole passage lacks only the prefix and the special tokens.
    assert!(dot(&one.vector, &one.sentences[0]) > 0.95);
}

#[tokio::test]
async fn a_sentence_that_the_model_does_not_read_is_like_nothing() {
    let model = model();
    let mut long = passage(&[&"La zapata se apoya sobre roca sana. ".repeat(60), "Fin de la memoria."]);
    let end = long.text.len();
    long.sentences.extend([end..end, end + 5..end + 9]);
    let embedded = model.passages(vec![long]).await.unwrap().remove(0);
    assert!(dot(&embedded.sentences[0], &embedded.sentences[0]) > 0.99);
    assert!(embedded.sentences[1..].iter().flatten().all(|number| *number == 0.0));
}

#[tokio::test]
async fn the_tokens_of_a_sentence_are_averaged() {
    let declared = |pooling: &str| {
        json!({"name": "tiny", "pooling": pooling, "normalize": false, "query_prefix": "", "passage_prefix": "dos ",
               "max_tokens": 9, "dimension": 2})
    };
    // Token i is (i, 1): "dos" in front, then "seis", "uno" and "tres".
    let text = || Passage { text: "seis uno tres".to_owned(), sentences: vec![0..8, 9..13, 5..13, 4..5] };
    let model = Model::load(&config_of(&tiny("spans", "tokens.onnx", &declared("mean")))).await.unwrap();
    let embedded = model.passages(vec![text()]).await.unwrap().remove(0);
    assert_eq!(embedded.vector, [3.0, 1.0]);
    assert_eq!(embedded.sentences, [[3.5, 1.0], [3.0, 1.0], [2.0, 1.0], [0.0, 0.0]]);

    // Without vectors of tokens that may be averaged, each sentence has a run of its own, with the prefix.
    let model = Model::load(&config_of(&tiny("spans-cls", "tokens.onnx", &declared("cls")))).await.unwrap();
    let embedded = model.passages(vec![text()]).await.unwrap().remove(0);
    assert_eq!(embedded.sentences, [[2.0, 1.0], [2.0, 1.0], [2.0, 1.0], [0.0, 0.0]]);
}
