#!/usr/bin/env python3
"""Writes the binary sample documents into files/: PDF, DOCX, XLSX, PPTX and EML.

The plain ones (TXT, Markdown, HTML, CSV, NDJSON) are kept in files/ as they were written by hand. Running this twice
gives the same bytes: no clock, no random number, and every zip member carries the same date.

usage: pip install -r requirements.txt && python3 make.py [OUT_DIR]
"""
import email.message
import email.policy
import io
import re
import sys
import zipfile
from pathlib import Path

import docx
import openpyxl
import pptx
from openpyxl.styles import Font, PatternFill
from openpyxl.utils import get_column_letter
from pptx.util import Pt
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.platypus import PageBreak, Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

import office

HERE = Path(__file__).resolve().parent
PAGE_MARK = "=== page\n"
BLUE = colors.HexColor("#1f3a5f")
BODY = ParagraphStyle("body", fontName="Helvetica", fontSize=10, leading=14.5, spaceAfter=5)
H1 = ParagraphStyle("h1", parent=BODY, fontName="Helvetica-Bold", fontSize=17, leading=22, textColor=BLUE, spaceAfter=8)
H2 = ParagraphStyle("h2", parent=BODY, fontName="Helvetica-Bold", fontSize=11.5, leading=15, spaceBefore=7, spaceAfter=4)

# name of the text file, title, author, language, running header, "page n of m"
PDFS = [
    ("especificaciones-tecnicas", "Especificaciones técnicas generales", "Estudio Labrador", "es",
     "Torre Norte · 200076-CCC02-ET-GE-000010 · Revisión C", "Página {} de {}"),
    ("geotechnical-report", "Geotechnical interpretative report", "Terraforma Geotecnia", "en",
     "Torre Norte · 200076-CCC02-RP-GT-000021 · Revision 1", "Page {} of {}"),
    ("operation-and-maintenance-manual", "Operation and maintenance manual", "Constructora Andamar", "en",
     "Torre Norte · 200076-CCC02-MN-OM-000001 · Revision A", "Page {} of {}"),
]


def table(lines, width):
    rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines]
    cells = [[Paragraph(cell, ParagraphStyle("cell", parent=BODY, fontSize=9.5, leading=12, spaceAfter=0)) for cell in row]
             for row in rows]
    columns = len(rows[0])
    first = 0.55 if columns == 2 else 1.4 / (columns + 0.4)
    widths = [width * first] + [width * (1 - first) / (columns - 1)] * (columns - 1)
    made = Table(cells, colWidths=widths, hAlign="LEFT", spaceAfter=6)
    made.setStyle(TableStyle([
        ("GRID", (0, 0), (-1, -1), 0.4, colors.HexColor("#9aa7b5")),
        ("ROWBACKGROUNDS", (0, 0), (-1, -1), [colors.HexColor("#f2f5f9"), colors.white]),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
    ]))
    return made


def flow(text, width):
    """The small markup of text/*.txt: '# ' and '## ' headings, '| ' table rows, anything else is a paragraph."""
    story, rows = [], []

    def flush():
        if rows:
            story.append(table(rows, width))
            rows.clear()

    for line in text.strip().splitlines():
        if line.startswith("|"):
            rows.append(line)
            continue
        flush()
        if line.startswith("## "):
            story.append(Paragraph(line[3:], H2))
        elif line.startswith("# "):
            story.append(Paragraph(line[2:], H1))
        elif line.strip():
            story.append(Paragraph(line, BODY))
        else:
            story.append(Spacer(1, 2))
    flush()
    return story


def pdf(source, title, author, language, header, page_of):
    pages = source.read_text(encoding="utf-8").split(PAGE_MARK)
    out = io.BytesIO()
    document = SimpleDocTemplate(out, pagesize=A4, leftMargin=22 * mm, rightMargin=22 * mm, topMargin=26 * mm,
                                 bottomMargin=20 * mm, title=title, author=author, lang=language, invariant=1)

    def decorate(canvas, _):
        canvas.setFont("Helvetica", 8.5)
        canvas.setFillColor(colors.HexColor("#5a6675"))
        canvas.drawString(22 * mm, A4[1] - 15 * mm, header)
        canvas.drawRightString(A4[0] - 22 * mm, 11 * mm, page_of.format(canvas.getPageNumber(), len(pages)))
        canvas.line(22 * mm, A4[1] - 17 * mm, A4[0] - 22 * mm, A4[1] - 17 * mm)

    story = []
    for number, text in enumerate(pages):
        story += ([PageBreak()] if number else []) + flow(text, document.width)
    document.build(story, onFirstPage=decorate, onLaterPages=decorate)
    if document.page != len(pages):
        sys.exit(f"{source.name}: {len(pages)} pages of text became {document.page} of PDF; shorten one")
    return out.getvalue()


