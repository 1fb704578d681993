//! What is alike in meaning is near, in both languages.

use std::ops::RangeInclusive;

use embedding::Embed;

use crate::{dot, model, passages};

const QUESTION: &str = "¿Cuál es el plazo de ejecución de la obra?";
const PARAPHRASE: &str = "El plazo de ejecución de los trabajos será de dieciocho meses.";
const TRANSLATION: &str = "The works shall be completed within eighteen months.";
const UNRELATED: &str = "El hormigón de los pilares será de clase HA-30.";
const UNRELATED_ENGLISH: &str = "The cafeteria serves lunch from noon to two.";

#[tokio::test]
async fn a_question_finds_its_answer_in_either_language() {
    let model = model();
    let question = model.query(QUESTION).await.unwrap();
    let answers = [PARAPHRASE, TRANSLATION, UNRELATED, UNRELATED_ENGLISH];
    let passages = passages(&model, answers.map(str::to_owned).to_vec()).await.unwrap();
    let [paraphrase, translation, unrelated, unrelated_english] =
        [0, 1, 2, 3].map(|number| dot(&question, &passages[number]));
    // Measured, and as far around as rounding on another processor may move them.
    within(paraphrase, 0.86..=0.91);
    within(translation, 0.77..=0.82);
    within(unrelated, 0.77..=0.82);
    within(unrelated_english, 0.67..=0.72);
    assert!(paraphrase > unrelated + 0.05 && translation > unrelated_english + 0.06);
}

#[tokio::test]
async fn translations_of_a_passage_are_near_each_other() {
    let texts = [PARAPHRASE, TRANSLATION, UNRELATED, UNRELATED_ENGLISH].map(str::to_owned).to_vec();
    let passages = passages(&model(), texts).await.unwrap();
    let [spanish, english, unrelated, unrelated_english] = [0, 1, 2, 3].map(|number| &passages[number]);
    assert!(dot(spanish, english) > dot(spanish, unrelated));
    assert!(dot(spanish, english) > dot(english, unrelated_english) + 0.03);
}

#[tokio::test]
async fn vectors_have_the_declared_form() {
    let model = model();
    let vector = model.query(QUESTION).await.unwrap();
    assert_eq!(vector.len(), model.identity().dimension);
    assert!((dot(&vector, &vector) - 1.0).abs() < 1e-5);
}

#[tokio::test]
async fn a_query_and_a_passage_of_the_same_words_differ() {
    let model = model();
    let query = model.query(PARAPHRASE).await.unwrap();
    let passage = passages(&model, vec![PARAPHRASE.to_owned()]).await.unwrap().remove(0);
    let cosine = dot(&query, &passage);
    within(cosine, 0.85..=0.99);
}

fn within(cosine: f32, band: RangeInclusive<f32>) {
    assert!(band.contains(&cosine), "{cosine} is not within {band:?}");
}
