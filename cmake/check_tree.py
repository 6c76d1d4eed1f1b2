#!/usr/bin/env python3
"""What must hold for the tree as a whole; prints `file:line: what and what to do` for each breach.

usage: check_tree.py TOP

- The folder tables of broker/README.md and operator/README.md name exactly the folders on disk.
- Every *_test.cc and every .cc is listed in the CMakeLists.txt of its folder.
- Length: .cc up to 400 lines, .h up to 200; cmake/long_files.txt lists the exceptions with the length each may not exceed, and may only shrink.
- Time, randomness, threads of control and files come through io/ or base/: no clock reads, sleeps or raw file opening elsewhere.
- No FIXME; a TODO carries an issue number.
"""
import pathlib
import re
import sys

top = pathlib.Path(sys.argv[1])
problems = []


def sources(*suffixes):
    for tree in ("broker", "operator", "tests"):
        for file in sorted((top / tree).rglob("*")):
            if file.suffix in suffixes and file.is_file():
                yield file


def check_folder_tables():
    row = re.compile(r"^\| `([\w/]+)/`")
    for tree in ("broker", "operator"):
        page = top / tree / "README.md"
        named = {m[1] for m in map(row.match, page.read_text().splitlines()) if m}
        present = {str(f.parent.relative_to(top / tree)) for f in (top / tree).rglob("CMakeLists.txt")} - {"."}
        for folder in sorted(present - named):
            problems.append(f"{tree}/README.md: the folder table lacks `{folder}/`: add a row that says what it is for")
        for folder in sorted(named - present):
            problems.append(f"{tree}/README.md: the folder table names `{folder}/`, which does not exist: remove the row")


def check_sources_are_built():
    for file in sources(".cc"):
        lists = file.parent / "CMakeLists.txt"
        if not lists.exists() or not re.search(rf"(?<![\w/]){re.escape(file.name)}\b", lists.read_text()):
            problems.append(f"{file.relative_to(top)}:1: is in no target: list it in {lists.relative_to(top)}")


def check_lengths():
    exceptions = {}
    table = top / "cmake" / "long_files.txt"
    for line in table.read_text().splitlines():
        if line and not line.startswith("#"):
            length, name = line.split()
            exceptions[name] = int(length)
    for file in sources(".cc", ".h"):
        name = str(file.relative_to(top))
        lines = len(file.read_text().splitlines())
        limit = exceptions.pop(name, 0)
        usual = 400 if file.suffix == ".cc" else 200
        if lines > max(limit, usual):
            problems.append(f"{name}:{lines}: {lines} lines, limit {max(limit, usual)}: split it by what it does")
        elif limit > usual and lines <= usual:
            problems.append(f"cmake/long_files.txt: {name} has {lines} lines and needs no exception: remove its row")
        elif limit > lines + 20:
            problems.append(f"cmake/long_files.txt: {name} has shrunk to {lines} lines: lower its row from {limit}")
    for name in exceptions:
        problems.append(f"cmake/long_files.txt: {name} does not exist: remove its row")


BANNED = [
    (re.compile(r"(system_clock|steady_clock|high_resolution_clock)::now\("), "take the time from a Clock",
     ("broker/base/", "broker/io/posix/", "tests/")),
    (re.compile(r"\b(sleep_for|sleep_until|usleep|nanosleep)\s*\("), "wait for an event, with a timeout", ("broker/io/posix/", "tests/")),
    (re.compile(r"(?<![\w:.>])(::open|fopen|std::ofstream|std::ifstream|std::filesystem::)\b"), "go through io::FileSystem",
     ("broker/io/posix/", "tests/", "_test.cc")),
    (re.compile(r"\b(std::random_device|std::mt19937|s?rand)\s*[({]"), "take randomness from io::Random",
     ("broker/io/", "tests/", "_test.cc")),
    (re.compile(r"\bstd::(mutex|lock_guard|unique_lock|scoped_lock)\b"), "use Mutex and MutexLock of broker/base/mutex.h",
     ("broker/base/mutex.h", "tests/", "_test.cc")),
    (re.compile(r"\bFIXME\b"), "resolve it before it lands", ()),
    (re.compile(r"\bTODO\b(?!\(#\d+\):)"), "give it an issue: TODO(#123): …", ()),
]


def check_banned():
    for file in sources(".cc", ".h"):
        name = str(file.relative_to(top))
        for number, line in enumerate(file.read_text().splitlines(), 1):
            code = line.split("// tidy: allow", 1)[0] if "// tidy: allow" not in line else ""
            for pattern, instead, exempt in BANNED:
                if pattern.search(code) and not any(part in name for part in exempt):
                    problems.append(f"{name}:{number}: `{pattern.search(code)[0]}`: {instead}")


check_folder_tables()
check_sources_are_built()
check_lengths()
check_banned()
print("\n".join(problems) if problems else "the tree is tidy")
sys.exit(bool(problems))
