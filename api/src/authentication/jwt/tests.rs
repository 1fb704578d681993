use tokio::{net::TcpListener, time::timeout};

use super::*;

fn published() -> Arc<[Key]> {
    read(include_str!("../../../tests/keys/issuer.jwks.json")).unwrap()
}

#[test]
fn a_key_of_an_unknown_kind_spoils_no_other() {
    let names: Vec<_> = published().iter().map(|key| key.name.clone().unwrap()).collect();
    assert_eq!(names, ["k0", "k1"]);
    for bad in ["", "{}", r#"{"keys": []}"#, r#"{"keys": [{"kty": "OKP", "crv": "X448", "x": "AAAA"}]}"#] {
        assert!(read(bad).is_err(), "{bad}");
    }
}

#[tokio::test]
async fn an_issuer_that_hangs_holds_up_nobody_whose_key_is_known() {
    crate::app::install_crypto();
    let issuer = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", issuer.local_addr().unwrap());
    // With this timeout, the fetch lasts longer than the test.
    let client = reqwest::Client::builder().timeout(Duration::from_secs(300)).build().unwrap();
    let tried = Instant::now().checked_sub(STALE + Duration::from_secs(1)).unwrap();
    let known = RwLock::new(Known { keys: published(), tried });
    let keys = Arc::new(Keys { source: Source::Address(client, address), known, fetching: Mutex::default() });
    let asking = keys.clone();
    let unknown = tokio::spawn(async move { asking.of(Some("new"), Algorithm::ES256).await });
    let (_hanging, _) = issuer.accept().await.unwrap();
    for (name, found) in [(Some("k1"), 1), (None, 2)] {
        let keys = timeout(Duration::from_secs(60), keys.of(name, Algorithm::ES256)).await;
        assert_eq!(keys.map(|keys| keys.len()), Ok(found), "{name:?}");
    }
    assert!(!unknown.is_finished());
    // Only one fetch runs at a time, however many requests need it.
    assert!(timeout(Duration::from_millis(200), issuer.accept()).await.is_err());
}

#[tokio::test]
async fn no_token_is_refused_while_the_issuers_keys_were_never_read() {
    crate::app::install_crypto();
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let config = Config {
        jwt_issuer: Some("https://issuer.example".to_owned()),
        jwt_audience: Some("acorag".to_owned()),
        jwt_jwks: Some(format!("http://{gone}")),
    };
    let issuer = Issuer::new(&config).await.unwrap().unwrap();
    // Its header is {"alg":"ES256"}, and its claims are {}.
    let token = "eyJhbGciOiJFUzI1NiJ9.e30.AAAA";
    assert_eq!(issuer.verify(token).await.unwrap_err(), Problem::unavailable());
    issuer.keys.known.write().unwrap().keys = published();
    assert_eq!(issuer.verify(token).await.unwrap_err(), refusal::unauthorized());
}
