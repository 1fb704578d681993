use super::{
    super::{mutations, ole::tests::build},
    *,
};

fn utf_16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// The stream of the properties of fixed length.
fn fixed(header: usize, properties: &[(u16, u16, u64)]) -> Vec<u8> {
    let mut bytes = vec![0; header];
    for (property, kind, value) in properties {
        bytes.extend(kind.to_le_bytes());
        bytes.extend(property.to_le_bytes());
        bytes.extend([0; 4]);
        bytes.extend(value.to_le_bytes());
    }
    bytes
}

/// 10 November 2026, 14:20 UTC.
const SENT: u64 = 134_387_940_000_000_000;

fn message(more: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut streams: Vec<(&str, Vec<u8>)> = vec![
        ("/__properties_version1.0", fixed(32, &[(tag::SENT, 0x40, SENT), (tag::CODEPAGE, 3, 1252)])),
        ("/__substg1.0_0037001F", utf_16("Hormigonado losa piso 7")),
        ("/__substg1.0_0C1A001F", utf_16("Tomás Echeverría")),
        ("/__substg1.0_5D01001F", utf_16("tomas@andamar.example")),
        ("/__recip_version1.0_#00000000/__substg1.0_3001001F", utf_16("Lorena Pizarro")),
        ("/__recip_version1.0_#00000000/__substg1.0_39FE001F", utf_16("lorena@vertice.example")),
        ("/__recip_version1.0_#00000000/__properties_version1.0", fixed(8, &[(tag::RECIPIENT_KIND, 3, 1)])),
        ("/__recip_version1.0_#00000001/__substg1.0_3001001F", utf_16("Marcela Rivas")),
        ("/__recip_version1.0_#00000001/__substg1.0_3003001F", utf_16("/O=ORG/CN=MRIVAS")),
        ("/__recip_version1.0_#00000001/__properties_version1.0", fixed(8, &[(tag::RECIPIENT_KIND, 3, 2)])),
        ("/__recip_version1.0_#00000002/__substg1.0_3001001F", utf_16("Nadie Ve")),
        ("/__recip_version1.0_#00000002/__properties_version1.0", fixed(8, &[(tag::RECIPIENT_KIND, 3, 3)])),
    ];
    streams.extend(more.iter().map(|(path, bytes)| (*path, bytes.clone())));
    let borrowed: Vec<(&str, &[u8])> =
        streams.iter().map(|(path, bytes)| (*path, bytes.as_slice())).collect();
    build(&borrowed)
}

fn rich() -> Vec<u8> {
    message(&[
        ("/__substg1.0_1000001F", utf_16("Se vacía el martes.\r\n\r\nSaludos")),
        ("/__attach_version1.0_#00000000/__substg1.0_3707001F", utf_16("mezcla.csv")),
        ("/__attach_version1.0_#00000000/__substg1.0_370E001F", utf_16("text/csv")),
        ("/__attach_version1.0_#00000000/__substg1.0_37010102", b"a;b".to_vec()),
        ("/__attach_version1.0_#00000001/__substg1.0_3707001F", utf_16("logo.png")),
        ("/__attach_version1.0_#00000001/__substg1.0_3712001F", utf_16("logo@x")),
        ("/__attach_version1.0_#00000001/__substg1.0_37010102", b"\x89PNG".to_vec()),
        ("/__attach_version1.0_#00000002/__substg1.0_3001001F", utf_16("RE: Losa / piso 6")),
        (
            "/__attach_version1.0_#00000002/__substg1.0_3701000D/__properties_version1.0",
            fixed(24, &[(tag::SENT, 0x40, SENT)]),
        ),
        ("/__attach_version1.0_#00000002/__substg1.0_3701000D/__substg1.0_0037001F", utf_16("Losa piso 6")),
        ("/__attach_version1.0_#00000002/__substg1.0_3701000D/__substg1.0_1000001F", utf_16("Anterior")),
        (
            "/__attach_version1.0_#00000002/__substg1.0_3701000D/__recip_version1.0_#00000000/__substg1.0_3001001F",
            utf_16("Ana"),
        ),
    ])
}

