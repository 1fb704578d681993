"""Requests made from /openapi.json: none ends in a 5xx, and every answer is one that the description names."""
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from stack import Stack

# The checks of schemathesis that acorag must pass. acorag need not refuse every request that its description forbids,
# because old clients send numbers as text.
CHECKS = ("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance")
UNLIMITED = {f"RATE_LIMIT_{what}": "off" for what in ("SEARCH", "CHAT", "UPLOAD", "LOGIN", "TOKEN")}


class OpenApi(unittest.TestCase):
    def test_the_api_answers_as_it_describes_itself(self):
        program = Path(sys.executable).with_name("schemathesis")
        with tempfile.TemporaryDirectory() as folder, Stack(**UNLIMITED) as environment:
            ran = subprocess.run(
                [program, "--no-color", "run", f"{environment['ACORAG_URL']}/openapi.json", "--seed=1", "--generation-database=none",
                 "--phases=examples,coverage,fuzzing", "--max-examples=10", f"--checks={','.join(CHECKS)}",
                 "--request-timeout=30", "--warnings=off"],
                cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300, check=False)
        self.assertEqual(ran.returncode, 0, ran.stdout[-8_000:])


if __name__ == "__main__":
    unittest.main()
