"""Checks of replies: what clients of the old system rely on.

A check takes (status, headers, body text) and raises Broken with the reason. The load test and
old_client.py use the same checks, so a reply counts as a success only if old clients can read it.
"""
import json
import re

TEXTS = ["document_id", "chunk_id", "project_id", "title", "number", "category", "doc_type", "revision", "filename",
         "file_type", "snippet"]
SCORES = ["vector_score", "text_score", "score"]
QUALITIES = ["EXCELENTE", "MUY BUENO", "BUENO", "MODERADO", "BAJO"]
STATES = ["queued", "processing", "indexed", "failed", "superseded"]


class Broken(Exception):
    """The reply violates the contract."""


class Refused(Exception):
    """A correct refusal, which says when the caller may try again."""

    def __init__(self, retry_after):
        super().__init__(f"refused, Retry-After {retry_after}")
        self.retry_after = retry_after


def require(condition, reason):
    if not condition:
        raise Broken(reason)


def parse(text):
    try:
        return json.loads(text)
    except (TypeError, ValueError):
        raise Broken(f"not JSON: {(text or '')[:80]!r}") from None


def error_body(status, text):
    body = parse(text)
    require(isinstance(body, dict), f"{status}: an error that is no object")
    for field in ("error", "detail", "request_id"):
        require(isinstance(body.get(field), str) and body[field], f"{status}: {field} is not a text")
    return body


# A caller's own limit, and more calls than the workers can answer.
REFUSALS = {429: "Rate limit exceeded", 503: "Overloaded"}


def expect_status(status, headers, text, *wanted):
    """Returns the JSON of a reply with a wanted status. Raises Refused for a correct refusal, else Broken."""
    if status in wanted:
        return parse(text)
    if status in REFUSALS:
        body = error_body(status, text)
        require(body["error"] == REFUSALS[status], f"{status} says {body['error']!r}")
        after = headers.get("Retry-After") or ""
        require(after.isdigit() and int(after) > 0, f"{status} with Retry-After {after!r}")
        raise Refused(int(after))
    if status == 0:
        raise Broken("no reply")
    body = error_body(status, text)
    raise Broken(f"{status} {body['error']}: {body['detail']}")


def error(status, headers, text, wanted):
    """Checks a refusal: it has the wanted status and the form of all errors."""
    expect = error_body(status, text) if status == wanted else expect_status(status, headers, text)
    require(expect["error"] != "Internal error", "an internal error")
    return expect


def row(value, where):
    require(isinstance(value, dict), f"{where} is no object")
    for field in TEXTS:
        require(isinstance(value.get(field), str), f"{where}.{field} is {value.get(field)!r}, not a text")
    require(value["document_id"], f"{where}.document_id is empty")
    for field in SCORES:
        number = value.get(field)
        require(isinstance(number, (int, float)) and not isinstance(number, bool), f"{where}.{field} is {number!r}")
    require(value.get("match_quality") in QUALITIES, f"{where}.match_quality is {value.get('match_quality')!r}")
    require("date_modified" in value, f"{where}.date_modified is missing")
    require(isinstance(value["date_modified"], (str, type(None))), f"{where}.date_modified is no text and not null")
    page = value.get("page")
    require(page is None or (isinstance(page, int) and page >= 1), f"{where}.page is {page!r}")


def search(status, headers, text, project=None, top_k=10):
    rows = expect_status(status, headers, text, 200)
    require(isinstance(rows, list), "not a list")
    require(len(rows) <= top_k, f"{len(rows)} rows, {top_k} were asked for")
    for index, value in enumerate(rows):
        row(value, f"[{index}]")
        require(project is None or value["project_id"] == project, f"[{index}] is of project {value['project_id']!r}")
    scores = [value["score"] for value in rows]
    require(scores == sorted(scores, reverse=True), "not best first")
    # An id is unique only within its project, so the project is compared too.
    ids = [(value["project_id"], value["document_id"]) for value in rows]
    require(len(ids) == len(set(ids)), "a document comes twice")
    return rows


