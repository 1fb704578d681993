"""Tests that k8s/ is valid for Kubernetes and meets the requirements (replicas, hardening, connections), and that every name it
uses exists."""
import base64
import itertools
import json
import re
import subprocess
import tempfile
import unittest

import kubernetes_validate
import yaml
from cloudcoil.models.keda.v1alpha1 import ScaledObject
from cloudcoil.models.prometheus_operator.v1 import PodMonitor, PrometheusRule, ServiceMonitor
from manifests import K8S, OVERLAYS, containers, find, kinds, matches, pods, reads, render, title
from stack import ROOT

KUBERNETES = kubernetes_validate.latest_version()
# Kinds whose schema is in no package, or only in a large one; other tests check them.
UNCHECKED = {"Cluster", "Certificate", "Issuer"}
# The schemas of custom resources.
OTHERS = {"ScaledObject": ScaledObject, "PodMonitor": PodMonitor, "PrometheusRule": PrometheusRule,
          "ServiceMonitor": ServiceMonitor}
SERVICES = {"acorag-api": ("http", 8000), "acorag-ingest-worker": ("metrics", 9000),
            "acorag-query-worker": ("metrics", 9000)}
# The Secret that decrypts the backups, and the programs that may mount it.
IDENTITY = "acorag-backup-identity"
OPENS_BACKUPS = {"recovery": ["Job/acorag-restore"], "mine": ["CronJob/acorag-backup-verify"]}
# Secrets that k8s/secrets.sh does not make: those of CloudNativePG, of a language model, and of cert-manager (see Tls).
OTHERS_SECRETS = {"acorag-postgres-ca": {"ca.crt"}, "acorag-llm": {"LLM_API_KEY"}}
# Variables that acorag's programs do not read themselves: those of other images, and of PostgreSQL clients (sqlx, libpq).
FOREIGN = {
    "acorag/acorag": "PGSSLMODE|PGSSLROOTCERT",
    "acorag/postgres": r"PG(HOST|DATABASE|USER|PASSWORD|CONNECT_TIMEOUT|SSLMODE|SSLROOTCERT|DATA)"
                       r"|POSTGRES_(DB|USER|PASSWORD|INITDB_ARGS)|WAL_DIR",
    "nats": "POD_NAME|GOMEMLIMIT|NATS_ROUTES|NATS_TLS_CERT|NATS_TLS_KEY|NATS_TLS_CA",
    "otel/opentelemetry-collector-contrib": "TRACES_ENDPOINT",
    "valkey/valkey": "",
}


def each_overlay(test):
    def run(self):
        for overlay in OVERLAYS:
            with self.subTest(overlay):
                test(self, render(overlay))
    return run


def image(container):
    return container["image"].rpartition(":")[0]


def secrets(*arguments):
    """Returns the Secrets that k8s/secrets.sh creates."""
    made = subprocess.run([K8S / "secrets.sh", *(arguments or ["age1public"])],
                          capture_output=True, text=True, check=True)
    return list(yaml.safe_load_all(made.stdout))


def references(template):
    """Returns (kind, name, key or None) of every object that a pod refers to."""
    spec = template["spec"]
    yield "ServiceAccount", spec["serviceAccountName"], None
    for container in containers(template):
        for source in container.get("envFrom", []):
            for kind, field in (("ConfigMap", "configMapRef"), ("Secret", "secretRef")):
                if field in source:
                    yield kind, source[field]["name"], None
        for variable in container.get("env", []):
            source = variable.get("valueFrom", {}).get("secretKeyRef")
            if source:
                yield "Secret", source["name"], source["key"]
    for volume in spec.get("volumes", []):
        for source in [volume, *volume.get("projected", {}).get("sources", [])]:
            if "configMap" in source:
                yield "ConfigMap", source["configMap"]["name"], None
            if "secret" in source:
                keys = [item["key"] for item in source["secret"].get("items", [])]
                yield from (("Secret", source["secret"]["secretName"], key) for key in keys or [None])
            if "persistentVolumeClaim" in source:
                yield "PersistentVolumeClaim", source["persistentVolumeClaim"]["claimName"], None


