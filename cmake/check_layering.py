#!/usr/bin/env python3
"""Fails, naming file and line, when a folder includes one that it may not reach.

usage: check_layering.py TOP FOLDER REACHABLE...   (folders as in `broker/storage`; REACHABLE holds FOLDER itself)
"""
import pathlib
import re
import sys

top, folder, reachable = pathlib.Path(sys.argv[1]), sys.argv[2], set(sys.argv[2:])
include = re.compile(r'\s*#\s*include\s+"((?:broker|operator)/[^"]+)/[^"/]+"')
problems = []
for file in sorted((top / folder).iterdir()):
    if file.suffix not in (".h", ".cc"):
        continue
    for number, line in enumerate(file.read_text().splitlines(), 1):
        match = include.match(line)
        if match and match[1] not in reachable:
            problems.append(f"{file.relative_to(top)}:{number}: includes {match[1]}/, which {folder} does not reach through its DEPS")
print("\n".join(problems) if problems else f"{folder}: all includes are within its DEPS")
sys.exit(bool(problems))
