"""What ci/software shows: a line, a Markdown table, and a page with pictures that needs no other file."""

import html as escape

COLUMNS = ["configure", "build", "verify", "x86-64", "aarch64", "hopping"]


def ratio(pair):
    return pair["twin"] / pair["clang"] if pair and pair["clang"] else None


def number(value):
    return f"{value:.2f}" if value else "-"


def line(name, result):
    cells = "  ".join(f"{column} {result.get(column, '-')}" for column in COLUMNS)
    return f"{name:10} {cells}  hops {result['hops']}"


def rows(results):
    for name, result in results.items():
        yield [
            name, result["version"], result["system"], *(result.get(column, "-") for column in COLUMNS),
            str(result["hops"]), *(number(ratio(result.get(key))) for key in ("seconds", "text", "file")),
        ]


HEAD = [
    "software", "version", "build system", "configure", "build", "verify", "tests x86-64", "tests aarch64", "tests hopping", "hops",
    "build CPU / clang", "x86-64 code / clang", "file / clang",
]


def markdown(results):
    table = [HEAD, ["---"] * len(HEAD), *rows(results)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in table)


def bars(results, key, title):
    """Horizontal bars of a ratio to clang; the line marks 1."""
    values = {name: ratio(result.get(key)) for name, result in results.items() if ratio(result.get(key))}
    if not values:
        return ""
    scale = 420 / max(values.values())
    height = 24 * len(values) + 8
    parts = [f'<h2>{title}</h2><svg width="640" height="{height}" role="img" aria-label="{title}">']
    for row, (name, value) in enumerate(values.items()):
        y = 24 * row + 4
        parts.append(
            f'<text x="92" y="{y + 14}" text-anchor="end">{name}</text>'
            f'<rect x="100" y="{y}" width="{value * scale:.1f}" height="18" rx="3"/>'
            f'<text x="{106 + value * scale:.1f}" y="{y + 14}">{value:.2f}</text>'
        )
    parts.append(f'<line x1="{100 + scale:.1f}" x2="{100 + scale:.1f}" y1="0" y2="{height}"/></svg>')
    return "".join(parts)


STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 72em; padding: 0 1em; color: #222; background: #fff }
table { border-collapse: collapse } td, th { padding: .3em .7em; border-bottom: 1px solid #ddd; text-align: left }
.good { background: #dff3e4 } .bad { background: #f8d7da } .none { color: #999 }
svg { font-size: 13px } rect { fill: #4878a8 } line { stroke: #c33; stroke-dasharray: 4 3 }
@media (prefers-color-scheme: dark) {
  body { color: #ddd; background: #1b1d20 } td, th { border-color: #444 } svg text { fill: #ddd }
  .good { background: #1d4028 } .bad { background: #5a2328 }
}
"""


def html(results):
    out = [
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Software built with Twin</title>',
        f"<style>{STYLE}</style><h1>Software built with Twin</h1>",
        "<p>Unmodified sources, their own build systems and tests; every program is a static executable for x86-64 and "
        "aarch64. <i>aarch64</i>: the tests' programs start on aarch64 (qemu-user). <i>hopping</i>: they go to the "
        "other ISA and back at every N-th poll.</p><table><tr>",
        *(f"<th>{head}</th>" for head in HEAD), "</tr>",
    ]
    for cells in rows(results):
        out.append("<tr>")
        for index, cell in enumerate(cells):
            kind = ""
            if 3 <= index <= 8:
                kind = "bad" if cell == "failed" else "none" if cell == "-" else "good"
            out.append(f'<td class="{kind}">{escape.escape(cell)}</td>')
        out.append("</tr>")
    out.append("</table>")
    out.append(bars(results, "seconds", "CPU time of the build against clang's"))
    out.append(bars(results, "text", "x86-64 code against clang's"))
    out.append(bars(results, "file", "Executables against clang's (two images and their symbols in one file)"))
    out.append("<h2>What differs, what fails</h2><ul>")
    for name, result in results.items():
        for difference, reason in result.get("differs", {}).items():
            out.append(f"<li>{name}: <code>{escape.escape(difference)}</code>: {escape.escape(reason)}</li>")
        for failure in result["failures"]:
            out.append(f'<li class="bad">{name}: {escape.escape(failure)}</li>')
    out.append("</ul><h2>Made with</h2><ul>")
    for text in sorted({" · ".join(result["about"].values()) for result in results.values()}):
        out.append(f"<li>{escape.escape(text)}</li>")
    out.append("</ul></html>")
    return "\n".join(out) + "\n"
