use std::io::Write as _;

use schemas::subjects::JobKind;

use super::*;

fn message(subject: &str, headers: &[(&str, &str)]) -> Message {
    Message {
        subject: subject.to_owned(),
        time: "2026-11-24T14:00:00.123456789Z".parse().unwrap(),
        headers: headers.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect(),
        payload: String::new(),
    }
}

#[test]
fn a_job_keeps_its_time_of_acceptance() {
    const STORED: &str = "2026-11-24T14:00:00.123456789+00:00";
    const EARLIER: &str = "2026-11-24T13:00:00+00:00";
    let (project, document) = ("p".parse().unwrap(), "d".parse().unwrap());
    let job = |kind| subjects::job(kind, &project, &document);
    let times = |subject: &str, before: &[(&str, &str)]| {
        let map = message(subject, before).headers_to_publish();
        [headers::ORDERED_AT, headers::ACCEPTED].map(|name| {
            assert!(map.get_all(name).count() <= 1);
            map.get(name).map(|value| value.as_str().to_owned())
        })
    };
    let some = |at: &str| Some(at.to_owned());
    for own in [job(JobKind::Delete), subjects::upload(&project, &document)] {
        assert_eq!(times(&own, &[]), [some(STORED), None]);
        assert_eq!(times(&own, &[(headers::ORDERED_AT, EARLIER)]), [some(EARLIER), None]);
    }
    // The workers ignore the first header on a producer's subject.
    let producers = job(JobKind::Document);
    assert_eq!(times(&producers, &[]), [None, some(STORED)]);
    assert_eq!(times(&producers, &[(headers::ACCEPTED, EARLIER)]), [None, some(EARLIER)]);
    for other in [subjects::dead_letter("ingest-document"), "acorag.v1.file.p.f".to_owned()] {
        assert_eq!(times(&other, &[]), [None, None]);
    }
}

#[test]
fn a_job_published_again_is_new_and_keeps_its_first_time() {
    let since = "2026-11-24T13:00:00.000001+00:00";
    let subject = subjects::upload(&"p".parse().unwrap(), &"d".parse().unwrap());
    let again = Message::again(subject, since.parse().unwrap(), b"{}");
    assert_eq!((again.since().to_rfc3339(), again.payload().unwrap()), (since.to_owned(), b"{}".to_vec()));
    assert!(again.accepted_at() > again.since());
    let map = again.headers_to_publish();
    let of = |name: &str| map.get(name).unwrap().as_str().to_owned();
    let published = [headers::ORDERED_AT, headers::ACCEPTED].map(of);
    assert_eq!(published, [again.time.to_rfc3339(), since.to_owned()]);
    // Only an earlier time counts.
    let later = message("acorag.v1.ingest.upload.p.d", &[(headers::ACCEPTED, "2999-01-01T00:00:00Z")]);
    assert_eq!(later.since(), later.time);
}

#[test]
fn commands_to_jetstream_are_not_published_again() {
    let headers = [(headers::MESSAGE_ID, "1"), (headers::VERSION, "1")];
    let map = message("acorag.v1.dlq.ingest-document", &headers).headers_to_publish();
    assert_eq!((map.get(headers::MESSAGE_ID).is_none(), map.get(headers::VERSION).is_some()), (true, true));
}

#[test]
fn a_file_is_read_line_by_line() {
    let folder = tempfile::tempdir().unwrap();
    let identity = Identity::generate();
    let path = folder.path().join("queue.age");
    let mut file = seal::Sealed::create(path.clone(), &identity.to_public()).unwrap();
    file.write_all(b"1\n2\nthree\n").unwrap();
    file.finish().unwrap();
    let mut lines = lines::<u8>(&path, &identity).unwrap();
    assert_eq!([lines.next(), lines.next()].map(|line| line.unwrap().unwrap()), [1, 2]);
    assert!(lines.next().unwrap().unwrap_err().to_string().ends_with("queue.age is damaged"));
}
