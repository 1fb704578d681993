"""Tests that KEDA reads the correct lag for every trigger of k8s/, with a NATS cluster of three servers from the files that
Kubernetes mounts (with TLS and a user for each service), and with waiting jobs and queries; and how much such a cluster may
store."""
import asyncio
import json
import re
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
import unittest
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import nats
from manifests import PROGRAMS, containers, find, kinds, render
from stack import STACK, Stack

# The time-out is long, because the machine may be slow or busy.
PATIENCE = 300
SERVERS = 3
# For each trigger's consumer: one of its subjects, the user that publishes there, and the user that pulls.
LANES = {
    "ingest-document": ("acorag.v1.ingest.document.p.d{}", "producer", "ingest"),
    "ingest-batch": ("acorag.v1.ingest.batch.p.d{}", "ingest", "ingest"),
    "ingest-bulk": ("acorag.v1.ingest.bulk.p.d{}", "ingest", "ingest"),
    "ingest-import": ("acorag.v1.ingest.import.p.d{}", "ingest", "ingest"),
    "ingest-record": ("acorag.v1.ingest.record.p.d{}", "ingest", "ingest"),
    "ingest-delete": ("acorag.v1.ingest.delete.p.d{}", "api", "ingest"),
    "query-search": ("acorag.v1.query.search.documents", "api", "query"),
    "query-chat": ("acorag.v1.query.chat.answer", "api", "query"),
    "query-lookup": ("acorag.v1.query.lookup.documents", "api", "query"),
}


def get(url):
    with urllib.request.urlopen(url, timeout=30) as reply:
        return json.load(reply)


def wait_for(what, condition):
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            if condition():
                return
        except OSError:
            pass
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(0.1)


def free_ports(count):
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


