use super::BlockKind::{Heading, ListItem, Paragraph};
use super::*;

fn of(text: &str) -> Vec<(BlockKind, String)> {
    let extracted = structure(text, &Limits::default()).unwrap();
    extracted.blocks.into_iter().map(|block| (block.kind, block.text)).collect()
}

fn owned(blocks: &[(BlockKind, &str)]) -> Vec<(BlockKind, String)> {
    blocks.iter().map(|(kind, text)| (*kind, (*text).to_owned())).collect()
}

#[test]
fn headings_paragraphs_and_lists_are_found() {
    let text = "MEMORIA DE CÁLCULO\n\n1.2 Alcance\r\n\r\nEl muro de contención se ejecutará con hormi-\n\
                gón armado de resistencia característica\n25 MPa.\n\nMateriales:\n- acero\n- madera de pino que se\n  \
                trata\na) uno\n";
    assert_eq!(
        of(text),
        owned(&[
            (Heading(1), "MEMORIA DE CÁLCULO"),
            (Heading(2), "1.2 Alcance"),
            (
                Paragraph,
                "El muro de contención se ejecutará con hormigón armado de resistencia característica\n25 MPa."
            ),
            (Paragraph, "Materiales:"),
            (ListItem, "- acero"),
            (ListItem, "- madera de pino que se trata"),
            (ListItem, "a) uno"),
        ])
    );
}

#[test]
fn lines_of_a_form_are_not_joined() {
    let text = "De: Tomás Echeverría, jefe de calidad, Constructora Andamar\nPara: Lorena Pizarro";
    assert_eq!(of(text), owned(&[(Paragraph, text)]));
}

#[test]
fn form_feeds_separate_pages() {
    // Programs write a form feed after the last page, too, and an editor adds a line end.
    for text in ["uno\u{c}dos", "uno\u{c}dos\u{c}", "uno\u{c}dos\u{c}\n"] {
        let extracted = structure(text, &Limits::default()).unwrap();
        assert_eq!(extracted.blocks.iter().map(|block| block.page).collect::<Vec<_>>(), [Some(1), Some(2)]);
        assert_eq!(extracted.metadata.pages, 2, "{text:?}");
    }
    for text in ["uno", "uno\u{c}\n"] {
        assert_eq!(structure(text, &Limits::default()).unwrap().blocks[0].page, None);
    }
}

#[test]
fn a_text_in_a_message_is_never_too_long() {
    let pages = Limits::default().pages as usize + 1;
    assert_eq!(Extracted::from_text(&"uno\u{c}".repeat(pages)).blocks.len(), pages);
}

#[test]
fn hyphens_at_line_ends_are_joined() {
    for (before, next, joined) in [
        ("hormi-", "gón", "hormigón"),
        ("RFI-", "0042", "RFI-0042"),
        ("uno -", "dos", "uno - dos"),
        ("a", "b", "a b"),
    ] {
        let mut text = before.to_owned();
        if !unhyphenate(&mut text, next) {
            text.push(' ');
        }
        assert_eq!(text + next, joined);
    }
}
