use super::*;

fn all_text(xml: &str) -> Result<String, Error> {
    let mut reader = Xml::new(xml, &Limits::default());
    let mut text = String::new();
    loop {
        match reader.next()? {
            Node::Text(piece) => text.push_str(&piece),
            Node::End => return Ok(text),
            _ => {}
        }
    }
}

#[test]
fn text_and_character_references_are_read() {
    assert_eq!(all_text("<a>uno &amp; dos&#241; <b/><![CDATA[<tres>]]></a>").unwrap(), "uno & dosñ <tres>");
}

#[test]
fn entities_of_the_file_are_not_expanded() {
    let bomb = r#"<!DOCTYPE a [<!ENTITY b "boom"><!ENTITY c "&b;&b;&b;">]><a>&c;.</a>"#;
    assert_eq!(all_text(bomb).unwrap(), ".");
}

#[test]
fn the_depth_is_bounded() {
    let deep = "<a>".repeat(1_000_000);
    assert_eq!(all_text(&deep), Err(Error::TooLarge { what: "nesting".to_owned(), limit: 200 }));
}

#[test]
fn truncated_and_invalid_xml_is_refused() {
    for wrong in ["<a><b>text", "<a></b>", "<a", "<a>text</a", "<a><!-- </a>"] {
        assert!(matches!(all_text(wrong), Err(Error::Damaged(_))), "{wrong}");
    }
}
