"""Starts the real servers, with acorag, for tests that need a running stack."""
import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[2]
# What devstack/fetch.py fetched.
STACK = Path(os.environ.get("STACK_DIR", ROOT / ".stack"))
DEVSTACK = os.environ.get("DEVSTACK", ROOT / "target/debug/devstack")
# The folder where cargo puts all programs.
PROGRAMS = Path(DEVSTACK).parent
# Prints its environment, and runs until its input ends.
WAIT = "import json, os, sys; print(json.dumps(dict(os.environ)), flush=True); sys.stdin.read()"


def of_database(url):
    """The environment in which the programs of PostgreSQL and of acorag are found, and use this database."""
    postgres, url = STACK / "postgres", urlsplit(url)
    return {
        "PATH": f"{postgres / 'bin'}:{PROGRAMS}:{os.environ['PATH']}", "LD_LIBRARY_PATH": str(postgres / "lib"),
        "PGHOST": url.hostname, "PGPORT": str(url.port), "PGUSER": url.username, "PGPASSWORD": url.password,
        "PGDATABASE": url.path[1:]}


class Stack:
    """`with Stack() as environment` gives the addresses that `devstack run` and `devstack with-acorag` give to commands:
    NATS_URL, NATS_MONITOR_URL, DATABASE_URL, REDIS_URL, and with acorag also ACORAG_URL and ACORAG_METRICS (a URL for
    each program, separated by spaces). The ports are free ones, the data is temporary."""

    def __init__(self, acorag=True, **settings):
        self.command = [DEVSTACK, "with-acorag" if acorag else "run", "--", sys.executable, "-c", WAIT]
        self.environment = os.environ | settings

    def __enter__(self):
        self.process = subprocess.Popen(self.command, env=self.environment, cwd=ROOT, text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        said = self.process.stdout.readline()
        if not said:
            self.__exit__()
            raise RuntimeError(f"devstack ended with {self.process.returncode} before the stack was up")
        return json.loads(said)

    def __exit__(self, *_):
        self.process.stdin.close()
        try:
            self.process.wait(timeout=60)
        finally:
            self.process.kill()
            self.process.stdout.close()
