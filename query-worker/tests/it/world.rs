//! What the tests share: the real servers, the real embedding model, the worker's handlers, and a client that
//! asks them.

use std::{future::Future, sync::LazyLock, time::Duration};

use clap::Parser as _;
use devstack::{Options, Stack};
use futures::StreamExt as _;
use platform::nats::{
    Context,
    consume::{Delivery, Failure, Handler},
};
use query_worker::{app::App, config::Config};
use schemas::{
    Answer, Problem, Request, Scope,
    account::{Caller, CallerLimits, Role},
    headers, subjects,
};
use sqlx::PgPool;
use tokio::{runtime::Runtime, sync::OnceCell};
use tokio_util::sync::CancellationToken;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());
static STACK: LazyLock<Stack> = LazyLock::new(|| Stack::start(Options::default()).unwrap());

/// Runs a test on the runtime that all tests share, because a connection works only on the runtime that
/// opened it.
pub fn run(test: impl Future<Output = ()>) {
    RUNTIME.block_on(test);
}

pub fn stack() -> &'static Stack {
    &STACK
}

/// A database with the current schema, the streams, and an app that answers from it.
pub struct World {
    pub database_url: String,
    /// Connections as the owner of the tables, from whom row-level security hides nothing.
    pub pool: PgPool,
    pub app: App,
}

/// The world with the sample documents, which every test may read and none changes.
pub async fn samples() -> &'static World {
    static WORLD: OnceCell<World> = OnceCell::const_new();
    WORLD
        .get_or_init(|| async {
            let world = World::new("samples", &[]).await;
            tokio::spawn(world.app.clone().log_searches(CancellationToken::new()));
            crate::seed::insert(&world.pool, world.app.model.as_ref(), &crate::samples::documents()).await;
            world
        })
        .await
}

impl World {
    pub async fn new(name: &str, settings: &[&str]) -> Self {
        let name = name.to_owned();
        let (stack, database_url) =
            tokio::task::spawn_blocking(move || (stack(), stack().database(&name).unwrap())).await.unwrap();
        let pool = PgPool::connect(&database_url).await.unwrap();
        migrations::postgres(&pool).await.unwrap();
        let config = config(stack, &database_url, settings);
        let nats = config.nats.connect("test").await.unwrap();
        let streams = migrations::StreamSettings {
            nats_replicas: 1,
            max_queued_jobs: 1_000,
            max_queued_queries: 1_000,
            events_days: 1,
            files_gib: Some(1),
            parts_gib: 1,
        };
        migrations::nats(&nats, &streams).await.unwrap();
        let app = App::build(&config).await.unwrap();
        Self { database_url, pool, app }
    }

    /// Another app on the same database, with other settings.
    pub async fn with(&self, settings: &[&str]) -> App {
        let mut settings = settings.to_vec();
        settings.push("--embed-threads=1");
        App::build(&config(stack(), &self.database_url, &settings)).await.unwrap()
    }
}

fn config(stack: &Stack, database_url: &str, settings: &[&str]) -> Config {
    let paths = stack.paths();
    let mut arguments = vec![
        "query-worker".to_owned(),
        format!("--nats-url={}", stack.nats_url()),
        format!("--database-url={database_url}"),
        format!("--model-dir={}", paths.model.display()),
        format!("--ort-dylib-path={}", paths.onnxruntime.display()),
        "--health-port=0".to_owned(),
    ];
    arguments.extend(settings.iter().map(|setting| (*setting).to_owned()));
    Config::parse_from(arguments)
}

/// Returns a caller that may read the projects of `scope`.
pub fn caller(id: &str, scope: Scope) -> Caller {
    Caller {
        id: id.to_owned(),
        user_id: None,
        name: id.to_owned(),
        role: Role::Read,
        scope,
        limits: CallerLimits::default(),
    }
}

pub fn projects(names: &[&str]) -> Scope {
    Scope::Projects(names.iter().map(|name| name.parse().unwrap()).collect())
}

/// Asks as the api does, with an inbox of its own. The handlers of `app` get the message directly, not from
/// the queue.
pub async fn ask<Q: Request>(app: &App, query: &Q) -> Result<Q::Reply, Problem> {
    start(app, query).await.last().await
}

/// A query that is being answered.
pub struct Asked<Q: Request> {
    app: App,
    reply_to: String,
    replies: async_nats::Subscriber,
    handler: tokio::task::JoinHandle<Result<(), Failure>>,
    last: Option<Result<Q::Reply, Problem>>,
}

pub async fn start<Q: Request>(app: &App, query: &Q) -> Asked<Q> {
    start_on(app, app.router(), query, Duration::from_secs(60)).await
}

/// Does the same as [`start`], with another handler and another deadline.
pub async fn start_on<Q: Request>(
    app: &App,
    router: impl Handler,
    query: &Q,
    patience: Duration,
) -> Asked<Q> {
    deliver(app, router, query, patience, 1, inbox(app)).await
}

/// Returns a new inbox for replies.
pub fn inbox(app: &App) -> String {
    format!("{}.{}", subjects::REPLIES, app.nats.client.new_inbox())
}

/// Does the same as [`start_on`], for the attempt with this number. All attempts of a query have one inbox.
pub async fn deliver<Q: Request>(
    app: &App,
    router: impl Handler,
    query: &Q,
    patience: Duration,
    attempt: i64,
    reply_to: String,
) -> Asked<Q> {
    let replies = app.nats.client.subscribe(reply_to.clone()).await.unwrap();
    let context = Context::new("test").within(patience);
    let mut map = context.headers();
    map.insert(headers::REPLY_TO, reply_to.as_str());
    let delivery = Delivery {
        subject: Q::subject(),
        payload: serde_json::to_vec(query).unwrap().into(),
        headers: Some(map),
        context,
        attempt,
        published: chrono::Utc::now(),
        sequence: 1,
        pending: 0,
    };
    let handler = tokio::spawn(async move { router.handle(delivery).await });
    Asked { app: app.clone(), reply_to, replies, handler, last: None }
}

impl<Q: Request> Asked<Q> {
    /// Returns the next frame; `None` when the last reply has arrived.
    pub async fn frame(&mut self) -> Option<serde_json::Value> {
        let message =
            tokio::time::timeout(Duration::from_secs(60), self.replies.next()).await.unwrap().unwrap();
        if platform::nats::text(message.headers.as_ref(), headers::FRAME).as_deref() == Some("last") {
            let answer: Answer<Q::Reply> = serde_json::from_slice(&message.payload).unwrap();
            self.last = Some(answer.into_result());
            return None;
        }
        Some(serde_json::from_slice(&message.payload).unwrap())
    }

    /// Waits for the last reply.
    pub async fn last(mut self) -> Result<Q::Reply, Problem> {
        while self.frame().await.is_some() {}
        self.end().await
    }

    /// Returns the last reply, which must already have arrived.
    pub async fn end(self) -> Result<Q::Reply, Problem> {
        self.handler.await.unwrap().unwrap();
        self.last.unwrap()
    }

    /// Cancels the query, as the api does when its client closes the connection.
    pub async fn cancel(self) {
        let subject = platform::nats::request::cancel_subject(&self.reply_to);
        self.app.nats.client.publish(subject, Vec::new().into()).await.unwrap();
        self.handler.await.unwrap().unwrap();
    }
}
