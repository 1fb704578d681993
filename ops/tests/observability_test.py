"""Tests that alerts and dashboards are valid, tested and documented, and use only metrics that a running stack has."""
import json
import re
import socket
import ssl
import subprocess
import time
import unittest
import urllib.error
import urllib.request
import uuid
from functools import cache

import promql_parser
import yaml

from prometheus import program
from stack import ROOT, STACK, Stack

OPS = ROOT / "ops"
DASHBOARDS = sorted((OPS / "grafana/dashboards").glob("*.json"))
KEYS = ROOT / "api/tests/keys"

# Metrics of other programs, with the program that shows each.
OTHERS = {
    "prometheus": {"up", "ALERTS"},
    "node_exporter": {"node_cpu_seconds_total", "node_memory_MemAvailable_bytes", "node_memory_MemTotal_bytes",
                      "node_filesystem_avail_bytes", "node_filesystem_size_bytes"},
    "postgres_exporter": {"pg_replication_lag_seconds", "pg_settings_max_connections", "pg_stat_database_numbackends",
                          "pg_up"},
    "CloudNativePG": {"cnpg_backends_total", "cnpg_collector_up", "cnpg_pg_replication_in_recovery",
                      "cnpg_pg_replication_lag", "cnpg_pg_replication_slots_active", "cnpg_pg_settings_setting"},
    "cAdvisor, in the kubelet": {"container_memory_working_set_bytes", "container_memory_total_active_file_bytes",
                                 "container_spec_memory_limit_bytes"},
    "the kubelet": {"kubelet_volume_stats_used_bytes", "kubelet_volume_stats_capacity_bytes"},
}
# Metrics of acorag that a development stack does not have: its PostgreSQL archives nothing, and it has one model.
ELSEWHERE = {"acorag_wal_unarchived_segments", "acorag_passages_without_vector"}
# Metrics of acorag's programs that no panel uses, with the reason.
UNUSED = {"process_virtual_memory_bytes": "address space, most of it mapped files: it says nothing about memory in use"}


