//! Tests of what the router does for every handler.

use std::time::Duration;

use platform::nats::serve::Router;
use schemas::{ProblemKind, query::Ping};

use crate::world::{self, run};

#[test]
fn a_handler_that_panics_is_an_error_at_once() {
    run(async {
        let app = &world::samples().await.app;
        let router = Router::new(app.nats.clone(), ()).on::<Ping, _>(|(), _, _| async { panic!("a bug") });
        let asked = world::start_on(app, router, &Ping {}, Duration::from_secs(60)).await;
        assert_eq!(asked.last().await.unwrap_err().kind, ProblemKind::Internal);
    });
}
