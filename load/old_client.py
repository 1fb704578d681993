#!/usr/bin/env python3
"""A client of the old system: makes each call once, and exits 1 at the first reply that such a client could not read.

Needs only Python's standard library. It uploads one small text to a separate project and deletes it again.

usage: old_client.py [--url http://127.0.0.1:8000] [--project torre-norte] [--api-key KEY]
"""
import argparse
import hashlib
import json
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

import contract


class Client:
    def __init__(self, url, key, patience):
        self.url, self.key, self.patience = url.rstrip("/"), key, patience

    def send(self, method, path, body=None, headers=None):
        request = urllib.request.Request(self.url + path, data=body, method=method, headers=headers or {})
        if self.key:
            request.add_header("Authorization", f"Bearer {self.key}")
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                return reply.status, reply.headers, reply.read()
        except urllib.error.HTTPError as reply:
            return reply.code, reply.headers, reply.read()
        except OSError as error:
            raise contract.Broken(f"no reply: {error}") from None

    def call(self, check, method, path, body=None, headers=None):
        """Sends a request, checks the reply and prints it. Retries once after a correct 429 or a 503 with Retry-After,
        unless the wait is longer than --patience."""
        if isinstance(body, dict):
            body, headers = json.dumps(body).encode(), {"Content-Type": "application/json"} | (headers or {})
        for attempt in (1, 2):
            started = time.monotonic()
            status, reply_headers, raw = self.send(method, path, body, headers)
            took = 1000 * (time.monotonic() - started)
            try:
                if status == 503 and (reply_headers.get("Retry-After") or "").isdigit():
                    contract.error_body(status, raw)
                    raise contract.Refused(int(reply_headers["Retry-After"]))
                checked = check(status, reply_headers, raw.decode("utf-8", "replace"))
            except contract.Refused as refused:
                if attempt == 2 or refused.retry_after > self.patience:
                    raise contract.Broken(str(refused)) from None
                sys.stdout.write(f"wait  {method} {path}: {refused}\n")
                time.sleep(refused.retry_after)
                continue
            sys.stdout.write(f"ok    {method} {path} {status} {took:.0f} ms\n")
            return checked
        return None


def same_bytes(content):
    def check(status, headers, text):
        contract.require(status == 200, f"status {status}")
        digest = hashlib.sha256(text.encode()).hexdigest()
        contract.require(digest == hashlib.sha256(content).hexdigest(), "not the bytes that were uploaded")
    return check


def value_of(field, wanted):
    def check(status, headers, text):
        body = contract.expect_status(status, headers, text, 200)
        contract.require(body.get(field) == wanted, f"{field} is {body.get(field)!r}, not {wanted!r}")
    return check


def reading(client, project):
    client.call(contract.health, "GET", "/health")
    query = {"query": "impermeabilización de la azotea", "project_id": project, "top_k": 5, "probes": 10}
    found = client.call(lambda *reply: contract.search(*reply, project, 5), "POST", "/search", query)
    client.call(contract.search, "POST", "/search", {"query": "concrete", "project_id": None})
    form = query | {"top_k": "5", "strict_mode": "false", "filters": {"doc_type": "", "revision": " "}}
    same = client.call(lambda *reply: contract.search(*reply, project, 5), "POST", "/search", form)
    contract.require(same == found, "filters that are left blank change the rows")
    client.call(lambda *reply: contract.error(*reply, wanted=400), "POST", "/search", {"project_id": project})
    client.call(lambda *reply: contract.error(*reply, wanted=400), "POST", "/search", b'{"query": ',
                {"Content-Type": "application/json"})
    client.call(contract.documents, "GET", f"/documents?project_id={urllib.parse.quote(project)}&limit=20")
    client.call(lambda *reply: contract.history(*reply, empty=True), "GET", "/history/conv_7")
    client.call(lambda *reply: contract.history(*reply, empty=True), "GET", "/chat/history/user-1?limit=20")
    client.call(lambda *reply: contract.history(*reply, empty=True), "GET", "/api/chat/history/user-1?limit=20")


