//! Clients that search and upload continuously; any failed request fails the test.

use std::{
    future::Future,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use e2e::{Client, Upload};
use serde_json::json;
use tokio::{sync::RwLock, task::JoinHandle};

const PROJECT: &str = "rotacion";
/// The pause of a client between two calls, which leaves processor time for the services of this debug build.
const PAUSE: Duration = Duration::from_millis(100);

pub struct Traffic {
    shared: Arc<Shared>,
    clients: Vec<JoinHandle<()>>,
}

struct Shared {
    /// Each request holds a read lock until its response, so that a write lock waits for all requests to the
    /// old api.
    client: RwLock<Client>,
    stop: AtomicBool,
    searched: AtomicUsize,
    uploaded: Mutex<Vec<String>>,
}

impl Traffic {
    pub async fn start(client: Client) -> Self {
        client.index(note(0)).await.unwrap();
        let shared = Arc::new(Shared {
            client: RwLock::new(client),
            stop: AtomicBool::new(false),
            searched: AtomicUsize::new(0),
            uploaded: Mutex::default(),
        });
        let searching = (0..2).map(|_| tokio::spawn(keep(shared.clone(), search)));
        let mut clients: Vec<_> = searching.collect();
        clients.push(tokio::spawn(keep(shared.clone(), upload)));
        Self { shared, clients }
    }

    /// Sends all further requests to this api, as a proxy would. First waits until requests to the other api
    /// are answered, because that api is stopped next (in Kubernetes, `preStop` waits for this).
    pub async fn goes_to(&self, url: &str) {
        let mut client = self.shared.client.write().await;
        *client = client.clone().at(url);
    }

    /// Waits until 10 more searches and 5 more uploads were answered.
    pub async fn flows(&self, when: &str) {
        let count =
            || (self.shared.searched.load(Ordering::Relaxed), self.shared.uploaded.lock().unwrap().len());
        let (searched, uploaded) = count();
        let deadline = Instant::now() + Duration::from_secs(120);
        while count().0 < searched + 10 || count().1 < uploaded + 5 {
            assert!(self.clients.iter().all(|client| !client.is_finished()), "a client failed {when}");
            assert!(Instant::now() < deadline, "nobody is answered {when}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Stops the clients, waits until all uploaded documents are searchable, and returns a sentence with the
    /// numbers.
    pub async fn stop(self) -> String {
        self.shared.stop.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.await.unwrap();
        }
        let client = self.shared.client.read().await;
        let uploaded = std::mem::take(&mut *self.shared.uploaded.lock().unwrap());
        for id in &uploaded {
            let document = client.settled(id, PROJECT).await.unwrap();
            assert_eq!(document["state"], "indexed", "{document}");
        }
        let searched = self.shared.searched.load(Ordering::Relaxed);
        format!("{searched} searches and {} uploads, none failed", uploaded.len())
    }
}

async fn keep<F: Future<Output = ()>>(shared: Arc<Shared>, call: impl Fn(Arc<Shared>) -> F) {
    while !shared.stop.load(Ordering::Relaxed) {
        call(shared.clone()).await;
        tokio::time::sleep(PAUSE).await;
    }
}

/// Sends a search that was never sent before, so that the cache cannot answer it.
async fn search(shared: Arc<Shared>) {
    let number = shared.searched.fetch_add(1, Ordering::Relaxed);
    let query = json!({"query": format!("impermeabilización del estanque {number}"), "project_id": PROJECT});
    let client = shared.client.read().await;
    let answer = client.post("/search", &query).await.expect("a search is answered");
    let (status, degraded) = (answer.status(), answer.headers().get("x-acorag-degraded").cloned());
    let rows = answer.text().await.unwrap();
    assert!(
        status.is_success() && degraded.is_none() && rows.contains("estanque"),
        "{status} {degraded:?} {rows}"
    );
}

async fn upload(shared: Arc<Shared>) {
    let number = shared.uploaded.lock().unwrap().len() + 1;
    let client = shared.client.read().await;
    let id = client.upload(note(number)).await.expect("an upload is accepted");
    shared.uploaded.lock().unwrap().push(id);
}

fn note(number: usize) -> Upload {
    let text = format!("La impermeabilización del estanque se prueba por vez número {number}.");
    Upload::new(&format!("estanque-{number}.txt"), text, json!({"project_id": PROJECT}))
}
