use std::io::Write;

use zip::{ZipWriter, write::SimpleFileOptions};

use super::*;

/// Builds a zip container with these entries.
pub fn pack(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        writer.start_file(*name, SimpleFileOptions::default()).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

#[test]
fn entries_are_found_with_any_case_and_slashes() {
    let packed = pack(&[("Word\\Document.xml", b"text")]);
    let mut archive = Archive::open(&packed, &Limits::default()).unwrap();
    assert_eq!(archive.read("/word/document.xml").unwrap().unwrap(), b"text");
    assert_eq!(archive.read("word/styles.xml").unwrap(), None);
}

#[test]
fn zip_bombs_are_refused_while_they_are_unpacked() {
    let limits = Limits { unpacked_bytes: 1024 * 1024, ..Limits::default() };
    let too_large = Error::TooLarge { what: "unpacked bytes".to_owned(), limit: 1024 * 1024 };

    let one = pack(&[("a", &vec![0; 600 * 1024])]);
    assert!(one.len() < 10 * 1024);
    assert_eq!(Archive::open(&one, &limits).unwrap().read("a"), Err(too_large.clone()));

    let third = vec![0; 400 * 1024];
    let three = pack(&[("a", &third), ("b", &third), ("c", &third)]);
    assert_eq!(Archive::open(&three, &limits).unwrap().check(|_| true), Err(too_large.clone()));

    let hidden = pack(&[("a", &vec![0; 600 * 1024]), ("A", b"small")]);
    assert_eq!(Archive::open(&hidden, &limits).unwrap().check(|name| name == "a"), Err(too_large.clone()));

    // The size in both directories of the file is too small.
    let mut liar = one;
    let stated = (600u32 * 1024).to_le_bytes();
    let places: Vec<usize> = (0..liar.len() - 4).filter(|&at| liar[at..at + 4] == stated).collect();
    assert_eq!(places.len(), 2);
    for at in places {
        liar[at..at + 4].copy_from_slice(&16u32.to_le_bytes());
    }
    assert_eq!(Archive::open(&liar, &limits).unwrap().read("a"), Err(too_large));
}

#[test]
fn too_many_entries_are_refused() {
    let names: Vec<String> = (0..20).map(|n| format!("entry{n}")).collect();
    let entries: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b""[..])).collect();
    let packed = pack(&entries);
    let limits = Limits { entries: 19, ..Limits::default() };
    assert!(matches!(Archive::open(&packed, &limits), Err(Error::TooLarge { limit: 19, .. })));
}

#[test]
fn protected_files_are_distinguished_from_damaged_ones() {
    let mut packed = pack(&[("a", b"some text")]);
    assert!(matches!(Archive::open(&packed[..packed.len() / 2], &Limits::default()), Err(Error::Damaged(_))));
    assert!(matches!(Archive::open(b"%PDF-1.7", &Limits::default()), Err(Error::Damaged(_))));

    // Bit 0 of the flags, in the header of the entry and in the directory, means that the entry is encrypted.
    let directory = packed.windows(4).position(|window| window == b"PK\x01\x02").unwrap();
    packed[6] |= 1;
    packed[directory + 8] |= 1;
    let mut archive = Archive::open(&packed, &Limits::default()).unwrap();
    assert_eq!(archive.read("a"), Err(Error::PasswordProtected));
}
