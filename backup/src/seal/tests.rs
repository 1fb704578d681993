use super::*;

fn sealed(text: &[u8]) -> (tempfile::TempDir, PathBuf, Identity) {
    let folder = tempfile::tempdir().unwrap();
    let identity = Identity::generate();
    let path = folder.path().join("a/b");
    let mut file = Sealed::create(path.clone(), &identity.to_public()).unwrap();
    file.write_all(text).unwrap();
    assert!(!path.exists(), "an unfinished file does not have its final name");
    file.finish().unwrap();
    (folder, path, identity)
}

fn read(path: &Path, identity: &Identity) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path, identity)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[test]
fn only_the_holder_of_the_identity_can_decrypt_a_file() {
    let (_folder, path, identity) = sealed(b"plano");
    assert_eq!(read(&path, &identity).unwrap(), b"plano");
    assert!(read(&path, &Identity::generate()).is_err());
    assert!(!std::fs::read(&path).unwrap().windows(5).any(|part| part == b"plano"));
}

#[test]
fn a_changed_or_truncated_file_is_refused() {
    // More than one chunk of age, with content that cannot be compressed.
    let noise: Vec<u8> =
        (0..50_000_u64).flat_map(|n| (n * n).wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes()).collect();
    let (_folder, path, identity) = sealed(&noise);
    let whole = std::fs::read(&path).unwrap();
    for cut in [1, 9, 16, 30, 70_000] {
        std::fs::write(&path, &whole[..whole.len() - cut]).unwrap();
        assert!(read(&path, &identity).is_err(), "{cut} bytes are missing");
    }
    for place in [0, 30, 200, whole.len() / 2, whole.len() - 1] {
        let mut changed = whole.clone();
        changed[place] ^= 1;
        std::fs::write(&path, changed).unwrap();
        assert!(read(&path, &identity).is_err(), "byte {place} is changed");
    }
    std::fs::write(&path, whole).unwrap();
    assert_eq!(read(&path, &identity).unwrap(), noise);
}

#[test]
fn an_identity_file_is_made_once_and_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("identity");
    let public = keygen(&path).unwrap();
    assert_eq!(identity(&path).unwrap().to_public().to_string(), public);
    assert!(keygen(&path).is_err(), "an existing key must not be replaced");
}
