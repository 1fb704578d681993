//! The title in a document's metadata.

use schemas::text::one_line;

/// Returns the title if a person gave it; empty if it is a default of a program or the name of a file.
pub fn given(raw: &str) -> String {
    const OF_PROGRAMS: &str = "powerpoint presentation|presentación de powerpoint|slide 1|diapositiva 1|\
        document|documento|untitled|(anonymous)|anonymous|unspecified";
    const OF_FILES: &str = "doc docx dwg xls xlsx ppt pptx pdf rtf odt indd";
    let raw = one_line(raw);
    let by_office = ["Microsoft Word - ", "Microsoft PowerPoint - "];
    let title = by_office.iter().find_map(|program| raw.strip_prefix(program)).unwrap_or(&raw);
    let lower = title.to_lowercase();
    let names_a_file =
        lower.rsplit_once('.').is_some_and(|(_, ending)| OF_FILES.split(' ').any(|known| known == ending));
    let is_default = OF_PROGRAMS.split('|').any(|known| known == lower);
    if names_a_file || is_default { String::new() } else { title.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_that_nobody_gave_are_dropped() {
        for (raw, title) in [
            ("Microsoft Word - Memoria de cálculo", "Memoria de cálculo"),
            ("Microsoft Word - memoria.docx", ""),
            ("untitled", ""),
            ("Pliego v2.1", "Pliego v2.1"),
            ("PowerPoint Presentation", ""),
            ("Microsoft Word - Informe", "Informe"),
        ] {
            assert_eq!(given(raw), title, "{raw}");
        }
    }
}