class Cluster:
    """The StatefulSet's servers on this machine: its configuration and environment, with other addresses."""

    def __init__(self, objects, binary):
        stateful = find(objects, "StatefulSet", "acorag-nats")
        (container,) = containers(stateful["spec"]["template"])
        environment = {one["name"]: one.get("value") for one in container["env"]}
        self.service = stateful["spec"]["serviceName"]
        self.passwords = {name: f"password-of-{name}" for name in passwords(objects)}
        self.nodes = [f"acorag-nats-{index}" for index in range(stateful["spec"]["replicas"])]
        # One call, because two calls can return the same port.
        ports = free_ports(3 * SERVERS)
        client, monitor, route = ports[:SERVERS], ports[SERVERS : 2 * SERVERS], ports[2 * SERVERS :]
        self.clients = dict(zip(self.nodes, client))
        self.monitors = dict(zip(self.nodes, monitor))
        # The names that DNS would resolve, from address to name and back.
        self.routes = {f"{node}.{self.service}:6222": f"127.0.0.1:{port}" for node, port in zip(self.nodes, route)}
        routes = environment["NATS_ROUTES"]
        for name, address in self.routes.items():
            routes = routes.replace(name, address)
        self.folder = Path(tempfile.mkdtemp(prefix="acorag-nats-"))
        self.make_certificate(find(objects, "Certificate", "acorag-nats")["spec"])
        certificates = {name: value.replace("/tls/nats", str(self.folder))
                        for name, value in environment.items() if name.startswith("NATS_TLS_")}
        self.processes = []
        for node, address in zip(self.nodes, self.routes.values()):
            folder = self.folder / node
            folder.mkdir()
            for file in mounted(objects, stateful):
                text = file["text"].replace("0.0.0.0", "127.0.0.1").replace("/run/nats", str(folder))
                (folder / file["name"]).write_text(text.replace("/data", str(folder)))
            arguments = ["--config", folder / "cluster.conf", "--port", str(self.clients[node]),
                         "--http_port", str(self.monitors[node]), "--cluster", f"nats://{address}"]
            log = (folder / "log").open("w")
            self.processes.append(subprocess.Popen(
                [binary, *arguments], stdout=log, stderr=log,
                env=self.passwords | certificates | {"POD_NAME": node, "NATS_ROUTES": routes}))
            log.close()

    def make_certificate(self, wanted):
        """Makes the certificate as cert-manager would, with this machine's address added."""
        names = [*(f"DNS:{name}" for name in wanted["dnsNames"]), "IP:127.0.0.1"]
        purposes = [{"server auth": "serverAuth", "client auth": "clientAuth"}[one]
                    for one in wanted["usages"] if one.endswith(" auth")]
        authority, key, request = (self.folder / name for name in ("ca.key", "tls.key", "tls.csr"))
        new = ["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        sign = ["openssl", "x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", authority, "-extfile", "/dev/stdin"]
        extensions = f"subjectAltName={','.join(names)}\nextendedKeyUsage={','.join(purposes)}\n"
        for command, said in (
                ([*new, "-x509", "-keyout", authority, "-subj", "/CN=authority", "-out", self.ca], ""),
                ([*new, "-keyout", key, "-subj", "/CN=nats", "-out", request], ""),
                ([*sign, "-out", self.folder / "tls.crt"], extensions)):
            subprocess.run(command, input=said, text=True, check=True, capture_output=True, timeout=PATIENCE)

    @property
    def ca(self):
        return self.folder / "ca.crt"

    def password(self, user):
        return self.passwords[f"NATS_{user.upper()}_PASSWORD"]

    @property
    def url(self):
        return ",".join(f"tls://127.0.0.1:{port}" for port in self.clients.values())

    def ready(self):
        for node, process in zip(self.nodes, self.processes):
            if process.poll() is not None:
                raise RuntimeError(f"{node} ended: {(self.folder / node / 'log').read_text()}")
        for port in self.monitors.values():
            if get(f"http://127.0.0.1:{port}/healthz")["status"] != "ok":
                return False
            if not get(f"http://127.0.0.1:{port}/jsz").get("meta_cluster", {}).get("leader"):
                return False
        return True

    def consumers(self, stream):
        """The consumers on all servers that hold a copy of the stream."""
        return {(stream, consumer["name"]) for port in self.monitors.values()
                for account in get(f"http://127.0.0.1:{port}/jsz?acc=ACORAG&consumers=true")["account_details"]
                for one in account.get("stream_detail", []) if one["name"] == stream
                for consumer in one.get("consumer_detail") or []}

    def stop(self):
        for process in self.processes:
            process.kill()
            process.wait()
        shutil.rmtree(self.folder)


def mounted(objects, stateful):
    """The files of the ConfigMaps that the StatefulSet mounts as its configuration."""
    (volume,) = [one for one in stateful["spec"]["template"]["spec"]["volumes"] if one["name"] == "config"]
    for source in volume["projected"]["sources"]:
        data = find(objects, "ConfigMap", source["configMap"]["name"])["data"]
        yield from ({"name": name, "text": text} for name, text in data.items())


def passwords(objects):
    """The variables that the configuration reads from the environment, except those that the manifest sets."""
    text = "".join(file["text"] for file in mounted(objects, find(objects, "StatefulSet", "acorag-nats")))
    return set(re.findall(r"\$(NATS_\w+_PASSWORD)", text))


class Keda:
    """KEDA's nats-jetstream scaler: which server it asks, whose answer it uses, and which numbers it adds."""

    def __init__(self, cluster, metadata):
        self.cluster, self.metadata = cluster, metadata
        self.host = urlsplit(f"//{metadata['natsServerMonitoringEndpoint']}")

    def lag(self, first):
        """`first` is the server to which the Service's name happens to lead."""
        reply = self.jsz(first)
        if reply["meta_cluster"]["cluster_size"] == 1:
            return self.add_up(reply)
        # In a cluster only the leader of the consumer knows the lag. KEDA asks each node in turn whether it is the
        # leader. It takes the name of a node from a route, up to the first dot, and puts it before the name of the
        # Service.
        server = get(f"http://{self.address(first)}/varz")
        assert not server.get("connect_urls"), "advertised: KEDA would ask the addresses of pods instead"
        names = {address: name for name, address in self.cluster.routes.items()}
        nodes = [server["server_name"]] + [names[url].split(".")[0] for url in server["cluster"]["urls"]]
        for node in nodes:
            reply = self.jsz(node)
            consumer = self.consumer(reply)
            if consumer and consumer["cluster"]["leader"] == node:
                return self.add_up(reply)
        raise AssertionError(f"{self.metadata['consumer']}: KEDA finds no leader among {nodes}")

    def address(self, node):
        assert self.host.hostname == f"{self.cluster.service}.acorag.svc.cluster.local", self.host
        assert self.host.port == 8222, self.host
        return f"127.0.0.1:{self.cluster.monitors[node]}"

    def jsz(self, node):
        account = self.metadata["account"]
        return get(f"http://{self.address(node)}/jsz?acc={account}&consumers=true&config=true")

    def consumer(self, reply):
        for account in reply.get("account_details", []):
            for stream in account.get("stream_detail", []):
                if account["name"] == self.metadata["account"] and stream["name"] == self.metadata["stream"]:
                    for consumer in stream.get("consumer_detail") or []:
                        if consumer["name"] == self.metadata["consumer"]:
                            return consumer
        return None

    def add_up(self, reply):
        consumer = self.consumer(reply)
        return consumer["num_pending"] + consumer["num_ack_pending"]


# The calls of administrators about dead letters are few, so no worker is started for them.
UNSCALED = "query-letters"


class Lag(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.objects = render("prod")
        cls.triggers = {trigger["metadata"]["consumer"]: trigger["metadata"]
                        for scaled in kinds(cls.objects, "ScaledObject") for trigger in scaled["spec"]["triggers"]
                        if trigger["type"] == "nats-jetstream"}
        servers = cls.enterClassContext(Stack(acorag=False))
        cls.cluster = Cluster(cls.objects, STACK / "bin/nats-server")
        cls.addClassCleanup(cls.cluster.stop)
        wait_for("the NATS cluster", cls.cluster.ready)
        (settings,) = [one["data"] for one in kinds(cls.objects, "ConfigMap")
                       if one["metadata"]["name"].startswith("acorag-settings")]
        migration = settings | {
            "DATABASE_URL": servers["DATABASE_URL"], "NATS_URL": cls.cluster.url, "NATS_CA": str(cls.cluster.ca),
            "NATS_USER": "migrate", "NATS_PASSWORD": cls.cluster.password("migrate")}
        # Repeats the attempt, as the Job does: a cluster that has just elected its leader may not answer the first
        # attempt.
        for attempt in reversed(range(find(cls.objects, "Job", "acorag-migrate")["spec"]["backoffLimit"])):
            done = subprocess.run([PROGRAMS / "acorag-migrate"], timeout=PATIENCE, env=migration)
            if done.returncode == 0:
                break
            if not attempt:
                done.check_returncode()

    def test_keda_reads_the_real_lag_of_every_consumer(self):
        published, real = asyncio.run(self.publish_and_ask())
        self.assertEqual(set(real), set(self.triggers), "a trigger for each consumer, and none for another")
        self.assertEqual(real, published)
        for consumer, metadata in self.triggers.items():
            for first in self.cluster.nodes:
                with self.subTest(consumer, first=first):
                    self.assertEqual(Keda(self.cluster, metadata).lag(first), real[consumer])

    def test_how_much_nats_may_store_does_not_depend_on_the_disk(self):
        for port in self.cluster.monitors.values():
            self.assertEqual(get(f"http://127.0.0.1:{port}/jsz")["config"]["max_storage"], 2**40)

    async def publish_and_ask(self):
        """Leaves messages waiting and some in progress; returns the expected numbers, and those of the consumers."""
        published = {}
        for number, (consumer, (subject, publisher, worker)) in enumerate(LANES.items(), start=2):
            async with connected(self.cluster, publisher) as client:
                for one in range(number):
                    await client.jetstream(timeout=30).publish(subject.format(one), b"{}")
            published[consumer] = number
            async with connected(self.cluster, worker) as client:
                stream = self.triggers[consumer]["stream"]
                lane = await client.jetstream(timeout=30).pull_subscribe_bind(consumer, stream)
                self.assertEqual(len(await lane.fetch(1, timeout=30)), 1)
        real = {}
        async with connected(self.cluster, "migrate") as migrate:
            for stream, consumer in self.cluster.consumers("INGEST") | self.cluster.consumers("QUERIES"):
                if consumer == UNSCALED:
                    continue
                info = await migrate.jetstream(timeout=30).consumer_info(stream, consumer)
                self.assertEqual(info.num_ack_pending, 1, consumer)
                real[consumer] = info.num_pending + info.num_ack_pending
        return published, real


def connected(cluster, user):
    trust = ssl.create_default_context(cafile=cluster.ca)
    return Client(nats.connect(cluster.url.split(","), user=user, password=cluster.password(user), tls=trust,
                               inbox_prefix=f"_INBOX_{user}".encode()))


class Client:
    def __init__(self, connecting):
        self.connecting = connecting

    async def __aenter__(self):
        self.client = await self.connecting
        return self.client

    async def __aexit__(self, *_):
        await self.client.close()


if __name__ == "__main__":
    unittest.main()
