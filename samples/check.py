#!/usr/bin/env python3
"""Checks that manifest.json and questions.json tell the truth about files/. Exits 1 and says what is wrong.

It reads every sample back with an ordinary library (PDFs page by page with pdfium) and makes sure that each expected
page exists and holds the expected answer, that no other revision of a drawing would be the right one, and that the
page of a PDF with the answer is the only one.

usage: pip install -r requirements.txt && python3 check.py
"""
import email
import email.policy
import html
import json
import re
import sys
from pathlib import Path

import docx
import openpyxl
import pptx
import pypdfium2

HERE = Path(__file__).resolve().parent
FILES = HERE / "files"
LIMIT = 1_500_000


def squeeze(text):
    return re.sub(r"\s+", " ", text)


def pages_of(path):
    """The text of a file as {page number: text}; a format without pages has the one page None."""
    kind = path.suffix
    if kind == ".pdf":
        document = pypdfium2.PdfDocument(path)
        return {n + 1: document[n].get_textpage().get_text_range() for n in range(len(document))}
    if kind == ".pptx":
        slides = pptx.Presentation(path).slides
        return {n: "\n".join(shape.text_frame.text for shape in slide.shapes if shape.has_text_frame)
                for n, slide in enumerate(slides, 1)}
    if kind == ".docx":
        document = docx.Document(path)
        cells = [cell.text for table in document.tables for row in table.rows for cell in row.cells]
        return {None: "\n".join([p.text for p in document.paragraphs] + cells)}
    if kind == ".xlsx":
        book = openpyxl.load_workbook(path)
        return {None: "\n".join(str(value) for sheet in book for row in sheet.iter_rows(values_only=True) for value in row)}
    if kind == ".eml":
        message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        return {None: "\n".join(part.get_content() for part in message.walk() if not part.is_multipart())}
    text = path.read_text(encoding="utf-8")
    return {None: html.unescape(re.sub(r"<[^>]+>", " ", text)) if kind == ".html" else text}


def current_records():
    """Of each drawing in the Aconex export, the record that comes last: that is the current revision."""
    found = {}
    for line in (FILES / "planos-aconex.ndjson").read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        found[record["metadata"]["DocumentNumber"]] = record
    return found


def main():
    manifest = json.loads((HERE / "manifest.json").read_text(encoding="utf-8"))
    asked = json.loads((HERE / "questions.json").read_text(encoding="utf-8"))
    on_disk = {path.name for path in FILES.iterdir()}
    listed = {entry["file"]: entry["metadata"] for entry in manifest}
    texts = {name: pages_of(FILES / name) for name in sorted(on_disk)}
    drawings = current_records()
    wrong = []

    if on_disk != set(listed):
        wrong.append(f"manifest.json and files/ differ: {sorted(on_disk ^ set(listed))}")
    size = sum(path.stat().st_size for path in FILES.iterdir())
    if size > LIMIT:
        wrong.append(f"files/ holds {size} bytes, more than {LIMIT}")

    expected = [(name, row) for name in ("searches", "questions", "conversation") for row in asked[name]]
    for name, row in expected:
        said, expect = row.get("query") or row.get("question"), row["expect"]
        where = f"{name}: {said!r}"
        if expect["filename"] is None:
            record = drawings.get(expect["number"])
            text = {None: record.get("full_text", "") if record else ""}
            if record is None:
                wrong.append(f"{where}: no drawing {expect['number']}")
        else:
            text = texts.get(expect["filename"])
            if text is None:
                wrong.append(f"{where}: no file {expect['filename']}")
                continue
            if listed[expect["filename"]]["number"] != expect["number"]:
                wrong.append(f"{where}: the manifest gives {expect['filename']} another number")
        if expect["page"] not in text:
            wrong.append(f"{where}: page {expect['page']} does not exist")
            continue
        answer = row.get("answer_contains")
        if answer and answer not in squeeze(text[expect["page"]]):
            wrong.append(f"{where}: {answer!r} is not on page {expect['page']}")
        for page, other in text.items():
            if answer and page != expect["page"] and answer in squeeze(other):
                wrong.append(f"{where}: {answer!r} is on page {page} as well")

    searches = asked["searches"][:3]
    if [row["language"] for row in searches[:2]] != ["es", "en"] or searches[2]["query"] not in drawings:
        wrong.append("the first three searches have to be a Spanish one, an English one and a drawing number")

    for line in wrong:
        sys.stderr.write(line + "\n")
    pages = sum(len(text) for text in texts.values())
    sys.stdout.write(f"{len(texts)} files, {size} bytes, {pages} pages or parts, {len(drawings)} current drawings; "
                     f"{len(expected)} expectations, {len(asked['traps'])} traps; {len(wrong)} wrong\n")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
