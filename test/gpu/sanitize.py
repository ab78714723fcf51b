#!/usr/bin/env python3
"""Runs check.py under each tool of compute-sanitizer. Whatever a tool reports makes the exit status 1; where there is
no compute-sanitizer, or it does not know the device, that is said in a line and the status is 0."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import sys
import tempfile
import time
from pathlib import Path

from limited import run_limited, text_of

CHECK = Path(__file__).resolve().parent / "check.py"
REPORTED = 86
"""The exit status of a tool that has found something."""
POLYNORM = "polynorm,polynormglu"
TOOLS: dict[str, list[str]] = {
    # What each tool can see, on as much as its slowness allows.
    "memcheck": ["--sections", "others,grid,queues", "--grid", "reduced"],
    "racecheck": ["--sections", "others,grid", "--grid", "reduced", "--dtype", "f32,bf16", "--ops", f"{POLYNORM},polyrelu"],
    # What the check itself writes first would count as initialised.
    "initcheck": ["--sections", "others,grid", "--grid", "reduced", "--as-found"],
    "synccheck": ["--sections", "others,grid", "--grid", "reduced", "--dtype", "f32,bf16", "--ops", f"{POLYNORM},polyrelu"],
}
OPTIONS = {"racecheck": ["--racecheck-report", "all"], "memcheck": ["--leak-check", "no"]}


def main() -> int:
    parser = argparse.ArgumentParser(prog="sanitize.py", description=__doc__)
    parser.add_argument("--library", required=True, help="libpolycom.so")
    parser.add_argument("--tools", default=",".join(TOOLS), help=f"some of {','.join(TOOLS)}")
    parser.add_argument("--seconds", type=float, default=120, help="for all tools together; each has its share of it")
    options = parser.parse_args()
    chosen = options.tools.split(",")
    unknown = [tool for tool in chosen if tool not in TOOLS]
    if unknown:
        parser.error(f"'{unknown[0]}'; expected some of {', '.join(TOOLS)}")
    sanitizer = find_sanitizer()
    if sanitizer is None:
        print("gpu sanitize: skipped: there is no compute-sanitizer (PATH, CUDA_HOME, /usr/local/cuda)")
        return 0
    deadline = time.monotonic() + options.seconds
    failed = 0
    for done, tool in enumerate(chosen):
        share = (deadline - time.monotonic()) / (len(chosen) - done)
        failed += not run_tool(sanitizer, tool, options.library, max(1.0, share))
    return 1 if failed else 0


def find_sanitizer() -> str | None:
    homes = [os.environ.get("CUDA_HOME"), os.environ.get("CUDA_PATH"), "/usr/local/cuda"]
    places = [f"{home}/{part}/compute-sanitizer" for home in homes if home for part in ("bin", "compute-sanitizer")]
    return next((found for found in map(shutil.which, ["compute-sanitizer", *places]) if found), None)


def command_of(sanitizer: str, tool: str, library: str, seconds: float) -> list[str]:
    """Its own time limit ends check.py before ours kills it, so that a tool sums up what it saw."""
    check = [sys.executable, "-B", str(CHECK), "--library", library, *TOOLS[tool], "--large", "0x0"]
    own = [sanitizer, "--tool", tool, *OPTIONS.get(tool, []), "--error-exitcode", str(REPORTED)]
    return [*own, "--target-processes", "all", "--print-limit", "20", *check, "--seconds", f"{0.8 * seconds:.0f}"]


def run_tool(sanitizer: str, tool: str, library: str, seconds: float) -> bool:
    """Whether a tool has nothing to report. Prints what it has."""
    began = time.monotonic()
    command = command_of(sanitizer, tool, library, seconds)
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        status = run_limited(command, seconds, log)
        text = text_of(log)
    took = f"{time.monotonic() - began:.0f} s"
    verdict = verdict_of(text, status)
    print(f"gpu sanitize: {tool}: {verdict}, {took}", flush=True)
    if verdict.startswith(("clean", "skipped")):
        return True
    print(f"$ {shlex.join(command)}")
    print("\n".join(text.strip().splitlines()[-60:]), flush=True)
    return False


def verdict_of(text: str, status: int | None) -> str:
    """What a tool's output and exit status (None: it was killed) come to."""
    if "Device not supported" in text:
        return "skipped: compute-sanitizer does not know this device, or may not reach it"
    summaries = re.findall(r"(?:ERROR SUMMARY: |RACECHECK SUMMARY: )(.*)", text)
    counts = re.findall(r"gpu check: \w+: (\d+) checked, (\d+) failures", text)
    checked, failures = (sum(map(int, column)) for column in (zip(*counts) if counts else ((), ())))
    if status is None:
        return "FAILED: out of time"
    if status == REPORTED or any(not summary.startswith("0 ") for summary in summaries):
        return f"FAILED: {'; '.join(summaries) or 'it reported errors'}"
    if not summaries:
        return f"FAILED: it did not run (exit status {status})"
    if checked == 0:
        return "FAILED: nothing was checked"
    if 0 < failures == text.count("seconds are over"):
        return f"clean as far as time allowed ({checked} cases)"
    if status != 0:
        return f"FAILED: the check itself failed (exit status {status})"
    return f"clean ({checked} cases)"


if __name__ == "__main__":
    sys.exit(main())
