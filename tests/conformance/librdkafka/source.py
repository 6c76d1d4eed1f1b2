"""Gets the source of librdkafka's tests as Debian has it and builds it in build/librdkafka; nothing of it is committed."""

import glob
import os
import pathlib
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from harness import KAFKA_TOOL, TOP, skip  # noqa: E402

VERSION = "2.0.2-1"
PLACE = TOP / "build/librdkafka"
SOURCE = PLACE / f"librdkafka-{VERSION.partition('-')[0]}"
RUNNER = SOURCE / "tests/test-runner"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
BUILT = PLACE / "built"  # made last: a build that was cut short is done again
LOG_END = 3000  # bytes that are shown of what failed
FETCH_SECONDS_MAX, BUILD_SECONDS_MAX = 300, 1800


def do(step, command, cwd, seconds_max, **environment):
    """Runs a step of the build, whose output is shown only when it fails."""
    log = PLACE / f"{step}.log"
    with open(log, "w") as out:
        try:
            code = subprocess.run(command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=out, stderr=out, timeout=seconds_max,
                                  env={**os.environ, **environment}).returncode
        except subprocess.TimeoutExpired:
            code = f"no end within {seconds_max} s"
    if code != 0:
        print(log.read_text(errors="replace")[-LOG_END:], f"{step}: {code}", sep="\n", flush=True)
    return code == 0


def package_sources():
    """The lines of a sources.list with the packages and the sources of Debian's main archive, from where this machine has its packages."""
    if not shutil.which("apt-get"):
        return []
    asked = subprocess.run(["apt-get", "indextargets", "--format", "$(LABEL) $(COMPONENT)|$(SITE) $(RELEASE) $(COMPONENT)",
                            "Created-By: Packages"], capture_output=True, text=True)
    signed_by = f"[signed-by={KEYRING}] " if os.path.exists(KEYRING) else ""
    lines = set()
    for target in asked.stdout.splitlines():
        archive, place = target.split("|")
        if archive == "Debian main":
            lines.update(f"{kind} {signed_by}{place}" for kind in ("deb", "deb-src"))
    return sorted(lines)


def fetch():
    """The sources, through apt with a configuration and lists of its own: the machine's stay as they are."""
    lines = package_sources()
    if not lines:
        skip("apt knows no Debian archive to get librdkafka's source from: apt-get update may help")
    apt = PLACE / "apt"
    for directory in ("lists/partial", "archives/partial"):
        (apt / directory).mkdir(parents=True, exist_ok=True)
    (apt / "sources.list").write_text("\n".join(lines) + "\n")
    (apt / "apt.conf").write_text(f'Dir::Etc::sourcelist "{apt}/sources.list";\nDir::Etc::sourceparts "/dev/null";\n'
                                  f'Dir::State::lists "{apt}/lists";\nDir::Cache "{apt}";\nDir::Cache::archives "{apt}/archives";\n'
                                  'APT::Sandbox::User "root";\n')

    def ask(step, *command):
        if not do(step, command, PLACE, FETCH_SECONDS_MAX, APT_CONFIG=str(apt / "apt.conf")):
            skip(f"the source of librdkafka {VERSION} could not be had: '{' '.join(command)}' failed")

    ask("update", "apt-get", "update")
    # RapidJSON is headers only; the tests that look into statistics are left out without it.
    ask("headers", "apt-get", "download", "rapidjson-dev")
    ask("unpack", "dpkg-deb", "-x", glob.glob(str(PLACE / "rapidjson-dev_*.deb"))[0], str(PLACE / "headers"))
    ask("source", "apt-get", "source", f"librdkafka={VERSION}")  # last: that it is there means that all is


def offer_kafka_tools():
    """A directory such as the tests expect of an installation of Apache Kafka, for their Java programs; None where it cannot be."""
    if not KAFKA_TOOL.exists():
        return None
    fetched = subprocess.run([str(KAFKA_TOOL.parent / "fetch")], capture_output=True, text=True)
    if fetched.returncode != 0:
        return None
    path = PLACE / "kafka"
    (path / "bin").mkdir(parents=True, exist_ok=True)
    (path / "libs").unlink(missing_ok=True)
    (path / "libs").symlink_to(pathlib.Path(fetched.stdout.split()[-1]) / "lib-tools")
    scripts = {name: f'exec "{KAFKA_TOOL}" {name} "$@"' for name in ("kafka-topics", "kafka-acls")}
    scripts["kafka-run-class"] = f'exec java -Xmx256M -cp "$CLASSPATH:{path}/libs/*" "$@"'
    for name, command in scripts.items():
        script = path / "bin" / f"{name}.sh"
        script.write_text(f"#!/bin/sh\n{command}\n")
        script.chmod(0o755)
    return path


def build(jobs):
    """Gets and builds what is missing; skips the whole run where it cannot be had."""
    if BUILT.exists():
        return
    PLACE.mkdir(parents=True, exist_ok=True)
    if not SOURCE.exists():
        print(f"getting the source of librdkafka {VERSION}", flush=True)
        fetch()
    print(f"building librdkafka and its tests with {jobs} jobs (minutes)", flush=True)
    # Neither tests a broker that speaks no Kerberos and has no token server.
    leave_out = ["--disable-gssapi", "--disable-curl"]
    for step, command in (("configure", ["./configure", "--no-download", *leave_out]), ("libs", ["make", f"-j{jobs}", "libs"]),
                          ("tests", ["make", "-C", "tests", f"-j{jobs}", "build"])):
        if not do(step, command, SOURCE, BUILD_SECONDS_MAX, CPLUS_INCLUDE_PATH=f"{PLACE}/headers/usr/include"):
            sys.exit(f"librdkafka was not built: see {PLACE}/{step}.log")
    BUILT.touch()