@cache
def rules():
    groups = yaml.safe_load((OPS / "prometheus/alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels():
    for path in DASHBOARDS:
        for panel in json.loads(path.read_text())["panels"]:
            if panel["type"] != "row":
                yield panel


@cache
def expressions():
    """Returns the place of each expression, and the expression as Prometheus gets it."""
    found = [(f"alert {rule['alert']}", rule["expr"]) for rule in rules()]
    found += [(f"panel {panel['title']}", target["expr"]) for panel in panels() for target in panel["targets"]]
    for path in DASHBOARDS:
        found += [(f"annotation {note['name']}", note["expr"]) for note in json.loads(path.read_text())["annotations"]["list"]]
    return [(place, expression.replace("$__rate_interval", "5m")) for place, expression in found]


def selectors(node):
    """Returns every selector of a parsed expression: the name of the metric and its matchers."""
    if isinstance(node, promql_parser.VectorSelector):
        yield node.name, node.matchers.matchers
    for name in ("expr", "lhs", "rhs", "vector_selector"):
        if (inner := getattr(node, name, None)) is not None:
            yield from selectors(inner)
    for inner in getattr(node, "args", None) or []:
        yield from selectors(inner)


def named():
    """Returns the metrics that a panel shows or an alert uses, and where."""
    places = {}
    for place, expression in expressions():
        for name, _ in selectors(promql_parser.parse(expression)):
            places.setdefault(name, place)
    return places


class Files(unittest.TestCase):
    def check(self, *command, cwd=None):
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_prometheus_accepts_its_configuration_and_the_alerts(self):
        self.check(program("promtool"), "check", "config", OPS / "prometheus/prometheus.yml")
        self.check(program("promtool"), "check", "rules", "--lint-fatal", OPS / "prometheus/alerts.yml")

    def test_alertmanager_accepts_its_configuration(self):
        self.check(program("amtool"), "check-config", OPS / "alertmanager/alertmanager.yml")

    def test_alerts_fire_when_they_should_and_only_then(self):
        self.check(program("promtool"), "test", "rules", "alerts_test.yml", cwd=OPS / "prometheus")

    def test_every_alert_is_tested_firing_and_not_firing(self):
        tests = yaml.safe_load((OPS / "prometheus/alerts_test.yml").read_text())["tests"]
        looks = [look for test in tests for look in test["promql_expr_test"]]
        text = lambda found: " ".join(look["expr"] + str(look.get("exp_samples")) for look in found)
        fires = text(look for look in looks if "exp_samples" in look)
        rests = text(look for look in looks if "exp_samples" not in look)
        for rule in rules():
            self.assertIn(f'alertname="{rule["alert"]}"', fires)
            self.assertTrue(any(re.fullmatch(pattern, rule["alert"])
                                for pattern in re.findall(r'alertname=~?"([^"]+)"', rests)), rule["alert"])

    def test_every_alert_has_a_description_and_a_runbook(self):
        names = [rule["alert"] for rule in rules()]
        self.assertEqual(len(names), len(set(names)))
        for rule in rules():
            with self.subTest(rule["alert"]):
                self.assertIn(rule["labels"]["severity"], {"page", "ticket"})
                notes = rule["annotations"]
                self.assertTrue(notes["summary"] and notes["description"])
                self.assertEqual(notes["runbook_url"], f"docs/operations.md#{rule['alert'].lower()}")

    def test_the_runbook_has_a_section_for_every_alert(self):
        runbook = (ROOT / "docs/operations.md").read_text()
        sections = set(re.findall(r"^#+ (\w+)$", runbook, re.MULTILINE))
        self.assertEqual({rule["alert"] for rule in rules()} - sections, set())

    def test_the_collector_is_configured(self):
        collector = yaml.safe_load((OPS / "otel/collector.yml").read_text())
        used = {kind: set() for kind in ("receivers", "processors", "exporters")}
        for pipeline in collector["service"]["pipelines"].values():
            for kind in used:
                used[kind] |= set(pipeline[kind])
        for kind, names in used.items():
            self.assertEqual(names, set(collector[kind]), kind)

    def test_grafana_finds_the_data_and_the_dashboards(self):
        [source] = yaml.safe_load((OPS / "grafana/provisioning/datasources/prometheus.yml").read_text())["datasources"]
        self.assertTrue(DASHBOARDS)
        ids = [panel["id"] for panel in panels()]
        self.assertEqual(len(ids), len(set(ids)))
        for panel in panels():
            self.assertEqual(panel["datasource"], {"type": "prometheus", "uid": source["uid"]}, panel["title"])


class Metrics(unittest.TestCase):
    """Tests against a running stack on which each kind of event has happened once."""

    @classmethod
    def setUpClass(cls):
        stack = Stack(RATE_LIMIT_CHAT="1/minute")
        cls.environment = stack.__enter__()
        cls.addClassCleanup(stack.__exit__)
        cls.happen()
        cls.series = cls.scrape()

    @classmethod
    def happen(cls):
        url, database = cls.environment["ACORAG_URL"], cls.environment["DATABASE_URL"]
        document = b"El muro de contencion lleva hormigon H-25 y drenaje."
        boundary = uuid.uuid4().hex
        form = (f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="muro.txt"\r\n\r\n'.encode()
                + document + f"\r\n--{boundary}--\r\n".encode())
        ask(f"{url}/upload?wait=60", form, f"multipart/form-data; boundary={boundary}")
        ask(f"{url}/search", json.dumps({"query": "hormigon del muro"}).encode())
        for _ in range(2):  # The second request is refused.
            ask(f"{url}/chat", json.dumps({"message": "hormigon del muro"}).encode(),
                accept="text/event-stream")
        subprocess.run([STACK / "postgres/bin/psql", database, "--quiet", "--command",
                        "INSERT INTO backup_run (kind, started_at, bytes) VALUES ('base', now(), 0)"], check=True)
        cls.start_second_api()

    @classmethod
    def start_second_api(cls):
        """Starts a second api with a certificate, whose queries always time out, for metrics that the first api does not have."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        settings = {"PORT": str(port), "BIND": "127.0.0.1", "AUTH": "off", "SEARCH_TIMEOUT": "0",
                    "TLS_CERT": str(KEYS / "tls.crt"), "TLS_KEY": str(KEYS / "tls.key")}
        api = subprocess.Popen([ROOT / "target/debug/acorag-api"], env=cls.environment | settings,
                               stderr=subprocess.DEVNULL)
        cls.addClassCleanup(api.wait)
        cls.addClassCleanup(api.kill)
        cls.second = f"https://127.0.0.1:{port}"
        until(lambda: ask(f"{cls.second}/health")[0] == 200, "the second api answers")
        ask(f"{cls.second}/search", json.dumps({"query": "plazo"}).encode())

    @classmethod
    def scrape(cls):
        """Returns all series of all programs, once the metrics of the pipeline exist; they are updated every 15 seconds."""
        urls = cls.environment["ACORAG_METRICS"].split() + [f"{cls.second}/metrics"]

        def read():
            lines = "\n".join(ask(url)[1] for url in urls).splitlines()
            series = {}
            for line in lines:
                if found := re.match(r"(\w+)(\{.*\})? \S+$", line):
                    series.setdefault(found[1], []).append(dict(re.findall(r'(\w+)="([^"]*)"', found[2] or "")))
            return series

        until(lambda: "acorag_backup_last_success_timestamp_seconds" in read(), "the backup is shown")
        return read()

    def test_metrics_of_dashboards_and_alerts_exist(self):
        others = set().union(*OTHERS.values())
        missing = {name: place for name, place in named().items()
                   if name not in self.series and name not in others | ELSEWHERE}
        self.assertEqual(missing, {})

    def test_labels_of_dashboards_and_alerts_exist(self):
        # Prometheus itself adds these labels when it scrapes.
        given = {"job", "instance"}
        for place, expression in expressions():
            for name, matchers in selectors(promql_parser.parse(expression)):
                for matcher in matchers:
                    if name in self.series and matcher.name not in given:
                        self.assertTrue(any(matcher.name in labels for labels in self.series[name]),
                                        f"{place}: {name} has no label {matcher.name}")

    def test_every_metric_is_shown_or_excluded_with_a_reason(self):
        shown = set()
        for name in named():
            shown |= {name, re.sub("_(bucket|sum|count)$", "", name)}
        families = {re.sub("_(bucket|sum|count)$", "", name) if f"{name.rsplit('_', 1)[0]}_bucket" in self.series else name
                    for name in self.series}
        self.assertEqual(families - shown, set(UNUSED))

    def test_exclusions_are_still_needed(self):
        self.assertEqual(ELSEWHERE & set(self.series), set())
        self.assertEqual((ELSEWHERE | set().union(*OTHERS.values())) - set(named()), set())

    def test_the_certificates_end_is_the_one_that_is_served(self):
        text = ask(f"{self.second}/metrics")[1]
        shown = re.search(r"^acorag_certificate_not_after_timestamp_seconds (\d+)$", text, re.MULTILINE)
        host, port = self.second.removeprefix("https://").split(":")
        served = ssl.get_server_certificate((host, int(port)))
        end = subprocess.run(["openssl", "x509", "-noout", "-enddate"], input=served, capture_output=True, text=True,
                             check=True).stdout.strip().removeprefix("notAfter=")
        self.assertEqual(int(shown[1]), ssl.cert_time_to_seconds(end))


def ask(url, body=None, kind="application/json", accept="*/*"):
    """Returns status and text of any reply, also of an error."""
    request = urllib.request.Request(url, body, {"content-type": kind, "accept": accept})
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    try:
        with urllib.request.urlopen(request, timeout=90, context=trusting) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)


def until(true, what, seconds=120):
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(0.2)


if __name__ == "__main__":
    unittest.main()
