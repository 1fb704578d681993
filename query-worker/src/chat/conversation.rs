//! What was said before, and writing down what is said now.

use std::collections::BTreeSet;

use analysis::{Language, detect};
use schemas::{
    ProjectId, Scope,
    chat::{ChatQuery, ChatReply, Speaker, Turn},
    problem::UiLanguage,
    search::MAX_QUERY_CHARS,
    text,
};

use super::{Asked, Findings, follow_up, store};
use crate::app::App;

/// Stored turns that a question is understood by.
const TURNS: i64 = 6;

/// The conversation so far, as far as the caller may see it.
#[derive(Debug, Default)]
pub struct Past {
    turns: Vec<Turn>,
    /// The questions that a follow-up may continue: the last one and, if that had no answer, the last one that had. Their
    /// omitted words are filled in.
    understood: Vec<String>,
    /// The projects that the stored turns drew on: an answer that takes these turns into account draws on them too.
    projects: Vec<i32>,
}

impl Past {
    /// Oldest first.
    pub fn turns(&self) -> &[Turn] {
        &self.turns
    }

    /// The ways to understand a question after these, the likeliest first. There is at least one.
    pub fn readings(&self, question: &str) -> Vec<String> {
        let mut readings: Vec<String> = Vec::new();
        let previous = self.understood.iter().map(|previous| Some(previous.as_str()));
        for previous in previous.chain(self.understood.is_empty().then_some(None)) {
            for reading in follow_up::readings(question, previous) {
                if !readings.contains(&reading) {
                    readings.push(reading);
                }
            }
        }
        readings
    }

    /// The language of a question; one too short to tell is in the language of the question before.
    pub fn language(&self, question: &str) -> UiLanguage {
        let known = |text: &str| match detect(text) {
            Language::Spanish => Some(UiLanguage::Spanish),
            Language::English => Some(UiLanguage::English),
            Language::Unknown => None,
        };
        let before = self.turns.iter().rev().find(|turn| turn.role == Speaker::User);
        known(question).or_else(|| known(&before?.content)).unwrap_or_default()
    }

    /// A history that the client sent.
    fn sent(turns: &[Turn]) -> Self {
        let mut past = Self { turns: turns.to_vec(), ..Self::default() };
        // Each question is read in its turn, so that a follow-up on a follow-up is understood too.
        for turn in turns.iter().filter(|turn| turn.role == Speaker::User) {
            past.understood = past.readings(text::clip(&turn.content, MAX_QUERY_CHARS));
            past.understood.truncate(1);
        }
        past
    }
}

/// The stored conversation or, where none is found, the history that the client sent. Turns of another caller and turns
/// that drew on a project outside the scope are not found.
pub async fn recall(app: &App, query: &ChatQuery) -> sqlx::Result<Past> {
    let Some(conversation) = &query.conversation_id else { return Ok(Past::sent(&query.history)) };
    let mut transaction = store::begin(&app.pool, &query.scope, &query.caller).await?;
    let turns = store::last_turns(&mut transaction, &query.caller, conversation, TURNS).await?;
    if turns.is_empty() {
        return Ok(Past::sent(&query.history));
    }
    let projects: BTreeSet<i32> = turns.iter().flat_map(|turn| turn.projects.iter().copied()).collect();
    let mut understood: Vec<String> = turns.last().map(|turn| turn.understood.clone()).into_iter().collect();
    if turns.last().is_some_and(|turn| !turn.found) {
        understood.extend(turns.iter().rev().find(|turn| turn.found).map(|turn| turn.understood.clone()));
    }
    let said = turns.into_iter().flat_map(|turn| {
        [
            Turn { role: Speaker::User, content: turn.question },
            Turn { role: Speaker::Assistant, content: turn.answer },
        ]
    });
    Ok(Past { turns: said.collect(), understood, projects: projects.into_iter().collect() })
}

/// Stores the turn. An answer that cannot be stored is still an answer.
pub async fn remember(asked: &Asked<'_>, findings: &Findings, reply: &ChatReply) {
    let query = asked.query;
    // Every passage that was there to draw on counts, cited or not; where none was, the projects that were asked about.
    let drawn: BTreeSet<ProjectId> = match (&query.scope, findings.passages.is_empty()) {
        (Scope::Projects(projects), true) => projects.iter().cloned().collect(),
        _ => findings.passages.iter().map(|passage| passage.row.project_id.clone()).collect(),
    };
    let stored = async {
        let mut transaction = store::begin(&asked.app.pool, &query.scope, &query.caller).await?;
        let mut projects = store::project_keys(&mut transaction, &drawn).await?;
        projects.extend(&asked.past.projects);
        projects.sort_unstable();
        projects.dedup();
        store::insert(&mut transaction, query, &projects, &findings.understood, reply).await?;
        transaction.commit().await
    };
    if let Err(error) = stored.await {
        tracing::error!(%error, "a turn of a conversation could not be stored");
    }
}
