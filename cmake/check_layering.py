#!/usr/bin/env python3
"""Fails, naming file and line, when a folder includes one that it may not reach.

usage: check_layering.py TOP FOLDER REACHABLE... [--tests REACHABLE...]
(folders as in `broker/storage`; REACHABLE holds FOLDER itself; what follows --tests only *_test.cc and *_test_support.h may include)
"""
import pathlib
import re
import sys

arguments, _, test_arguments = " ".join(sys.argv[2:]).partition(" --tests")
folder, reachable = sys.argv[2], set(arguments.split())
reachable_by_tests = reachable | set(test_arguments.split())
top = pathlib.Path(sys.argv[1])
include = re.compile(r'\s*#\s*include\s+"((?:broker|operator)/[^"]+)/[^"/]+"')
problems = []
for file in sorted((top / folder).iterdir()):
    if file.suffix not in (".h", ".cc"):
        continue
    is_test = file.name.endswith(("_test.cc", "_test_support.h", "_bench.cc"))
    for number, line in enumerate(file.read_text().splitlines(), 1):
        match = include.match(line)
        if not match:
            continue
        # A folder that exists in the build directory only, such as broker/protocol/messages, belongs to the one that generates it.
        included = match[1] if (top / match[1]).is_dir() else str(pathlib.PurePosixPath(match[1]).parent)
        if included not in (reachable_by_tests if is_test else reachable):
            problems.append(f"{file.relative_to(top)}:{number}: includes {match[1]}/, which {folder} does not reach through its DEPS")
print("\n".join(problems) if problems else f"{folder}: all includes are within its DEPS")
sys.exit(bool(problems))
