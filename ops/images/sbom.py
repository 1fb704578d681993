"""Lists what an image is made of: CycloneDX, from the two files that pin it.

usage: sbom.py Cargo.lock packages.txt > acorag.cdx.json
"""
import json
import re
import sys
import tomllib
from pathlib import Path


def component(ecosystem, name, version, sha256=None):
    purl = f"pkg:{ecosystem}/{name}@{version}"
    found = {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}
    if sha256:
        found["hashes"] = [{"alg": "SHA-256", "content": sha256}]
    return found


def sbom(cargo_lock, packages):
    # A package without a source belongs to the project itself.
    crates = [package for package in tomllib.loads(cargo_lock)["package"] if "source" in package]
    wheels = re.findall(r"^([\w.-]+)==([\w.]+)", packages, re.MULTILINE)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": "acorag"}},
        "components": [component("cargo", crate["name"], crate["version"], crate.get("checksum")) for crate in crates]
        + [component("pypi", name, version) for name, version in wheels],
    }


if __name__ == "__main__":
    print(json.dumps(sbom(*(Path(path).read_text(encoding="utf-8") for path in sys.argv[1:3])), indent=1))
