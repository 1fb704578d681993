//! Tests of how requests are served: when a handler panics, and when a request is delivered again.

use std::time::Duration;

use platform::nats::serve::Router;
use query_worker::app::App;
use schemas::{ProblemKind, query::Ping};
use sqlx::PgPool;

use crate::{
    chat::question,
    history,
    world::{self, projects, run},
};

#[test]
fn a_handler_that_panics_is_an_error_at_once() {
    run(async {
        let app = &world::samples().await.app;
        let router = Router::new(app.nats.clone(), ()).on::<Ping, _>(|(), _, _| async { panic!("a bug") });
        let asked = world::start_on(app, router, &Ping {}, Duration::from_secs(60)).await;
        assert_eq!(asked.last().await.unwrap_err().kind, ProblemKind::Internal);
    });
}

#[test]
fn a_question_that_is_delivered_again_begins_again_after_its_search() {
    run(async {
        let world = world::samples().await;
        let query = question("¿Cuántos días hay que curar las losas?", "", projects(&["torre-norte"]));
        let again = async |app: &App| {
            let inbox = world::inbox(app);
            let mut asked =
                world::deliver(app, app.router(), &query, Duration::from_secs(60), 2, inbox).await;
            (asked.frame().await, asked)
        };
        let (first, asked) = again(&world.app).await;
        assert_eq!(first.unwrap()["restart"], true);
        asked.last().await.unwrap();

        let mut app = world.app.clone();
        app.pool = PgPool::connect_lazy(&world.database_url).unwrap();
        app.pool.close().await;
        let (first, asked) = again(&app).await;
        assert_eq!(first, None, "the api answers with a status only if the refusal comes first");
        assert_eq!(asked.end().await.unwrap_err().kind, ProblemKind::Unavailable);
    });
}

#[test]
fn a_question_that_is_delivered_twice_is_one_turn_of_one_conversation() {
    run(async {
        let world = world::samples().await;
        let (app, scope) = (&world.app, projects(&["torre-norte"]));
        for conversation in ["", "delivered-twice"] {
            let query = question("¿Cuántos días hay que curar las losas?", conversation, scope.clone());
            let (inbox, mut replies) = (world::inbox(app), Vec::new());
            for attempt in 1..=2 {
                let (router, patience) = (app.router(), Duration::from_secs(60));
                let asked = world::deliver(app, router, &query, patience, attempt, inbox.clone()).await;
                replies.push(asked.last().await.unwrap().conversation_id);
            }
            assert_eq!(replies[0], replies[1]);
            assert_eq!(history::of(world, "key:chat", scope.clone(), &replies[0]).await.len(), 1);
        }
    });
}
