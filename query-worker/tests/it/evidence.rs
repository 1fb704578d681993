//! What an answer is chosen by: the vectors that were stored with the passages, or else the words.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use embedding::{Embed, Embedded, Error, Identity, Passage};
use futures::future::BoxFuture;

use crate::{
    chat::question,
    seed::{self, Document},
    world::{self, projects, run},
};

/// The model, which counts the questions that it embeds and refuses passages.
struct Counting {
    model: Arc<dyn Embed>,
    questions: AtomicUsize,
}

impl Embed for Counting {
    fn query<'a>(&'a self, text: &'a str) -> BoxFuture<'a, Result<Vec<f32>, Error>> {
        self.questions.fetch_add(1, Ordering::Relaxed);
        self.model.query(text)
    }

    fn passages(&self, _: Vec<Passage>) -> BoxFuture<'_, Result<Vec<Embedded>, Error>> {
        Box::pin(async { Err(Error::Busy) })
    }

    fn count_tokens(&self, text: &str) -> usize {
        self.model.count_tokens(text)
    }

    fn passage_tokens(&self) -> usize {
        self.model.passage_tokens()
    }

    fn identity(&self) -> &Identity {
        self.model.identity()
    }
}

#[test]
fn a_question_is_embedded_once_and_no_sentence_is() {
    run(async {
        let world = world::samples().await;
        let counting =
            Arc::new(Counting { model: world.app.model.clone(), questions: AtomicUsize::default() });
        let mut app = world.app.clone();
        app.model = counting.clone();
        let ask = async |message: &str| {
            let query = question(message, "embedded-once", projects(&["torre-norte"]));
            let reply = world::ask(&app, &query).await.unwrap();
            (reply.answer, counting.questions.swap(0, Ordering::Relaxed))
        };
        let (answer, questions) = ask("¿Qué espesor tiene la losa del primer piso?").await;
        assert!(answer.contains("22 cm"), "{answer}");
        assert_eq!(questions, 1);
        let (answer, questions) = ask("¿y la del segundo piso?").await;
        assert!(answer.contains("18 cm"), "{answer}");
        assert_eq!(questions, 1);
    });
}

#[test]
fn without_usable_vectors_the_words_choose() {
    run(async {
        let world = world::samples().await;
        let text = "El portón del acceso sur se abre a las seis de la mañana. El portón del acceso sur se pinta de color \
                    gris perla. La caseta del vigilante tiene baño propio.";
        let document = Document::text("unvectored", "u1", "Accesos", text);
        seed::insert(&world.pool, world.app.model.as_ref(), &[document]).await;
        let answered = async |conversation: &str| {
            let message = "¿De qué color se pinta el portón del acceso sur?";
            let reply =
                world::ask(&world.app, &question(message, conversation, projects(&["unvectored"]))).await;
            let answer = reply.unwrap().answer;
            assert!(
                answer.starts_with("El portón del acceso sur se pinta de color gris perla. [1]"),
                "{answer}"
            );
        };
        let change = async |statement: &'static str| {
            let changed = sqlx::query(statement).execute(&world.pool).await.unwrap();
            assert_eq!(changed.rows_affected(), 1);
        };
        answered("with-vectors").await;
        // As another version that split sentences differently would have left them.
        change(
            "UPDATE sentence SET data = set_byte(data, 0, get_byte(data, 0) # 1)
             WHERE project_key = (SELECT key FROM project WHERE id = 'unvectored')",
        )
        .await;
        answered("with-others").await;
        change("DELETE FROM sentence WHERE project_key = (SELECT key FROM project WHERE id = 'unvectored')")
            .await;
        answered("without-vectors").await;
    });
}
