"""A page with the results, their plots (matplotlib's SVG) and the table of aims; it needs no other file."""

import html
import io

from . import aims
from .machine import ISAS

_COLOURS = {"x86_64": "#4878a8", "aarch64": "#d08a3c", "clang": "#999999", "twin": "#4878a8", "memcpy": "#999999", "memcpy to new pages": "#999999"}
_DASHES = {"memcpy": "--", "memcpy to new pages": ":"}
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 72em; padding: 0 1em; color: #222; background: #fff }
table { border-collapse: collapse } td, th { padding: .3em .7em; border-bottom: 1px solid #ddd; text-align: left }
td.number { text-align: right; font-variant-numeric: tabular-nums }
.met { background: #dff3e4 } .missed { background: #f8d7da } svg { max-width: 100%; height: auto }
"""


def _pyplot():
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update({
        "svg.fonttype": "none", "svg.hashsalt": "twin", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False,
        "legend.frameon": False,
    })
    import matplotlib.pyplot

    return matplotlib.pyplot


def _svg(pyplot, figure):
    text = io.StringIO()
    figure.savefig(text, format="svg", bbox_inches="tight", metadata={"Date": None})
    pyplot.close(figure)
    return text.getvalue()[text.getvalue().index("<svg"):]


def _bars(pyplot, groups, label, errors=None):
    """Horizontal bars of ratios to clang, a colour for each group; the line marks 1."""
    names = list(next(iter(groups.values())))
    figure, axes = pyplot.subplots(figsize=(9, 0.6 + len(names) * (0.14 + 0.14 * len(groups))))
    height = 0.8 / len(groups)
    for index, (group, values) in enumerate(groups.items()):
        at = [row + (index - (len(groups) - 1) / 2) * height for row in range(len(names))]
        spread = errors and [[values[n] - errors[n][0] for n in names], [errors[n][1] - values[n] for n in names]]
        axes.barh(at, [values[name] for name in names], height * 0.9, label=group, color=_COLOURS.get(group), xerr=spread,
                  error_kw={"elinewidth": 1, "capsize": 2, "ecolor": "#222222"})
        for y, name in zip(at, names):
            reach = max(values[name], errors[name][1] if errors else 0)
            axes.text(reach, y, f" {values[name]:.2f}", va="center", fontsize=7)
    axes.axvline(1, color="#c03030", linestyle="--", linewidth=1)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlabel(label)
    if len(groups) > 1:
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return _svg(pyplot, figure)


def _exec_plot(pyplot, found):
    figure, axes = pyplot.subplots(figsize=(7, 4))
    sizes = sorted(found, key=int)
    series = {"first": "first hop: memory goes into the window", "to aarch64": "later, to aarch64 (starts qemu)",
              "to x86_64": "later, to x86-64", "memcpy to new pages": "memcpy of as much, to new pages",
              "memcpy": "memcpy of as much"}
    for key, label in series.items():
        axes.plot([int(size) for size in sizes], [found[size][key] / 1e6 for size in sizes], marker="o", label=label,
                  color=_COLOURS.get(key), linestyle=_DASHES.get(key, "-"))
    axes.set(xscale="log", yscale="log", xlabel="MiB of touched memory", ylabel="ms")
    axes.set_xticks([int(size) for size in sizes], sizes)
    axes.minorticks_off()
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return _svg(pyplot, figure)


def _waiting_plot(pyplot, found):
    """The share of requests that wait longer, a line a program; names at the slowest."""
    figure, axes = pyplot.subplots(figsize=(7, 4.5))
    slowest = sorted(found, key=lambda name: -found[name]["p99"])[:6]
    for name, summary in found.items():
        values = [max(value, 1) / 1e3 for value in summary["values"]]
        share = [1 - index / len(values) for index in range(len(values))]
        axes.step(values, share, where="pre", linewidth=1, label=name if name in slowest else None,
                  color=None if name in slowest else "#cccccc", zorder=2 if name in slowest else 1)
    axes.axvline(1e3, color="#c03030", linestyle="--", linewidth=1)
    axes.axhline(0.01, color="#c03030", linestyle=":", linewidth=1)
    axes.set(xscale="log", yscale="log", xlabel="µs from request to hop", ylabel="share of requests that wait longer")
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), title="slowest")
    return _svg(pyplot, figure)


def _pair_plot(pyplot, found):
    figure, axes = pyplot.subplots(figsize=(7, 0.8 + 0.5 * len(found)))
    for index, (isa, other) in enumerate(zip(ISAS, reversed(ISAS))):
        at = [row + (index - 0.5) * 0.36 for row in range(len(found))]
        medians = [ways[isa]["median"] / 1e3 for ways in found.values()]
        axes.barh(at, medians, 0.32, label=f"to {other}", color=_COLOURS[other])
        axes.plot([ways[isa]["p99"] / 1e3 for ways in found.values()], at, "|", color="#222222",
                  label=None if index else "p99")
    axes.set(xscale="log", xlabel="µs (bars: medians)")
    axes.set_yticks(range(len(found)), list(found))
    axes.invert_yaxis()
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return _svg(pyplot, figure)


def _table(head, rows):
    out = ["<table><tr>", *(f"<th>{html.escape(cell)}</th>" for cell in head), "</tr>"]
    for row in rows:
        kind = ' class="number"'
        out.append("<tr>" + "".join(f"<td{kind if i else ''}>{html.escape(str(cell))}</td>" for i, cell in enumerate(row)) + "</tr>")
    return "".join(out) + "</table>"


def _aims(results):
    out = ["<table><tr><th>what</th><th>aim</th><th>measured</th></tr>"]
    for what, aim, value, met in aims.rows(results):
        kind = "" if met is None else "met" if met else "missed"
        out.append(f'<tr class="{kind}"><td>{html.escape(what)}</td><td>{html.escape(aim)}</td><td>{html.escape(value)}</td></tr>')
    return "".join(out) + "</table>"


def write(results, path):
    """Writes the page with whatever was measured."""
    pyplot = _pyplot()
    parts = [("Aims", _aims(results))]
    ratios = {isa: aims.instruction_ratios(results, isa) for isa in ISAS}
    parts.append(("Executed instructions against clang's", _bars(pyplot, ratios, "Twin / clang, instructions")))
    if "time" in results:
        medians = {name: found["twin"]["median"] for name, found in results["time"].items()}
        spread = {name: (found["twin"]["low"], found["twin"]["high"]) for name, found in results["time"].items()}
        parts.append(("CPU time on x86-64 against clang's: medians and quartiles of pairs",
                      _bars(pyplot, {"x86_64": medians}, "Twin / clang, seconds in user mode", spread)))
        lto = aims.lto_times(results)
        spread = {name: (results["time"][name]["lto"]["low"], results["time"][name]["lto"]["high"]) for name in lto}
        parts.append(("CPU time with -flto against without", _bars(pyplot, {"x86_64": lto}, "with / without -flto", spread)))
    parts.append(("Code, functions that both have",
                  _bars(pyplot, {isa: aims.text_ratios(results, isa) for isa in ISAS}, "Twin / clang, bytes")))
    if "compile" in results:
        compiling = {name: seconds["twin"] / seconds["clang"] for name, seconds in results["compile"].items()}
        parts.append(("CPU time of compiling: Twin for two ISAs, clang for one", _bars(pyplot, {"twin": compiling}, "twin-cc / clang")))
    parts.append(("Stack of a level of recursion, bytes", _table(
        ["shape", "clang, x86-64", "clang, aarch64", "Twin"],
        [(shape, sizes["x86_64"], sizes["aarch64"], sizes["twin"]) for shape, sizes in results["stack"].items()])))
    if "waiting" in results:
        parts.append(("Time from request to hop on x86-64", _waiting_plot(pyplot, results["waiting"])))
    parts.append(("Instructions that a request waits for a poll on x86-64", _table(
        ["program", "polls", "p99", "longest"],
        [(name, f"{f['polls']:,}", f"{f['p99']:,}", f"{f['max']:,}") for name, f in results["polls"].items()])))
    if "pair" in results:
        parts.append(("Hops by the pair vehicle, and bare futexes", _pair_plot(pyplot, results["pair"])))
    if "exec" in results:
        parts.append(("Hops by the exec vehicle", _exec_plot(pyplot, results["exec"])))
    for name, found in results.get("costs", {}).items():
        seconds = found["phases"]["seconds"]
        parts.append((f"Where twin-cc's time goes: {name}'s {found['phases']['files']} largest files", _table(
            ["phase", "seconds", "share"],
            [(what, f"{took:.2f}", f"{took / seconds['total']:.0%}") for what, took in seconds.items()])))
    if results["failures"]:
        parts.append(("Failures", _table(["what"], [[line] for line in results["failures"]])))
    about = " · ".join(results["about"].values())
    body = "".join(f"<h2>{title}</h2>{content}" for title, content in parts)
    path.write_text(
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>What Twin costs</title>'
        f"<style>{_STYLE}</style><h1>What Twin costs</h1><p>{html.escape(about)}</p>{body}</html>\n"
    )
