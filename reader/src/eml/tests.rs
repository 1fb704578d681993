use super::{super::mutations, *};

fn texts(mail: &str) -> Vec<String> {
    let extracted = read(mail.replace('\n', "\r\n").as_bytes(), &Limits::default()).unwrap();
    extracted.blocks.into_iter().map(|block| block.text).collect()
}

const HEADER: &str = "From: =?utf-8?q?Tom=C3=A1s?= <t@x.example>\nTo: a@x.example, \"B, C\" <b@x.example>\nSubject: Losa\n\
    Date: Tue, 10 Nov 2026 11:20:00 -0300\nMIME-Version: 1.0\n";

#[test]
fn the_sample_is_read() {
    let extracted = read(&mutations::sample("oferta-ascensores.eml"), &Limits::default()).unwrap();
    let metadata = &extracted.metadata;
    assert_eq!(metadata.title, "Torre Norte - Oferta de Elevar para los ascensores y programa de montaje");
    assert_eq!(metadata.author, "Natalia Bravo <natalia.bravo@andamar.example>");
    assert_eq!(metadata.date.unwrap().to_rfc3339(), "2026-11-10T14:20:00+00:00");
    assert_eq!(
        extracted.blocks[0].text,
        "From: Natalia Bravo <natalia.bravo@andamar.example>\nTo: Lorena Pizarro <lorena.pizarro@vertice.example>\n\
         Cc: Marcela Rivas <marcela.rivas@andamar.example>\nDate: 2026-11-10 11:20 -03:00\n\
         Subject: Torre Norte - Oferta de Elevar para los ascensores y programa de montaje\n\
         Attachments: programa-montaje-ascensores.csv"
    );
    assert!(
        extracted.blocks.iter().any(|block| block.text.contains("El precio total es de 41.900 UF más IVA"))
    );
    let [attachment] = &extracted.attachments[..] else { panic!("{:?}", extracted.attachments) };
    assert_eq!(attachment.media_type, "text/csv");
    assert!(attachment.bytes.starts_with(b"Equipo,Uso,Inicio del montaje"));
}

#[test]
fn plain_text_is_preferred_to_html() {
    let both = format!(
        "{HEADER}Content-Type: multipart/alternative; boundary=b\n\n--b\nContent-Type: text/plain\n\nHola\n\
         --b\nContent-Type: text/html\n\n<p>Hola en <b>HTML</b></p>\n--b--\n"
    );
    assert_eq!(texts(&both)[1..], ["Hola"]);
    let html = format!(
        "{HEADER}Content-Type: text/html; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\n\
         <html><head><style>p{{}}</style></head><body><p>Hormig=F3n</p><ul><li>uno</li></ul></body></html>\n"
    );
    assert_eq!(texts(&html)[1..], ["Hormigón", "uno"]);
    // An empty plain-text part is ignored.
    let empty = both.replace("\n\nHola\n", "\n\n \n");
    assert_eq!(texts(&empty)[1..], ["Hola en HTML"]);
    // So is a note beside the real text.
    let real = "La losa del piso 7 se hormigona el martes.";
    let note = both.replace("Hola en <b>HTML</b>", real);
    assert_eq!(texts(&note)[1..], [real]);
}

#[test]
fn texts_without_a_declared_encoding_are_read() {
    let mail = [HEADER.as_bytes(), b"Content-Type: text/plain\n\nHormig\xF3n y acero en la cimentaci\xF3n\n"]
        .concat();
    let extracted = read(&mail, &Limits::default()).unwrap();
    assert_eq!(extracted.blocks[1].text, "Hormigón y acero en la cimentación");
}

#[test]
fn names_in_headers_are_decoded() {
    let header = texts(&format!("{HEADER}\nHola\n")).remove(0);
    assert!(
        header.starts_with("From: Tomás <t@x.example>\nTo: a@x.example, B, C <b@x.example>\n"),
        "{header}"
    );
}

