"""A line of JSON a run, and what has changed since the last one."""

import json

from . import aims
from .machine import ISAS, WORK

FILE = WORK / "history.jsonl"
# Smaller changes are not worth a line.
_WORTH = 0.005


def _entry(results):
    entry = {"about": results["about"], "text": {}}
    entry["instructions"] = {isa: aims.instruction_ratios(results, isa) for isa in ISAS}
    entry["text"] = {isa: aims.text_ratios(results, isa) for isa in ISAS}
    if "time" in results:
        entry["time"] = {"x86_64": {name: found["twin"]["median"] for name, found in results["time"].items()}}
    return entry


def add(results, file=FILE):
    """Adds the run; returns lines about what differs from the last one before it."""
    entry = _entry(results)
    earlier = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    file.parent.mkdir(parents=True, exist_ok=True)
    with open(file, "a") as history:
        history.write(json.dumps(entry) + "\n")
    if not earlier:
        return ["no earlier run to compare with"]
    last = earlier[-1]
    lines = [f"against {last['about']['twin']} of {last['about']['date']}:"]
    for kind in ("instructions", "text", "time"):
        for isa in ISAS:
            now, then = entry.get(kind, {}).get(isa, {}), last.get(kind, {}).get(isa, {})
            common = sorted(now.keys() & then.keys())
            if not common:
                continue
            before, after = (aims.mean(values[name] for name in common) for values in (then, now))
            lines.append(f"  {kind} on {isa}: mean {before:.3f} -> {after:.3f}")
            if kind != "time":  # of a single program, it is within the noise
                lines += [f"    {name}: {then[name]:.3f} -> {now[name]:.3f}" for name in common if abs(now[name] / then[name] - 1) > _WORTH]
    return lines
