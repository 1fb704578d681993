"""Tests the stack that the other tests use."""
import unittest
import urllib.request

from stack import Stack


class RunningStack(unittest.TestCase):
    def test_every_program_shows_its_metrics(self):
        with Stack() as environment:
            for url in environment["ACORAG_METRICS"].split():
                with urllib.request.urlopen(url, timeout=10) as reply:
                    self.assertEqual(reply.status, 200)


if __name__ == "__main__":
    unittest.main()
