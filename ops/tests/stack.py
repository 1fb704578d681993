"""Starts the real servers, with acorag, for tests that need a running stack."""
import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DEVSTACK = os.environ.get("DEVSTACK", ROOT / "target/debug/devstack")
# Prints its environment, and runs until its input ends.
WAIT = "import json, os, sys; print(json.dumps(dict(os.environ)), flush=True); sys.stdin.read()"


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
