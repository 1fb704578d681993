#!/usr/bin/env python3
"""Checks that searches stay fast while one address floods the api. Measures their p95 without and with the flood.

The flood keeps half-sent requests (a head, and a body shorter than declared) and silent connections open. It opens each
again some seconds after the server has closed it, because flood, server and searches share the processors of this machine.
The flood uses another local address than the searches, so the server must run on this machine.
Needs only the standard library, and Linux, where every address of 127.0.0.0/8 is local.

    python3 load/floods.py --url http://127.0.0.1:8000 --half-sent 4000 --silent 4000

Start the server without rate limits (RATE_LIMIT_SEARCH=off). The exit status is 1 if a search fails, or if the p95 with the
flood is more than --most times the p95 without it.
"""

import argparse
import asyncio
import collections
import json
import resource
import sys
import time
import urllib.parse
import uuid

WORDS = "losa muro hormigón viga pilar azotea estanqueidad junta anclaje plano revisión acta espesor dilatación".split()


def question():
    """Returns a new question, which is in no cache."""
    number = uuid.uuid4().int
    return f"{WORDS[number % len(WORDS)]} {WORDS[number // 97 % len(WORDS)]} {number % 1_000_000}"


async def search(host, port, key):
    """Makes one search on a new connection; returns its time in seconds."""
    body = json.dumps({"query": question(), "top_k": 5}).encode()
    head = f"POST /search HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\n"
    head += f"Authorization: Bearer {key}\r\n" if key else ""
    head += f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    started = time.perf_counter()
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(head.encode() + body)
        answer = await reader.read(-1)
    finally:
        writer.close()
    if not answer.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(answer[:300].decode(errors="replace") or "no answer")
    return time.perf_counter() - started


async def measure(arguments, host, port):
    """Returns the p95 in seconds of searches by a few concurrent clients, and the number of failures by reason."""
    times, failures, left = [], collections.Counter(), iter(range(arguments.searches))

    async def client():
        for _ in left:
            try:
                times.append(await asyncio.wait_for(search(host, port, arguments.api_key), 30))
            except (OSError, RuntimeError, asyncio.TimeoutError) as error:
                failures[str(error).splitlines()[0] if str(error) else type(error).__name__] += 1

    await asyncio.gather(*(client() for _ in range(arguments.clients)))
    times.sort()
    return times[int(len(times) * 0.95)] if times else float("nan"), failures


class Flood:
    def __init__(self, host, port, source, pause):
        self.host, self.port, self.source, self.pause = host, port, source, pause
        self.open, self.opened, self.answers = 0, 0, collections.Counter()

    async def hold(self, first):
        """Keeps one connection open, and opens a new one after the server has closed it."""
        while True:
            try:
                reader, writer = await asyncio.open_connection(self.host, self.port, local_addr=(self.source, 0))
            except OSError:
                await asyncio.sleep(0.5)
                continue
            self.opened += 1
            self.open += 1
            try:
                writer.write(first)
                answer = await reader.read(12)
                self.answers[answer.decode(errors="replace") or "closed"] += 1
            except OSError:
                self.answers["closed"] += 1
            finally:
                self.open -= 1
                writer.close()
            await asyncio.sleep(self.pause)


async def run(arguments):
    url = urllib.parse.urlsplit(arguments.url)
    host, port = url.hostname, url.port or 80
    await measure(argparse.Namespace(**{**vars(arguments), "searches": 20}), host, port)  # warms up
    quiet, failed = await measure(arguments, host, port)
    print(f"quiet: p95 {quiet * 1000:.1f} ms, failed {dict(failed)}", flush=True)

    half = f"POST /search HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{{"
    flood = Flood(host, port, arguments.source, arguments.pause)
    holders = [half.encode()] * arguments.half_sent + [b""] * arguments.silent
    tasks = []
    for first in holders:
        tasks.append(asyncio.create_task(flood.hold(first)))
        if len(tasks) % 20 == 0:
            await asyncio.sleep(0.01)
    give_up = time.monotonic() + arguments.patience
    while flood.opened < len(holders) and time.monotonic() < give_up:
        await asyncio.sleep(0.1)
    print(f"flood: {flood.opened} connections were opened, {flood.open} are open", flush=True)
    loud, failed_then = await measure(arguments, host, port)
    print(f"flood: p95 {loud * 1000:.1f} ms, failed {dict(failed_then)}")
    print(f"flood: {flood.opened} connections were opened, {flood.open} are open, answers {dict(flood.answers)}")
    for task in tasks:
        task.cancel()
    ratio = loud / quiet
    print(f"ratio: {ratio:.2f}")
    return not failed and not failed_then and ratio <= arguments.most


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--api-key", default="")
    parser.add_argument("--half-sent", type=int, default=4000, help="requests of which half is sent (%(default)s)")
    parser.add_argument("--silent", type=int, default=4000, help="connections on which nothing is sent (%(default)s)")
    parser.add_argument("--source", default="127.0.0.2", help="the flood's own address (%(default)s)")
    parser.add_argument("--pause", type=float, default=10, help="before a closed connection is opened again, in seconds (%(default)s)")
    parser.add_argument("--searches", type=int, default=1000, help="searches of each measurement (%(default)s)")
    parser.add_argument("--clients", type=int, default=2, help="searches at the same time (%(default)s)")
    parser.add_argument("--patience", type=float, default=60, help="longest time to build the flood, in seconds (%(default)s)")
    parser.add_argument("--most", type=float, default=1.5, help="the largest ratio that passes (%(default)s)")
    parser.add_argument("--limit", type=float, default=600, help="longest time of all, in seconds (%(default)s)")
    arguments = parser.parse_args()
    files, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = arguments.half_sent + arguments.silent + 200
    if files < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, most), most))
    if not asyncio.run(asyncio.wait_for(run(arguments), arguments.limit)):
        sys.exit(1)


if __name__ == "__main__":
    main()
