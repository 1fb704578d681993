use super::*;

#[test]
fn the_header_is_the_first_block() {
    let mail = Mail {
        subject: "Oferta\n de ascensores".to_owned(),
        from: person("Natalia Bravo", "n@x.example"),
        to: "y@x.example, ".repeat(10_000),
        date: DateTime::parse_from_rfc3339("2026-11-10T11:20:00-03:00").ok(),
        bodies: vec![read_plain("Hola:\n\n> > Antes escribió\n> esto.\n", &Limits::default()).unwrap()],
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
fn attachments_over_the_limits_are_counted() {
    let limits = Limits { attachments: 2, attachment_bytes: 10, ..Limits::default() };
    let mut mail = Mail::default();
    for (name, size) in [("a.pdf", 5), ("b.pdf", 6), ("", 0), ("c.pdf", 5), ("d.pdf", 1)] {
        mail.attach(name, "application/pdf", vec![1; size], &limits);
    }
    let extracted = mail.extract(&limits).unwrap();
    assert_eq!(extracted.blocks[0].text, "Attachments: a.pdf, c.pdf … and 2 more");
    // The count is not cut off with the names.
    let long = Attachment { filename: "n".repeat(3_000), media_type: String::new(), bytes: vec![1] };
    let mail = Mail { attachments: vec![long], left_out: usize::MAX, ..Mail::default() };
    assert!(mail.extract(&limits).unwrap().blocks[0].text.ends_with(" more"));
}

#[test]
fn photos_and_films_are_named_but_become_no_documents() {
    let limits = Limits::default();
    let mut mail = Mail::default();
    for (name, media_type, bytes) in [
        ("grieta.JPG", "application/octet-stream", &b"\xff\xd8\xff\xe0\0\x10JFIF\0"[..]),
        ("izaje.mp4", "video/mp4", b"\0\0\0\x18ftypmp42"),
        ("plano.pdf", "image/pdf", b"%PDF-1.7\n"),
    ] {
        mail.attach(name, media_type, bytes.to_vec(), &limits);
    }
    let extracted = mail.extract(&limits).unwrap();
    assert_eq!(extracted.blocks[0].text, "Attachments: grieta.JPG, izaje.mp4, plano.pdf");
    // They keep their places, because an attachment's place is a part of its document's id.
    let lengths: Vec<usize> = extracted.attachments.iter().map(|file| file.bytes.len()).collect();
    assert_eq!(lengths, [0, 0, 9]);
}

#[test]
fn attachments_are_named_safely() {
    let limits = Limits::default();
    let mut mail = Mail::default();
    mail.attach("..\\..\\etc/pass\0wd\n.pdf", "application/pdf", vec![1; 5], &limits);
    mail.attach("", "text/csv", vec![1], &limits);
    mail.attach("a", &"x/Y".repeat(100_000), vec![1], &limits);
    let list = &mail.attachments;
    assert_eq!([&list[0].filename, &list[1].filename], ["passwd .pdf", "attachment-2.csv"]);
    assert_eq!(list[2].media_type, "x/y".repeat(85));
    assert_eq!(safe("..\\..\\etc/pass\0wd .pdf"), "passwd .pdf");
    // A mark that turns the direction of writing may make a program look like a PDF: "planoexe.pdf".
    assert_eq!(safe("plano\u{202e}fdp.exe"), "planofdp.exe");
    assert_eq!(safe("\u{2067}plano\u{2069}\u{61c}.pdf"), "plano.pdf");
    let long = safe(&format!("{}.docx", "ñ".repeat(500)));
    assert!(long.ends_with(".docx") && long.chars().count() <= LONGEST_FILENAME);
}
