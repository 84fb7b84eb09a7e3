#!/usr/bin/env python3
"""The server against the Autobahn|Testsuite: 517 cases of RFC 6455 and RFC 7692 that nobody here wrote.

    run.py target/autobahn target/release/barewire            run all cases, and compare with results.txt
    run.py target/autobahn target/release/barewire --sample   of sections 12 and 13, only every fifth
    run.py target/autobahn                      only install it; exit with 1 if that cannot be

The folder keeps the installed suite and its reports. Prints what differs, then "N passed, M failed". With
UPDATE=1 the results are stored as they came; what is not to be accepted fails all the same.

The suite is Python 2 and has no successor, so it runs on CPython 2.7 in an environment of its own.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase
from pathlib import Path
from threading import Thread

SUITE = "autobahntestsuite==25.10.1"
VIRTUALENV = "virtualenv==20.15.1"  # the last that makes environments for Python 2.7

# wstest writes its report only at its end, and keeps one core busy: so the cases are cut into groups, of
# which two run at a time, the longest first.
GROUPS = [["12.1.*", "12.2.*", "12.3.*"], ["12.4.*", "12.5.*", "13.7.*"], ["13.5.*", "13.6.*"],
          ["13.1.*", "13.2.*"], ["13.3.*", "13.4.*"], ["9.*"],
          [f"{section}.*" for section in (1, 2, 3, 4, 5, 6, 7, 10)]]
AT_ONCE = 2
# Sections 12 and 13 take four of five minutes: the same 18 messages under each of 12 offers.
SAMPLE = (1, 6, 11, 16)
DEADLINE = 900  # seconds for one group; the longest takes some 200

# What the suite only reports, because the RFC leaves it open: what follows a Close when much data came
# before it, and the close codes above 4999.
INFORMATIONAL = {"7.1.6", "7.13.1", "7.13.2"}

RESULTS = Path(__file__).with_name("results.txt")
HEAD = f"""\
# What the Autobahn|Testsuite ({SUITE}) says of this server: the case, its behaviour, its closing.
# Made by: UPDATE=1 tests/run --whole
"""


def python2():
    """A CPython 2.7 with pip, wherever this machine may keep one."""
    environment = {**os.environ, "PYENV_VERSION": "2.7.18"}  # without which pyenv's `python2.7` only fails
    for command in ["python2.7"], ["pyenv", "exec", "python2.7"]:
        if shutil.which(command[0]):
            asked = subprocess.run([*command, "-c", "import pip, sys; print(sys.executable)"],
                                   env=environment, capture_output=True, text=True, check=False)
            if asked.returncode == 0:
                return asked.stdout.strip()
    sys.exit("the suite needs CPython 2.7 with pip: install python2.7, or `pyenv install 2.7.18`")


def install(folder):
    """The suite's program, installed if it is not there."""
    wstest, complete = folder / "venv/bin/wstest", folder / "complete"
    if complete.exists() and complete.read_text() == SUITE:
        return wstest
    python = python2()
    shutil.rmtree(folder, ignore_errors=True)  # a half of it would not work
    folder.mkdir(parents=True)
    quiet = {**os.environ, "PYTHONWARNINGS": "ignore", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    for command, more in [
        ([python, "-m", "pip", "install", "-q", "--target", folder / "boot", VIRTUALENV], {}),
        ([python, "-m", "virtualenv", "-q", "--no-download", folder / "venv"], {"PYTHONPATH": folder / "boot"}),
        ([folder / "venv/bin/pip", "install", "-q", SUITE], {}),
    ]:
        if subprocess.run(command, env={**quiet, **more}, timeout=300, check=False).returncode:
            sys.exit(f"this failed: {' '.join(map(str, command))}")
    complete.write_text(SUITE)
    return wstest


def serve(binary):
    """The server as the suite wants it: its largest message has 16 MiB. And its port."""
    server = subprocess.Popen([binary, "--bind", "127.0.0.1:0", "--deflate", "--max-message", "16m"],
                              stderr=subprocess.PIPE, text=True)
    port = re.search(r"http://127\.0\.0\.1:(\d+)", server.stderr.readline())[1]
    Thread(target=server.stderr.read, daemon=True).start()
    return server, port


def run_group(wstest, reports, port, cases):
    """Runs some cases, and returns what was reported of each: nothing, if it did not come to its end."""
    name = cases[0].split(".*")[0]
    spec = reports / f"{name}.json"
    spec.write_text(json.dumps({
        "outdir": str(reports / name),
        "servers": [{"agent": "barewire", "url": f"ws://127.0.0.1:{port}/echo"}],
        "cases": cases, "exclude-cases": [], "exclude-agent-cases": {},
    }))
    with open(reports / f"{name}.log", "w") as log:
        program = subprocess.Popen([wstest, "-m", "fuzzingclient", "-s", spec], cwd=reports,
                                   stdout=log, stderr=log, start_new_session=True)
        try:
            program.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            os.killpg(program.pid, signal.SIGKILL)
            program.wait()
    try:
        return json.loads((reports / name / "index.json").read_text())["barewire"]
    except (OSError, KeyError, ValueError) as error:
        print(f"no report of {' '.join(cases)}: {error!r}; see {log.name}")
        return {}


def sampled(cases):
    """The same patterns, with a fixed part of sections 12 and 13."""
    return [part for pattern in cases for part in
            ([pattern.replace("*", str(number)) for number in SAMPLE] if pattern[:3] in ("12.", "13.") else [pattern])]


def is_accepted(case, behavior, closing):
    allowed = {"OK", "INFORMATIONAL"} if case in INFORMATIONAL else {"OK"}
    return {behavior, closing} <= allowed


def stored():
    lines = RESULTS.read_text().splitlines() if RESULTS.exists() else []
    rows = (line.split() for line in lines if line and not line.startswith("#"))
    return {case: (behavior, closing) for case, behavior, closing in rows}


def store(results):
    natural = sorted(results, key=lambda case: [int(number) for number in case.split(".")])
    width = max(map(len, natural))
    rows = (f"{case:{width}} {results[case][0]} {results[case][1]}\n" for case in natural)
    RESULTS.write_text(HEAD + "".join(rows))


def main():
    folder = Path(sys.argv[1]).absolute()
    wstest = install(folder)
    if len(sys.argv) == 2:
        return 0
    is_sample = "--sample" in sys.argv
    wanted = [sampled(cases) for cases in GROUPS] if is_sample else GROUPS
    reports = folder / "reports"
    shutil.rmtree(reports, ignore_errors=True)
    reports.mkdir()
    server, port = serve(sys.argv[2])
    try:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            groups = list(pool.map(lambda cases: run_group(wstest, reports, port, cases), wanted))
    finally:
        server.kill()
        server.wait()
    results = {case: (report["behavior"], report["behaviorClose"])
               for group in groups for case, report in group.items()}

    if os.environ.get("UPDATE") and not is_sample:
        store(results)
    patterns = sum(wanted, [])
    expected = {case: result for case, result in stored().items()
                if any(fnmatchcase(case, pattern) for pattern in patterns)}
    good = {case for case, result in results.items()
            if is_accepted(case, *result) and expected.get(case) == result}
    for case in expected.keys() | results.keys():
        if case not in good:
            came = " ".join(results.get(case, ["nothing"]))
            print(f"FAILED  {case}: {came}; stored: {' '.join(expected.get(case, ['nothing']))}")
    print(f"wstest's own reports: {reports}/*/index.html")
    failed = len(expected.keys() | results.keys()) - len(good)
    print(f"{len(good)} passed, {failed} failed")
    return 1 if failed or not good else 0


if __name__ == "__main__":
    sys.exit(main())