class Validity(unittest.TestCase):
    @each_overlay
    def test_every_object_is_valid_by_its_schema(self, objects):
        for one in objects:
            with self.subTest(title(one)):
                if one["kind"] in OTHERS:
                    # The class of the schema drops unknown fields, so an unknown field would be missing in its output.
                    model = OTHERS[one["kind"]].model_validate(one)
                    self.assertEqual(json.loads(model.model_dump_json(by_alias=True, exclude_unset=True)), one)
                elif one["kind"] not in UNCHECKED:
                    kubernetes_validate.validate(one, KUBERNETES, strict=True)

    def test_development_needs_no_operators(self):
        groups = {one["apiVersion"].rpartition("/")[0] for one in render("dev")}
        self.assertEqual(groups, {"", "apps", "batch", "policy", "networking.k8s.io"})

    def test_postgresql_loses_no_commit_with_a_server(self):
        cluster = find(render("prod"), "Cluster", "acorag-postgres")
        self.assertEqual(cluster["apiVersion"], "postgresql.cnpg.io/v1")
        spec = cluster["spec"]
        self.assertEqual(spec["instances"], 3)
        self.assertEqual((spec["postgresql"]["synchronous"]["number"],
                          spec["postgresql"]["synchronous"]["dataDurability"]), (1, "required"))
        self.assertEqual(set(spec["bootstrap"]), {"initdb"})

    @each_overlay
    def test_names_are_unique(self, objects):
        names = [(one["kind"], one["metadata"].get("namespace"), one["metadata"]["name"]) for one in objects]
        self.assertEqual(len(names), len(set(names)))
        self.assertEqual({namespace for kind, namespace, _ in names if kind != "Namespace"}, {"acorag"})

    @each_overlay
    def test_images_are_named_and_pinned(self, objects):
        for owner, template in pods(objects):
            for container in containers(template):
                name, _, tag = container["image"].rpartition(":")
                self.assertIn(name, FOREIGN, title(owner))
                self.assertNotIn(tag, {"", "latest"}, title(owner))

    def test_the_collector_is_the_one_of_compose(self):
        (container,) = containers(find(render("other"), "Deployment", "acorag-collector")["spec"]["template"])
        compose = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
        self.assertEqual(container["image"], compose["otel-collector"]["image"])

    def test_the_manual_names_every_component_and_no_other(self):
        manual = (ROOT / "docs/operations.md").read_text()
        table = manual.partition("| component | ")[2].partition("\n\n")[0]
        self.assertEqual(set(re.findall(r"^\| `([\w-]+)`", table, re.MULTILINE)),
                         {one.name for one in (K8S / "components").iterdir()})

    def test_development_is_as_the_manual_says(self):
        objects = render("dev")
        manual = (ROOT / "docs/operations.md").read_text().partition("### On your own machine")[2].partition("\n### ")[0]
        built = set(re.findall(r"docker build --tag (\S+)", manual))
        (loaded,) = re.findall(r"kind load docker-image ([^#\n]+)", manual)
        self.assertEqual(set(loaded.split()), built)
        used = {container["image"] for _, template in pods(objects) for container in containers(template)}
        self.assertEqual({one for one in used if one.startswith("acorag/")}, built)
        # The storage of a single node supports no other access mode.
        claims = [one["spec"] for one in kinds(objects, "PersistentVolumeClaim")]
        claims += [claim["spec"] for one in kinds(objects, "StatefulSet") for claim in one["spec"]["volumeClaimTemplates"]]
        self.assertEqual({mode for claim in claims for mode in claim["accessModes"]}, {"ReadWriteOnce"})