#[test]
fn quoted_history_is_kept() {
    let mail = format!(
        "{HEADER}Content-Type: text/plain\n\nDe acuerdo.\n\nEl lunes escribió Ana:\n> Pedimos la losa\n> > para el martes.\n"
    );
    let texts = texts(&mail).join("\n");
    assert!(texts.contains("Pedimos la losa") && texts.contains("para el martes."), "{texts}");
}

#[test]
fn attachments_become_documents() {
    let mail = format!(
        "{HEADER}Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\nHola\n\
         --b\nContent-Type: image/png\nContent-ID: <logo>\nContent-Disposition: inline; filename=logo.png\nContent-Transfer-Encoding: base64\n\niVBORw0KGgo=\n\
         --b\nContent-Type: text/csv\nContent-Disposition: attachment; filename=\"tabla.csv\"\nContent-Transfer-Encoding: base64\n\nQfFvOzE=\n\
         --b\nContent-Type: message/rfc822\n\nFrom: otro@x.example\nSubject: Anterior / uno\n\nViejo\n\
         --b\nContent-Type: application/pkcs7-signature; name=smime.p7s\nContent-Transfer-Encoding: base64\n\nAAAA\n--b--\n"
    );
    let bytes = mail.replace('\n', "\r\n");
    let extracted = read(bytes.as_bytes(), &Limits::default()).unwrap();
    let found: Vec<(&str, &str)> = extracted
        .attachments
        .iter()
        .map(|attachment| (attachment.filename.as_str(), attachment.media_type.as_str()))
        .collect();
    assert_eq!(found, [("tabla.csv", "text/csv"), ("Anterior - uno.eml", "message/rfc822")]);
    // The bytes are Windows-1252, as in the mail.
    assert_eq!(extracted.attachments[0].bytes, b"A\xF1o;1");
    let inner = read(&extracted.attachments[1].bytes, &Limits::default()).unwrap();
    assert_eq!(inner.metadata.title, "Anterior / uno");
    assert_eq!(inner.blocks[1].text, "Viejo");
}

#[test]
fn unreadable_files_are_refused() {
    let limits = Limits::default();
    for wrong in
        [&b""[..], b"just some text\n", b"{\"a\": 1}", b"X-Other: 1\r\n\r\nbody", b"\x89PNG\r\n\x1a\n\0\0"]
    {
        assert!(matches!(read(wrong, &limits), Err(Error::Damaged(_))), "{wrong:?}");
    }
}

#[test]
fn attachments_over_the_limits_are_left_out() {
    let few = Limits { attachment_bytes: 10, ..Limits::default() };
    let extracted = read(&mutations::sample("oferta-ascensores.eml"), &few).unwrap();
    assert!(extracted.attachments.is_empty());
    assert!(extracted.blocks[0].text.ends_with("\nAttachments: … and 1 more"));
    let wide = format!(
        "{HEADER}Content-Type: multipart/mixed; boundary=b\n\n{}--b--\n",
        "--b\nContent-Type: application/pdf\n\nx\n".repeat(200)
    );
    let extracted = read(wide.as_bytes(), &Limits::default()).unwrap();
    assert_eq!(extracted.attachments.len(), 100);
    assert!(extracted.blocks[0].text.ends_with(" … and 100 more"));
}

#[test]
fn deeply_nested_mails_do_not_overflow_the_stack() {
    let deep = format!("{HEADER}{}", "Content-Type: message/rfc822\n\nSubject: x\n".repeat(200_000));
    let extracted = read(deep.as_bytes(), &Limits::default()).unwrap();
    assert_eq!(extracted.attachments.len(), 1);
    let nested: String =
        (0..2_000).map(|n| format!("Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n")).collect();
    let _ = read(format!("{HEADER}{nested}").as_bytes(), &Limits::default());
}

#[test]
fn damaged_files_do_not_panic() {
    let sample = mutations::sample("oferta-ascensores.eml");
    mutations::survives_garbage(read, &sample);
    for seed in 0..500 {
        let _ = read(&mutations::mutate(&sample, seed), &Limits::default());
    }
}
