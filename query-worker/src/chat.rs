//! Chat: understands a question in its conversation, retrieves passages and answers with citations.
//!
//! With a language model, its answer is checked while it is streamed. Without one, or if it fails, the answer quotes
//! the best sentences of the documents.

mod citations;
mod conversation;
mod evidence;
mod extractive;
mod follow_up;
mod generated;
pub(crate) mod llm;
mod model_text;
mod passages;
mod prompt;
pub(crate) mod store;

use std::{collections::BTreeSet, time::Instant};

use analysis::terms::Sought;
use platform::nats::{Context, serve::Replier};
use schemas::{
    Problem, ProjectId,
    chat::{ChatFrame, ChatQuery, ChatReply, KnownAnswer, Source},
    messages::answers,
    problem::UiLanguage,
    text,
};

use self::{conversation::Past, evidence::Evidence, extractive::EXTRACTIVE, passages::Passage};
use crate::{app::App, error::Result};

/// A question with everything that is needed to answer it.
struct Asked<'a> {
    app: &'a App,
    context: &'a Context,
    query: &'a ChatQuery,
    /// The id of the query, the same each time that it is delivered.
    id: String,
    past: Past,
    /// The language of the answer.
    language: UiLanguage,
    replier: &'a Replier,
}

/// An answer before it becomes a reply. Its text is empty if the documents do not answer the question.
#[derive(Default)]
struct Answer {
    text: String,
    /// The cited passages: the number of each citation and the index of its passage.
    cited: Vec<(u32, usize)>,
    answered_by: String,
    notice: String,
}

/// The result of the retrieval for a question.
struct Findings {
    /// The question, completed with words from the conversation.
    understood: String,
    /// The words of the question, as the passages are searched for them.
    sought: Sought,
    passages: Vec<Passage>,
    evidence: Evidence,
    /// Whether no part of the search was left out.
    is_complete: bool,
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
        _ if query.known.is_some() => "repeated",
        (false, _) => "not_found",
        (true, EXTRACTIVE) => EXTRACTIVE,
        (true, _) => "model",
    };
    app.metrics.answers.with_label_values(&[kind]).inc();
    tracing::info!(
        query = text::clip(&query.message, 50),
        results_count = reply.sources.len(),
        answered_by = reply.answered_by,
        found = reply.found,
        duration_ms = started.elapsed().as_secs_f64() * 1_000.0,
        "chat"
    );
    Ok(reply)
}

async fn reply(app: &App, context: &Context, query: &ChatQuery, replier: &Replier) -> Result<ChatReply> {
    let id = replier.request_uuid().to_string();
    let past = conversation::recall(app, query, &id).await?;
    let language = past.language(&query.message);
    let asked = Asked { app, context, query, id, past, language, replier };
    if let Some(known) = &query.known {
        asked.begin().await;
        asked.send(&known.answer).await;
        let reply = reply_with(&asked, known.clone());
        conversation::remember(&asked, &known.projects, &query.message, &reply).await;
        return Ok(reply);
    }
    let findings = find(&asked).await?;
    asked.begin().await;
    let answer = match &app.llm {
        Some(llm) if !findings.passages.is_empty() => generated::answer(&asked, llm, &findings).await,
        _ => extractive::answer(&asked, &findings).await,
    };
    let notice = answer.notice.clone();
    let known = assemble(&asked, &findings, answer).await;
    let used = known.projects.clone();
    let mut reply = ChatReply { notice, ..reply_with(&asked, known) };
    let is_reusable = query.stands_alone() && findings.is_complete && reply.notice.is_empty();
    reply.reusable = is_reusable.then(|| used.clone());
    conversation::remember(&asked, &used, &findings.understood, &reply).await;
    Ok(reply)
}

/// Returns the reply with this answer, in its conversation or a new one. A query that is delivered again gets the same new
/// one.
fn reply_with(asked: &Asked<'_>, known: KnownAnswer) -> ChatReply {
    let query = asked.query;
    let conversation = query.conversation_id.clone().unwrap_or_else(|| asked.id.clone());
    ChatReply {
        question: query.message.clone(),
        answer: known.answer,
        sources: known.sources,
        session_id: conversation.clone(),
        conversation_id: conversation,
        context_used: known.context_used,
        found: known.found,
        answered_by: known.answered_by,
        notice: String::new(),
        reusable: None,
    }
}

/// Tries the possible meanings of the question and returns the first one that the documents answer.
async fn find(asked: &Asked<'_>) -> Result<Findings> {
    let mut likeliest: Option<Findings> = None;
    for understood in asked.past.readings(&asked.query.message) {
        let found = passages::retrieve(asked, &understood).await?;
        let evidence = evidence::gather(&asked.query.message, &understood, &found);
        let (sought, is_complete) = (Sought::of(&found.words), found.degraded.is_none());
        let findings = Findings { understood, sought, passages: found.passages, evidence, is_complete };
        if findings.evidence.answers {
            return Ok(findings);
        }
        likeliest.get_or_insert(findings);
    }
    // There is always at least one reading.
    Ok(likeliest.ok_or_else(Problem::internal)?)
}

async fn assemble(asked: &Asked<'_>, findings: &Findings, mut answer: Answer) -> KnownAnswer {
    let found = !answer.text.is_empty();
    if !found {
        answer.text = answers::not_found().in_language(asked.language).to_owned();
        answer.cited.clear();
        asked.send(&answer.text).await;
    }
    let passages = &findings.passages;
    let row = |passage: usize| passages[passage].clone().shown(&findings.sought);
    let source = |(citation, passage)| Source { citation, row: row(passage) };
    let projects: BTreeSet<&ProjectId> = passages.iter().map(|passage| &passage.row.project_id).collect();
    KnownAnswer {
        answer: answer.text,
        sources: answer.cited.into_iter().map(source).collect(),
        context_used: passages.iter().map(label).collect::<Vec<_>>().join("\n"),
        found,
        answered_by: answer.answered_by,
        projects: projects.into_iter().cloned().collect(),
    }
}

/// Describes a passage in one line: title, revision and page.
fn label(passage: &Passage) -> String {
    let row = &passage.row;
    let mut label = if row.fields.title.is_empty() { row.filename.clone() } else { row.fields.title.clone() };
    if !row.fields.revision.is_empty() {
        label.push_str(&format!(", rev. {}", row.fields.revision));
    }
    if let Some(page) = row.page {
        label.push_str(&format!(", p. {page}"));
    }
    label
}

impl Asked<'_> {
    /// Tells the client to discard what another worker has sent. Not before the search: an error before the first frame is
    /// the answer to the whole call.
    async fn begin(&self) {
        if self.replier.begins_again() {
            self.restart().await;
        }
    }

    /// Sends a piece of the answer if the client wants a stream.
    async fn send(&self, text: &str) {
        if !text.is_empty() {
            self.frame(ChatFrame { text: text.to_owned(), restart: false }).await;
        }
    }

    /// Tells the client to discard all pieces so far.
    async fn restart(&self) {
        self.frame(ChatFrame { text: String::new(), restart: true }).await;
    }

    async fn frame(&self, frame: ChatFrame) {
        // A lost piece does no harm, because the last frame contains the whole answer.
        if self.query.stream
            && let Err(error) = self.replier.frame(&frame).await
        {
            tracing::debug!(error = format!("{error:#}"), "sending a piece of an answer");
        }
    }
}
