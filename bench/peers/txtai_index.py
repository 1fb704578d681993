"""Makes an index for txtai's API.

usage: txtai_index.py MODEL PASSAGES INDEX

Each line of PASSAGES is a passage: its id, its text and, if it shall not be embedded, its vector.
"""

import json
import sys

from txtai import Embeddings

MODEL, PASSAGES, INDEX = sys.argv[1:]

with open(PASSAGES, encoding="utf-8") as lines:
    passages = [json.loads(line) for line in lines]
vectors = {passage["text"]: passage["vector"] for passage in passages if "vector" in passage}
config = {
    "path": f"{MODEL}/model.onnx",
    "instructions": {"query": "query: ", "data": "passage: "},
    "maxlength": 512,
    # The model has no mask for the padding that a batch of several texts needs.
    "encodebatch": 1,
    "content": True,
}
given = {"method": "external", "transform": lambda texts: [vectors[text] for text in texts], "content": True}
embeddings = Embeddings(given if vectors else config)
embeddings.index((passage["id"], passage["text"]) for passage in passages)
# Queries are embedded by the model, also where the passages' vectors were given.
embeddings.config.update(config, method="onnx", transform=None)
embeddings.save(INDEX)
