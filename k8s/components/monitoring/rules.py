#!/usr/bin/env python3
"""Writes rules.yaml, the alerts of ops/prometheus/alerts.yml as the Prometheus operator wants them: kustomize can put
no file into a field. Run it when the alerts have changed; a test compares."""
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
    """The alerts' own text, comments and all, one level deeper."""
    return HEAD + "".join(f"  {line}".rstrip() + "\n" for line in alerts.splitlines())


if __name__ == "__main__":
    (HERE / "rules.yaml").write_text(rule(ALERTS.read_text()))
