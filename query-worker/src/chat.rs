//! Chat: understands a question in its conversation, retrieves, and answers with citations.
//!
//! With a language model the answer streams from it and is checked on the way; without one, or when it fails, the best
//! sentences of the documents are quoted as they stand.

mod citations;
mod conversation;
mod evidence;
mod extractive;
mod follow_up;
pub(crate) mod llm;
mod model_text;
mod passages;
mod phrases;
mod prompt;
pub(crate) mod store;
mod written;

use std::{sync::Arc, time::Duration, time::Instant};

use platform::nats::{Context, serve::Replier};
use schemas::{
    Problem,
    chat::{ChatFrame, ChatQuery, ChatReply, Source},
    problem::UiLanguage,
};

use self::{conversation::Past, evidence::Evidence, llm::Llm, passages::Passage};
use crate::{app::App, scope};

/// Who answered when no language model did.
const EXTRACTIVE: &str = "extractive";
/// Time kept back from the asker's patience for the answer without the model, should it fail.
const RESERVE: Duration = Duration::from_secs(2);

/// An answer before it becomes a reply.
#[derive(Default)]
struct Answer {
    text: String,
    /// The passages it cites: the number of the citation, and which passage.
    cited: Vec<(u32, usize)>,
    answered_by: String,
    notice: String,
}

impl Answer {
    fn found(&self) -> bool {
        !self.text.is_empty()
    }
}

/// What is known of a question once retrieval is done.
struct Findings {
    /// The question with what it left unsaid.
    understood: String,
    passages: Vec<Passage>,
    evidence: Evidence,
}

pub async fn ask(
    app: App,
    context: Context,
    query: ChatQuery,
    replier: Replier,
) -> Result<ChatReply, Problem> {
    let started = Instant::now();
    let outcome = reply(&app, &context, &query, &replier).await;
    let label = if outcome.is_ok() { "ok" } else { "failed" };
    app.metrics.queries.with_label_values(&["chat", label]).inc();
    let reply = outcome?;
    let kind = match (reply.found, reply.answered_by.as_str()) {
        (false, _) => "not_found",
        (true, EXTRACTIVE) => EXTRACTIVE,
        (true, _) => "model",
    };
    app.metrics.answers.with_label_values(&[kind]).inc();
    tracing::info!(
        query = query.message.chars().take(50).collect::<String>(),
        results_count = reply.sources.len(),
        answered_by = reply.answered_by,
        found = reply.found,
        duration_ms = started.elapsed().as_secs_f64() * 1_000.0,
        "chat"
    );
    Ok(reply)
}

async fn reply(
    app: &App,
    context: &Context,
    query: &ChatQuery,
    replier: &Replier,
) -> Result<ChatReply, Problem> {
    let past = conversation::recall(app, query).await?;
    let language = phrases::language(&query.message, past.last_question());
    let findings = find(app, context, query, &past).await?;
    let frames = Frames { replier, wanted: query.stream };
    let answer = match &app.llm {
        Some(llm) if !findings.passages.is_empty() => {
            by_model(app, context, llm, query, language, &past, &findings, &frames).await
        }
        _ => quoted(&findings, &frames).await,
    };
    let reply = assemble(query, language, &findings, answer, &frames).await;
    conversation::remember(app, query, &past, &findings, &reply).await;
    Ok(reply)
}

/// Reads the question in the ways it may be meant, and keeps the first that the documents answer.
async fn find(app: &App, context: &Context, query: &ChatQuery, past: &Past) -> Result<Findings, Problem> {
    let mut best: Option<Findings> = None;
    for understood in past.readings(&query.message) {
        let retrieved = passages::retrieve(
            app,
            context,
            &query.scope,
            query.document_id.as_ref(),
            &understood,
            query.max_context_docs,
        )
        .await?;
        let evidence = evidence::gather(app, &query.scope, &query.message, &understood, &retrieved).await?;
        let findings = Findings { understood, passages: retrieved.passages, evidence };
        if findings.evidence.answers() {
            return Ok(findings);
        }
        // The likeliest reading stands when none is answered.
        best.get_or_insert(findings);
    }
    // There is always a reading; without one nothing was asked.
    best.ok_or_else(Problem::internal)
}

