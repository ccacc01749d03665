"""Instruction counts against those of an earlier state of the compiler, which are in reference.json."""

import json

from .machine import ISAS, ROOT

_FILE = ROOT / "ci/benchmark/reference.json"
# The relation to clang's count may grow by this much: the libraries' sources change with Debian's packages.
_TOLERANCE = 0.01


def _ratios(instructions):
    return {name: {isa: round(counts[isa]["twin"] / counts[isa]["clang"], 4) for isa in ISAS} for name, counts in instructions.items()}


def bless(instructions):
    """Makes these counts the reference; programs that were not measured keep theirs."""
    known = json.loads(_FILE.read_text()) if _FILE.exists() else {}
    lines = [f"  {json.dumps(name)}: {json.dumps(ratios)}" for name, ratios in sorted((known | _ratios(instructions)).items())]
    _FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def check(instructions):
    """Complaints, a line each, and remarks about what has become better."""
    known = json.loads(_FILE.read_text())
    complaints, remarks = [], []
    for name, ratios in _ratios(instructions).items():
        if name not in known:
            complaints.append(f"{name}: no reference; `ci/bench --bless` adds one")
            continue
        for isa, ratio in ratios.items():
            change = ratio / known[name][isa] - 1
            line = f"{name}: {isa}: {ratio:.3f} of clang's instructions instead of {known[name][isa]:.3f} ({change:+.1%})"
            if change > _TOLERANCE:
                complaints.append(line)
            elif change < -_TOLERANCE:
                remarks.append(line)
    return complaints, remarks
