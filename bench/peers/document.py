"""The JSON document that `polycom bench report` and `compare` read (src/bench/types.ts), and a table of it."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Iterable, Sequence

from sampling import Row, significant

ROOT = Path(__file__).resolve().parents[2]
PASSES = {"forward": "forward", "backward": "backward", "forward_backward": "forward + backward"}


def document(
    rows: Sequence[Row],
    command: str,
    simd: str,
    versions: dict[str, str],
    notes: Sequence[str],
    commit: str | None = None,
    gpu: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """All of it; rows have their ratios already. `commit` is for where git cannot say; `gpu` describes one."""
    commit = commit or current_commit()
    return {
        "schema": 1,
        "bench": "activations",
        "date": timestamp(),
        **({} if commit is None else {"commit": commit}),
        "command": command,
        "machine": {**machine(), "simd": simd, **(gpu or {})},
        "versions": versions,
        "notes": list(notes),
        "results": list(rows),
    }


def timestamp() -> str:
    """Now, as JavaScript writes it."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def write_json(file: str, value: Any) -> None:
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    Path(file).write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def relate(rows: Sequence[Row], cache: int) -> list[Row]:
    """Keeps the fastest copy of rows that were timed together, and gives each row its share of that one's rate."""
    copies = [row for row in rows if row["variant"] == "copy" and row["ok"]]
    copy = min(copies, key=lambda row: row["ms_p50"], default=None)
    related = []
    for row in rows:
        if row["variant"] == "copy" and row["ok"] and row is not copy:
            continue
        large = row["ok"] and row["gb_per_s"] * row["ms_p50"] * 1e6 > cache
        if copy is not None and large and row is not copy:
            row = {**row, "of_copy": significant(row["gb_per_s"] / copy["gb_per_s"])}
        related.append(row)
    return related


def machine() -> dict[str, Any]:
    """This machine, as src/bench/machine.ts describes it."""
    return {
        "cpu": first_match("/proc/cpuinfo", r"^model name\s*:\s*(.+)$") or platform.machine(),
        "cpus": available_cpus(),
        "memory_gb": round(memory_bytes() / 1e9),
        "os": f"{operating_system()} {node_architecture()}",
        "cache_mb": round(cache_bytes() / 2**20),
    }


def available_cpus() -> int:
    """The CPUs that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


def memory_bytes() -> int:
    """The memory that this process may use."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = first_match("/sys/fs/cgroup/memory.max", r"^(\d+)$")
    return total if limit is None else min(total, int(limit))


def cache_bytes() -> int:
    """The size of the largest cache; a guess where the system does not say."""
    sizes = Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size")
    kilobytes = [int(size.read_text().strip().rstrip("K")) for size in sizes]
    return max(kilobytes, default=32 << 10) * 1024


def operating_system() -> str:
    return first_match("/etc/os-release", r'^PRETTY_NAME="?([^"\n]+)') or f"{platform.system()} {platform.release()}"


def node_architecture() -> str:
    """The architecture by Node's name of it, so that documents compare."""
    return {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def current_commit() -> str | None:
    """The commit of this checkout, with -dirty where files other than results have changed."""
    if not (ROOT / ".git").exists():
        return None
    head = git("rev-parse", "--short=12", "HEAD")
    changes = git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!bench/results")
    return None if head is None else head + ("-dirty" if changes else "")


def git(*arguments: str) -> str | None:
    try:
        run = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return run.stdout.strip()


def first_match(file: str, pattern: str) -> str | None:
    try:
        found = re.search(pattern, Path(file).read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        return None
    return None if found is None else found[1].strip()


def peer_name(variant: str) -> str:
    """`peer:pytorch-eager` for people."""
    return variant.removeprefix("peer:").replace("pytorch", "PyTorch").replace("liger", "Liger").replace("onednn", "oneDNN").replace("cub", "CUB").replace("-", " ")


def format_table(results: Sequence[Row]) -> str:
    """A line an activation and pass, ours and each peer side by side; and what failed, below."""
    peers = list(dict.fromkeys(row["variant"] for row in results if row["variant"].startswith("peer:")))
    lines = []
    for group, rows in grouped(results):
        by_contender = {(row["op"], row["pass"], row["variant"]): row for row in rows}
        titles = [group, "pass", "ours", "p20–p80", "of copy", *map(peer_name, peers)]
        cells = [
            [row["label"], PASSES[row["pass"]], *own_cells(row)]
            + [peer_cell(by_contender.get((row["op"], row["pass"], peer)), row) for peer in peers]
            for row in rows
            if row["variant"] == "fused"
        ]
        lines += ["", *aligned([titles, *cells])]
        lines += [f"copy ({row['method']}): {cell(row)}" for row in rows if row["variant"] == "copy"]
        lines += [
            f"FAILED: {row['label']} {row['pass']}, {row['variant']}: {row['failure']}" for row in rows if not row["ok"]
        ]
    return "\n".join(lines)


def grouped(results: Iterable[Row]) -> list[tuple[str, list[Row]]]:
    groups: dict[str, list[Row]] = {}
    for row in results:
        groups.setdefault(f"{row['rows']}×{row['cols']} {row['dtype']}", []).append(row)
    return list(groups.items())


def own_cells(row: Row) -> list[str]:
    if not row["ok"]:
        return ["FAILED", "", ""]
    share = f"{row['of_copy']:.0%}" if "of_copy" in row else ""
    return [duration(row["ms_p50"]), f"{duration(row['ms_p20'])} – {duration(row['ms_p80'])}", share]


def peer_cell(peer: Row | None, own: Row) -> str:
    """A peer's median, and how many times as fast ours is."""
    if peer is None:
        return ""
    return cell(peer) + (f" ({peer['ms_p50'] / own['ms_p50']:.2f}×)" if peer["ok"] and own["ok"] else "")


def cell(row: Row) -> str:
    return f"{duration(row['ms_p50'])}" if row["ok"] else "FAILED"


def duration(milliseconds: float) -> str:
    if milliseconds >= 1000:
        return f"{milliseconds / 1e3:.3g} s"
    return f"{milliseconds:.3g} ms" if milliseconds >= 1 else f"{milliseconds * 1e3:.3g} µs"


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns that line up: texts left, figures right."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    return [
        "  ".join(text.ljust(width) if i < 2 else text.rjust(width) for i, (text, width) in enumerate(zip(row, widths)))
        .rstrip()
        for row in rows
    ]
