"""A load test with clients of the old system. Every reply is checked against the contract (contract.py).

    locust -f load/locustfile.py --headless --host http://127.0.0.1:8000 -u 50 -r 10 -t 60s [--tags search chat]

A 429 or 503 with a Retry-After is a correct refusal: it counts as a success under a separate name ("/search [429]").
Every other reply that violates the contract is a failure. To measure throughput, start the server with
RATE_LIMIT_SEARCH=off and so on. Options by environment: LOAD_PROJECT, LOAD_UPLOAD_PROJECT, LOAD_THINK, LOAD_API_KEY,
LOAD_REPORT.
"""
import itertools
import json
import random
import uuid
from contextlib import contextmanager
from pathlib import Path

from locust import FastHttpUser, events, tag, task

import contract
from over_time import OverTime

ASKED = json.loads((Path(__file__).resolve().parent.parent / "samples" / "questions.json").read_text(encoding="utf-8"))
QUERIES = [row["query"] for row in ASKED["searches"]] + [row["question"] for row in ASKED["questions"]]
QUESTIONS = [row["question"] for name in ("questions", "traps") for row in ASKED[name]]
TOPICS = ["hormigón", "rociadores", "muro cortina", "groundwater", "cooling tower", "escalera", "ascensores", "puertas"]
uploads = itertools.count(1)


@events.init_command_line_parser.add_listener
def options(parser):
    parser.add_argument("--project", env_var="LOAD_PROJECT", default="torre-norte", help="Project that is searched")
    parser.add_argument("--upload-project", env_var="LOAD_UPLOAD_PROJECT", default="load-test",
                        help="Project that uploads go to, so that they do not change what the samples answer")
    parser.add_argument("--think", env_var="LOAD_THINK", type=float, default=1.0,
                        help="Mean pause of a user between two calls, in seconds; 0 for none")
    parser.add_argument("--api-key", env_var="LOAD_API_KEY", default="", is_secret=True, help="Sent as a bearer token")
    parser.add_argument("--report", env_var="LOAD_REPORT", default="",
                        help="Folder for over_time.csv and over_time.svg: latency and memory over time")


@events.test_start.add_listener
def begin_report(environment, **_):
    folder = environment.parsed_options.report
    environment.over_time = OverTime(environment, folder) if folder else None


@events.quitting.add_listener
def end_report(environment, **_):
    # Locust ends this way too when it is interrupted. Without a start there is nothing to report.
    over_time = getattr(environment, "over_time", None)
    if over_time:
        over_time.end()


@events.quitting.add_listener
def nothing_is_a_failure(environment, **_):
    if environment.stats.total.num_requests == 0:
        environment.process_exit_code = 2


class OldClient(FastHttpUser):
    """A user of the old system, who searches often, chats sometimes and uploads rarely."""

    def wait_time(self):
        think = self.environment.parsed_options.think
        return random.uniform(0.5 * think, 1.5 * think)

    def on_start(self):
        self.options = self.environment.parsed_options
        self.session = f"load-{uuid.uuid4()}"
        key = self.options.api_key
        self.headers = {"Authorization": f"Bearer {key}"} if key else {}

    @contextmanager
    def call(self, method, path, name, check, headers=None, **arguments):
        """Makes one request and lets `check` decide whether it succeeded; yields the result of the check, or None."""
        checked = None
        with self.client.request(method, path, name=name, catch_response=True, headers=self.headers | (headers or {}),
                                 **arguments) as response:
            try:
                checked = check(response.status_code, response.headers or {}, response.text)
                response.success()
            except contract.Refused:
                response.request_meta["name"] = f"{name} [{response.status_code}]"
                response.success()
            except contract.Broken as broken:
                response.failure(str(broken))
        yield checked

    def search(self, query, top_k):
        body = {"query": query, "project_id": self.options.project, "top_k": top_k, "probes": 10}
        with self.call("POST", "/search", "/search",
                       lambda *reply: contract.search(*reply, self.options.project, top_k), json=body):
            pass

    @tag("search")
    @task(50)
    def search_known(self):
        self.search(random.choice(QUERIES), random.choice([5, 10, 10, 20]))

    @tag("search")
    @task(20)
    def search_new(self):
        """Searches for a text that is not in the cache."""
        self.search(f"{random.choice(TOPICS)} {random.choice(TOPICS)} {random.randrange(10**6)}", 10)

    @tag("chat")
    @task(10)
    def chat(self):
        question = random.choice(QUESTIONS)
        body = {"question": question, "max_context_docs": 5, "project_id": self.options.project,
                "session_id": self.session}
        with self.call("POST", "/chat", "/chat",
                       lambda *reply: contract.chat(*reply, question, self.session), json=body):
            pass

    @tag("history")
    @task(4)
    def history(self):
        with self.call("GET", f"/history/{self.session}", "/history/{id}", contract.history):
            pass

    @tag("history")
    @task(2)
    def history_of_nobody(self):
        with self.call("GET", "/history/conv_7", "/history/conv_7",
                       lambda *reply: contract.history(*reply, empty=True)):
            pass

    @tag("history")
    @task(2)
    def history_of_a_user(self):
        with self.call("GET", "/chat/history/user-1?limit=20", "/chat/history/{user}",
                       lambda *reply: contract.history(*reply, empty=True)):
            pass

    @tag("documents")
    @task(6)
    def documents(self):
        with self.call("GET", f"/documents?project_id={self.options.project}&limit=20", "/documents",
                       contract.documents):
            pass

    @tag("health")
    @task(4)
    def health(self):
        with self.call("GET", "/health", "/health", contract.health):
            pass

    @tag("upload")
    @task(1)
    def upload(self):
        number = next(uploads)
        filename = f"load-{uuid.uuid4().hex[:8]}.txt"
        text = (f"Nota de obra {number}. El sector {random.choice(TOPICS)} quedó inspeccionado con el código "
                f"{uuid.uuid4()}. Sin observaciones.")
        metadata = {"project_id": self.options.upload_project, "title": f"Nota de obra {number}", "type": "Nota"}
        media_type, body = contract.multipart({"metadata": json.dumps(metadata)}, filename, text.encode())
        with self.call("POST", "/upload", "/upload", lambda *reply: contract.accepted(*reply, filename),
                       headers={"Content-Type": media_type}, data=body):
            pass
