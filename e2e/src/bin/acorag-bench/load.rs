//! Sends requests from many clients, and notes how each request ends.

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use e2e::{Client, Random, percentiles};
use reqwest::Response;
use serde_json::{Value, json};
use tokio::task::JoinSet;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Search,
    Chat,
    History,
}

#[derive(Clone, Debug)]
pub struct Request {
    pub kind: Kind,
    path: String,
    body: Option<Value>,
}

impl Request {
    pub fn search(project: &str, query: &str) -> Self {
        let body = json!({"query": query, "project_id": project, "top_k": 10});
        Self { kind: Kind::Search, path: "/search".to_owned(), body: Some(body) }
    }

    /// A question of a conversation of its own if `session` was not used before.
    pub fn chat(project: &str, question: &str, session: &str) -> Self {
        let body = json!({"question": question, "project_id": project, "session_id": session});
        Self { kind: Kind::Chat, path: "/chat".to_owned(), body: Some(body) }
    }

    pub fn history(session: &str) -> Self {
        Self { kind: Kind::History, path: format!("/history/{session}"), body: None }
    }

    /// A search of another program: a POST of `body`, or a GET without one.
    pub fn other(path: String, body: Option<Value>) -> Self {
        Self { kind: Kind::Search, path, body }
    }

    /// Sends the request and waits for the whole answer.
    pub async fn send(&self, client: &Client) -> Outcome {
        let started = Instant::now();
        let end = self.try_send(client).await.unwrap_or_else(|error| End::Broken(format!("{error:#}")));
        Outcome { kind: self.kind, end, milliseconds: started.elapsed().as_secs_f64() * 1_000.0 }
    }

    /// Sends the request and returns the answer, whatever its status is.
    pub async fn answer(&self, client: &Client) -> Result<Response> {
        match &self.body {
            Some(body) => client.post(&self.path, body).await,
            None => client.get(&self.path).await,
        }
    }

    async fn try_send(&self, client: &Client) -> Result<End> {
        let answer = self.answer(client).await?;
        let status = answer.status();
        let retry = answer.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
        let text = answer.text().await?;
        Ok(end(status.as_u16(), retry, text))
    }
}

/// How a request ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    Answered,
    /// Refused in the way that clients rely on: 429 or 503 with a Retry-After, in seconds.
    Refused(u64),
    Broken(String),
}

fn end(status: u16, retry: Option<u64>, text: String) -> End {
    match (status, retry) {
        (200..=299, _) => End::Answered,
        (429 | 503, Some(seconds)) if seconds > 0 => End::Refused(seconds),
        _ => End::Broken(format!("{status} {text}")),
    }
}

#[derive(Debug)]
pub struct Outcome {
    pub kind: Kind,
    pub end: End,
    pub milliseconds: f64,
}

impl Outcome {
    fn is_answered(&self) -> bool {
        self.end == End::Answered
    }

    fn is_refused(&self) -> bool {
        matches!(self.end, End::Refused(_))
    }
}

/// The requests that ended while it was measured.
pub struct Outcomes {
    outcomes: Vec<Outcome>,
    seconds: f64,
    /// All answers, also those that came before and after the measurement: processor time contains them.
    pub answers: usize,
}

impl Outcomes {
    pub fn new(outcomes: Vec<Outcome>, seconds: f64) -> Self {
        let answers = outcomes.iter().filter(|outcome| outcome.is_answered()).count();
        Self { outcomes, seconds, answers }
    }

    /// Fails if a request was neither answered nor refused in the expected way.
    pub fn none_broken(self) -> Result<Self> {
        for Outcome { kind, end, .. } in &self.outcomes {
            if let End::Broken(reason) = end {
                bail!("{} requests failed, the first one ({kind:?}): {reason}", self.broken());
            }
        }
        Ok(self)
    }

    pub fn broken(&self) -> usize {
        self.outcomes.iter().filter(|outcome| matches!(outcome.end, End::Broken(_))).count()
    }

    /// Answers per second.
    pub fn rate(&self) -> f64 {
        self.times(Outcome::is_answered).len() as f64 / self.seconds
    }

    /// The percentage of the requests that were refused.
    pub fn refused(&self) -> f64 {
        self.times(Outcome::is_refused).len() as f64 * 100.0 / self.outcomes.len().max(1) as f64
    }

    /// Percentiles of the milliseconds of all answered requests.
    pub fn percentiles<const N: usize>(&self, shares: [f64; N]) -> [f64; N] {
        percentiles(self.times(Outcome::is_answered), shares)
    }

    pub fn p95_of(&self, kind: Kind) -> f64 {
        let times = self.times(|outcome| outcome.is_answered() && outcome.kind == kind);
        let [p95] = percentiles(times, [0.95]);
        p95
    }

