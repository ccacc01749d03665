"""What the numbers ought to be, and what they are."""

import math

from . import cost
from .machine import ISAS


def mean(values):
    """The geometric one."""
    values = list(values)
    return math.exp(sum(map(math.log, values)) / len(values))


def instruction_ratios(results, isa, variant="twin", base="clang"):
    return {
        name: counts[isa][variant] / counts[isa][base]
        for name, counts in results["instructions"].items() if variant in counts[isa]
    }


def text_ratios(results, isa, kind="twin"):
    return {build: sizes[isa][kind] / sizes[isa]["clang"] for build, sizes in results["text"].items()}


def stack_ratios(results):
    """Of Twin's frames to the larger one of clang's two, which no frame of both ISAs can be smaller than."""
    return {shape: sizes["twin"] / max(sizes[isa] for isa in ISAS) for shape, sizes in results["stack"].items()}


def lto_times(results):
    return {name: found["lto"]["median"] for name, found in results["time"].items() if "lto" in found}


def _worst(ratios):
    name = max(ratios, key=ratios.get)
    return f"{ratios[name]:.2f} ({name})"


def _ratio_row(what, aim, ratios, mean_limit, limit=math.inf):
    average = mean(ratios.values())
    return what, aim, f"{average:.3f}, worst {_worst(ratios)}", average <= mean_limit and max(ratios.values()) <= limit


def _wait_row(what, aim, waits, text):
    """Waits in instructions or ns; an instruction counts as 1 ns."""
    late = max(waits, key=lambda name: waits[name]["p99"])
    last = max(waits, key=lambda name: waits[name]["max"])
    return (what, aim, f"p99 {text(waits[late]['p99'])} ({late}), max {text(waits[last]['max'])} ({last})",
            waits[late]["p99"] <= 1e6 and waits[last]["max"] <= 1e7)


def rows(results):
    """(what, aim, value, whether it is met), for everything that was measured."""
    sets = results["sets"]
    if "time" in results:
        times = {name: found["twin"]["median"] for name, found in results["time"].items()}
        for kind, label, average, worst in (("nas", "NAS kernels", 1.01, 1.03), ("calls", "call-heavy programs", 1.05, 1.12)):
            chosen = {name: ratio for name, ratio in times.items() if sets[name] == kind}
            if chosen:
                aim = f"mean ≤ {average}, none above {worst}"
                yield _ratio_row(f"CPU time on x86-64 against clang, {label}", aim, chosen, average, worst)
    for isa in ISAS:
        ratios = instruction_ratios(results, isa)
        for kind, label in (("nas", "NAS kernels"), ("calls", "call-heavy programs")):
            chosen = {name: ratio for name, ratio in ratios.items() if sets[name] == kind}
            if chosen:
                yield _ratio_row(f"instructions on {isa} against clang, {label}", "mean ≤ 1.05", chosen, 1.05)
    for isa, limit in zip(ISAS, (1.10, 1.15)):
        yield _ratio_row(f"code for {isa} against clang, functions of both", f"mean ≤ {limit}", text_ratios(results, isa), limit)
        same = text_ratios(results, isa, "longer")
        yield f"code for {isa} if clang's functions were as long on both ISAs", "no aim", f"{mean(same.values()):.3f}, worst {_worst(same)}", None
    yield _ratio_row("stack of deep recursion against clang's larger frame", "mean ≤ 1.3", stack_ratios(results), 1.3)
    # A nanosecond for an instruction, which is slow: a millisecond is a million of them.
    yield _wait_row("wait for a poll on x86-64, counted in instructions", "p99 ≤ 1,000,000, max ≤ 10,000,000",
                    results["polls"], "{:,}".format)
    if "waiting" in results:
        yield _wait_row("time from request to hop on x86-64, by the clock", "p99 ≤ 1 ms, max ≤ 10 ms",
                        results["waiting"], lambda ns: f"{ns / 1e6:.2f} ms")
    if "pair" in results:
        futex = results["pair"]["futex, after 1 ms"]
        for isa, other in zip(ISAS, reversed(ISAS)):
            worst = max((ways[isa]["median"] / futex[isa]["median"], name) for name, ways in results["pair"].items() if name.startswith("hop"))
            yield (f"hop to {other} by a pair against a bare futex, medians", "≤ 1.5", f"{worst[0]:.2f} ({worst[1]})", worst[0] <= 1.5)
    if "exec" in results:
        sizes = sorted(results["exec"], key=int)
        small, large = results["exec"][sizes[0]], results["exec"][sizes[-1]]
        megabytes = int(sizes[-1]) - int(sizes[0])
        # The first hop moves the program's memory into pages that are new; the later ones copy nothing.
        for way, copying in (("first", "memcpy to new pages"), ("to aarch64", "memcpy"), ("to x86_64", "memcpy")):
            copy, own = ((large[key] - small[key]) / megabytes for key in (copying, way))
            yield (f"exec vehicle, cost of a MiB of touched memory, {'first hop' if way == 'first' else 'later ' + way}",
                   f"{copying}'s", f"{own / 1e3:.0f} µs; {copying} {copy / 1e3:.0f} µs", own <= 1.1 * copy)
    if "untouched" in results:
        yield ("share of a hop spent on transforming state", "0",
               f"0: memory's hash is the same after each of {results['untouched']} hops (--check)", True)
    if "time" in results:
        ratios = lto_times(results)
        # Half of all pairs of equal programs are above 1.
        yield _ratio_row("CPU time with -flto against without", "none above 1.02", ratios, math.inf, 1.02)
    for isa in ISAS:
        ratios = instruction_ratios(results, isa, "twin-lto", "twin")
        if ratios:
            yield _ratio_row(f"instructions on {isa} with -flto against without", "none above 1.00", ratios, math.inf, 1.0005)
    if "compile" in results:
        ratios = {name: seconds["twin"] / seconds["clang"] for name, seconds in results["compile"].items()}
        total = sum(s["twin"] for s in results["compile"].values()) / sum(s["clang"] for s in results["compile"].values())
        yield "CPU time of compiling against clang for one ISA", "no aim", f"{total:.2f} of all, mean {mean(ratios.values()):.2f}, worst {_worst(ratios)}", None
    yield from cost.rows(results.get("costs", {}))
