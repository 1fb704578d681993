//! Crash points of the api: the client gets no response, and sends its request again.

use super::{Crashes, ended, indexed, note};

const TEXT: &str = "La grúa se instala el martes.";

impl Crashes {
    pub async fn uploads_that_the_api_did_not_answer(&mut self) {
        for point in ["object-stored", "job-published"] {
            self.arm(point, point);
            self.client.try_upload(note(point, TEXT), "").await.expect_err("the api ends before it answers");
            ended(&mut self.system.apis[0]).await;
            self.system.apis[0].restart().await.unwrap();
            let id = self.client.index(note(point, TEXT)).await.unwrap();
            // That may have been the job whose upload got no response. The second one processes the document again.
            self.queue_is_empty().await;
            let documents = indexed(&self.client, point).await;
            assert_eq!(documents.len(), 1, "{point}: {documents:?}");
            assert_eq!(documents[0]["document_id"], id.as_str());
        }
        // Here the api is killed after its response, so the client does not send the request again.
        let id = self.client.upload(note("answer-sent", TEXT)).await.unwrap();
        self.system.apis[0].kill().unwrap();
        self.system.apis[0].restart().await.unwrap();
        assert_eq!(self.client.settled(&id, "answer-sent").await.unwrap()["state"], "indexed");

        let point = "deletion-published";
        let id = self.client.index(note(point, TEXT)).await.unwrap();
        self.arm(point, point);
        let path = format!("/documents/{id}?project_id={point}");
        self.client.delete(&path).await.expect_err("the api ends before it answers");
        ended(&mut self.system.apis[0]).await;
        self.system.apis[0].restart().await.unwrap();
        self.queue_is_empty().await;
        assert_eq!(self.client.get(&path).await.unwrap().status(), 404);
    }
}
