"""Tests who may connect to PostgreSQL, and how, with a real server and the rules that operators use."""
import subprocess
import tempfile
import unittest
from pathlib import Path

import yaml

from stack import ROOT, STACK, Stack

RULES = ROOT / "ops/postgres"
CLUSTER = ROOT / "k8s/components/cloudnative-pg/cluster.yaml"
# The line that CloudNativePG adds after the lines of the Cluster.
OPERATORS_LAST = "host all all all scram-sha-256"


class Access(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        stack = Stack(acorag=False)
        cls.url = stack.__enter__()["DATABASE_URL"]
        cls.addClassCleanup(stack.__exit__)
        folder = Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        subprocess.run([ROOT / "ops/tls.sh", folder], check=True)
        cls.authority = folder / "ca/ca.crt"
        # The server may run as another user, which needs its own copy of the key.
        folder.chmod(0o755)
        cls.sql("SET password_encryption = 'scram-sha-256'",
                "CREATE ROLE acorag_backup LOGIN REPLICATION PASSWORD 'secret'",
                f"COPY (SELECT WHERE false) TO PROGRAM 'install -m 600 {folder}/postgres/postgres.key server.key'",
                f"COPY (SELECT WHERE false) TO PROGRAM 'install -m 600 {folder}/postgres/postgres.crt server.crt'",
                "ALTER SYSTEM SET ssl = on")

    @staticmethod
    def psql(url, *statements):
        command = [STACK / "postgres/bin/psql", "-XAtq", "-v", "ON_ERROR_STOP=1", url]
        return subprocess.run([*command, *(part for one in statements for part in ("-c", one))],
                              env={"PATH": "/usr/bin:/bin", "LD_LIBRARY_PATH": str(STACK / "postgres/lib")},
                              capture_output=True, text=True, timeout=60)

    @classmethod
    def sql(cls, *statements):
        done = cls.psql(cls.url, *statements)
        if done.returncode:
            raise RuntimeError(done.stderr)
        return done.stdout.strip()

    def use(self, rules):
        """Loads these rules, after a rule for the superuser that loads them."""
        lines = ", ".join(f"$rule${line}$rule$" for line in ["host all acorag 127.0.0.1/32 password", *rules])
        self.sql(f"COPY (SELECT unnest(ARRAY[{lines}])) TO '{self.sql('SHOW hba_file')}'", "SELECT pg_reload_conf()")
        self.assertEqual(self.sql("SELECT error FROM pg_hba_file_rules WHERE error IS NOT NULL"), "")

    def connect(self, options):
        """Returns the server's answers to the login of the backup, as a client and for replication (pg_basebackup)."""
        url = f"postgres://acorag_backup:secret@{self.url.rpartition('@')[2]}?{options}"
        return (self.psql(url, "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"),
                self.psql(f"{url}&replication=true", "IDENTIFY_SYSTEM"))

    def test_with_tls_plain_connections_are_refused(self):
        for name, rules in {
            "compose": (RULES / "pg_hba.tls.conf").read_text().splitlines(),
            "CloudNativePG": [*yaml.safe_load(CLUSTER.read_text())["spec"]["postgresql"]["pg_hba"], OPERATORS_LAST],
        }.items():
            with self.subTest(name):
                self.use(rules)
                for refused in self.connect("sslmode=disable"):
                    self.assertIn("no encryption", refused.stderr)
                    self.assertNotEqual(refused.returncode, 0)
                query, replication = self.connect(f"sslmode=verify-full&sslrootcert={self.authority}")
                self.assertEqual((query.stdout.strip(), query.stderr), ("t", ""))
                self.assertEqual((replication.returncode, replication.stderr), (0, ""))

    def test_without_tls_passwords_are_required(self):
        self.use((RULES / "pg_hba.conf").read_text().splitlines())
        query, replication = self.connect("sslmode=disable")
        self.assertEqual((query.stdout.strip(), query.stderr), ("f", ""))
        self.assertEqual((replication.returncode, replication.stderr), (0, ""))
        wrong = self.psql(f"postgres://acorag_backup:wrong@{self.url.rpartition('@')[2]}", "SELECT 1")
        self.assertIn("password authentication failed", wrong.stderr)


if __name__ == "__main__":
    unittest.main()
