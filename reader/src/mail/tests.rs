use super::*;

#[test]
fn the_header_is_the_first_block() {
    let mail = Mail {
        subject: "Oferta\n de ascensores".to_owned(),
        from: person("Natalia Bravo", "n@x.example"),
        to: "y@x.example, ".repeat(10_000),
        date: DateTime::parse_from_rfc3339("2026-11-10T11:20:00-03:00").ok(),
        bodies: vec![Body::Text("Hola:\n\n> > Antes escribió\n> esto.\n".to_owned())],
        ..Mail::default()
    };
    let extracted = mail.extract(&Limits::default()).unwrap();
    let header = &extracted.blocks[0].text;
    assert!(header.starts_with("From: Natalia Bravo <n@x.example>\nTo: y@x.example, y@x"), "{header}");
    assert!(header.ends_with("\nDate: 2026-11-10 11:20 -03:00\nSubject: Oferta de ascensores"), "{header}");
    assert!(header.len() < 3_000);
    let texts: Vec<&str> = extracted.blocks[1..].iter().map(|block| block.text.as_str()).collect();
    assert_eq!(texts.join("|"), "Hola:|Antes escribió esto.");
    assert_eq!(extracted.metadata.title, "Oferta de ascensores");
    assert_eq!(extracted.metadata.date.unwrap().to_rfc3339(), "2026-11-10T14:20:00+00:00");
}

#[test]
fn attachments_are_bounded_and_named_safely() {
    let limits = Limits { attachments: 2, attachment_bytes: 10, ..Limits::default() };
    let mut attachments = Attachments::new(&limits);
    attachments.push("..\\..\\etc/pass\0wd\n.pdf", "application/pdf", vec![1; 5]).unwrap();
    assert!(matches!(attachments.push("b", "", vec![1; 6]), Err(Error::TooLarge { limit: 10, .. })));
    let mut attachments = Attachments::new(&limits);
    attachments.push("", "text/csv", vec![1]).unwrap();
    attachments.push("", "", Vec::new()).unwrap();
    attachments.push("c", "", vec![1]).unwrap();
    assert!(matches!(attachments.push("d", "", vec![1]), Err(Error::TooLarge { limit: 2, .. })));
    assert_eq!(attachments.into_vec()[0].filename, "attachment-1.csv");
    let mut attachments = Attachments::new(&limits);
    attachments.push("a", &"x/Y".repeat(100_000), vec![1]).unwrap();
    assert_eq!(attachments.into_vec()[0].media_type, "x/y".repeat(85));
    assert_eq!(safe("..\\..\\etc/pass\0wd .pdf"), "passwd .pdf");
    let long = safe(&format!("{}.docx", "ñ".repeat(500)));
    assert!(long.ends_with(".docx") && long.chars().count() <= LONGEST_FILENAME);
}
