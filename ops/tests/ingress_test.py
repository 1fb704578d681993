"""The Ingress of production allows only the paths that the api documents and that the web page needs."""
import json
import re
import unittest
import urllib.request

from manifests import find, render
from stack import Stack

# Only clients inside the cluster may reach these paths.
INSIDE = {"/metrics", "/ready"}


class Ingress(unittest.TestCase):
    def setUp(self):
        (rule,) = find(render("prod"), "Ingress", "acorag")["spec"]["rules"]
        self.paths = rule["http"]["paths"]
        self.url = self.enterContext(Stack())["ACORAG_URL"]

    def get(self, path):
        with urllib.request.urlopen(self.url + path, timeout=30) as reply:
            return reply.read().decode()

    def lets_in(self, path):
        def below(prefix):
            return path == prefix or path.startswith(prefix.rstrip("/") + "/")
        return any(path == one["path"] if one["pathType"] == "Exact" else below(one["path"]) for one in self.paths)

    def test_only_documented_paths_are_allowed(self):
        documented = set(json.loads(self.get("/openapi.json"))["paths"])
        page = {"/", *("/" + path for path in re.findall(r"(?:href|src)=\"(\w[^\"]+)\"", self.get("/")))}
        self.assertIn("/assets/app.js", page)
        everything = documented | page | {"/docs", "/openapi.json", "/asyncapi.json"}
        self.assertEqual({path for path in everything if not self.lets_in(path)}, INSIDE)
        # The Ingress has no path that the api does not have.
        served = [one["path"] for one in self.paths
                  if not any(path == one["path"] or path.startswith(one["path"] + "/") for path in everything)]
        self.assertEqual(served, [])


if __name__ == "__main__":
    unittest.main()
