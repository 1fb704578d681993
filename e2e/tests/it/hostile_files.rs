//! Some of the hostile files (`acorag-hostile` sends all): each is indexed or refused, and the system keeps
//! working.

use e2e::{
    Upload,
    hostile::{self, File},
};
use futures::{StreamExt as _, stream};
use serde_json::json;

use crate::{shared, unique};

#[tokio::test]
async fn files_that_mean_harm_are_settled_and_harm_nothing() {
    let (client, _) = shared().await;
    let project = &unique("hostil");
    let files: Vec<File> = hostile::files(1, 1_000).unwrap().step_by(10).collect();
    assert!(files.len() >= 100);
    let outcomes: Vec<_> = stream::iter(files)
        .map(|file| {
            let client = client.clone();
            async move { (hostile::send(&client, project, &file).await, file.name) }
        })
        .buffer_unordered(4)
        .collect()
        .await;
    for (outcome, name) in outcomes {
        let outcome = outcome.unwrap_or_else(|error| panic!("{name:?}: {error:#}"));
        assert!(outcome.is_fine(), "{name:?}: {outcome:?}");
    }
    client
        .index(Upload::new("bien.txt", "La losa tiene 18 cm.", json!({"project_id": project})))
        .await
        .unwrap();
    assert!(!client.search(project, "espesor de la losa").await.unwrap().is_empty());
}
