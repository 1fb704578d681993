//! An answer that a language model writes, checked while it streams.

use std::pin::pin;

use futures::StreamExt as _;
use schemas::{chat::ChatQuery, problem::UiLanguage};

use super::{
    Answer, Findings, Frames,
    citations::Citations,
    conversation::Past,
    llm::{Error, Llm},
    model_text::{Gate, denies},
    passages::Passage,
    phrases, prompt,
};
use crate::app::App;

/// Streams the model's answer to its end. An empty answer means that the documents do not answer.
pub async fn write(
    app: &App,
    llm: &Llm,
    query: &ChatQuery,
    language: UiLanguage,
    past: &Past,
    findings: &Findings,
    frames: &Frames<'_>,
) -> Result<Answer, Error> {
    // The passages with the best sentences first: what does not fit the budget is the least likely to answer.
    let order = findings.evidence.passage_order(findings.passages.len());
    let passages: Vec<Passage> = order.iter().map(|at| findings.passages[*at].clone()).collect();
    let prompt = prompt::build(
        app.model.as_ref(),
        llm.context_tokens,
        &query.message,
        language,
        past.turns(),
        &passages,
    );
    let mut gate = Gate::default();
    let mut citations = Citations::of(prompt.passages);
    let mut text = String::new();
    let mut pieces = pin!(llm.answer(&prompt.messages));
    while let Some(piece) = pieces.next().await {
        let checked = citations.push(&gate.push(&piece?));
        frames.send(&checked).await;
        text.push_str(&checked);
    }
    let rest = citations.push(&gate.finish()) + &citations.finish();
    frames.send(rest.trim_end()).await;
    text.push_str(&rest);
    let text = text.trim().to_owned();
    let answered_by = llm.model.clone();
    if gate.is_denied() || text.is_empty() || (citations.cited().is_empty() && denies(&text)) {
        if !text.is_empty() {
            frames.restart().await;
        }
        return Ok(Answer { answered_by, ..Answer::default() });
    }
    let cited: Vec<(u32, usize)> = citations
        .cited()
        .iter()
        .filter_map(|number| Some((*number, *order.get(usize::try_from(*number).ok()?.checked_sub(1)?)?)))
        .collect();
    let notice = if cited.is_empty() {
        phrases::model_cited_nothing().in_language(language).to_owned()
    } else {
        String::new()
    };
    Ok(Answer { text, cited, answered_by, notice })
}