def chatting(client, project):
    session, question = f"conv_{uuid.uuid4().hex[:12]}", "¿Cuántos días hay que curar las losas?"
    body = {"question": question, "max_context_docs": 5, "project_id": project, "session_id": session}
    reply = client.call(lambda *reply: contract.chat(*reply, question, session), "POST", "/chat", body)
    turns = client.call(contract.history, "GET", f"/history/{session}")
    contract.require([turn["question"] for turn in turns] == [question], "the history does not hold the question asked")
    message = {"message": question, "project_id": project, "history": [
        {"role": "user", "content": "¿Con qué membrana se impermeabiliza la azotea?"},
        {"role": "assistant", "content": "Con una membrana asfáltica."}]}
    client.call(lambda *reply: contract.chat(*reply, question), "POST", "/chat", message)
    again = {"message": question, "project_id": project, "conversation_id": reply["conversation_id"],
             "session_id": reply["session_id"], "history": [{"role": "tool", "content": "x"}]}
    client.call(lambda *reply: contract.chat(*reply, question, session), "POST", "/chat", again)
    for feedback in ({"session_id": session, "rating": 5, "comment": "old_client.py"}, {"rating": "5"}):
        client.call(lambda *reply: contract.expect_status(*reply, 200), "POST", "/feedback", feedback)


def searchable(client, document):
    """Waits until an upload that was answered with 202 is searchable."""
    for _ in range(90):
        state = client.call(lambda *reply: contract.expect_status(*reply, 200), "GET", f"/documents/{document}")["state"]
        if state == "indexed":
            return
        contract.require(state in ("queued", "processing"), f"the upload is {state}")
        time.sleep(1)
    raise contract.Broken("not searchable after two minutes")


def uploading(client, project):
    word, filename = f"calibrador{uuid.uuid4().hex[:10]}", f"nota-{uuid.uuid4().hex[:8]}.txt"
    content = f"Nota de obra. El instrumento {word} se guarda en la bodega del piso 3.\n".encode()
    metadata = {"project": project, "title": "Nota de la bodega", "type": "Nota", "document_number": word.upper(),
                "date": "2026-11-24", "bodega": 3}
    media_type, form = contract.multipart({"metadata": json.dumps(metadata)}, filename, content)
    data = client.call(lambda *reply: contract.accepted(*reply, filename), "POST", "/upload?wait=50", form,
                       {"Content-Type": media_type})
    contract.require(data["project_id"] == project, f"uploaded to project {data['project_id']!r}")
    document = urllib.parse.quote(data["document_id"], safe="")
    if "chunks_created" not in data:
        searchable(client, document)
    try:
        rows = client.call(lambda *reply: contract.search(*reply, project), "POST", "/search",
                           {"query": word, "project_id": project, "top_k": 10, "probes": 10})
        contract.require(rows and rows[0]["document_id"] == data["document_id"], "the upload is not its first hit")
        client.call(value_of("exists", True), "GET", f"/document/{document}/exists")
        client.call(value_of("title", "Nota de la bodega"), "GET", f"/document/{document}/preview")
        client.call(same_bytes(content), "GET", f"/document/{document}/file")
        media_type, form = contract.multipart({"metadata": "{not json"}, filename, content)
        client.call(lambda *reply: contract.error(*reply, wanted=400), "POST", "/upload", form,
                    {"Content-Type": media_type})
    finally:
        client.call(lambda *reply: contract.expect_status(*reply, 200), "DELETE", f"/documents/{document}")
    client.call(lambda *reply: contract.error(*reply, wanted=404), "GET", f"/document/{uuid.uuid4()}/file")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--project", default="torre-norte", help="project that is read")
    parser.add_argument("--upload-project", default="old-client", help="project that is written to")
    parser.add_argument("--api-key", default="")
    parser.add_argument("--patience", type=int, default=65, help="longest Retry-After that is waited for, in seconds")
    parser.add_argument("--only", nargs="*", choices=["reading", "chatting", "uploading"],
                        default=["reading", "chatting", "uploading"])
    given = parser.parse_args()
    client = Client(given.url, given.api_key, given.patience)
    steps = {"reading": (reading, given.project), "chatting": (chatting, given.project),
             "uploading": (uploading, given.upload_project)}
    for name in given.only:
        step, project = steps[name]
        try:
            step(client, project)
        except contract.Broken as broken:
            sys.stderr.write(f"broken in {step.__name__}: {broken}\n")
            return 1
    sys.stdout.write("every shape is as the old clients expect it\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
