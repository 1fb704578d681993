"""Tests how NATS grows from one server to three as in docs/operations.md: with a backup, while the database is running."""
import asyncio
import hashlib
import json
import os
import signal
import subprocess
import tempfile
import unittest
from pathlib import Path

import nats
from manifests import K8S, render
from scaling_test import PATIENCE, SERVERS, Cluster, connected, get, wait_for
from stack import STACK, Stack, of_database

JOBS = {f"d{number}": f"El plano {number} es de la cubierta.".encode() for number in range(20)}


class Growing(unittest.TestCase):
    def setUp(self):
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        # The single NATS server, and the database, which is kept. No worker runs, so the jobs stay in the queue.
        servers = self.enterContext(Stack(acorag=False))
        self.single, database = servers["NATS_URL"], servers["DATABASE_URL"]
        for name in ("backup", "wal"):
            (folder / name).mkdir()
        self.environment = of_database(database) | {
            "WAL_DIR": str(folder / "wal"), "DATABASE_URL": database, "NATS_URL": self.single, "LOG_FORMAT": "text",
            "BACKUP_DIR": str(folder / "backup"), "BACKUP_IDENTITY": str(folder / "identity")}
        made = self.run_program("acorag-backup", "keygen", folder / "identity")
        self.environment["BACKUP_RECIPIENT"] = made.stdout.strip()
        self.run_program("acorag-migrate")
        receiver = subprocess.Popen(["bash", K8S / "components/cloudnative-pg/receive-wal.sh"], env=self.environment,
                                    start_new_session=True)
        self.addCleanup(receiver.wait)
        self.addCleanup(os.killpg, receiver.pid, signal.SIGKILL)
        wait_for("the log is received", lambda: list((folder / "wal").glob("*.partial")))

    def run_program(self, *command, **settings):
        done = subprocess.run(command, env=self.environment | settings, timeout=PATIENCE, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done

    def test_files_and_jobs_are_moved(self):
        self.run_program("acorag-backup", "run")
        asyncio.run(self.publish())
        self.run_program("acorag-backup", "run", "--files")

        cluster = Cluster(render("prod"), STACK / "bin/nats-server")
        self.addCleanup(cluster.stop)
        wait_for("the NATS cluster", cluster.ready)
        restored = self.run_program(
            "acorag-backup", "restore", "--keep-database", NATS_URL=cluster.url, NATS_CA=str(cluster.ca),
            NATS_USER="migrate", NATS_PASSWORD=cluster.password("migrate"), NATS_REPLICAS=str(SERVERS))
        self.assertIn("files_missing=0", restored.stderr)
        self.assertEqual(asyncio.run(self.jobs(cluster)), set(JOBS))
        self.assertEqual(asyncio.run(self.files(cluster)), set(JOBS.values()))
        for port in cluster.monitors.values():
            accounts = get(f"http://127.0.0.1:{port}/jsz?acc=ACORAG&streams=true")["account_details"]
            copies = {stream["name"] for account in accounts for stream in account["stream_detail"]}
            self.assertEqual(copies, {"INGEST", "QUERIES", "EVENTS", "DLQ", "PARTS", "OBJ_FILES"}, "one on each server")

    async def publish(self):
        client = await nats.connect(self.single)
        js = client.jetstream(timeout=30)
        files = await js.object_store("FILES")
        for document, content in JOBS.items():
            described = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            # Half of the files are sent as the api sends them, the other half as a producer does.
            if int(document[1:]) % 2:
                await files.put(f"file-{document}", content)
                kind, source = "upload", {"object": {"name": f"file-{document}"} | described}
            else:
                await js.publish(f"acorag.v1.file.p.file-{document}", content)
                kind, source = "document", {"file": {"id": f"file-{document}"} | described}
            job = source | {"filename": f"{document}.txt", "metadata": {}}
            await js.publish(f"acorag.v1.ingest.{kind}.p.{document}", json.dumps(job).encode())
        await client.close()

    async def jobs(self, cluster):
        """Reads the jobs as the ingest worker does."""
        async with connected(cluster, "ingest") as client:
            lane = await client.jetstream(timeout=30).pull_subscribe_bind("ingest-document", "INGEST")
            found = set()
            while len(found) < len(JOBS):
                for message in await lane.fetch(len(JOBS), timeout=30):
                    found.add(message.subject.split(".")[-1])
        return found

    async def files(self, cluster):
        """Reads the files as the backup does; each is small enough for one message."""
        async with connected(cluster, "backup") as client:
            js, found = client.jetstream(timeout=30), set()
            for stream, subject in ("OBJ_FILES", "$O.FILES.C.>"), ("PARTS", "acorag.v1.file.>"):
                sequence = 0
                for _ in range(len(JOBS) // 2):
                    message = await js.get_msg(stream, seq=sequence + 1, subject=subject, next=True)
                    found.add(message.data)
                    sequence = message.seq
        return found


if __name__ == "__main__":
    unittest.main()
