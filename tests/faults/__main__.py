"""Inject every fault, and report what was lost.

python -m tests.faults --report             the tests of tests/faults/catalogue.py
python -m tests.faults --report --long      and 100 random SIGKILLs, and 10,000 mutated inputs for each parser
python -m tests.faults --kills 20           only these
python -m tests.faults --fuzz 100

With --out, parts that run in several calls are collected in one file.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")

OUT = Path("benchmarks") / "faults.json"
_KILLS, _INPUTS = 100, 10_000


class _Outcomes:
    """Collects how the tests end, by the name of the test without its parameters."""

    def __init__(self) -> None:
        self.passed: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Count a passed call, or a failure anywhere."""
        name = report.nodeid.partition("[")[0]
        if report.failed:
            self.failed[name] += 1
        elif report.when == "call" and report.passed:
            self.passed[name] += 1


def _tests(workers: int, numbers: list[int]) -> list[dict[str, Any]]:
    import pytest

    from tests.faults.catalogue import FAULTS

    faults = [fault for fault in FAULTS if not numbers or fault.number in numbers]
    outcomes, chosen = _Outcomes(), sorted({test for fault in faults for test in fault.tests})
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell ignores it in the background
    parallel = ["-n", str(workers), "--dist", "loadfile"] if workers > 1 else []
    code = pytest.main([*chosen, "-q", *parallel, "-p", "no:cacheprovider"], plugins=[outcomes])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        sys.exit(f"pytest could not run the tests: {code}")

    def count(found: Counter[str], tests: tuple[str, ...]) -> int:
        return sum(
            number for name, number in found.items() if name in tests or name.partition("::")[0] in tests
        )

    return [
        {
            "number": fault.number,
            "what": fault.what,
            "injected": count(outcomes.passed, fault.tests) + count(outcomes.failed, fault.tests),
            "survived": count(outcomes.passed, fault.tests),
            "lost": count(outcomes.failed, fault.tests),
        }
        for fault in faults
    ]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--report", action="store_true", help="run the tests of all faults")
    parser.add_argument("--only", type=int, nargs="+", default=[], metavar="N", help="numbers of faults")
    parser.add_argument("--long", action="store_true", help=f"{_KILLS} kills and {_INPUTS:,} inputs a parser")
    parser.add_argument("--kills", type=int, default=0, metavar="N", help="random SIGKILLs")
    parser.add_argument("--fuzz", type=int, default=0, metavar="N", help="mutated inputs for each parser")
    parser.add_argument(
        "--parser", default="", metavar="NAME", help="only the parsers with this in their name"
    )
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="processes of the tests")
    parser.add_argument("--out", type=Path, metavar="JSON", help=f"default: {OUT}, with --report")
    arguments = parser.parse_args()
    if arguments.out is None and arguments.report:
        arguments.out = OUT
    if arguments.long:
        arguments.kills, arguments.fuzz = arguments.kills or _KILLS, arguments.fuzz or _INPUTS
    return arguments


def main() -> int:
    """Run what is chosen; write the report; return 1 if something is lost."""
    arguments = _arguments()
    result: dict[str, Any] = {}
    if arguments.out is not None and arguments.out.exists():
        result = json.loads(arguments.out.read_text())
    with tempfile.TemporaryDirectory(prefix="infogan-faults-") as name:
        folder = Path(name)
        os.environ["INFOGAN_CACHE"] = str(folder / "cache")
        if arguments.report:
            with _timed(result, "faults"):
                rows = {row["number"]: row for row in result.get("faults", [])}
                rows |= {row["number"]: row for row in _tests(arguments.workers, arguments.only)}
                result["faults"] = [rows[number] for number in sorted(rows)]
            for row in result["faults"]:
                print(f"{row['number']:3} {row['injected']:4} injected {row['lost']:3} lost  {row['what']}")
        # Kills wait most of the time, and each part uses one process: they run side by side.
        other = _in_another_process(arguments.kills, folder) if arguments.kills and arguments.fuzz else None
        if arguments.kills and other is None:
            with _timed(result, "kills"):
                result["kills"] = _kills(arguments.kills, folder)
        if arguments.fuzz:
            from tests.faults import fuzz

            with _timed(result, "fuzz"):
                parsed = {row["parser"]: row for row in result.get("fuzz", [])}
                new = fuzz.as_json(fuzz.run(arguments.fuzz, folder, arguments.parser))
                result["fuzz"] = list((parsed | {row["parser"]: row for row in new}).values())
        if other is not None:
            other.wait()
            killed = json.loads((folder / "kills.json").read_text())
            result["kills"] = killed["kills"]
            result["time"] |= killed["time"]
    result |= _sums(result)
    if arguments.out is not None:
        arguments.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(_sentence(result))
    return 1 if result["lost"] else 0


def _in_another_process(kills: int, folder: Path) -> subprocess.Popen[bytes]:
    command = [
        sys.executable,
        "-m",
        "tests.faults",
        "--kills",
        str(kills),
        "--out",
        str(folder / "kills.json"),
    ]
    return subprocess.Popen(command)


def _kills(count: int, folder: Path) -> list[dict[str, Any]]:
    from tests.faults import kills

    rows = kills.run(count, folder)
    for row in rows if any(row.lost for row in rows) else ():
        output = next(folder.rglob("output.txt"), None)
        print(f"{row.work}: {'' if output is None else output.read_text()[-2000:]}")
    return [asdict(row) for row in rows]


@contextmanager
def _timed(result: dict[str, Any], part: str) -> Iterator[None]:
    """Record the seconds that a part takes: on the clock, and of processors."""
    began, used = time.monotonic(), _processor_seconds()
    yield
    result.setdefault("time", {})[part] = {
        "seconds": round(time.monotonic() - began),
        "processor_seconds": round(_processor_seconds() - used),
    }


def _processor_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def _sums(result: dict[str, Any]) -> dict[str, int]:
    faults, rows = result.get("faults", []), [*result.get("kills", []), *result.get("fuzz", [])]
    return {
        "injected": sum(row["injected"] for row in faults) + sum(row.get("kills", 0) for row in rows),
        "inputs": sum(row.get("inputs", 0) for row in rows),
        "lost": sum(row["lost"] for row in [*faults, *rows]),
    }


def _sentence(result: dict[str, Any]) -> str:
    kinds = sum(1 for row in result.get("faults", []) if row["injected"])
    return (
        f"{result['injected']:,} faults injected, of {kinds} kinds, and {result['inputs']:,} mutated inputs: "
        f"{result['lost']} lost"
    )


if __name__ == "__main__":
    sys.exit(main())
