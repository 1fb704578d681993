use schemas::document::ListFilter;

use super::*;

async fn query(uri: &str) -> Result<ListFilter, Problem> {
    let (mut parts, ()) = axum::http::Request::builder().uri(uri).body(()).unwrap().into_parts();
    Query::<ListFilter>::from_request_parts(&mut parts, &())
        .await
        .map(|query| query.0)
        .map_err(|error| error.0)
}

#[test]
fn json_need_not_say_that_it_is_json() {
    let may_be = |media_type: &str| {
        let value = media_type.parse().unwrap();
        may_be_json(&HeaderMap::from_iter([(header::CONTENT_TYPE, value)]))
    };
    assert!(may_be_json(&HeaderMap::new()) && may_be("") && may_be("Application/JSON; charset=utf-8"));
    assert!(!may_be("text/plain") && !may_be("application/x-www-form-urlencoded"));
}

#[tokio::test]
async fn query_parameters_are_named_and_blank_ones_absent() {
    let filter = query(
        "/documents?project_id=Torre%20Norte&state=&doc_type=+&number=+A-1%20&limit=7&limit=5&cursor&unknown=1",
    )
    .await
    .unwrap();
    let expected = ListFilter {
        project_id: Some("Torre Norte".parse().unwrap()),
        fields: schemas::Fields { number: "A-1".to_owned(), ..Default::default() },
        limit: Some(5),
        ..ListFilter::default()
    };
    assert_eq!(filter, expected);
    for (uri, detail) in [
        ("/d?limit=x", "limit: debe ser un número entero."),
        ("/d?state=gone", "state: debe ser uno de: queued, processing, indexed, failed, superseded."),
        ("/d?category=a%00b", "category: contiene un carácter NUL."),
        ("/d?project_id=x%0Ay", "project_id: no puede contener caracteres de control."),
    ] {
        assert_eq!(query(uri).await.unwrap_err().detail.es, detail, "{uri}");
    }
}