/// The model's answer; the quoted one when it fails.
#[allow(clippy::too_many_arguments, reason = "a step of one pipeline, named for reading, called once")]
async fn by_model(
    app: &App,
    context: &Context,
    llm: &Arc<Llm>,
    query: &ChatQuery,
    language: UiLanguage,
    past: &Past,
    findings: &Findings,
    frames: &Frames<'_>,
) -> Answer {
    let left = context.time_left().unwrap_or_default().saturating_sub(RESERVE);
    let written = written::write(app, llm, query, language, past, findings, frames);
    match tokio::time::timeout(left, written).await {
        Ok(Ok(answer)) => return answer,
        Ok(Err(error)) => {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            tracing::warn!(%error, cause, model = llm.model, "the language model failed; quoting instead");
        }
        Err(_) => tracing::warn!(model = llm.model, "the language model took too long; quoting instead"),
    }
    app.metrics.answers.with_label_values(&["fallback"]).inc();
    frames.restart().await;
    let mut answer = quoted(findings, frames).await;
    answer.notice = phrases::model_failed().in_language(language).to_owned();
    answer
}

/// The best sentences as they stand, if they answer.
async fn quoted(findings: &Findings, frames: &Frames<'_>) -> Answer {
    let mut answer = Answer { answered_by: EXTRACTIVE.to_owned(), ..Answer::default() };
    if !findings.evidence.answers() {
        return answer;
    }
    for quote in extractive::choose(&findings.evidence, &findings.passages) {
        let next = u32::try_from(answer.cited.len()).unwrap_or_default() + 1;
        let number = answer
            .cited
            .iter()
            .find(|(_, passage)| *passage == quote.passage)
            .map_or(next, |(number, _)| *number);
        if number == next {
            answer.cited.push((number, quote.passage));
        }
        let space = if answer.text.is_empty() { "" } else { " " };
        let piece = format!("{space}{} [{number}]", quote.text);
        frames.send(&piece).await;
        answer.text.push_str(&piece);
    }
    answer
}

async fn assemble(
    query: &ChatQuery,
    language: UiLanguage,
    findings: &Findings,
    mut answer: Answer,
    frames: &Frames<'_>,
) -> ChatReply {
    let found = answer.found();
    if !found {
        answer.text = phrases::not_found().in_language(language).to_owned();
        answer.cited.clear();
        frames.send(&answer.text).await;
    }
    let sources = answer.cited.iter().filter_map(|(citation, passage)| {
        Some(Source { citation: *citation, row: findings.passages.get(*passage)?.row.clone() })
    });
    let conversation = query.conversation_id.clone().unwrap_or_else(|| uuid::Uuid::now_v7().to_string());
    ChatReply {
        question: query.message.clone(),
        sources: sources.collect(),
        answer: answer.text,
        session_id: conversation.clone(),
        conversation_id: conversation,
        context_used: findings.passages.iter().map(label).collect::<Vec<_>>().join("\n"),
        found,
        answered_by: answer.answered_by,
        notice: answer.notice,
    }
}

/// A passage in one line: what it is from.
fn label(passage: &Passage) -> String {
    let row = &passage.row;
    let mut label = if row.title.is_empty() { row.filename.clone() } else { row.title.clone() };
    if !row.revision.is_empty() {
        label.push_str(&format!(", rev. {}", row.revision));
    }
    if let Some(page) = row.page {
        label.push_str(&format!(", p. {page}"));
    }
    label
}

/// Pieces of the answer on their way to whoever reads along.
struct Frames<'a> {
    replier: &'a Replier,
    wanted: bool,
}

impl Frames<'_> {
    async fn send(&self, text: &str) {
        if !text.is_empty() {
            self.frame(ChatFrame { text: text.to_owned(), restart: false }).await;
        }
    }

    /// What was sent is void.
    async fn restart(&self) {
        self.frame(ChatFrame { text: String::new(), restart: true }).await;
    }

    async fn frame(&self, frame: ChatFrame) {
        // The whole answer follows in the last frame anyhow.
        if self.wanted
            && let Err(error) = self.replier.frame(&frame).await
        {
            tracing::debug!(error = format!("{error:#}"), "sending a piece of an answer");
        }
    }
}

/// For log and store: what a database error means to the asker.
fn database(error: &sqlx::Error) -> Problem {
    scope::problem(error)
}