#[test]
fn header_body_and_attachments_are_read() {
    let extracted = read(&rich(), &Limits::default()).unwrap();
    let texts: Vec<&str> = extracted.blocks.iter().map(|block| block.text.as_str()).collect();
    assert_eq!(
        texts,
        [
            "From: Tomás Echeverría <tomas@andamar.example>\nTo: Lorena Pizarro <lorena@vertice.example>\nCc: Marcela Rivas\n\
             Date: 2026-11-10 14:20 +00:00\nSubject: Hormigonado losa piso 7\nAttachments: mezcla.csv, RE: Losa - piso 6.msg",
            "Se vacía el martes.",
            "Saludos",
        ]
    );
    assert_eq!(extracted.metadata.title, "Hormigonado losa piso 7");
    assert_eq!(extracted.metadata.date.unwrap().to_rfc3339(), "2026-11-10T14:20:00+00:00");
    assert_eq!(extracted.attachments[0].bytes, b"a;b");

    let inner = read(&extracted.attachments[1].bytes, &Limits::default()).unwrap();
    assert_eq!(inner.metadata.title, "Losa piso 6");
    assert_eq!(inner.metadata.date, extracted.metadata.date);
    assert!(inner.blocks[0].text.contains("To: Ana"));
    assert_eq!(inner.blocks[1].text, "Anterior");
}

#[test]
fn html_bodies_and_texts_in_code_pages_are_read() {
    let html =
        message(&[("/__substg1.0_10130102", b"<html><body><p>Hormig&oacute;n</p></body></html>".to_vec())]);
    assert_eq!(read(&html, &Limits::default()).unwrap().blocks[1].text, "Hormigón");
    let old = message(&[("/__substg1.0_1000001E", b"Hormig\xF3n\0".to_vec())]);
    assert_eq!(read(&old, &Limits::default()).unwrap().blocks[1].text, "Hormigón");
}

#[test]
fn a_body_that_is_only_rtf_is_read() {
    let rtf = lzfu::tests::pack(
        b"{\\rtf1\\ansi\\ansicpg1252{\\fonttbl{\\f0 Arial;}}\\pard Se vac\\'eda el martes.\\par}",
    );
    let mail = message(&[("/__substg1.0_10090102", rtf.clone())]);
    assert_eq!(read(&mail, &Limits::default()).unwrap().blocks[1].text, "Se vacía el martes.");
    // Outlook stores it beside the other bodies too.
    let both = message(&[("/__substg1.0_10090102", rtf), ("/__substg1.0_1000001F", utf_16("Texto"))]);
    let blocks = read(&both, &Limits::default()).unwrap().blocks;
    assert_eq!((blocks.len(), blocks[1].text.as_str()), (2, "Texto"));
    let unknown = message(&[("/__substg1.0_10090102", b"x".to_vec())]);
    assert!(matches!(read(&unknown, &Limits::default()), Err(Error::Damaged(_))));
}

#[test]
fn a_signed_mail_is_read_from_its_only_attachment() {
    let signed = "Content-Type: multipart/signed; protocol=\"application/x-pkcs7-signature\"; boundary=\"a\"\r\n\r\n--a\r\n\
                  Content-Type: multipart/mixed; boundary=\"b\"\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nSe adjunta.\r\n\
                  --b\r\nContent-Type: application/pdf; name=\"plano.pdf\"\r\nContent-Disposition: attachment\r\n\
                  Content-Transfer-Encoding: base64\r\n\r\nJVBERg==\r\n--b--\r\n--a\r\n\
                  Content-Type: application/x-pkcs7-signature; name=\"smime.p7s\"\r\n\r\nAA\r\n--a--\r\n";
    let mail = message(&[
        ("/__attach_version1.0_#00000000/__substg1.0_3707001F", utf_16("smime.p7m")),
        ("/__attach_version1.0_#00000000/__substg1.0_370E001F", utf_16("multipart/signed")),
        ("/__attach_version1.0_#00000000/__substg1.0_37010102", signed.into()),
    ]);
    let extracted = read(&mail, &Limits::default()).unwrap();
    assert!(extracted.blocks[0].text.ends_with("\nAttachments: plano.pdf"), "{:?}", extracted.blocks);
    assert_eq!(extracted.blocks[1].text, "Se adjunta.");
    assert_eq!(extracted.attachments[0].bytes, b"%PDF");
}

#[test]
fn unreadable_files_are_refused() {
    assert!(matches!(read(b"From: a@b.example", &Limits::default()), Err(Error::Damaged(_))));
}

#[test]
fn attachments_over_the_limits_are_left_out() {
    let few = Limits { attachments: 1, ..Limits::default() };
    let extracted = read(&rich(), &few).unwrap();
    assert_eq!(extracted.attachments.len(), 1);
    assert!(extracted.blocks[0].text.ends_with("\nAttachments: mezcla.csv … and 1 more"));
}

#[test]
fn damaged_files_do_not_panic() {
    let rich = rich();
    mutations::survives(read, &rich, 500);
    mutations::survives_garbage(read, &rich);
}
