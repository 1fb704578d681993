//! All connections use TLS, and every server proves its identity with a certificate.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use e2e::{Certificates, Client, Options, System, Upload};
use reqwest::{Certificate, tls::TlsInfo};
use serde_json::json;

const PROJECT: &str = "cifrado";

/// Returns a client that trusts only this authority and opens a new connection for each request.
pub fn trusting(certificates: &Certificates) -> reqwest::Client {
    let authority = std::fs::read(certificates.path("ca.crt")).unwrap();
    reqwest::Client::builder()
        .tls_built_in_root_certs(false)
        .add_root_certificate(Certificate::from_pem(&authority).unwrap())
        .tls_info(true)
        .pool_max_idle_per_host(0)
        .timeout(Duration::from_secs(300))
        .build()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn all_parts_speak_tls_and_a_certificate_is_renewed_under_traffic() {
    let system = System::start(Options { tls: true, ..Options::default() }).await.unwrap();
    let certificates = system.certificates.as_ref().unwrap();
    let client = Client { http: trusting(certificates), url: system.apis[0].url.clone() };
    let text = "La cubierta lleva aislación de 80 mm.";
    let id = client.index(Upload::new("cubierta.txt", text, json!({"project_id": PROJECT}))).await.unwrap();
    assert_eq!(
        client.search(PROJECT, "aislación de la cubierta").await.unwrap()[0]["document_id"],
        json!(id)
    );

    // The second search is a cache hit, so the api reaches Redis over TLS too.
    let query = json!({"query": "aislación de la cubierta", "project_id": PROJECT, "top_k": 10});
    let again = client.post("/search", &query).await.unwrap();
    assert_eq!(again.headers()["x-cache"], "hit");

    // NATS requires TLS, and no service has a connection without TLS to PostgreSQL.
    let log = std::fs::read_to_string(system.stack.logs().join("nats.log")).unwrap();
    assert!(log.contains("TLS required for client connections"), "{log}");
    let pool = sqlx::PgPool::connect(system.stack.database_url()).await.unwrap();
    let plain: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM pg_stat_activity a JOIN pg_stat_ssl s USING (pid)
         WHERE a.usename LIKE 'acorag_%' AND NOT s.ssl",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!(plain, 0, "a service talks to PostgreSQL in the clear");

    renewed_under_traffic(&client, certificates).await;
    another_authority_is_refused(&system);
}

async fn renewed_under_traffic(client: &Client, certificates: &Certificates) {
    let stop = Arc::new(AtomicBool::new(false));
    let served = Arc::new(AtomicUsize::new(0));
    let visitors: Vec<_> = (0..4)
        .map(|_| {
            let (client, stop, served) = (client.clone(), stop.clone(), served.clone());
            tokio::spawn(async move {
                let mut seen = BTreeSet::new();
                while !stop.load(Ordering::Relaxed) {
                    let answer = client.get("/health").await.expect("no request is dropped");
                    assert!(answer.status().is_success());
                    let info = answer.extensions().get::<TlsInfo>().unwrap();
                    seen.insert(info.peer_certificate().unwrap().to_vec());
                    served.fetch_add(1, Ordering::Relaxed);
                }
                seen
            })
        })
        .collect();
    let certificate = async || {
        let answer = client.get("/health").await.unwrap();
        answer.extensions().get::<TlsInfo>().unwrap().peer_certificate().unwrap().to_vec()
    };
    let before = certificate().await;
    certificates.renew().unwrap();
    let deadline = Instant::now() + Duration::from_secs(120);
    while certificate().await == before {
        assert!(Instant::now() < deadline, "the renewed certificate is not served");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let after = certificate().await;
    // Waits for 50 more requests, so that some were served before and some after the change.
    let enough = served.load(Ordering::Relaxed) + 50;
    while served.load(Ordering::Relaxed) < enough {
        assert!(Instant::now() < deadline, "nobody is served any more");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stop.store(true, Ordering::Relaxed);
    let mut seen = BTreeSet::new();
    for visitor in visitors {
        seen.extend(visitor.await.unwrap());
    }
    assert_eq!(seen, BTreeSet::from([before, after]));
}

/// A program that cannot verify the certificate of a server ends, and its error names a setting of that
/// server.
fn another_authority_is_refused(system: &System) {
    let others = Certificates::new().unwrap();
    let wrong = others.path("ca.crt");
    let database = system.stack.database_url();
    for (program, variable, value, said) in [
        ("acorag-api", "NATS_CA", wrong.display().to_string(), "NATS_URL"),
        ("acorag-ingest-worker", "DATABASE_URL", e2e::verified(database, &wrong), "DATABASE_URL"),
        ("acorag-api", "REDIS_CA", others.path("none.crt").display().to_string(), "REDIS_CA"),
    ] {
        let output =
            system.prepared(program).unwrap().env("PORT", "0").env(variable, value).output().unwrap();
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{program} took a wrong {variable}");
        assert!(words.contains(said), "{program}: {words}");
        if variable != "REDIS_CA" {
            assert!(words.contains("certificate"), "{program}: {words}");
        }
    }
}