class Contract(unittest.TestCase):
    def test_the_api_scales_as_promised(self):
        scaler = find(render("prod"), "HorizontalPodAutoscaler", "acorag-api")["spec"]
        self.assertEqual((scaler["minReplicas"], scaler["maxReplicas"]), (3, 10))
        self.assertEqual(scaler["scaleTargetRef"]["name"], "acorag-api")
        targets = {metric["resource"]["name"]: metric["resource"]["target"]["averageUtilization"]
                   for metric in scaler["metrics"]}
        self.assertEqual(targets, {"cpu": 70, "memory": 80})

    def test_the_workers_scale_as_promised(self):
        objects = render("prod")
        scaled = {one["spec"]["scaleTargetRef"]["name"]: one["spec"] for one in kinds(objects, "ScaledObject")}
        self.assertEqual(set(scaled), {"acorag-ingest-worker", "acorag-query-worker"})
        for spec in scaled.values():
            self.assertEqual((spec["minReplicaCount"], spec["maxReplicaCount"]), (3, 10))
        # With `replicas` in the Deployment, every apply would replace the number that the autoscaler has set.
        for name in [*scaled, "acorag-api"]:
            self.assertNotIn("replicas", find(objects, "Deployment", name)["spec"])

    def test_postgresql_has_a_connection_for_each_that_the_workers_may_open(self):
        for overlay in ("prod", "recovery"):
            objects = render(overlay)
            opened = 0
            for scaled in kinds(objects, "ScaledObject"):
                settings = reads(scaled["spec"]["scaleTargetRef"]["name"])
                each = int(settings["DB_POOL_SIZE"]) + int(settings["DB_MAX_OVERFLOW"])
                opened += scaled["spec"]["maxReplicaCount"] * each
            if overlay == "prod":
                cluster = find(objects, "Cluster", "acorag-postgres")
                allowed = cluster["spec"]["postgresql"]["parameters"]["max_connections"]
            else:
                (config,) = [one["data"]["postgresql.conf"] for one in kinds(objects, "ConfigMap")
                             if "postgresql.conf" in one["data"]]
                (allowed,) = re.findall(r"^max_connections = (\d+)$", config, re.MULTILINE)
            # The rest is for migrations, backups, monitoring, standbys and people.
            self.assertGreaterEqual(int(allowed), opened + 50, overlay)

    def test_a_busy_lane_without_waiting_messages_starts_no_worker(self):
        slots = {"ingest-document": "INGEST_SLOTS", "ingest-batch": "BATCH_SLOTS", "ingest-bulk": "BATCH_SLOTS",
                 "ingest-import": "IMPORT_SLOTS", "ingest-record": "RECORD_SLOTS", "query-search": "SEARCH_SLOTS",
                 "query-chat": "CHAT_SLOTS", "query-lookup": "LOOKUP_SLOTS"}
        defaults = reads("acorag-ingest-worker") | reads("acorag-query-worker")
        seen = set()
        for scaled in kinds(render("prod"), "ScaledObject"):
            for trigger in scaled["spec"]["triggers"]:
                consumer = trigger["metadata"].get("consumer")
                if consumer in slots:
                    seen.add(consumer)
                    # Messages in progress count as lag too, so the threshold must be above their number.
                    in_progress = int(defaults[slots[consumer]]) * (4 if consumer == "ingest-record" else 1)
                    self.assertGreater(int(trigger["metadata"]["lagThreshold"]), in_progress)
        self.assertEqual(seen, set(slots))

    def test_resources_are_those_of_the_requirements(self):
        for name in SERVICES:
            (container,) = containers(find(render("prod"), "Deployment", name)["spec"]["template"])
            self.assertEqual(container["resources"], {"requests": {"cpu": "500m", "memory": "512Mi"},
                                                      "limits": {"cpu": "2000m", "memory": "2Gi"}})

    @each_overlay
    def test_probes_use_the_paths_health_and_ready(self, objects):
        for name, (port, number) in SERVICES.items():
            (container,) = containers(find(objects, "Deployment", name)["spec"]["template"])
            self.assertEqual(container["ports"], [{"name": port, "containerPort": number}])
            probes = {probe: container[probe]["httpGet"]
                      for probe in ("startupProbe", "livenessProbe", "readinessProbe")}
            self.assertEqual(probes, {"startupProbe": {"path": "/health", "port": port},
                                      "livenessProbe": {"path": "/health", "port": port},
                                      "readinessProbe": {"path": "/ready", "port": port}})
            setting = "PORT" if port == "http" else "HEALTH_PORT"
            self.assertEqual(reads(name)[setting], str(number))

    @each_overlay
    def test_a_pod_has_time_to_finish(self, objects):
        for name in SERVICES:
            template = find(objects, "Deployment", name)["spec"]["template"]
            (container,) = containers(template)
            pause = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
            self.assertGreater(template["spec"]["terminationGracePeriodSeconds"],
                               pause + int(reads(name)["SHUTDOWN_TIMEOUT"]))

    @each_overlay
    def test_a_release_migrates_before_it_rolls_out(self, objects):
        def wave(one):
            return int(one["metadata"].get("annotations", {}).get("argocd.argoproj.io/sync-wave", 0))
        migration = find(objects, "Job", "acorag-migrate")
        notes = migration["metadata"]["annotations"]
        # The phase is not PreSync, because NATS and PostgreSQL may be in the same sync.
        self.assertEqual(notes["argocd.argoproj.io/hook"], "Sync")
        before = [*kinds(objects, "StatefulSet", "Cluster", "ConfigMap", "Service", "NetworkPolicy")]
        before = [one for one in before if one["metadata"]["name"] != "acorag-wal"]
        self.assertLess(max(map(wave, before)), wave(migration))
        after = [find(objects, "Deployment", name) for name in SERVICES]
        after += kinds(objects, "ScaledObject", "HorizontalPodAutoscaler")
        self.assertGreater(min(map(wave, after)), wave(migration))

    @each_overlay
    def test_all_that_a_migration_needs_can_be_applied_before_the_rest(self, objects):
        # kubectl apply -l 'app.kubernetes.io/component notin (api, ingest-worker, query-worker)'
        later = {"api", "ingest-worker", "query-worker"}
        first = {(one["kind"], one["metadata"]["name"]) for one in objects
                 if one["metadata"].get("labels", {}).get("app.kubernetes.io/component") not in later}
        self.assertIn(("Job", "acorag-migrate"), first)
        self.assertFalse({("Deployment", name) for name in SERVICES} & first)
        self.assertFalse([name for kind, name in first if kind in ("ScaledObject", "HorizontalPodAutoscaler")])
        for owner, template in pods(objects):
            if (owner["kind"], owner["metadata"]["name"]) in first:
                for kind, name, _ in references(template):
                    if kind != "Secret":
                        self.assertIn((kind, name), first, title(owner))

    @each_overlay
    def test_streams_have_as_many_copies_as_there_are_servers(self, objects):
        nats = find(objects, "StatefulSet", "acorag-nats")["spec"]
        (settings,) = [one["data"] for one in kinds(objects, "ConfigMap")
                       if one["metadata"]["name"].startswith("acorag-settings")]
        self.assertEqual(settings["NATS_REPLICAS"], str(nats["replicas"]))
        (container,) = containers(nats["template"])
        if nats["replicas"] > 1:
            (routes,) = [one["value"] for one in container["env"] if one["name"] == "NATS_ROUTES"]
            self.assertEqual(re.findall(r"nats://([\w-]+)\.([\w-]+):6222", routes),
                             [(f"acorag-nats-{index}", nats["serviceName"]) for index in range(nats["replicas"])])
            self.assertEqual(container["command"][-1], "/etc/nats/cluster.conf")

    @each_overlay
    def test_disruption_budgets_keep_replicas_running(self, objects):
        for name in [*SERVICES, "acorag-nats"]:
            self.assertEqual(find(objects, "PodDisruptionBudget", name)["spec"]["maxUnavailable"], 1)

    def test_replicas_are_spread(self):
        for owner, template in pods(render("prod")):
            if owner["metadata"]["name"] in [*SERVICES, "acorag-nats"]:
                spread = template["spec"]["topologySpreadConstraints"]
                self.assertEqual([one["topologyKey"] for one in spread],
                                 ["kubernetes.io/hostname", "topology.kubernetes.io/zone"])
                for one in spread:
                    self.assertTrue(matches(one["labelSelector"], template["metadata"]["labels"]), title(owner))


