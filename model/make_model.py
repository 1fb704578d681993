#!/usr/bin/env python3
"""Creates the default embedding model: model.onnx with its weights in model.onnx.data, tokenizer.json and model.json.

usage: make_model.py e5-small-q4.bin FOLDER
"""

import json
import shutil
import sys
import time
from pathlib import Path

import onnx

import check_model
import graph
import vocabulary
from weights import Weights

DECLARATION = {
    "name": "intfloat/multilingual-e5-small",
    "pooling": "mean",
    "normalize": True,
    "query_prefix": "query: ",
    "passage_prefix": "passage: ",
    "max_tokens": 512,
    "dimension": 384,
}


def main(source, target):
    started = time.monotonic()
    # The folder gets its final name only after it passed the check.
    work = target.with_name(target.name + ".part")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        weights = Weights(source)
        # External weights are mapped into memory instead of read. The embedding table is most of the model, but only
        # the rows of words that occur are loaded, and all processes of a machine share them.
        onnx.save(graph.build(weights), work / "model.onnx", save_as_external_data=True, location="model.onnx.data")
        # onnx creates this file with permissions only for its owner.
        shutil.copymode(work / "model.onnx", work / "model.onnx.data")
        vocabulary.build(weights.vocabulary).save(str(work / "tokenizer.json"))
        (work / "model.json").write_text(json.dumps(DECLARATION, indent=2) + "\n", encoding="utf-8")
        failures = check_model.check(work)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise
    if failures:
        shutil.rmtree(work)
        sys.exit("the model does not behave as measured; nothing was kept:\n  " + "\n  ".join(failures))
    shutil.rmtree(target, ignore_errors=True)
    work.rename(target)
    size = sum(file.stat().st_size for file in target.glob("model.onnx*")) / 1e6
    print(f"made {DECLARATION['name']}: {size:.0f} MB, checked, {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
