use super::*;

#[test]
fn names_lose_folders_and_control_characters() {
    assert_eq!(tidy_name("../../etc/pla\u{0}no.pdf").as_deref(), Some("plano.pdf"));
    assert_eq!(tidy_name(r"C:\Obra\Acta día 3.docx").as_deref(), Some("Acta día 3.docx"));
    assert_eq!(tidy_name("plano\u{202E}fdp.exe").as_deref(), Some("planofdp.exe"));
    for nothing in ["", "  ", "..", "a/", "\u{7}"] {
        assert_eq!(tidy_name(nothing), None, "{nothing:?}");
    }
}

#[test]
fn long_names_keep_their_extension() {
    let name = tidy_name(&format!("{}.pdf", "ñ".repeat(300))).unwrap();
    assert_eq!(name.chars().count(), 255);
    assert!(name.ends_with("ñ.pdf"));
}

#[test]
fn names_outside_ascii() {
    assert_eq!(
        extended_name("form-data; name=\"file\"; filename*=utf-8''Acta%20d%C3%ADa.pdf").as_deref(),
        Some("Acta día.pdf")
    );
    assert_eq!(extended_name("form-data; filename*=iso-8859-1'es'd%EDa.pdf").as_deref(), Some("día.pdf"));
    assert_eq!(extended_name("form-data; name=\"file\"; filename=\"a.pdf\""), None);
}

#[test]
fn only_what_is_clearly_unreadable_is_refused() {
    for (name, claim) in
        [("plano.pdf", None), ("a.docx", Some("application/zip")), ("acta", None), ("a.dwg", None)]
    {
        assert!(check(name, &media_type(name, claim)).is_ok(), "{name}");
    }
    for (name, claim) in
        [("setup.EXE", None), ("foto.jpg", None), ("foto", Some("image/png")), ("a.zip", None)]
    {
        let problem = check(name, &media_type(name, claim)).unwrap_err();
        assert_eq!(problem.kind, ProblemKind::UnsupportedMediaType, "{name}");
    }
}

#[test]
fn a_claim_that_says_nothing_is_replaced_by_a_guess() {
    assert_eq!(media_type("a.pdf", Some("application/octet-stream")), "application/pdf");
    assert_eq!(media_type("a.pdf", Some("text/plain")), "text/plain");
    assert_eq!(media_type("acta", None), "application/octet-stream");
}
