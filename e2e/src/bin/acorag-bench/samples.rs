//! The sample documents of the repository, and questions about them.

use anyhow::{Context as _, Result, ensure};
use e2e::{Client, Random};

use crate::load::Request;

/// The project of the samples.
pub const PROJECT: &str = "torre-norte";

pub struct Samples {
    pub searches: Vec<String>,
    /// Questions that the samples answer.
    pub answered: Vec<String>,
    /// Questions that no sample answers.
    pub unanswered: Vec<String>,
}

impl Samples {
    pub fn read() -> Result<Self> {
        let asked = devstack::questions()?;
        let texts = |list: &str, field: &str| -> Result<Vec<String>> {
            let list = asked[list].as_array().with_context(|| format!("no {list}"))?;
            list.iter().map(|row| Ok(row[field].as_str().context("no text")?.to_owned())).collect()
        };
        Ok(Self {
            searches: texts("searches", "query")?,
            answered: texts("questions", "question")?,
            unanswered: texts("traps", "question")?,
        })
    }

    /// Uploads all samples, and waits until each is searchable.
    pub async fn upload(&self, client: &Client) -> Result<()> {
        let mut pending = Vec::new();
        for sample in devstack::samples()? {
            pending.push(client.upload(sample).await?);
        }
        for id in pending {
            let document = client.settled(&id, PROJECT).await?;
            ensure!(document["state"] == "indexed", "a sample is not indexed: {document}");
        }
        Ok(())
    }

    /// A request of the old load test: six of ten are searches, three chats and one a conversation's history. Two of seven
    /// searches are for a text that is not cached. `number` makes the request; `user` names the conversation.
    pub fn mixed(&self, number: usize, user: usize) -> Request {
        let mut random = Random::new(number as u64);
        let session = format!("mixed-{user}");
        match random.below(10) {
            0..6 if random.below(7) < 2 => {
                let texts = [random.pick(&self.searches), random.pick(&self.answered)];
                Request::search(PROJECT, &format!("{} {} {number}", texts[0], texts[1]))
            }
            0..6 => Request::search(PROJECT, random.pick::<String>(&self.searches)),
            6..9 => Request::chat(PROJECT, self.question(&mut random), &session),
            _ => Request::history(&session),
        }
    }

    fn question(&self, random: &mut Random) -> &str {
        let count = self.answered.len();
        let at = random.below(count + self.unanswered.len());
        self.answered.get(at).or_else(|| self.unanswered.get(at - count)).map_or("", String::as_str)
    }
}

/// Makes a question that was not asked before, so that no cache contains its answer, and that has the same words.
pub fn distinct(question: &str, number: usize) -> String {
    const MARKS: [char; 4] = ['.', '!', ';', '?'];
    let marks: String = (0..6).map(|at| MARKS[(number >> (2 * at)) % MARKS.len()]).collect();
    format!("{question} {marks}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Kind;

    #[test]
    fn distinct_questions_have_the_same_words() {
        let all: std::collections::HashSet<String> =
            (0..4_000).map(|number| distinct("¿Qué?", number)).collect();
        assert_eq!(all.len(), 4_000);
        assert!(all.iter().all(|question| question.matches(char::is_alphabetic).count() == 3));
    }

    #[test]
    fn six_of_ten_requests_are_searches_and_three_are_chats() {
        let samples = Samples::read().unwrap();
        let kinds: Vec<Kind> = (0..10_000).map(|number| samples.mixed(number, 1).kind).collect();
        let share = |wanted: Kind| kinds.iter().filter(|kind| **kind == wanted).count();
        for (kind, expected) in [(Kind::Search, 6_000), (Kind::Chat, 3_000), (Kind::History, 1_000)] {
            assert!(share(kind).abs_diff(expected) < 300, "{kind:?}: {}", share(kind));
        }
    }
}
