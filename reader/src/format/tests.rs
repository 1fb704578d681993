use super::*;

fn detect(filename: &str, bytes: &[u8]) -> Result<Format, Error> {
    Format::detect(filename, "", bytes)
}

#[test]
fn the_content_overrides_the_name() {
    for (filename, bytes, format) in [
        ("plano.txt", &b"%PDF-1.7\n"[..], Format::Pdf),
        ("plano.docx", b"\n\n%PDF-1.4\n", Format::Pdf),
        ("nota.pdf", b"Solo es texto.", Format::Text),
        ("pagina.txt", b"\xef\xbb\xbf <!DOCTYPE html><p>x", Format::Html),
        ("x", b"<?xml version='1.0'?><!-- a --><html>", Format::Html),
        ("datos.txt", b"{\"a\": 1}", Format::Json),
        ("datos.json", b"{\"a\": ", Format::Json),
        ("datos.json", b"no es json", Format::Text),
        ("acta.txt", b"[Borrador] Acta", Format::Text),
        ("correo", b"From: a@b.c\r\nDate: hoy\r\nSubject: x\r\n y\r\n\r\nHola", Format::Eml),
        ("nota.txt", b"Fecha: hoy\nDe: yo\n", Format::Text),
        ("a.ndjson", b"{\"a\":1}\n{\"a\":2}", Format::Ndjson),
        ("a.MD", b"# Uno", Format::Markdown),
        ("a.tsv", b"a\tb", Format::Csv),
        ("MZ.txt", b"MZ es un plano", Format::Text),
        ("avance.xls", b"\xef\xbb\xbf\r\n<TABLE><tr><td>1", Format::Html),
        ("avance.xls", b"<meta charset=utf-8><table>", Format::Html),
        ("avance.xls", b"<style>td{}</style><table>", Format::Html),
        ("avance.txt", b"<table><tr><td>1", Format::Text),
        ("norma.txt", b"ISO 10303-21", Format::Text),
        ("lista.txt", b"0\nUno\n", Format::Text),
    ] {
        assert_eq!(detect(filename, bytes), Ok(format), "{filename}");
    }
    assert_eq!(Format::detect("x", "text/csv; charset=utf-8", b"a,b"), Ok(Format::Csv));
}

#[test]
fn a_format_has_its_own_names() {
    for (format, file_type, media_type, _) in FORMATS {
        assert_eq!((format.file_type(), format.media_type()), (file_type, media_type));
        assert_eq!(Format::called(&format!(" {} ", media_type.to_uppercase())), Some(format));
    }
    assert_eq!(Format::called(" "), None);
}

#[test]
fn unsupported_formats_are_named() {
    let binary: Vec<u8> = (0..4_096_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    assert_eq!(detect("a.pdf", b" \n"), Err(Error::Empty));
    assert_eq!(detect("a.pdf", &binary), Err(Error::Damaged("not a pdf".to_owned())));
    assert_eq!(detect("a.txt", &binary), Err(Error::Unsupported("binary data".to_owned())));
    assert_eq!(detect("a.pdf", b"\x89PNG\r\n\x1a\n"), Err(Error::Unsupported("PNG image".to_owned())));
    let step = Error::Unsupported("STEP model".to_owned());
    assert_eq!(detect("torre.ifc", b"ISO-10303-21;\r\nHEADER;\r\n"), Err(step));
    for dxf in ["0\nSECTION\n2\nHEADER", "  0\r\nSECTION\r\n", "999\nde un programa\n  0\nSECTION\n"] {
        let drawing = Error::Unsupported("AutoCAD drawing".to_owned());
        assert_eq!(detect("planta.dxf", dxf.as_bytes()), Err(drawing), "{dxf}");
    }
    let archive_with_a_pdf = crate::zip::tests::pack(&[("%PDF-", b"x")]);
    assert_eq!(detect("a.zip", &archive_with_a_pdf), Err(Error::Unsupported("zip archive".to_owned())));
    assert!(matches!(detect("a.docx", b"PK\x03\x04 cut"), Err(Error::Damaged(_))));
    assert!(matches!(detect("a.msg", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 cut"), Err(Error::Damaged(_))));
}

#[test]
fn archives_are_distinguished_by_their_content() {
    use std::io::Write as _;
    let zip = |types: &str| {
        let mut archive = ::zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        let options = ::zip::write::SimpleFileOptions::default();
        archive.start_file("[Content_Types].xml", options).unwrap();
        archive.write_all(types.as_bytes()).unwrap();
        archive.finish().unwrap().into_inner()
    };
    let of = |main: &str| {
        detect("x.bin", &zip(&format!("<Types><Override ContentType=\"application/{main}.main+xml\"/>")))
    };
    assert_eq!(of("vnd.openxmlformats-officedocument.wordprocessingml.document"), Ok(Format::Docx));
    assert_eq!(of("vnd.ms-word.document.macroEnabled"), Ok(Format::Docx));
    assert_eq!(of("vnd.openxmlformats-officedocument.presentationml.presentation"), Ok(Format::Pptx));
    assert_eq!(of("vnd.openxmlformats-officedocument.spreadsheetml.sheet"), Ok(Format::Xlsx));
    assert!(matches!(of("vnd.other"), Err(Error::Unsupported(_))));
    let single = zip(
        "<Types><Override ContentType='application/vnd.ms-word.document.macroEnabled.main+xml'/></Types>",
    );
    assert_eq!(detect("x.bin", &single), Ok(Format::Docx));
}

#[test]
fn compound_files_are_distinguished_by_their_streams() {
    for (stream, expected) in [
        ("/EncryptedPackage", Err(Error::PasswordProtected)),
        ("/__properties_version1.0", Ok(Format::Msg)),
        ("/Workbook", Ok(Format::Xls)),
        ("/WordDocument", Err(Error::Unsupported("Word document of 97-2003".to_owned()))),
        ("/PowerPoint Document", Err(Error::Unsupported("PowerPoint presentation of 97-2003".to_owned()))),
        ("/other", Err(Error::Damaged("not a docx".to_owned()))),
    ] {
        let file = ole::tests::build(&[(stream, b"x")]);
        assert_eq!(detect("plano.docx", &file), expected, "{stream}");
    }
    let other = ole::tests::build(&[("/other", b"x")]);
    assert_eq!(detect("plano", &other), Err(Error::Unsupported("compound file".to_owned())));
}
