//! What was said before, and writing down what is said now.

use std::collections::BTreeSet;

use schemas::{
    Problem, ProjectId, Scope,
    chat::{ChatQuery, ChatReply, Speaker, Turn},
};

use super::{Findings, database, follow_up, store};
use crate::{app::App, owner};

/// Stored turns that a question is understood by.
const TURNS: i64 = 6;

/// The conversation so far, as far as the caller may see it.
#[derive(Debug, Default)]
pub struct Past {
    turns: Vec<Turn>,
    /// What a follow-up may go on from: the last question and, if that had no answer, the last one that had. Each with
    /// what it left unsaid.
    understood: Vec<String>,
    /// What the stored turns drew on: an answer that takes them into account draws on it too.
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

    pub fn last_question(&self) -> Option<&str> {
        self.turns.iter().rev().find(|turn| turn.role == Speaker::User).map(|turn| turn.content.as_str())
    }

    /// A history that the client sent.
    fn sent(turns: &[Turn]) -> Self {
        let mut past = Self { turns: turns.to_vec(), ..Self::default() };
        // Replayed, so that a follow-up on a follow-up is understood too.
        for turn in turns.iter().filter(|turn| turn.role == Speaker::User) {
            let question: String = turn.content.chars().take(schemas::search::MAX_QUERY_CHARS).collect();
            past.understood = past.readings(&question).into_iter().take(1).collect();
        }
        past
    }
}

/// The stored conversation, or what the client sent in its place. One of another caller, or one that drew on a project
/// outside the scope, is not there.
pub async fn recall(app: &App, query: &ChatQuery) -> Result<Past, Problem> {
    let Some(conversation) = &query.conversation_id else { return Ok(Past::sent(&query.history)) };
    let recalled = async {
        let mut transaction = owner::begin(&app.pool, &query.scope, &query.caller).await?;
        store::last_turns(&mut transaction, &query.caller, conversation, TURNS).await
    };
    let turns = recalled.await.map_err(|error| database(&error))?;
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

/// Writes the turn down. An answer that cannot be remembered is still an answer.
pub async fn remember(app: &App, query: &ChatQuery, past: &Past, findings: &Findings, reply: &ChatReply) {
    // Everything that was there to draw on counts, cited or not; where nothing was, what was asked about.
    let drawn: BTreeSet<ProjectId> = match (&query.scope, findings.passages.is_empty()) {
        (Scope::Projects(projects), true) => projects.iter().cloned().collect(),
        _ => findings.passages.iter().map(|passage| passage.row.project_id.clone()).collect(),
    };
    let written = async {
        let mut transaction = owner::begin(&app.pool, &query.scope, &query.caller).await?;
        let mut projects = store::project_keys(&mut transaction, &drawn).await?;
        projects.extend(&past.projects);
        projects.sort_unstable();
        projects.dedup();
        let turn = store::NewTurn {
            owner: &query.caller,
            user_id: query.user_id.as_deref(),
            projects: &projects,
            understood: &findings.understood,
            reply,
        };
        store::insert(&mut transaction, turn).await?;
        transaction.commit().await
    };
    if let Err(error) = written.await {
        tracing::error!(%error, "a turn of a conversation could not be written down");
    }
}