    pub fn p95_of_refusals(&self) -> f64 {
        let [p95] = percentiles(self.times(Outcome::is_refused), [0.95]);
        p95
    }

    /// The milliseconds of the requests that count.
    fn times(&self, counts: impl Fn(&Outcome) -> bool) -> Vec<f64> {
        let counted = self.outcomes.iter().filter(|outcome| counts(outcome));
        counted.map(|outcome| outcome.milliseconds).collect()
    }
}

/// Clients that send one request after the other. After a refusal a client waits as it was told, but one second at most.
pub struct Clients {
    pub count: usize,
    pub time: Duration,
    /// The average pause of a client between an answer and its next request.
    pub pause: Duration,
}

impl Clients {
    /// `next` makes the next request of the client with this number. Requests that end during the first half second are
    /// not counted.
    pub async fn send(&self, client: &Client, next: impl Fn(usize) -> Request) -> Result<Outcomes> {
        const WARM: Duration = Duration::from_millis(500);
        let (next, started) = (&next, Instant::now());
        let clients = (0..self.count).map(|number| async move {
            let (mut random, mut outcomes, mut answers) = (Random::new(number as u64), Vec::new(), 0);
            // Clients with pauses do not all begin at the same moment.
            tokio::time::sleep(self.pause.mul_f64(random.share())).await;
            while started.elapsed() < WARM + self.time {
                let outcome = next(number).send(client).await;
                answers += usize::from(outcome.is_answered());
                let told = if let End::Refused(seconds) = outcome.end { seconds.min(1) } else { 0 };
                if (WARM..WARM + self.time).contains(&started.elapsed()) {
                    outcomes.push(outcome);
                }
                tokio::time::sleep(self.pause.mul_f64(0.5 + random.share()).max(Duration::from_secs(told)))
                    .await;
            }
            (outcomes, answers)
        });
        let (outcomes, answers): (Vec<_>, Vec<usize>) =
            futures::future::join_all(clients).await.into_iter().unzip();
        let outcomes = outcomes.into_iter().flatten().collect();
        Ok(Outcomes { outcomes, seconds: self.time.as_secs_f64(), answers: answers.into_iter().sum() })
    }
}

/// Sends requests at random moments, `rate` a second on average, however long the answers take. Real users do not wait for
/// each other, so only this shows what happens when there are too many.
pub async fn arrivals(
    client: &Client,
    rate: f64,
    time: Duration,
    random: &mut Random,
    mut next: impl FnMut() -> Request,
) -> Result<Outcomes> {
    let (started, mut due, mut sent) = (tokio::time::Instant::now(), 0.0, 0_u32);
    let mut requests = JoinSet::new();
    loop {
        // The pauses between independent arrivals have an exponential distribution.
        due += -(1.0 - random.share()).ln() / rate;
        if due > time.as_secs_f64() {
            break;
        }
        tokio::time::sleep_until(started + Duration::from_secs_f64(due)).await;
        let (request, client) = (next(), client.clone());
        requests.spawn(async move { request.send(&client).await });
        sent += 1;
    }
    let late = started.elapsed().as_secs_f64() / time.as_secs_f64();
    ensure!(
        late < 1.1,
        "{sent} requests took {late:.2} times as long to send as they should: this machine is too slow"
    );
    let outcomes = requests.join_all().await;
    // The rate is that of the whole time, in which the last ones were answered too.
    Ok(Outcomes::new(outcomes, started.elapsed().as_secs_f64()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_must_say_when_to_come_back() {
        assert_eq!(end(200, None, String::new()), End::Answered);
        assert_eq!(end(503, Some(2), String::new()), End::Refused(2));
        assert_eq!(end(429, Some(1), String::new()), End::Refused(1));
        for (status, retry) in [(503, None), (503, Some(0)), (500, Some(1)), (504, Some(1))] {
            assert!(matches!(end(status, retry, String::new()), End::Broken(_)), "{status} {retry:?}");
        }
    }

    #[test]
    fn only_answers_count_as_answers() {
        let outcome = |end, milliseconds| Outcome { kind: Kind::Search, end, milliseconds };
        let all =
            vec![outcome(End::Answered, 10.0), outcome(End::Answered, 30.0), outcome(End::Refused(1), 2.0)];
        let outcomes = Outcomes::new(all, 2.0);
        assert_eq!((outcomes.rate(), outcomes.percentiles([1.0])), (1.0, [30.0]));
        assert_eq!(outcomes.p95_of_refusals(), 2.0);
        assert!((outcomes.refused() - 100.0 / 3.0).abs() < 1e-9);
        assert!(outcomes.none_broken().is_ok());
    }
}
