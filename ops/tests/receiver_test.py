"""Tests that with CloudNativePG, k8s/components/cloudnative-pg/receive-wal.sh archives all of PostgreSQL's log, whichever
process is killed, and deletes nothing before it is archived."""
import os
import re
import signal
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from manifests import K8S
from stack import Stack, of_database

# The time-out is long, because the machine may be slow or busy.
PATIENCE = 300


class Receiver(unittest.TestCase):
    def setUp(self):
        servers = self.enterContext(Stack(acorag=False))
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.wal, self.backup = folder / "wal", folder / "backup"
        self.wal.mkdir()
        self.backup.mkdir()
        self.environment = of_database(servers["DATABASE_URL"]) | {
            "WAL_DIR": str(self.wal), "BACKUP_DIR": str(self.backup)}
        self.environment["BACKUP_RECIPIENT"] = self.said("acorag-backup", "keygen", folder / "identity")

    def said(self, *command):
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=PATIENCE,
                              check=True).stdout.strip()

    def start(self, **settings):
        process = subprocess.Popen(["bash", K8S / "components/cloudnative-pg/receive-wal.sh"],
                                   env=self.environment | settings, start_new_session=True)
        self.addCleanup(self.kill, process)
        return process

    @staticmethod
    def kill(process):
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()

    def write(self, segments):
        """Fills and ends this many segments of the log; returns the name of the last one."""
        for _ in range(segments):
            last = self.said("psql", "-XAtc", "SELECT pg_walfile_name(pg_logical_emit_message(false, 't', 'x', true))")
            self.said("psql", "-XAtc", "SELECT pg_switch_wal()")
        return last

    def archived(self):
        return sorted(file.stem for file in (self.backup / "wal").glob("*.age"))

    def wait_for(self, what, condition):
        deadline = time.monotonic() + PATIENCE
        while not condition():
            self.assertLess(time.monotonic(), deadline, f"{what}; archived: {self.archived()}")
            time.sleep(0.1)

    def test_the_whole_log_is_archived_whichever_process_is_killed(self):
        receiver = self.start()
        # Waits until the replication slot exists, so that the log of the following segments is kept.
        self.wait_for("the receiver streams", lambda: list(self.wal.glob("*.partial")))
        first = self.write(2)
        self.wait_for("the log arrives", lambda: first in self.archived())
        self.kill(receiver)
        self.write(2)

        # Without a folder for the archive, the receiver ends and keeps the segments that it has received.
        receiver = self.start(BACKUP_DIR=str(self.backup / "missing"))
        self.assertNotEqual(receiver.wait(timeout=PATIENCE), 0)
        kept = [file.name for file in self.wal.iterdir() if re.fullmatch("[0-9A-F]{24}", file.name)]
        self.assertTrue(kept)

        self.start()
        last = self.write(2)
        self.wait_for("all of it arrives", lambda: last in self.archived())
        self.wait_for("and leaves", lambda: not [one for one in kept if (self.wal / one).exists()])
        numbers = [int(name, 16) for name in self.archived() if name <= last]
        self.assertGreaterEqual(len(numbers), 6)
        self.assertEqual(numbers, list(range(numbers[0], numbers[0] + len(numbers))), "without a gap")

    def test_a_receiver_whose_slot_was_lost_begins_anew(self):
        receiver = self.start()
        self.wait_for("the receiver streams", lambda: list(self.wal.glob("*.partial")))
        self.kill(receiver)
        before = set(self.wal.glob("*.partial"))
        slot = "pg_replication_slots WHERE slot_name = 'acorag_backup'"
        self.wait_for("the slot is free", lambda: self.said("psql", "-XAtc", f"SELECT active FROM {slot}") == "f")
        self.said("psql", "-XAtc", f"SELECT pg_drop_replication_slot(slot_name) FROM {slot}")
        # The server removes the log with which the unfinished file would continue.
        for _ in range(2):
            self.write(4)
            self.said("psql", "-XAtc", "CHECKPOINT")

        self.start()
        self.wait_for("the receiver streams again", lambda: set(self.wal.glob("*.partial")) - before)
        last = self.write(1)
        self.wait_for("the log arrives", lambda: last in self.archived())


if __name__ == "__main__":
    unittest.main()
