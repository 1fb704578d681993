//! The web page: static files that are compiled into the program.

use aide::axum::ApiRouter;
use axum::{
    extract::Request,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::get,
};
use sha2::{Digest as _, Sha256};

use super::files::is_fresh;
use crate::{App, extractors::Path, middleware};

static PAGE: &str = include_str!("../../web/index.html");
/// Name, media type and content of each file that the page loads.
static ASSETS: [(&str, &str, &str); 9] = [
    ("app.js", "text/javascript", include_str!("../../web/app.js")),
    ("chat.js", "text/javascript", include_str!("../../web/chat.js")),
    ("documents.js", "text/javascript", include_str!("../../web/documents.js")),
    ("http.js", "text/javascript", include_str!("../../web/http.js")),
    ("icon.svg", "image/svg+xml", include_str!("../../web/icon.svg")),
    ("search.js", "text/javascript", include_str!("../../web/search.js")),
    ("style.css", "text/css", include_str!("../../web/style.css")),
    ("text.js", "text/javascript", include_str!("../../web/text.js")),
    ("view.js", "text/javascript", include_str!("../../web/view.js")),
];

/// Allows nothing from other origins, and no inline scripts or styles. A PDF that the page has fetched is shown in a tab
/// of its own, under this policy too: Chrome's PDF viewer counts as a plugin (`object-src`).
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; object-src blob:; \
                      connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'";

pub fn routes() -> ApiRouter<App> {
    ApiRouter::new().route("/", get(page)).route("/assets/{name}", get(asset))
}

async fn page(headers: HeaderMap) -> Response {
    file(&headers, "text/html; charset=utf-8", PAGE)
}

async fn asset(Path(name): Path<String>, request: Request) -> Response {
    match ASSETS.iter().find(|asset| asset.0 == name) {
        Some((_, media_type, content)) => file(request.headers(), media_type, content),
        None => middleware::not_found(request).await,
    }
}

fn file(asked: &HeaderMap, media_type: &'static str, content: &'static str) -> Response {
    let tag = format!("\"{}\"", schemas::text::hex(&Sha256::digest(content)[..8]));
    let headers = [
        (header::CONTENT_TYPE, media_type),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CACHE_CONTROL, "no-cache"),
        (header::ETAG, tag.as_str()),
    ];
    if is_fresh(asked, &tag) {
        (headers, StatusCode::NOT_MODIFIED).into_response()
    } else {
        (headers, content).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_page_is_served() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/web");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "index.html")
            .collect();
        files.sort();
        assert_eq!(files, ASSETS.iter().map(|asset| asset.0).collect::<Vec<_>>());
    }

    #[test]
    fn a_copy_is_fresh_also_if_its_tag_is_weak_or_one_of_several() {
        let first = file(&HeaderMap::new(), "text/css", "a");
        let tag = first.headers()[header::ETAG].to_str().unwrap();
        for (sent, status) in [
            (tag.to_owned(), 304),
            (format!("\"x\", W/{tag}"), 304),
            ("*".to_owned(), 304),
            ("\"x\"".to_owned(), 200),
        ] {
            let asked = HeaderMap::from_iter([(header::IF_NONE_MATCH, sent.parse().unwrap())]);
            assert_eq!(file(&asked, "text/css", "a").status(), status, "{sent}");
        }
    }

    #[test]
    fn every_sentence_of_the_page_is_there_in_both_languages() {
        let texts = ASSETS.iter().find(|asset| asset.0 == "text.js").unwrap().2;
        for attribute in ["data-t", "data-t-placeholder", "data-t-aria-label"] {
            for rest in PAGE.split(&format!(" {attribute}=\"")).skip(1) {
                let (key, _) = rest.split_once('"').unwrap();
                assert_eq!(texts.matches(&format!(" {key}: \"")).count(), 2, "{key}");
            }
        }
    }
}