def fixed_zip(data):
    """An Office file with the clock taken out: of the zip members, and of the core properties."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            body = old.read(name)
            if name == "docProps/core.xml":
                body = re.sub(rb"(<dcterms:(created|modified)[^>]*>)[^<]*", rb"\g<1>2026-11-01T12:00:00Z", body)
            info = zipfile.ZipInfo(name, date_time=(2026, 11, 1, 12, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            new.writestr(info, body)
    return out.getvalue()


def saved(document):
    out = io.BytesIO()
    document.save(out)
    return fixed_zip(out.getvalue())


def minutes():
    made = docx.Document()
    made.core_properties.title, made.core_properties.author = office.MINUTES["title"], office.MINUTES["author"]
    made.add_heading(office.MINUTES["title"], 0)
    for kind, value in office.MINUTES["blocks"]:
        if kind == "heading":
            made.add_heading(value, 1)
        elif kind == "bullet":
            made.add_paragraph(value, style="List Bullet")
        elif kind == "table":
            grid = made.add_table(rows=0, cols=len(value[0]), style="Light Grid Accent 1")
            for row in value:
                for cell, text in zip(grid.add_row().cells, row):
                    cell.text = text
        else:
            made.add_paragraph(value)
    return saved(made)


def schedule():
    book = openpyxl.Workbook()
    book.properties.title, book.properties.creator = "Door and equipment schedule", "Estudio Labrador"
    book.remove(book.active)
    for name, rows in office.SCHEDULE.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
        for cell in sheet[1]:
            cell.font, cell.fill = Font(bold=True, color="FFFFFF"), PatternFill("solid", fgColor="1F3A5F")
        for index in range(1, len(rows[0]) + 1):
            widest = max(len(str(row[index - 1])) for row in rows)
            sheet.column_dimensions[get_column_letter(index)].width = min(widest + 2, 44)
        sheet.freeze_panes = "A2"
    return saved(book)


def briefing():
    deck = pptx.Presentation()
    deck.core_properties.title, deck.core_properties.author = office.BRIEFING[0][0], "Constructora Andamar"
    for number, (title, points, notes) in enumerate(office.BRIEFING):
        slide = deck.slides.add_slide(deck.slide_layouts[0 if number == 0 else 1])
        slide.shapes.title.text = title
        body = slide.placeholders[1].text_frame
        body.text = points[0]
        for point in points[1:]:
            paragraph = body.add_paragraph()
            paragraph.text = point
        if number:
            for paragraph in body.paragraphs:
                paragraph.font.size = Pt(22)
        if notes:
            slide.notes_slide.notes_text_frame.text = notes
    return saved(deck)


def mail():
    message = email.message.EmailMessage(policy=email.policy.SMTP)
    for name, value in office.MAIL["headers"]:
        message[name] = value
    message.set_content(office.MAIL["text"], charset="utf-8", cte="quoted-printable")
    message.add_attachment(office.MAIL["attachment"].encode("utf-8"), maintype="text", subtype="csv",
                           filename=office.MAIL["attachment_name"], params={"charset": "utf-8"})
    message.set_boundary("=_torre-norte-0047")
    return message.as_bytes()


def main():
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "files"
    out.mkdir(parents=True, exist_ok=True)
    made = {f"{name}.pdf": pdf(HERE / "text" / f"{name}.txt", *rest) for name, *rest in PDFS}
    made |= {
        "acta-reunion-de-obra-41.docx": minutes(),
        "door-and-equipment-schedule.xlsx": schedule(),
        "safety-briefing-work-at-height.pptx": briefing(),
        "oferta-ascensores.eml": mail(),
    }
    for name, data in made.items():
        (out / name).write_bytes(data)
        sys.stdout.write(f"{name} {len(data)} bytes\n")


if __name__ == "__main__":
    main()
