"""The output of kustomize for k8s/overlays, for tests."""
import functools
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml
from stack import PROGRAMS, ROOT

K8S = ROOT / "k8s"
# An overlay of the components that are in no shipped overlay, as an operator might write it.
OTHER = {"other": ("external-postgres", "issuer", "language-model", "producers", "tracing")}
# The example overlay in the manual.
MINE = re.compile(r"```yaml\n# k8s/overlays/mine/kustomization.yaml\n(.*?)```", re.DOTALL)
OVERLAYS = ("dev", "prod", "recovery", "mine", *OTHER)
# Each overlay names the release of these images.
IMAGES = ("acorag/acorag", "acorag/postgres", "nats", "valkey/valkey")


@functools.cache
def render(overlay):
    """Returns the overlay's objects, as `kubectl apply -k` would send them."""
    if (K8S / "overlays" / overlay).exists():
        return build(K8S / "overlays" / overlay)
    with tempfile.TemporaryDirectory() as folder:
        way = Path(os.path.relpath(K8S, Path(folder).resolve()))
        if overlay in OTHER:
            text = yaml.safe_dump({
                "namespace": "acorag",
                "resources": [str(way / "base")],
                "components": [str(way / "components" / one) for one in OTHER[overlay]],
                "images": [{"name": one, "newTag": "1"} for one in IMAGES]})
        else:
            (text,) = MINE.findall((ROOT / "docs/operations.md").read_text())
            text = text.replace("../../", f"{way}/").replace("../prod", f"{way}/overlays/prod")
        (Path(folder) / "kustomization.yaml").write_text(text)
        return build(folder)


def build(folder):
    made = subprocess.run([Path(sys.executable).with_name("kubectl"), "kustomize", folder],
                          capture_output=True, text=True, timeout=300)
    if made.returncode:
        raise RuntimeError(made.stderr)
    return [one for one in yaml.safe_load_all(made.stdout) if one]


def kinds(objects, *names):
    return [one for one in objects if one["kind"] in names]


def find(objects, kind, name):
    found = [one for one in kinds(objects, kind) if one["metadata"]["name"] == name]
    assert len(found) == 1, f"{len(found)} of {kind} {name}"
    return found[0]


def title(one):
    return f"{one['kind']}/{one['metadata']['name']}"


def pods(objects):
    """Returns (owner, pod template) of every object that runs pods, except CloudNativePG's Cluster, which creates its own pods."""
    for one in kinds(objects, "CronJob", "Deployment", "Job", "StatefulSet"):
        spec = one["spec"]["jobTemplate"]["spec"] if one["kind"] == "CronJob" else one["spec"]
        yield one, spec["template"]


def containers(template):
    return template["spec"].get("initContainers", []) + template["spec"]["containers"]


def matches(selector, labels):
    """Returns whether a LabelSelector matches these labels."""
    for rule in selector.get("matchExpressions", []):
        assert rule["operator"] == "In", rule
        if labels.get(rule["key"]) not in rule["values"]:
            return False
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())


@functools.cache
def reads(*command):
    """Returns the environment variables of a program's --help, {name: default or None}."""
    said = subprocess.run([PROGRAMS / command[0], *command[1:], "--help"], env={"PATH": os.environ["PATH"]},
                          capture_output=True, text=True, timeout=60, check=True).stdout
    return dict(re.findall(r"\[env: (\w+)=?\](?: \[default: ([^\]]*)\])?", said))
