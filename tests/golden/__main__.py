"""`python -m tests.golden` compares the golden curves; `python -m tests.golden record` writes them again."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from tests.golden import curves


def main() -> int:
    """Return 1 if a curve differs from the recorded one."""
    recording, failed = "record" in sys.argv[1:], 0
    chosen = [name for name in sys.argv[1:] if name != "record"] or curves.SCENARIOS
    with tempfile.TemporaryDirectory() as folder:
        for name in chosen:
            found = curves.train(name, Path(folder))
            if recording:
                (curves.FOLDER / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n")
                print(f"{name}: recorded")
                continue
            wrong = curves.differences(curves.recorded(name), found)
            failed += bool(wrong)
            print(
                f"{name}: "
                + (f"{len(wrong)} differences\n  " + "\n  ".join(wrong[:10]) if wrong else "unchanged")
            )
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
