#!/usr/bin/env python3
"""Proves that the simulator finds bugs: plants known ones, one by one, and expects cluster_sim to fail.

A mutant is a file NAME.mutant beside this script: a line that says which promise it breaks, then for each edit
a line "=== PATH", the text to find (exactly once in that file), a line "---", and the text to put there.
The checkout is never edited: its files are copied to build/mutants, where one build directory serves all mutants.
"""
import argparse
import pathlib
import re
import subprocess
import sys
import time
from dataclasses import dataclass

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
COPY = ROOT / "build" / "mutants"


@dataclass
class Edit:
    path: str
    find: str
    put: str


@dataclass
class Mutant:
    name: str
    promise: str
    edits: list


def read(file):
    promise, _, body = file.read_text().partition("\n")
    edits = []
    for part in body.split("=== ")[1:]:
        path, _, text = part.partition("\n")
        find, separator, put = text.removesuffix("\n").partition("\n---\n")
        if not separator:
            sys.exit(f"{file}: no line '---' in the edit of {path}")
        edits.append(Edit(path, find, put))
    if not promise or not edits:
        sys.exit(f"{file}: needs a promise and an edit")
    return Mutant(file.stem, promise, edits)


def mutated(mutant):
    """The new contents of the files, by path; or what is wrong with the mutant."""
    files = {}
    for edit in mutant.edits:
        file = ROOT / edit.path
        text = files.get(edit.path) or (file.read_text() if file.is_file() else "")
        if text.count(edit.find) != 1:
            return None, f"{mutant.name}: {edit.path} has its text {text.count(edit.find)} times, not once"
        files[edit.path] = text.replace(edit.find, edit.put)
    return files, None


def write_if_other(path, content):
    if path.is_file() and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def copy_sources():
    """What git knows of or would add, as it is now; files that are equal keep their times, so that little is built."""
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT,
                            check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        file = ROOT / name
        if not file.is_file():
            continue
        write_if_other(COPY / name, file.read_bytes())
        (COPY / name).chmod(file.stat().st_mode & 0o777)


def build(jobs):
    done = subprocess.run(["cmake", "--build", "--preset", "release", f"-j{jobs}", "--target", "cluster_sim"], cwd=COPY,
                          capture_output=True, text=True)
    return None if done.returncode == 0 else done.stdout[-4000:] + done.stderr[-4000:]


def simulate(seconds, seeds=0):
    """(whether it was caught, the seed, what was broken)"""
    command = [str(COPY / "build/release/tests/cluster_sim"), "--seconds", str(seconds), "--seeds", str(seeds)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=seconds + 120)
    except subprocess.TimeoutExpired:
        return False, 0, "no end"
    seeds_run = re.findall(r"^seed (\d+) hash", done.stdout, re.M)
    failed = re.search(r"^seed (\d+) FAILED: (.*)$", done.stdout, re.M)
    if failed and done.returncode == 1:
        return True, int(failed[1]), failed[2]
    bug = re.search(r"millrace: bug: (.*)$", done.stderr, re.M)  # the product has noticed by itself
    if bug and done.returncode != 0:
        return True, int(seeds_run[-1]) + 1 if seeds_run else 1, bug[1]
    if done.returncode != 0:
        return False, 0, f"cluster_sim ended with {done.returncode}: {done.stderr[-300:]}"
    return False, 0, f"{len(seeds_run)} seeds, and all is well"


def plant(mutant, arguments):
    files, wrong = mutated(mutant)
    if wrong:
        return False, 0, 0.0, wrong
    try:
        for path, text in files.items():
            write_if_other(COPY / path, text.encode())
        if complaint := build(arguments.jobs):
            return False, 0, 0.0, "does not build: " + complaint
        begin = time.monotonic()
        caught, seed, what = simulate(arguments.seconds)
        return caught, seed, time.monotonic() - begin, what
    finally:
        for path in files:
            write_if_other(COPY / path, (ROOT / path).read_bytes())


def main():
    parser = argparse.ArgumentParser(description="plants known bugs, each of which cluster_sim must find")
    parser.add_argument("names", nargs="*", help="mutants; without: all")
    parser.add_argument("--check", action="store_true", help="only: is the text of each found exactly once")
    parser.add_argument("--seconds", type=float, default=600, help="of simulation at most for each (600)")
    parser.add_argument("-j", "--jobs", type=int, default=1)
    arguments = parser.parse_args()
    mutants = [read(file) for file in sorted(HERE.glob("*.mutant"))]
    if unknown := set(arguments.names) - {mutant.name for mutant in mutants}:
        sys.exit("no mutant " + ", ".join(sorted(unknown)))
    mutants = [mutant for mutant in mutants if not arguments.names or mutant.name in arguments.names]
    if arguments.check:
        wrong = [complaint for mutant in mutants if (complaint := mutated(mutant)[1])]
        print("\n".join(wrong) or f"{len(mutants)} mutants apply")
        return bool(wrong)
    copy_sources()
    subprocess.run(["cmake", "--preset", "release"], cwd=COPY, check=True, stdout=subprocess.DEVNULL)
    survivors, seed_max = 0, 0
    print("| mutant | caught by seed | after | what was seen |\n|---|---|---|---|", flush=True)
    for mutant in mutants:
        caught, seed, seconds, what = plant(mutant, arguments)
        survivors += not caught
        seed_max = max(seed_max, seed)
        print(f"| {mutant.name} | {seed if caught else 'NOT CAUGHT'} | {seconds:.0f} s | {what} |", flush=True)
    print(f"{len(mutants) - survivors} of {len(mutants)} caught")
    return survivors != 0 or not sound(seed_max, arguments)


def sound(seeds, arguments):
    """Whether the product itself passes the seeds that found the bugs: else they show nothing."""
    if seeds == 0:
        return True
    complaint = build(arguments.jobs)
    failed, seed, what = (True, 0, complaint) if complaint else simulate(arguments.seconds, seeds)
    print(f"without a mutant: seed {seed} fails: {what}" if failed else f"without a mutant: {what}")
    return not failed


if __name__ == "__main__":
    sys.exit(main())
