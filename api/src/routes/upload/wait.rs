//! Waiting for an upload to be searchable.

use std::time::Duration;

use axum::http::HeaderMap;
use schemars::JsonSchema;
use schemas::{
    Problem, ProblemKind,
    event::{DocumentEvent, EventKind},
    lenient,
    problem::UiLanguage,
    upload::{IndexedData, UploadIndexed},
};
use serde::Deserialize;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{Accepted, failed};

const MAX_SECONDS: u64 = 300;

/// How long a client wants to wait.
#[derive(Debug, Default, Deserialize, JsonSchema)]
pub struct Wait {
    /// Answer when the document is searchable, at the latest after this many seconds: 1 to 300. The header
    /// `Prefer: wait=SECONDS` says the same.
    #[serde(default, deserialize_with = "lenient::integer")]
    #[schemars(range(min = 1, max = 300))]
    pub wait: Option<i64>,
}

impl Wait {
    /// The parameter, else the `Prefer` header: a preference that cannot be met is no error.
    pub fn or_preferred(self, headers: &HeaderMap) -> Result<Option<Duration>, Problem> {
        match self.wait.map(u64::try_from) {
            Some(Ok(seconds @ 1..=MAX_SECONDS)) => Ok(Some(Duration::from_secs(seconds))),
            Some(_) => Err(Problem::field("wait", "debe estar entre 1 y 300.", "must be between 1 and 300.")),
            None => Ok(preferred(headers).map(|seconds| Duration::from_secs(seconds.min(MAX_SECONDS)))),
        }
    }
}

fn preferred(headers: &HeaderMap) -> Option<u64> {
    headers
        .get_all("prefer")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split([',', ';']))
        .find_map(|preference| {
            let (name, seconds) = preference.split_once('=')?;
            let seconds = name.trim().eq_ignore_ascii_case("wait").then(|| seconds.trim().parse().ok())??;
            (seconds > 0).then_some(seconds)
        })
}

/// What became of the upload; `None` when it is still under way after `patience`, or when this process has to stop: the
/// document is safe, and its client can ask elsewhere.
pub async fn for_end(
    accepted: &mut Accepted,
    patience: Duration,
    language: UiLanguage,
    stopping: &CancellationToken,
) -> Option<Result<UploadIndexed, Problem>> {
    let end = timeout(patience, accepted.events.end(&accepted.own));
    let event = stopping.run_until_cancelled(end).await?.ok()??;
    Some(match event.event {
        EventKind::Failed => Err(failed(event.reason)),
        EventKind::Deleted => Err(Problem::new(
            ProblemKind::Conflict,
            "El documento se eliminó mientras se procesaba.",
            "The document was deleted while it was being processed.",
        )),
        _ => Ok(indexed(accepted, event, language)),
    })
}

fn indexed(accepted: &Accepted, event: DocumentEvent, language: UiLanguage) -> UploadIndexed {
    let job = &accepted.job;
    let late = event.event == EventKind::Superseded;
    let message = match (late, language) {
        (false, UiLanguage::Spanish) => "Documento indexado; ya se puede buscar.",
        (false, UiLanguage::English) => "Document indexed; it is searchable now.",
        (true, UiLanguage::Spanish) => {
            "Ya existe una revisión más nueva de este documento: esta queda registrada como reemplazada y no aparece en \
             las búsquedas."
        }
        (true, UiLanguage::English) => {
            "There is a newer revision of this document already: this one is kept as superseded and answers no search."
        }
    };
    let title = [&event.title, &job.ingest.metadata.title].into_iter().find(|title| !title.is_empty());
    UploadIndexed {
        status: "success".to_owned(),
        message: message.to_owned(),
        data: IndexedData {
            document_id: job.document.clone(),
            filename: job.ingest.filename.clone(),
            project_id: job.project.clone(),
            title: title.unwrap_or(&job.ingest.filename).clone(),
            chunks_created: if late { 0 } else { event.chunks.unwrap_or_default() },
            text_length: event.text_length.unwrap_or_default(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_a_parameter_or_a_preference() {
        let wait = |parameter, prefer: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("prefer", prefer.parse().unwrap());
            Wait { wait: parameter }.or_preferred(&headers).map(|wait| wait.map(|wait| wait.as_secs()))
        };
        assert_eq!(wait(Some(5), "wait=9"), Ok(Some(5)));
        assert_eq!(wait(None, "respond-async, wait=9"), Ok(Some(9)));
        assert_eq!(wait(None, "Wait = 9000"), Ok(Some(300)));
        for ignored in ["", "wait=x", "wait=0", "handling=strict"] {
            assert_eq!(wait(None, ignored), Ok(None), "{ignored}");
        }
        for refused in [0, 301] {
            assert!(wait(Some(refused), "").unwrap_err().detail.en.starts_with("wait: "));
        }
    }
}
