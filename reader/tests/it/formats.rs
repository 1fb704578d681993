use super::*;

/// Reads every format through the same entry point; the structure of each format is tested next to its parser.
#[tokio::test]
async fn every_sample_document_is_read() {
    for (name, file_type, says) in [
        ("acta-reunion-de-obra-41.docx", "docx", "41"),
        ("control-de-avance-noviembre.csv", "csv", "; "),
        ("correo-hormigonado-losa-piso-7.txt", "txt", "losa del piso 7"),
        ("door-and-equipment-schedule.xlsx", "xlsx", ": "),
        ("especificaciones-tecnicas.pdf", "pdf", "hormigón"),
        ("method-statement-post-tensioning.md", "md", "monostrand"),
        ("oferta-ascensores.eml", "eml", "ascensor"),
        ("rfi-0032-door-fire-rating.html", "html", "60 minutes"),
        ("safety-briefing-work-at-height.pptx", "pptx", "height"),
    ] {
        let extracted = read(name, &sample(name)).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(extracted.metadata.file_type, file_type);
        let found = extracted.blocks.iter().any(|block| block.text.contains(says));
        assert!(found, "{name}: {:#?}", blocks(&extracted));
    }
}

#[tokio::test]
async fn the_content_overrides_a_wrong_extension() {
    let wrong = read("informe.txt", &fixture("report.pdf")).await.unwrap();
    assert_eq!((wrong.metadata.file_type.as_str(), wrong.metadata.pages), ("pdf", 4));
    let wrong = read("acta.pdf", &sample("acta-reunion-de-obra-41.docx")).await.unwrap();
    assert_eq!(wrong.metadata.file_type, "docx");
    let text = read("nota.pdf", "Solo es una nota con acentos: á é í.".as_bytes()).await.unwrap();
    assert_eq!(text.metadata.file_type, "txt");
}

#[tokio::test]
async fn a_mail_brings_its_attachments() {
    let mail = read("oferta.eml", &sample("oferta-ascensores.eml")).await.unwrap();
    assert!(
        !mail.metadata.title.is_empty() && !mail.metadata.author.is_empty() && mail.metadata.date.is_some()
    );
    let with_attachment = b"From: a@b.example\r\nSubject: Plano\r\nDate: Tue, 10 Nov 2026 10:00:00 +0000\r\n\
        MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nVa el plano.\r\n--x\r\n\
        Content-Type: text/csv\r\nContent-Disposition: attachment; filename=\"datos.csv\"\r\n\r\nA,B\r\n1,2\r\n--x--\r\n";
    let mail = read("plano.eml", with_attachment).await.unwrap();
    let [attachment] = mail.attachments.as_slice() else { panic!("{:?}", mail.attachments) };
    assert_eq!(attachment.filename, "datos.csv");
    assert!(attachment.bytes.starts_with(b"A,B\r\n1,2"));
}
