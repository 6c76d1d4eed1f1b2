#!/usr/bin/env python3
"""Writes the fuzzers' first corpus from the wire vectors: one file an input.

usage: make_corpus.py VECTORS_DIR MESSAGE_TYPES OUT_DIR      (MESSAGE_TYPES: lines `name version_min`, in the order of message_types())
"""
import base64
import gzip
import hashlib
import json
import pathlib
import sys

vectors, types, out = map(pathlib.Path, sys.argv[1:4])
rows = [line.split() for line in types.read_text().splitlines()]
index = {name: (number, int(low)) for number, (name, low) in enumerate(rows)}


def save(folder, content):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / hashlib.sha1(content).hexdigest()).write_bytes(content)


for path in sorted(vectors.glob("*.jsonl.gz")):
    with gzip.open(path, "rt") as lines:
        for line in lines:
            vector = json.loads(line)
            if path.name.startswith("record-batches"):
                save(out / "record_batch_fuzz", base64.b64decode(vector["bytes"]))
            elif vector.get("name") in index and vector.get("sample") in ("filled", "nulls", "unknown-tags"):
                number, low = index[vector["name"]]
                save(out / "protocol_fuzz", bytes([number, vector["version"] - low]) + base64.b64decode(vector["body"]))