def chat(status, headers, text, question, session=None):
    body = expect_status(status, headers, text, 200)
    require(isinstance(body, dict), "not an object")
    require(body.get("question") == question, f"question is {body.get('question')!r}")
    require(isinstance(body.get("answer"), str) and body["answer"].strip(), "answer is no text")
    require(isinstance(body.get("sources"), list), "sources is no list")
    for field in ("conversation_id", "session_id"):
        require(isinstance(body.get(field), str) and body[field], f"{field} is {body.get(field)!r}")
        require(session is None or body[field] == session, f"{field} is {body[field]!r}, {session!r} was sent")
    if "context_used" in body:
        require(isinstance(body["context_used"], str), "context_used is no text")
    numbers = set()
    for index, source in enumerate(body["sources"]):
        row(source, f"sources[{index}]")
        require(isinstance(source.get("citation"), int), f"sources[{index}].citation is {source.get('citation')!r}")
        numbers.add(source["citation"])
    cited = {int(number) for number in re.findall(r"\[(\d+)\]", body["answer"])}
    require(cited <= numbers, f"the answer cites {sorted(cited - numbers)}, which is no source")
    return body


def history(status, headers, text, empty=False):
    body = expect_status(status, headers, text, 200)
    require(isinstance(body, dict) and isinstance(body.get("history"), list), "history is no list")
    for index, turn in enumerate(body["history"]):
        for field in ("question", "answer", "timestamp"):
            require(isinstance(turn.get(field), str), f"history[{index}].{field} is {turn.get(field)!r}")
        require(isinstance(turn.get("sources"), list), f"history[{index}].sources is no list")
    require(not empty or not body["history"], f"{len(body['history'])} turns, none were expected")
    return body["history"]


def accepted(status, headers, text, filename=None):
    """Checks the reply to an upload: 202, or 200 if the client waited and the document was searchable in time."""
    body = expect_status(status, headers, text, 200, 202)
    require(isinstance(body, dict) and isinstance(body.get("message"), str), "message is no text")
    require(body.get("status") == ("success" if status == 200 else "accepted"), f"{status} with {body.get('status')!r}")
    data = body.get("data")
    require(isinstance(data, dict), "data is no object")
    fields = ["document_id", "filename", "project_id"] + (["title"] if status == 200 else ["status_url"])
    for field in fields:
        require(isinstance(data.get(field), str), f"data.{field} is {data.get(field)!r}")
    require(filename is None or data["filename"] == filename, f"data.filename is {data['filename']!r}")
    if status == 200:
        for field in ("chunks_created", "text_length"):
            require(isinstance(data.get(field), int) and data[field] > 0, f"data.{field} is {data.get(field)!r}")
    else:
        require(headers.get("Location"), "202 without a Location")
    return data


def health(status, headers, text):
    body = expect_status(status, headers, text, 200)
    require(isinstance(body, dict) and isinstance(body.get("status"), str), "status is no text")
    return body


def documents(status, headers, text):
    body = expect_status(status, headers, text, 200)
    require(isinstance(body, dict) and isinstance(body.get("documents"), list), "documents is no list")
    require("next_cursor" in body, "next_cursor is missing")
    for index, value in enumerate(body["documents"]):
        for field in ("document_id", "project_id", "title", "number", "revision", "filename"):
            require(isinstance(value.get(field), str), f"documents[{index}].{field} is {value.get(field)!r}")
        require(value.get("state") in STATES, f"documents[{index}].state is {value.get('state')!r}")
    return body["documents"]


def multipart(fields, filename, content):
    """Returns content type and body of a form with text fields and one file, as a browser sends it."""
    boundary = "----acorag-old-client"
    parts = [f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
             for name, value in fields.items()]
    parts.append(f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{filename}"\r\n'
                 f"Content-Type: text/plain\r\n\r\n".encode() + content + f"\r\n--{boundary}--\r\n".encode())
    return f"multipart/form-data; boundary={boundary}", b"".join(parts)
