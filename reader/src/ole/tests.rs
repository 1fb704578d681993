use std::io::Write;

use super::*;

/// Builds a compound file with these streams and the storages that contain them.
pub fn build(streams: &[(&str, &[u8])]) -> Vec<u8> {
    let mut container = CompoundFile::create(Cursor::new(Vec::new())).unwrap();
    for (path, bytes) in streams {
        if let Some((storage, _)) = path.rsplit_once('/')
            && !storage.is_empty()
        {
            container.create_storage_all(storage).unwrap();
        }
        container.create_stream(path).unwrap().write_all(bytes).unwrap();
    }
    container.flush().unwrap();
    container.into_inner().into_inner()
}

#[test]
fn bytes_that_are_read_are_counted() {
    let built = build(&[("/a/b", &[7; 5000]), ("/c", b"x")]);
    let mut container = Container::open(&built, &Limits::default()).unwrap();
    assert_eq!(container.stream("/a/b").unwrap().unwrap().len(), 5000);
    assert_eq!(container.stream("/a").unwrap(), None);
    assert_eq!(container.entries("/"), [("/a".to_owned(), true), ("/c".to_owned(), false)]);
    assert_eq!(container.entries("/a"), [("/a/b".to_owned(), false)]);

    let limits = Limits { unpacked_bytes: 8000, ..Limits::default() };
    let mut container = Container::open(&built, &limits).unwrap();
    container.stream("/a/b").unwrap();
    assert!(matches!(container.stream("/a/b"), Err(Error::TooLarge { limit: 8000, .. })));
}