class Hardening(unittest.TestCase):
    """Tests that pods meet the Pod Security Standard `restricted`, and stricter rules."""

    @each_overlay
    def test_the_namespace_enforces_the_standard(self, objects):
        labels = find(objects, "Namespace", "acorag")["metadata"]["labels"]
        self.assertEqual(labels["pod-security.kubernetes.io/enforce"], "restricted")

    @each_overlay
    def test_every_pod_is_confined(self, objects):
        allowed = {"configMap", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
        for owner, template in pods(objects):
            with self.subTest(title(owner)):
                spec = template["spec"]
                self.assertIs(spec["automountServiceAccountToken"], False)
                self.assertIs(spec["enableServiceLinks"], False)
                self.assertFalse({"hostNetwork", "hostPID", "hostIPC"} & set(spec))
                context = spec["securityContext"]
                self.assertIs(context["runAsNonRoot"], True)
                self.assertGreater(context["runAsUser"], 0)
                self.assertEqual(context["seccompProfile"], {"type": "RuntimeDefault"})
                for volume in spec.get("volumes", []):
                    (kind,) = set(volume) - {"name"}
                    self.assertIn(kind, allowed)
                    if kind == "emptyDir":
                        self.assertIn("sizeLimit", volume[kind])
                for container in containers(template):
                    self.assertEqual(container["securityContext"], {
                        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                        "capabilities": {"drop": ["ALL"]}})
                    for bound in ("requests", "limits"):
                        self.assertEqual(set(container["resources"][bound]), {"cpu", "memory"})
                    self.assertFalse([port for port in container.get("ports", []) if "hostPort" in port])

    @each_overlay
    def test_accounts_have_no_token_and_one_user(self, objects):
        for account in kinds(objects, "ServiceAccount"):
            self.assertIs(account["automountServiceAccountToken"], False, title(account))
        used = {template["spec"]["serviceAccountName"] for _, template in pods(objects)}
        self.assertEqual(used, {account["metadata"]["name"] for account in kinds(objects, "ServiceAccount")})

    @each_overlay
    def test_no_secret_is_in_the_manifests(self, objects):
        self.assertEqual(kinds(objects, "Secret"), [])
        for owner, template in pods(objects):
            for container in containers(template):
                for variable in container.get("env", []):
                    # A reference to a key by its file name is allowed.
                    if re.search("PASSWORD|KEY|TOKEN|SECRET", variable["name"]) and variable.get("value", "")[:1] != "/":
                        self.assertIn("secretKeyRef", variable.get("valueFrom", {}), title(owner))
                    self.assertNotRegex(variable.get("value", ""), r"://[^/]*:[^$/][^/]*@", title(owner))


class Names(unittest.TestCase):
    @each_overlay
    def test_every_setting_is_read_by_its_program(self, objects):
        configured = {one["metadata"]["name"]: one["data"] for one in kinds(objects, "ConfigMap")}
        made = {one["metadata"]["name"]: one.get("stringData", {}) for one in secrets()}
        shared = {}
        for owner, template in pods(objects):
            for container in containers(template):
                own = [one["name"] for one in container.get("env", [])]
                values = " ".join(one.get("value", "") for one in container.get("env", []))
                values += " ".join(container.get("command", []) + container.get("args", []))
                # A variable that is only used in another's value is not a setting of a program.
                own = [name for name in own if f"$({name})" not in values]
                program = container.get("command", [""])[0]
                known = set()
                if program.startswith("acorag-"):
                    known |= set(reads(*container["command"][:2 if program == "acorag-backup" else 1]))
                elif owner["metadata"]["name"] in ("acorag-postgres", "acorag-wal"):
                    known |= set(reads("acorag-backup", "archive"))
                foreign = FOREIGN[image(container)]
                for setting in own:
                    self.assertTrue(setting in known or re.fullmatch(foreign, setting),
                                    f"{title(owner)}: nobody reads {setting}")
                for source in container.get("envFrom", []):
                    if "configMapRef" in source:
                        for setting in configured[source["configMapRef"]["name"]]:
                            shared[setting] = shared.get(setting, False) or setting in known
        self.assertEqual([setting for setting, known in shared.items() if not known], [])
        # Only the servers that check the passwords get the complete Secrets.
        for password in made["acorag-nats"]:
            config = (ROOT / "ops/nats/nats.conf").read_text()
            self.assertIn(f"${password}", config)

    @each_overlay
    def test_a_variable_comes_before_the_values_that_use_it(self, objects):
        for owner, template in pods(objects):
            for container in containers(template):
                before = set()
                for variable in container.get("env", []):
                    for name in re.findall(r"\$\((\w+)\)", variable.get("value", "")):
                        self.assertIn(name, before, f"{title(owner)}: {variable['name']} would keep it as it stands")
                    before.add(variable["name"])

    @each_overlay
    def test_required_settings_are_set(self, objects):
        for name in SERVICES:
            (container,) = containers(find(objects, "Deployment", name)["spec"]["template"])
            own = {one["name"] for one in container["env"]}
            needed = {"NATS_USER", "NATS_PASSWORD"}
            needed |= {"BIND"} if name == "acorag-api" else {"DATABASE_URL", "MODEL_DIR", "HEALTH_BIND"}
            self.assertEqual(needed - own, set(), name)
            self.assertEqual("REDIS_URL" in own, name != "acorag-query-worker", name)

    @each_overlay
    def test_every_reference_exists(self, objects):
        there = {(one["kind"], one["metadata"]["name"]) for one in objects}
        made = {one["metadata"]["name"]: {*one.get("stringData", {}), *one.get("data", {})} for one in secrets()}
        others = OTHERS_SECRETS | {one["spec"]["secretName"]: {"ca.crt", None} for one in kinds(objects, "Certificate")}
        used = set()
        for owner, template in pods(objects):
            for kind, name, key in references(template):
                with self.subTest(title(owner), kind=kind, name=name, key=key):
                    if name == IDENTITY:
                        self.assertEqual(key, "identity")
                    elif kind == "Secret" and name in others:
                        self.assertIn(key, others[name])
                    elif kind == "Secret":
                        self.assertIn(name, made)
                        used.add(name)
                        if key:
                            self.assertIn(key, made[name])
                    else:
                        self.assertIn((kind, name), there)
        for ingress in kinds(objects, "Ingress"):
            self.assertEqual([one["secretName"] for one in ingress["spec"]["tls"]], ["acorag-tls"])
        for cluster in kinds(objects, "Cluster"):
            for secret in (cluster["spec"]["superuserSecret"], cluster["spec"]["bootstrap"]["initdb"]["secret"]):
                self.assertLessEqual({"username", "password"}, made[secret["name"]])
            self.assertEqual(cluster["spec"]["bootstrap"]["initdb"]["owner"], "acorag_migrate")
        self.assertEqual(used, set(made), "secrets.sh makes what is used")

    def test_the_key_that_decrypts_backups_is_only_where_an_overlay_adds_it(self):
        for overlay in OVERLAYS:
            users = [title(owner) for owner, template in pods(render(overlay))
                     if ("Secret", IDENTITY, "identity") in references(template)]
            self.assertEqual(users, OPENS_BACKUPS.get(overlay, []), overlay)
        self.assertNotIn(IDENTITY, [one["metadata"]["name"] for one in secrets()])
        with tempfile.NamedTemporaryFile() as file:
            file.write(b"AGE-SECRET-KEY-1")
            file.flush()
            (secret,) = secrets("--identity", file.name)
        self.assertEqual((secret["metadata"], secret["data"]), (
            {"name": IDENTITY, "namespace": "acorag"},
            {"identity": base64.b64encode(b"AGE-SECRET-KEY-1").decode()}))

    def test_new_secrets_are_new(self):
        first, second = ({f"{one['metadata']['name']}/{key}": value for one in secrets()
                          for key, value in one["stringData"].items() if "password" in key.lower()}
                         for _ in range(2))
        self.assertFalse(set(first.values()) & set(second.values()))
        # The owner's password is stored twice, for CloudNativePG.
        self.assertEqual(len(set(first.values())), len(first) - 1)
        for password in first.values():
            # Passwords are in URLs, and in a configuration that reads digits as a number.
            self.assertRegex(password, r"^[a-z][a-z0-9]{40,}$")

    @each_overlay
    def test_every_selector_finds_its_pods(self, objects):
        labels = {title(owner): template["metadata"]["labels"] for owner, template in pods(objects)}
        ports = {title(owner): {port["name"]: port["containerPort"] for container in containers(template)
                                for port in container.get("ports", [])} for owner, template in pods(objects)}

        def found(selector):
            return [owner for owner, one in labels.items() if matches(selector, one)]

        for service in kinds(objects, "Service"):
            if service["spec"].get("type") == "ExternalName":
                continue
            (owner,) = found({"matchLabels": service["spec"]["selector"]})
            for port in service["spec"]["ports"]:
                self.assertEqual(ports[owner][port["targetPort"]], port["port"], title(service))
        for budget in kinds(objects, "PodDisruptionBudget"):
            self.assertEqual([owner.split("/")[1] for owner in found(budget["spec"]["selector"])],
                             [budget["metadata"]["name"]])
        for workload in kinds(objects, "Deployment", "StatefulSet"):
            self.assertEqual(found(workload["spec"]["selector"]), [title(workload)])
        for scaler in kinds(objects, "HorizontalPodAutoscaler", "ScaledObject"):
            find(objects, "Deployment", scaler["spec"]["scaleTargetRef"]["name"])
        for monitor in kinds(objects, "PodMonitor"):
            if monitor["metadata"]["name"] == "acorag-postgres":
                # The job has the exporter's name, as in ops/prometheus/prometheus.yml.
                self.assertEqual([endpoint["relabelings"] for endpoint in monitor["spec"]["podMetricsEndpoints"]],
                                 [[{"targetLabel": "job", "replacement": "postgres"}]])
                names = [one["metadata"]["name"] for one in kinds(objects, "Cluster")] or ["acorag-postgres"]
                self.assertEqual([monitor["spec"]["selector"]["matchLabels"]["cnpg.io/cluster"]], names)
                continue
            owners = found(monitor["spec"]["selector"])
            self.assertEqual(set(owners), {"Deployment/acorag-ingest-worker", "Deployment/acorag-query-worker"})
            for endpoint in monitor["spec"]["podMetricsEndpoints"]:
                self.assertTrue(all(endpoint["port"] in ports[owner] for owner in owners))
                self.assertIs(endpoint["honorLabels"], True)
        for monitor in kinds(objects, "ServiceMonitor"):
            (service,) = [one for one in kinds(objects, "Service")
                          if matches(monitor["spec"]["selector"], one["metadata"]["labels"])]
            for endpoint in monitor["spec"]["endpoints"]:
                self.assertIn(endpoint["port"], [port["name"] for port in service["spec"]["ports"]])
                self.assertIs(endpoint["honorLabels"], True)


class Network(unittest.TestCase):
    """Computes the connections that the policies allow, as Kubernetes does, and compares them with ARCHITECTURE.md."""

    ARROWS = {
        ("api", "nats", 4222), ("ingest-worker", "nats", 4222), ("query-worker", "nats", 4222),
        ("migrate", "nats", 4222), ("backup", "nats", 4222), ("nats", "nats", 6222),
        ("api", "valkey", 6379), ("ingest-worker", "valkey", 6379),
        ("ingest-worker", "postgres", 5432), ("query-worker", "postgres", 5432), ("migrate", "postgres", 5432),
        ("backup", "postgres", 5432),
        ("api", "collector", 4318), ("ingest-worker", "collector", 4318), ("query-worker", "collector", 4318),
        ("migrate", "collector", 4318), ("backup", "collector", 4318),
        ("restore", "nats", 4222),
    }
    # Further connections with CloudNativePG: from the log receiver, and among the servers and the Jobs that create
    # them.
    CLUSTER = {("wal", "postgres", 5432)} | {
        (source, target, port) for source in ("postgres", "postgres-job") for target in ("postgres", "postgres-job")
        for port in (5432, 8000)}
    # Connections from other namespaces, by overlay.
    INTO = {
        "dev": set(),
        "prod": {("traefik", "api", 8000), ("monitoring", "api", 8000), ("monitoring", "ingest-worker", 9000),
                 ("monitoring", "query-worker", 9000), ("keda", "nats", 8222), ("cnpg-system", "postgres", 8000),
                 ("cnpg-system", "postgres", 5432), ("cnpg-system", "postgres-job", 8000),
                 ("cnpg-system", "postgres-job", 5432), ("monitoring", "postgres", 9187)},
        "recovery": {("traefik", "api", 8000), ("monitoring", "api", 8000), ("monitoring", "ingest-worker", 9000),
                     ("monitoring", "query-worker", 9000), ("keda", "nats", 8222), ("monitoring", "postgres", 9187)},
        # Connections from namespaces with the label of producers.
        "other": {("true", "nats", 4222)},
    }
    INTO["mine"] = INTO["prod"]
    # Connections to targets that are not pods: the Kubernetes API, for CloudNativePG's servers, and servers outside the
    # cluster.
    CLUSTERS_API = {(source, port) for source in ("postgres", "postgres-job") for port in (443, 6443)}
    ANYWHERE = {
        "dev": set(),
        "prod": CLUSTERS_API,
        "recovery": set(),
        "other": {("api", 443), ("ingest-worker", 5432), ("query-worker", 5432), ("migrate", 5432), ("backup", 5432)}
                 # The usual ports of language models.
                 | {("query-worker", port) for port in (443, 80, 8000, 8080, 11434)},
        "mine": CLUSTERS_API | {("api", 443)},
    }

    def test_each_connection_of_the_diagram_and_no_other(self):
        for overlay in OVERLAYS:
            with self.subTest(overlay):
                objects = render(overlay)
                everybody = self.everybody(objects)
                ports = {4222, 4318, 6222, 8222, 5432, 6379, 8000, 9000, 9187}
                allowed = {(source, target, port)
                           for (source, sender), (target, receiver) in itertools.product(everybody.items(), repeat=2)
                           for port in ports
                           if self.may(objects, "egress", sender, port, receiver)
                           and self.may(objects, "ingress", receiver, port, sender)}
                arrows = self.ARROWS | (self.CLUSTER if kinds(objects, "Cluster") else set())
                self.assertEqual(allowed, {arrow for arrow in arrows if {arrow[0], arrow[1]} <= set(everybody)})

    def test_connections_from_outside_are_only_the_necessary_ones(self):
        for overlay in OVERLAYS:
            into = set()
            objects = render(overlay)
            for target, receiver in self.everybody(objects).items():
                for policy in self.policies(objects, "ingress", receiver):
                    for rule in policy["spec"].get("ingress", []):
                        for peer in rule["from"]:
                            if "namespaceSelector" in peer:
                                (namespace,) = peer["namespaceSelector"]["matchLabels"].values()
                                into |= {(namespace, target, port["port"]) for port in rule["ports"]}
            self.assertEqual(into, self.INTO[overlay], overlay)

    def test_connections_to_the_outside_are_only_the_necessary_ones(self):
        for overlay in OVERLAYS:
            objects = render(overlay)
            out = {(source, port["port"]) for source, sender in self.everybody(objects).items()
                   for policy in self.policies(objects, "egress", sender)
                   for rule in policy["spec"].get("egress", []) if "to" not in rule for port in rule["ports"]}
            self.assertEqual(out, self.ANYWHERE[overlay], overlay)

    @each_overlay
    def test_every_allowed_connection_names_its_ports(self, objects):
        (closed,) = [one for one in kinds(objects, "NetworkPolicy") if one["metadata"]["name"] == "acorag-nothing-else"]
        self.assertEqual(closed["spec"], {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]})
        for policy in kinds(objects, "NetworkPolicy"):
            for rule in policy["spec"].get("ingress", []):
                self.assertTrue(rule.get("from") and rule.get("ports"), title(policy))
            for rule in policy["spec"].get("egress", []):
                self.assertTrue(rule.get("ports"), title(policy))

    @staticmethod
    def everybody(objects):
        """Returns {component: labels}; CloudNativePG's pods inherit theirs from the Cluster."""
        found = {template["metadata"]["labels"]["app.kubernetes.io/component"]: template["metadata"]["labels"]
                 for _, template in pods(objects)}
        for cluster in kinds(objects, "Cluster"):
            own = {"cnpg.io/cluster": cluster["metadata"]["name"]}
            found["postgres"] = own | cluster["spec"]["inheritedMetadata"]["labels"]
            # The pods of the Jobs that create a server (initdb, join) inherit no labels.
            found["postgres-job"] = own
        return found

    @staticmethod
    def policies(objects, direction, labels):
        return [one for one in kinds(objects, "NetworkPolicy") if direction.title() in one["spec"]["policyTypes"]
                and matches(one["spec"]["podSelector"], labels)]

    def may(self, objects, direction, labels, port, other):
        for policy in self.policies(objects, direction, labels):
            for rule in policy["spec"].get(direction, []):
                peers = rule.get("from" if direction == "ingress" else "to", [])
                if port in [one["port"] for one in rule["ports"]] and any(
                        "namespaceSelector" not in peer and matches(peer["podSelector"], other) for peer in peers):
                    return True
        return False


