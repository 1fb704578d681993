"""Finds promtool, amtool and prometheus on this machine, or fetches them once from Debian's packages into .stack,
without root."""
import shutil
import subprocess

from stack import STACK

PACKAGES = {"promtool": "prometheus", "prometheus": "prometheus", "amtool": "prometheus-alertmanager"}


def program(name):
    if found := shutil.which(name):
        return found
    place = STACK / "debian" / PACKAGES[name]
    if not place.exists():
        fetch(PACKAGES[name], place)
    return str(place / "usr/bin" / name)


def fetch(package, place):
    """Downloads with apt-get, which verifies the signatures of Debian."""
    work = place.with_suffix(".part")
    shutil.rmtree(work, ignore_errors=True)
    for folder in ("lists/partial", "cache/archives/partial", "root"):
        (work / folder).mkdir(parents=True)
    apt = ["apt-get", "-q", "-o", f"Dir::State::Lists={work}/lists", "-o", f"Dir::Cache={work}/cache",
           "-o", "APT::Sandbox::User="]
    try:
        for command in (["update"], ["download", package]):
            subprocess.run(apt + command, cwd=work, check=True, capture_output=True, text=True, timeout=600)
        [archive] = work.glob("*.deb")
        subprocess.run(["dpkg-deb", "--extract", archive, work / "root"], check=True)
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", None) or error
        raise RuntimeError(f"cannot fetch {package} from Debian ({said}); elsewhere, install it so that it is in the PATH")
    (work / "root").rename(place)
    shutil.rmtree(work)
