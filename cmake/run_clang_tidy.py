#!/usr/bin/env python3
"""Runs clang-tidy over every source of a clang build; cmake/tidy_exceptions.txt lists files that still have findings and may only shrink.

usage: run_clang_tidy.py BUILD_DIRECTORY JOBS [SOURCE...]

With sources, as paths from the top, only these are looked at.
"""
import concurrent.futures
import json
import pathlib
import subprocess
import sys

build, jobs, chosen = pathlib.Path(sys.argv[1]).resolve(), int(sys.argv[2]), set(sys.argv[3:])
top = pathlib.Path(__file__).resolve().parents[1]
table = top / "cmake" / "tidy_exceptions.txt"
exceptions = {line for line in table.read_text().splitlines() if line and not line.startswith("#")}
files = sorted({str(pathlib.Path(entry["file"]).resolve().relative_to(top)) for entry in json.loads((build / "compile_commands.json").read_text())
                if pathlib.Path(entry["file"]).resolve().is_relative_to(top) and not pathlib.Path(entry["file"]).resolve().is_relative_to(top / "build")})
if chosen - set(files):
    sys.exit(f"clang-tidy: {build} does not compile {', '.join(sorted(chosen - set(files)))}")
looked_at = [name for name in files if not chosen or name in chosen]


def check(name):
    done = subprocess.run(["clang-tidy-14", "--quiet", "-p", str(build), str(top / name)], capture_output=True, text=True)
    return name, done.returncode, done.stdout


failed = False
with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
    for name, code, output in pool.map(check, looked_at):
        if code != 0 and name not in exceptions:
            print(output, flush=True)
            failed = True
        elif code == 0 and name in exceptions:
            print(f"cmake/tidy_exceptions.txt: {name} is clean now: remove its row")
            failed = True
for name in sorted(exceptions - set(files)):
    print(f"cmake/tidy_exceptions.txt: {name} does not exist: remove its row")
    failed = True
print(f"clang-tidy: {len(looked_at)} files, {len(exceptions)} exceptions, {'findings above' if failed else 'no new findings'}")
sys.exit(failed)