class Tls(unittest.TestCase):
    """Tests that production's servers have certificates for the names that clients use, and that clients verify them."""

    def certificate(self, objects, name):
        spec = find(objects, "Certificate", name)["spec"]
        self.assertEqual(spec["issuerRef"], {"kind": "Issuer", "name": "acorag-ca"})
        self.assertLess(int(spec["renewBefore"][:-1]), int(spec["duration"][:-1]))
        return spec

    def test_certificates_have_the_names_that_clients_use(self):
        for objects in (render("prod"), render("recovery")):
            authority = find(objects, "Certificate", "acorag-ca")["spec"]
            self.assertIs(authority["isCA"], True)
            self.assertEqual(find(objects, "Issuer", "acorag-ca")["spec"], {"ca": {"secretName": authority["secretName"]}})
            find(objects, "Issuer", authority["issuerRef"]["name"])
            (server,) = containers(find(objects, "StatefulSet", "acorag-nats")["spec"]["template"])
            (routes,) = [one["value"] for one in server["env"] if one["name"] == "NATS_ROUTES"]
            nats = self.certificate(objects, "acorag-nats")
            inside = {"acorag-nats", *re.findall("nats://([^:]+):", routes)}
            outside = {f"acorag-nats.acorag{rest}" for rest in ("", ".svc", ".svc.cluster.local")}
            self.assertEqual(set(nats["dnsNames"]), inside | outside)
            self.assertLessEqual({"server auth", "client auth"}, set(nats["usages"]))
            self.assertEqual(self.certificate(objects, "acorag-valkey")["dnsNames"], ["acorag-valkey"])

    def test_clients_use_tls(self):
        for objects in (render("prod"), render("recovery")):
            (settings,) = [one["data"] for one in kinds(objects, "ConfigMap")
                           if one["metadata"]["name"].startswith("acorag-settings")]
            self.assertEqual((settings["NATS_URL"], settings["NATS_CA"]), ("tls://acorag-nats:4222", "/tls/acorag/ca.crt"))
            for owner, own, mounts in self.clients(objects):
                with self.subTest(owner):
                    if "NATS_USER" in own:
                        self.assertIn("/tls/acorag", mounts)
                    if "REDIS_URL" in own:
                        self.assertTrue(own["REDIS_URL"].startswith("rediss://"))
                        self.assertEqual(own["REDIS_CA"], "/tls/acorag/ca.crt")

    def test_all_clients_verify_the_certificate_of_postgresql(self):
        for objects in (render("prod"), render("mine"), render("recovery")):
            checked = set()
            for owner, own, mounts in self.clients(objects):
                with self.subTest(owner):
                    # A restore starts a temporary PostgreSQL server and connects to it over a Unix socket, without TLS.
                    if ("DATABASE_URL" in own or "PGHOST" in own) and owner != "Job/acorag-restore":
                        checked.add(owner)
                        self.assertEqual((own["PGSSLMODE"], own["PGSSLROOTCERT"]), ("verify-full", "/tls/postgres/ca.crt"))
                        self.assertIn("/tls/postgres", mounts)
            jobs = {title(one) for one in kinds(objects, "CronJob")}
            self.assertTrue(jobs and jobs < checked)

    def test_the_single_postgresql_refuses_connections_without_tls(self):
        objects = render("recovery")
        server = find(objects, "StatefulSet", "acorag-postgres")["spec"]["template"]
        (container,) = containers(server)
        arguments = dict(one.removeprefix("--").split("=") for one in container["args"])
        self.assertEqual(arguments["ssl"], "on")
        for argument in ("hba_file", "ssl_cert_file", "ssl_key_file"):
            folder, _, name = arguments[argument].rpartition("/")
            (volume,) = [one["name"] for one in container["volumeMounts"] if one["mountPath"] == folder]
            if argument == "hba_file":
                files = [one["data"] for one in kinds(objects, "ConfigMap")
                         if ("ConfigMap", one["metadata"]["name"], None) in references(server)]
                self.assertEqual([one[name] for one in files if name in one],
                                 [(ROOT / "ops/postgres/pg_hba.tls.conf").read_text()])
            else:
                self.assertEqual(volume, "tls")
        certificate = self.certificate(objects, "acorag-postgres")
        self.assertEqual(certificate["dnsNames"], ["acorag-postgres-rw"])
        users = {title(owner) for owner, template in pods(objects)
                 if ("Secret", certificate["secretName"], "ca.crt") in references(template)}
        self.assertIn("Deployment/acorag-query-worker", users)

    @staticmethod
    def clients(objects):
        """Returns (owner, environment, mount paths) of each container."""
        for owner, template in pods(objects):
            for container in containers(template):
                yield (title(owner), {one["name"]: one.get("value") for one in container.get("env", [])},
                       {one["mountPath"] for one in container.get("volumeMounts", [])})


