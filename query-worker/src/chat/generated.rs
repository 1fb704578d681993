//! Answers from a language model, checked while they are streamed.

use std::{pin::pin, time::Duration};

use anyhow::{Result, ensure};
use futures::StreamExt as _;
use schemas::messages::answers;

use super::{
    Answer, Asked, Findings,
    citations::Citations,
    extractive,
    llm::{Llm, Piece},
    model_text::{AnswerStart, denies},
    passages::Passage,
    prompt,
};

/// Time that is reserved, before the caller's deadline, for an answer without the model if the model fails.
const RESERVE: Duration = Duration::from_secs(2);

/// Returns the answer of the model, or quotations if the model fails or takes too long.
pub async fn answer(asked: &Asked<'_>, llm: &Llm, findings: &Findings) -> Answer {
    let model = &llm.config.llm_model;
    let left = asked.context.time_left().unwrap_or_default().saturating_sub(RESERVE);
    match tokio::time::timeout(left, write(asked, llm, findings)).await {
        Ok(Ok(answer)) => return answer,
        Ok(Err(error)) => {
            let error = format!("{error:#}");
            tracing::warn!(error, model, "the language model failed; quoting instead");
        }
        Err(_) => tracing::warn!(model, "the language model took too long; quoting instead"),
    }
    asked.app.metrics.answers.with_label_values(&["fallback"]).inc();
    asked.restart().await;
    let notice = answers::model_failed().in_language(asked.language).to_owned();
    Answer { notice, ..extractive::answer(asked, findings).await }
}

/// Streams the model's answer until it is complete.
async fn write(asked: &Asked<'_>, llm: &Llm, findings: &Findings) -> Result<Answer> {
    // The passages with the best sentences come first, so that the token limit cuts off the least likely ones.
    let order = findings.evidence.passage_order(findings.passages.len());
    let passages: Vec<&Passage> = order.iter().map(|at| &findings.passages[*at]).collect();
    let (messages, shown) =
        prompt::build(asked, &findings.understood, llm.config.llm_context_tokens, &passages);
    let mut start = AnswerStart::default();
    let mut citations = Citations::of(shown);
    let (mut text, mut is_complete) = (String::new(), true);
    let mut pieces = pin!(llm.answer(&messages));
    while let Some(piece) = pieces.next().await {
        let Piece::Text(piece) = piece? else {
            is_complete = false;
            continue;
        };
        let checked = citations.push(&start.push(&piece));
        asked.send(&checked).await;
        text.push_str(&checked);
    }
    let rest = citations.push(&start.finish()) + &citations.finish();
    asked.send(rest.trim_end()).await;
    text.push_str(&rest);
    let text = text.trim().to_owned();
    let answered_by = llm.config.llm_model.clone();
    if start.denied {
        return Ok(Answer { answered_by, ..Answer::default() });
    }
    // Without the agreed word this is no denial: the model's tokens may all have gone into its thoughts.
    ensure!(!text.is_empty(), "the language model said nothing");
    // A reply with a notice is not used again for others.
    let mut notices = Vec::new();
    if !is_complete {
        notices.push(answers::model_was_cut_off().in_language(asked.language).to_owned());
    }
    if citations.cited.is_empty() && denies(&text) {
        asked.restart().await;
        return Ok(Answer { answered_by, notice: notices.concat(), ..Answer::default() });
    }
    let passage = |number: u32| order.get(usize::try_from(number).ok()?.checked_sub(1)?).copied();
    let cited: Vec<(u32, usize)> =
        citations.cited.iter().filter_map(|number| Some((*number, passage(*number)?))).collect();
    if cited.is_empty() {
        notices.push(answers::model_cited_nothing().in_language(asked.language).to_owned());
    }
    Ok(Answer { text, cited, answered_by, notice: notices.join(" ") })
}
