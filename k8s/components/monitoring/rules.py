#!/usr/bin/env python3
"""Writes rules.yaml, the alerts of ops/prometheus/alerts.yml in the form of the Prometheus operator. kustomize cannot put
a file into a field. Run this after each change of the alerts; a test compares both."""
from pathlib import Path

HERE = Path(__file__).resolve().parent
ALERTS = HERE.parents[2] / "ops/prometheus/alerts.yml"
HEAD = """\
# Made by rules.py from ops/prometheus/alerts.yml.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: acorag
spec:
"""


def rule(alerts):
    """The text of the alerts with its comments, indented by one level."""
    return HEAD + "".join(f"  {line}".rstrip() + "\n" for line in alerts.splitlines())


if __name__ == "__main__":
    (HERE / "rules.yaml").write_text(rule(ALERTS.read_text()))
