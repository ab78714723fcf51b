"""What rows of pytorch_gpu.py come to: shares of a copy against their targets, and how the peers fare."""

from __future__ import annotations

import math
from typing import Callable, Iterable, Sequence

from document import PASSES, aligned, duration, peer_name
from gpu_grid import ELEMENTS, TARGETS
from sampling import Row


def with_target(row: Row) -> Row:
    """A row with the share of a copy that it should reach, where there is one."""
    kind = "gated" if row["op"].endswith("glu") else "plain"
    target = TARGETS.get((kind, row["pass"]))
    wanted = row["variant"] == "fused" and row["ok"] and row["rows"] * row["cols"] >= ELEMENTS
    return {**row, "target": target} if wanted and target is not None and "of_copy" in row else row


def peers_of(own: Row, rows: Iterable[Row]) -> list[Row]:
    """The right peers that did the same."""
    task = task_of(own)
    return [row for row in rows if row["ok"] and row["variant"].startswith("peer:") and task_of(row) == task]


def task_of(row: Row) -> tuple[object, ...]:
    return tuple(row[name] for name in ("op", "pass", "rows", "cols", "dtype"))


def fastest(peers: Sequence[Row]) -> Row | None:
    return min(peers, key=lambda row: row["ms_p50"], default=None)


def misses(rows: Sequence[Row]) -> list[str]:
    """A line for each of ours that is under its target, or slower than a right peer."""
    lines = []
    for own in rows:
        if own["variant"] != "fused" or not own["ok"]:
            continue
        name = f"{own['label']} {PASSES[own['pass']]} {own['rows']}x{own['cols']} {own['dtype']}"
        if "target" in own and own["of_copy"] < own["target"]:
            lines.append(f"{name}: {own['of_copy']:.1%} of a copy; the target is {own['target']:.0%}")
        best = fastest(peers_of(own, rows))
        if best is not None and best["ms_p50"] < own["ms_p50"]:
            factor = own["ms_p50"] / best["ms_p50"]
            lines.append(f"{name}: {peer_name(best['variant'])} takes {factor:.2f} times less")
    return lines


def means(rows: Sequence[Row]) -> list[str]:
    """A line for each op, pass and dtype: the geometric mean of its shares, and of its speed against the best peer."""
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        if row["variant"] == "fused" and row["ok"]:
            groups.setdefault((row["label"], row["pass"], row["dtype"]), []).append(row)
    lines = []
    for (label, direction, dtype), members in groups.items():
        large = [row for row in members if "of_copy" in row]
        parts = [spread([row["of_copy"] for row in large], lambda share: f"{share:.1%}", "of a copy")]
        best = [(row, fastest(peers_of(row, rows))) for row in members]
        speeds = [peer["ms_p50"] / row["ms_p50"] for row, peer in best if peer is not None]
        parts.append(spread(speeds, lambda speed: f"{speed:.2f}x", "the fastest right peer"))
        text = "; ".join(part for part in parts if part)
        if text:
            lines.append(f"{label} {PASSES[direction]} {dtype}: {text}")
    return lines


def spread(values: Sequence[float], shown: Callable[[float], str], of: str) -> str:
    if not values:
        return ""
    mean = math.exp(sum(map(math.log, values)) / len(values))
    if len(values) == 1:
        return f"{shown(mean)} {of}"
    ends = f"from {shown(min(values))} to {shown(max(values))}"
    return f"{shown(mean)} {of} as the geometric mean of {len(values)}, {ends}"


def table(rows: Sequence[Row]) -> str:
    """A line for each of ours, with every peer's time beside it; and what failed, below."""
    peers = list(dict.fromkeys(row["variant"] for row in rows if row["variant"].startswith("peer:")))
    tasks = list(dict.fromkeys(task_of(row) for row in rows if row["variant"] != "copy"))
    by_key = {(task_of(row), row["variant"]): row for row in rows}
    titles = ["op", "pass", "shape", "ours", "of copy", "target", *map(peer_name, peers)]
    lines = [titles]
    for task in tasks:
        own = by_key.get((task, "fused"))
        label = next(row["label"] for row in rows if task_of(row) == task)
        share = f"{own['of_copy']:.1%}" if own and "of_copy" in own else ""
        target = f"{own['target']:.0%}" if own and "target" in own else ""
        cells = [label, PASSES[str(task[1])], f"{task[2]}x{task[3]} {task[4]}", time_of(own), share, target]
        lines.append([*cells, *(time_of(by_key.get((task, peer))) for peer in peers)])
    failed = [
        f"FAILED: {row['label']} {PASSES.get(row['pass'], '')} {row['rows']}x{row['cols']} {row['dtype']}, "
        f"{row['variant']}: {row['failure']}"
        for row in rows
        if not row["ok"]
    ]
    return "\n".join([*aligned(lines), *failed])


def time_of(row: Row | None) -> str:
    if row is None:
        return ""
    return duration(row["ms_p50"]) if row["ok"] else "FAILED"
