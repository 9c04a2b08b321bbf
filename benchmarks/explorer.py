"""How fast pictures follow a slider in the browser: `python -m benchmarks.explorer RUN`.

A headless Chromium moves the first continuous code a hundred times. The time of a move is that from the
slider's input event until the new picture, or the grid of 25, is drawn on the page.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from infogan.runs.directory import environment

CHROMIUM = "/usr/bin/chromium"
MOVES = 100
TARGETS = {"picture": 50.0, "grid": 300.0}
"""Milliseconds within which 95 of 100 moves must be shown."""

_MEASURE = """
async ([layer, moves]) => {
  const slider = document.querySelector("input[type=range]");
  const [low, high] = [Number(slider.min), Number(slider.max)];
  const wait = () => new Promise((resolve) => {
    const listen = (event) => {
      if (event.detail.layer !== layer) return;
      document.removeEventListener("explorer:drawn", listen);
      requestAnimationFrame(() => resolve());
    };
    document.addEventListener("explorer:drawn", listen);
  });
  const times = [];
  for (let move = 0; move < moves; move += 1) {
    slider.value = low + ((high - low) * ((move * 37) % moves)) / moves;
    const start = performance.now();
    const drawn = wait();
    slider.dispatchEvent(new Event("input", { bubbles: true }));
    await drawn;
    times.push(performance.now() - start);
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
  return times;
}
"""


@contextmanager
def served(run: str, *arguments: str) -> Iterator[str]:
    """Start `infogan explore` for a run; yield the address of the page."""
    command = [sys.executable, "-m", "infogan", "explore", run, "--no-browser", *arguments]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            address = next((line for line in process.stderr if " is at http" in line), "")
            if not address:
                raise SystemExit("infogan explore did not start")
            yield address.rpartition(" is at ")[2].strip()
        finally:
            process.terminate()


def measure(address: str, moves: int = MOVES) -> dict[str, list[float]]:
    """Return the milliseconds of each move until the picture, and until the grid, is drawn."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-background-networking"]
        )
        page = browser.new_page()
        page.goto(address)
        page.wait_for_selector("input[type=range]")
        page.wait_for_function("fetch('api/real').then((a) => a.json()).then((r) => r.state !== 'computing')")
        page.wait_for_timeout(1_000)
        times = {layer: page.evaluate(_MEASURE, [layer, moves]) for layer in TARGETS}
        browser.close()
    return times


def main() -> int:
    """Print the times as JSON; return 1 if one is above its target."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", help="run directory")
    arguments = parser.parse_args()
    with served(arguments.run) as address:
        times = measure(address)
    machine = environment()
    result = {"processor": machine["processor"], "usable_cores": machine["usable_cores"], "milliseconds": {}}
    for layer, values in times.items():
        result["milliseconds"][layer] = {
            "median": round(statistics.median(values), 1),
            "percentile_95": round(statistics.quantiles(values, n=20)[-1], 1),
            "largest": round(max(values), 1),
            "target": TARGETS[layer],
        }
    print(json.dumps(result, indent=2))
    return int(any(entry["percentile_95"] > entry["target"] for entry in result["milliseconds"].values()))


if __name__ == "__main__":
    sys.exit(main())
