use super::{super::zip::tests::pack, *};

#[test]
fn targets_are_resolved() {
    assert_eq!(resolve("ppt/slides", "../notesSlides/notesSlide1.xml"), "ppt/notesSlides/notesSlide1.xml");
    assert_eq!(resolve("ppt", "/word/document.xml"), "word/document.xml");
    assert_eq!(resolve("a", "../../../b"), "b");
}

#[test]
fn relationships_are_followed_and_properties_are_read() {
    let packed = pack(&[
        (
            "_rels/.rels",
            br#"<Relationships><Relationship Id="rId1" Type="http://x/relationships/officeDocument" Target="word/main.xml"/>
                <Relationship Id="rId2" Type="http://x/hyperlink" Target="http://y" TargetMode="External"/></Relationships>"#,
        ),
        ("word/main.xml", b"<a/>"),
        (
            "docProps/core.xml",
            "<p><dc:title> Acta  41 </dc:title><dc:creator>Lorena</dc:creator>
             <dcterms:created>2026-01-02</dcterms:created></p>"
                .as_bytes(),
        ),
    ]);
    let limits = Limits::default();
    let mut package = Package::open(&packed, &limits).unwrap();
    assert_eq!(package.main_part("word/document.xml").unwrap(), "word/main.xml");
    assert_eq!(package.relationships("").unwrap().len(), 1);
    assert!(package.relationships("word/main.xml").unwrap().is_empty());
    let metadata = package.properties().unwrap();
    assert_eq!((metadata.title.as_str(), metadata.author.as_str()), ("Acta 41", "Lorena"));
    assert_eq!(metadata.date.unwrap().to_rfc3339(), "2026-01-02T00:00:00+00:00");
}