class Recovery(unittest.TestCase):
    def test_it_is_production_on_the_restored_volume(self):
        objects, production = render("recovery"), render("prod")
        restore = find(objects, "Job", "acorag-restore")["spec"]["template"]
        server = find(objects, "StatefulSet", "acorag-postgres")
        (filling,), (using,) = containers(restore), containers(server["spec"]["template"])
        self.assertEqual(filling["command"][:2], ["acorag-backup", "restore"])

        def folder(container):
            return [one["value"] for one in container["env"] if one["name"] == "PGDATA"]
        self.assertEqual(folder(filling), folder(using))
        (template,) = server["spec"]["volumeClaimTemplates"]
        volume = find(objects, "PersistentVolumeClaim", f"{template['metadata']['name']}-acorag-postgres-0")
        self.assertEqual(volume["spec"], template["spec"])
        self.assertIn({"name": "data", "persistentVolumeClaim": {"claimName": volume["metadata"]["name"]}},
                      restore["spec"]["volumes"])
        self.assertEqual(restore["spec"]["securityContext"], server["spec"]["template"]["spec"]["securityContext"])
        for name in SERVICES:
            mine, theirs = (find(one, "Deployment", name)["spec"]["template"]["spec"] for one in (objects, production))
            self.assertEqual(mine["containers"][0]["image"], theirs["containers"][0]["image"])
            # The name ends with a hash of the content.
            self.assertEqual(mine["containers"][0]["envFrom"], theirs["containers"][0]["envFrom"])


class Rules(unittest.TestCase):
    def test_the_alerts_are_those_of_ops(self):
        rule = find(render("prod"), "PrometheusRule", "acorag")
        alerts = yaml.safe_load((ROOT / "ops/prometheus/alerts.yml").read_text())
        self.assertEqual(rule["spec"], alerts, "run k8s/components/monitoring/rules.py")


if __name__ == "__main__":
    unittest.main()
