//! Recognizes documents whose pages are images.

use pdfium_render::prelude::{PdfDocument, PdfPage, PdfPageObject, PdfPageObjectsCommon as _};

use super::{Line, Page};

/// A page with at most this many letters and digits has no text of its own, but a page number or a stamp.
const FEW_LETTERS: usize = 20;

/// Maximum number of letters and digits of such a page of a scan, on average: more are captions, not numbers.
const LETTERS_OF_A_SCAN: usize = 5;

/// Minimum number of pages of a document that may be a scan although it has some text.
const MIN_PAGES: usize = 3;

/// Maximum number of pages that are searched for images.
const SAMPLED_PAGES: usize = 10;

/// Maximum number of objects of a page that are searched for images. A scanned page has few.
const SAMPLED_OBJECTS: usize = 1_000;

/// Whether the pages have text: on average more than two letters or digits each. Page numbers on a scan are no text.
pub(super) fn has_text(pages: &[Page]) -> bool {
    pages.iter().map(letters).sum::<usize>() > pages.len() * 2
}

/// Whether a page without text has an image.
pub(super) fn has_images(pages: &[Page], document: &PdfDocument) -> bool {
    image_shares(pages, document).iter().any(|share| *share > 0.0)
}

/// Whether less than a tenth of the pages have text, such as the cover, and images cover most of the other pages. A
/// drawing may have as few letters, but its lines are no image, and its logo is small. Photos have captions.
pub(super) fn is_scan(pages: &[Page], document: &PdfDocument) -> bool {
    let with_text = pages.iter().filter(|page| letters(page) > FEW_LETTERS).count();
    let few = pages.iter().map(letters).filter(|letters| *letters <= FEW_LETTERS);
    let has_captions = few.sum::<usize>() > pages.len() * LETTERS_OF_A_SCAN;
    if pages.len() < MIN_PAGES || with_text * 10 >= pages.len() || has_captions {
        return false;
    }
    let shares = image_shares(pages, document);
    shares.iter().filter(|share| **share > 0.5).count() * 2 > shares.len()
}

fn letters(page: &Page) -> usize {
    page.lines.iter().map(Line::letters).sum()
}

/// Returns the share of the page that its images cover, for a sample of the pages without text.
fn image_shares(pages: &[Page], document: &PdfDocument) -> Vec<f32> {
    let bare: Vec<&Page> = pages.iter().filter(|page| letters(page) <= FEW_LETTERS).collect();
    let step = bare.len().div_ceil(SAMPLED_PAGES).max(1);
    let load = |page: &&Page| document.pages().get(i32::try_from(page.number).ok()? - 1).ok();
    bare.iter().step_by(step).filter_map(load).map(|page| image_share(&page)).collect()
}

fn image_share(page: &PdfPage) -> f32 {
    let objects = page.objects().iter().take(SAMPLED_OBJECTS);
    let covered: f32 = objects.map(|object| image_area(&object)).sum();
    covered / (page.width().value * page.height().value).max(1.0)
}

/// Returns the area of an image, or of the images in a form: programs that add stamps wrap the old page in one.
fn image_area(object: &PdfPageObject) -> f32 {
    // An image is one point wide and high before its matrix scales it.
    let scale =
        || object.matrix().map_or(0.0, |matrix| (matrix.a() * matrix.d() - matrix.b() * matrix.c()).abs());
    match object {
        PdfPageObject::Image(_) => scale(),
        PdfPageObject::XObjectForm(form) => {
            let inside = form.iter().take(SAMPLED_OBJECTS);
            let images = inside.filter(|object| matches!(object, PdfPageObject::Image(_)));
            scale() * images.map(|image| image_area(&image)).sum::<f32>()
        }
        _ => 0.0,
    }
}
