"""Tests of the checks: python3 -m unittest discover -s load -p '*_test.py'"""
import json
import unittest

import contract

ROW = {field: "x" for field in contract.TEXTS} | {"vector_score": 0.9, "text_score": 0.5, "score": 0.8, "page": None,
                                                  "date_modified": None, "match_quality": "BUENO"}
ERROR = {"error": "Rate limit exceeded", "detail": "Demasiadas solicitudes.", "request_id": "r"}


def chat(**changed):
    body = {"question": "q", "answer": "Así es [1].", "sources": [ROW | {"citation": 1}], "conversation_id": "c",
            "session_id": "c"} | changed
    return contract.chat(200, {}, json.dumps(body), "q", "c")


class Contract(unittest.TestCase):
    def broken(self, reason, check, *arguments):
        with self.assertRaises(contract.Broken) as raised:
            check(*arguments)
        self.assertIn(reason, str(raised.exception))

    def test_overload_is_refused_like_too_many_requests(self):
        body = json.dumps({"error": "Overloaded", "detail": "Hay demasiado trabajo.", "request_id": "r"})
        with self.assertRaises(contract.Refused) as refused:
            contract.search(503, {"Retry-After": "1"}, body)
        self.assertEqual(refused.exception.retry_after, 1)
        self.broken("Retry-After", contract.search, 503, {}, body)

    def test_a_429_is_a_refusal_only_when_it_says_when_to_come_back(self):
        with self.assertRaises(contract.Refused) as refused:
            contract.search(429, {"Retry-After": "7"}, json.dumps(ERROR))
        self.assertEqual(refused.exception.retry_after, 7)
        self.broken("Retry-After", contract.search, 429, {}, json.dumps(ERROR))
        self.broken("Retry-After", contract.search, 429, {"Retry-After": "0"}, json.dumps(ERROR))
        self.broken("detail", contract.search, 429, {"Retry-After": "7"}, json.dumps(ERROR | {"detail": {"es": "x"}}))
        self.broken("not JSON", contract.search, 429, {"Retry-After": "7"}, "Too Many Requests")

    def test_other_failures_carry_their_reason(self):
        body = json.dumps({"error": "Timeout", "detail": "La respuesta no llegó a tiempo.", "request_id": "r"})
        self.broken("504 Timeout: La respuesta no llegó a tiempo.", contract.search, 504, {}, body)
        self.broken("no reply", contract.search, 0, {}, None)

    def test_search_is_a_list_of_whole_rows_best_first(self):
        self.assertEqual(len(contract.search(200, {}, json.dumps([ROW]), "x", 1)), 1)
        other = ROW | {"document_id": "y"}
        for reason, reply in [
            ("not a list", {"results": [ROW]}),
            ("title is None", [ROW | {"title": None}]),
            ("match_quality", [ROW | {"match_quality": "GOOD"}]),
            ("page is 0", [ROW | {"page": 0}]),
            ("score is '0.8'", [ROW | {"score": "0.8"}]),
            ("a document comes twice", [ROW, ROW]),
            ("not best first", [ROW | {"score": 0.1}, other]),
            ("2 rows", [ROW, other]),
        ]:
            self.broken(reason, contract.search, 200, {}, json.dumps(reply), None, 1 if reason == "2 rows" else 10)
        self.broken("of project 'x'", contract.search, 200, {}, json.dumps([ROW]), "y")

    def test_chat_cites_only_what_it_lists(self):
        chat()
        chat(answer="No encontré nada.", sources=[])
        self.broken("cites [2]", lambda: chat(answer="Así es [2]."))
        self.broken("session_id", lambda: chat(session_id="other"))
        self.broken("context_used", lambda: chat(context_used=None))
        self.broken("citation", lambda: chat(sources=[ROW]))

    def test_an_unknown_history_is_an_empty_list(self):
        self.assertEqual(contract.history(200, {}, '{"history": []}', empty=True), [])
        self.broken("no list", contract.history, 200, {}, "[]")
        turn = {"question": "q", "answer": "a", "sources": [], "timestamp": "2026-11-24T00:00:00Z"}
        self.broken("1 turns", lambda: contract.history(200, {}, json.dumps({"history": [turn]}), empty=True))

    def test_an_upload_is_accepted_or_searchable(self):
        data = {"document_id": "d", "filename": "a.txt", "project_id": "p", "status_url": "/documents/d"}
        body = {"status": "accepted", "message": "m", "data": data}
        self.assertEqual(contract.accepted(202, {"Location": "/documents/d"}, json.dumps(body), "a.txt"), data)
        self.broken("Location", contract.accepted, 202, {}, json.dumps(body))
        self.broken("200 with 'accepted'", contract.accepted, 200, {}, json.dumps(body))


if __name__ == "__main__":
    unittest.main()
