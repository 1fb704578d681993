#!/usr/bin/env python3
"""Publishes one document to NATS, without HTTP, and follows it until it is indexed or has failed.

    nats_producer.py --project torre-norte --document mail-4711 --text "El hormigonado se posterga." --title "Correo"
    nats_producer.py --project torre-norte --file report.pdf --title "Soil report" --number RP-21 --revision B

Text is sent in the message. A file, or a text too long for a message, is first sent in parts; the message names it.
NATS_USER and NATS_PASSWORD are needed where NATS has accounts. Exits 0 when the document is indexed (or superseded by a
newer revision), 1 when it failed or was refused, 2 when no final event came in time.
"""
import argparse
import asyncio
import hashlib
import json
import mimetypes
import os
import sys
import uuid
from pathlib import Path

import nats
import nats.errors
import nats.js.errors

MAX_JOB_BYTES = 64 * 1024  # larger texts are sent as files
MAX_PART_BYTES = 512 * 1024
FINAL = {"indexed": 0, "superseded": 0, "failed": 1, "deleted": 1}


class NotAccepted(Exception):
    """JetStream did not acknowledge the message, so it may be lost."""


def token(name):
    """Encodes an id as one token of a subject: letters, digits, '-' and '_' as they are, any other byte as =XX."""
    return "".join(chr(b) if chr(b).isalnum() and b < 128 or b in b"-_" else f"={b:02X}" for b in name.encode())


def say(line):
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", default="nats://127.0.0.1:4222", help="nats://host:port, or tls://")
    parser.add_argument("--project", required=True)
    parser.add_argument("--document", help="the document's id; made from the content when absent")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--text")
    source.add_argument("--file", type=Path)
    for field in ("title", "number", "revision", "doc_type", "category", "discipline", "status", "author", "date"):
        parser.add_argument(f"--{field.replace('_', '-')}", dest=field)
    parser.add_argument("--message-id", help="JetStream drops a second message with the same id within its window; "
                                             "made from the whole message when absent")
    parser.add_argument("--timeout", type=float, default=120, help="how long to wait for the end, in seconds")
    return parser.parse_args()


async def job_of(given, js, content):
    """Returns the message: with the text if it fits, otherwise with the name of a file that has been sent."""
    metadata = {field: getattr(given, field) for field in
                ("title", "number", "revision", "doc_type", "category", "discipline", "status", "author", "date")
                if getattr(given, field)}
    name = given.file.name if given.file else ""
    job = {"metadata": metadata} | ({"filename": name} if name else {})
    if given.text is not None:
        inline = job | {"text": given.text}
        if len(json.dumps(inline, ensure_ascii=False).encode()) <= MAX_JOB_BYTES:
            return inline
    media_type = mimetypes.guess_type(name)[0] or ("text/plain" if given.text is not None else "")
    job |= {"file": await send_file(js, given.project, content)}
    return job | ({"media_type": media_type} if media_type else {})


async def send_file(js, project, content):
    """Publishes the file in parts, each acknowledged. Returns what the job must contain about the file."""
    # The id is random, so that another producer of the project cannot guess it and add a part.
    file = str(uuid.uuid4())
    subject = f"acorag.v1.file.{token(project)}.{file}"
    for number, start in enumerate(range(0, len(content), MAX_PART_BYTES)):
        await js.publish(subject, content[start:start + MAX_PART_BYTES], timeout=10,
                         headers={"Nats-Msg-Id": f"{file}-{number}"})
    say(f"sent {len(content)} bytes")
    return {"id": file, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def account():
    """The options of the connection. The server allows each user only one inbox, named as the user up to a hyphen."""
    user = os.environ.get("NATS_USER")
    if not user:
        return {}
    return {"user": user, "password": os.environ.get("NATS_PASSWORD"), "inbox_prefix": f"_INBOX_{user.split('-')[0]}"}


def message_id_of(place, job):
    """Returns an id that is the same if the same document is published again, under whatever name its file was sent."""
    what = job | ({"file": job["file"]["sha256"]} if "file" in job else {})
    return f"{place}-{hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:32]}"


def reason_of(event):
    reason = event.get("reason") or {}
    if isinstance(reason, dict):
        message = reason.get("message") or {}
        return (message.get("en") if isinstance(message, dict) else str(message)) or reason.get("code", "")
    return str(reason)


def show(event):
    """Prints an event. Returns the exit code if the event is final, else None."""
    more = {"processing": f" {event.get('percent', 0)} %", "failed": f": {reason_of(event)}"}
    say(event["event"] + more.get(event["event"], ""))
    return FINAL.get(event["event"])


async def follow(events, timeout):
    """Prints events until a final one; returns its exit code."""
    async with asyncio.timeout(timeout):
        while True:
            message = await events.next_msg(timeout=None)
            code = show(json.loads(message.data))
            if code is not None:
                return code


async def note(error):
    """Prints a connection error in one line; the library would print a stack trace for every attempt."""
    sys.stderr.write(f"nats: {error}\n")


async def publish(given):
    content = given.text.encode() if given.text is not None else given.file.read_bytes()
    document = given.document or hashlib.sha256(given.project.encode() + b"\x1f" + content).hexdigest()[:32]
    place = f"{token(given.project)}.{token(document)}"
    connection = await nats.connect(given.server, name="nats_producer", connect_timeout=5, max_reconnect_attempts=3,
                                    error_cb=note, **account())
    try:
        js = connection.jetstream()
        # Subscribes before the job is published, so that none of the job's events is missed.
        events = await connection.subscribe(f"acorag.v1.event.{place}.*")
        await connection.flush()

        job = await job_of(given, js, content)
        payload = json.dumps(job, ensure_ascii=False).encode()
        message_id = given.message_id or message_id_of(place, job)
        try:
            ack = await js.publish(f"acorag.v1.ingest.document.{place}", payload, timeout=10,
                                   headers={"Nats-Msg-Id": message_id})
        except (TimeoutError, nats.errors.Error) as error:
            raise NotAccepted(error or type(error).__name__) from error
        say(f"accepted {document} as {ack.stream} {ack.seq}{' (sent before)' if ack.duplicate else ''}")
        if ack.duplicate and "NATS_USER" not in os.environ:
            # JetStream stored only the first message with this id, and its events may all be published already. Only a
            # connection without an account can read them: the account of a producer receives new events only.
            try:
                last = await js.get_last_msg("EVENTS", f"acorag.v1.event.{place}.*")
                code = show(json.loads(last.data))
                if code is not None:
                    return code
            except nats.js.errors.NotFoundError:
                pass
        return await follow(events, given.timeout)
    finally:
        await connection.close()


def main():
    given = parse_arguments()
    try:
        return asyncio.run(publish(given))
    except NotAccepted as error:
        sys.stderr.write(f"not accepted: {error}\n")
        return 1
    except TimeoutError:
        sys.stderr.write("nothing final was heard in time\n")
        return 2
    except (OSError, nats.errors.Error) as error:
        sys.stderr.write(f"{error or type(error).__name__}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
