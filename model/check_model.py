#!/usr/bin/env python3
"""Checks that a model gives the measured results for known sentences.

usage: check_model.py FOLDER
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

# The token ids that the original tokenizer returns.
TOKENS = {
    "Hello world!": [0, 35378, 8999, 38, 2],
    "¿Cuál es la presión?": [0, 3936, 113761, 198, 21, 112011, 32, 2],
}

# Query, passage, measured cosine. The 32-bit form of the same weights differs by up to 0.011, and other processors
# round the 8-bit products differently, so the tolerance is slightly larger.
TOLERANCE = 0.02
COSINES = [
    ("¿Cuál es el plazo de ejecución de la obra?", "El plazo de ejecución de los trabajos será de dieciocho meses.", 0.888),
    ("¿Cuál es el plazo de ejecución de la obra?", "El hormigón de los pilares será de clase HA-30.", 0.799),
    ("¿Cuál es el plazo de ejecución de la obra?", "The works shall be completed within eighteen months.", 0.797),
    ("What concrete class do the columns need?", "The columns shall be cast in C30/37 concrete.", 0.838),
    ("What concrete class do the columns need?", "El hormigón de los pilares será de clase HA-30.", 0.772),
    ("What concrete class do the columns need?", "The works shall be completed within eighteen months.", 0.742),
]


def check(folder):
    """Returns the problems of the model, one sentence each; an empty list if there are none."""
    folder = Path(folder)
    declaration = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    failures = []
    for text, expected in TOKENS.items():
        found = tokenizer.encode(text).ids
        if found != expected:
            failures.append(f"the tokens of {text!r} are {found}, not {expected}")
    embed = embedder(folder, tokenizer)
    for query, passage, expected in COSINES:
        found = embed(declaration["query_prefix"] + query) @ embed(declaration["passage_prefix"] + passage)
        # "not <=" instead of ">", so that a NaN fails, too.
        if not abs(found - expected) <= TOLERANCE:
            failures.append(f"the cosine of {query!r} and {passage!r} is {found:.4f}, not {expected} ± {TOLERANCE}")
    return failures


def embedder(folder, tokenizer):
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])

    def embed(text):
        ids = np.array([tokenizer.encode(text).ids], dtype=np.int64)
        (tokens,) = session.run(None, {"input_ids": ids})
        mean = tokens[0].mean(axis=0)
        return mean / np.linalg.norm(mean)

    return embed


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    problems = check(sys.argv[1])
    if problems:
        sys.exit("\n".join(problems))
    print(f"{len(TOKENS)} tokenizations and {len(COSINES)} cosines are as measured")
