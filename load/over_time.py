"""Notes once a second how a load test goes, and draws it: over_time.csv and over_time.svg.

Memory is that of the programs on this machine, in megabytes: each program's processes together, shared pages divided
by those who share them (PSS). If a `devstack` (`make up`, `make demo`) serves the tested port, only its programs count. On a
machine where nothing of acorag runs, there are only latencies.
"""
import csv
import logging
import time
import urllib.parse
from pathlib import Path

import gevent
import psutil

PROGRAMS = ["acorag-api", "acorag-query-worker", "acorag-ingest-worker", "postgres", "nats-server", "valkey-server"]
TRAFFIC = ["seconds", "users", "requests_per_second", "failures_per_second", "p50_ms", "p95_ms"]
# The memory of many processes takes some milliseconds to read, so it is not read at each line.
MEMORY_EVERY = 5
# The most points of a line in the drawing.
MOST_DRAWN = 600


class OverTime:
    def __init__(self, environment, folder):
        self.environment, self.folder = environment, Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.rows, self.started = [], time.monotonic()
        self.file = open(self.folder / "over_time.csv", "w", newline="", encoding="utf-8")
        self.writer = csv.writer(self.file)
        self.writer.writerow(TRAFFIC + [f"{program}_mb" for program in PROGRAMS])
        self.greenlet = gevent.spawn(self.run)

    def run(self):
        memory = {}
        while True:
            if len(self.rows) % MEMORY_EVERY == 0:
                memory = memory_of_programs(self.environment.host)
            total = self.environment.stats.total
            row = [round(time.monotonic() - self.started, 1), self.environment.runner.user_count,
                   round(total.current_rps, 1), round(total.current_fail_per_sec, 1),
                   total.get_current_response_time_percentile(0.5), total.get_current_response_time_percentile(0.95)]
            row += [memory.get(program, "") for program in PROGRAMS]
            self.rows.append(row)
            # Each line is in the file at once, so a test that is cut short leaves what it has.
            self.writer.writerow(row)
            self.file.flush()
            gevent.sleep(1)

    def end(self):
        self.greenlet.kill()
        self.file.close()
        draw(self.rows, self.folder / "over_time.svg")


def processes(host):
    """Returns the processes of the devstack that serves `host`, or all processes if there is none."""
    port = urllib.parse.urlsplit(host or "").port
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
                parent = psutil.Process(connection.pid).parent()
                if parent and parent.name() == "devstack":
                    return parent.children(recursive=True)
    except psutil.Error:
        # Only root may see whose connections these are.
        pass
    return list(psutil.process_iter())


def memory_of_programs(host):
    """Returns the megabytes of each program that runs here."""
    found = {}
    for process in processes(host):
        try:
            name = process.name()
        except psutil.Error:
            continue
        # The kernel cuts names after 15 characters.
        program = next((program for program in PROGRAMS if program[:15] == name[:15]), None)
        if program is None:
            continue
        try:
            found[program] = found.get(program, 0) + process.memory_full_info().pss / 1e6
        except psutil.Error:
            # The process has ended, or only root may read its memory.
            continue
    return {program: round(megabytes, 1) for program, megabytes in found.items()}


def draw(rows, path):
    import matplotlib

    matplotlib.use("svg")
    # Importing pyplot takes a second, so it is imported after the test.
    from matplotlib import pyplot

    logging.getLogger("matplotlib").setLevel(logging.WARNING)
    if len(rows) < 2:
        return
    rows = rows[::-(-len(rows) // MOST_DRAWN)]
    columns = list(zip(*rows))
    seconds = columns[0]
    figure, (latency, memory) = pyplot.subplots(2, 1, figsize=(8, 7), sharex=True)
    for label, column in [("p50", columns[4]), ("p95", columns[5])]:
        latency.plot(seconds, [float("nan") if value is None else value for value in column], label=label)
    latency.set_ylabel("ms")
    latency.set_yscale("log")
    latency.set_title(f"{max(columns[1])} users: answers of the last 10 s, and memory (PSS)")
    for program, column in zip(PROGRAMS, columns[len(TRAFFIC):]):
        if any(value != "" for value in column):
            memory.plot(seconds, [float("nan") if value == "" else value for value in column], label=program)
    memory.set_ylabel("MB")
    memory.set_ylim(bottom=0)
    memory.set_xlabel("seconds")
    for axes in (latency, memory):
        axes.grid(alpha=0.3)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(loc="upper left", fontsize="small")
    figure.tight_layout()
    figure.savefig(path)
