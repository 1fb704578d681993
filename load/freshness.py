#!/usr/bin/env python3
"""Tests that a cached answer is never older than the newest commit: uploads, waits, and searches for a unique phrase.

Before each upload the same search is made twice, so that the cache has an answer without the new document.
Needs only Python's standard library. Exits 1 on the first stale answer.

    python3 load/freshness.py --url http://127.0.0.1:8000 --rounds 1000
"""

import argparse
import json
import sys
import time
import urllib.request
import uuid


def call(request, key):
    if key:
        request.add_header("Authorization", f"Bearer {key}")
    with urllib.request.urlopen(request, timeout=120) as answer:
        return answer.headers, json.load(answer)


def search(arguments, project, query):
    body = json.dumps({"query": query, "project_id": project, "top_k": 50, "mode": "keyword"}).encode()
    request = urllib.request.Request(f"{arguments.url}/search", body, {"Content-Type": "application/json"})
    return call(request, arguments.api_key)


def upload(arguments, project, name, text):
    boundary = uuid.uuid4().hex
    part = 'Content-Disposition: form-data; name="{}"{}\r\n\r\n{}\r\n'
    parts = [
        part.format("metadata", "", json.dumps({"project_id": project})),
        part.format("file", f'; filename="{name}"', text),
    ]
    body = "".join(f"--{boundary}\r\n{each}" for each in parts) + f"--{boundary}--\r\n"
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    request = urllib.request.Request(f"{arguments.url}/upload?wait=60", body.encode(), headers)
    _, answer = call(request, arguments.api_key)
    if answer["status"] != "success":
        sys.exit(f"{name} was not indexed in time: {answer}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--api-key", default="")
    arguments = parser.parse_args()
    project, hits, started = f"freshness-{uuid.uuid4().hex[:8]}", 0, time.monotonic()
    for number in range(arguments.rounds):
        phrase = f"lote{uuid.uuid4().hex[:12]}"
        for _ in range(2):
            headers, rows = search(arguments, project, phrase)
        hits += headers.get("x-cache") == "hit"
        upload(arguments, project, f"{phrase}.txt", f"Control de calidad del {phrase} de la obra.")
        headers, rows = search(arguments, project, phrase)
        if not any(row["filename"] == f"{phrase}.txt" for row in rows):
            sys.exit(f"round {number}: stale ({headers.get('x-cache')}), {len(rows)} rows without {phrase}")
        if (number + 1) % 50 == 0:
            rate = (number + 1) / (time.monotonic() - started)
            print(f"{number + 1} of {arguments.rounds} rounds, none stale, {rate:.1f}/s", flush=True)
    print(json.dumps({"rounds": arguments.rounds, "stale": 0, "warm_before_upload": hits}))


if __name__ == "__main__":
    main()
