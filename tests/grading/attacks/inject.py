"""Attacks that inject into what people see: the feedback page, the TA's page, the terminal, the exported grades."""

import base64
import functools

from attacks.kit import Attempt, collection

attacks, attack = collection("inject")
attack = functools.partial(attack, pages=True)


@attack("<script> in an HTML output")
def script(it: Attempt) -> None:
    it.cell("display({'text/html': f'<script>x = \"{MARK}\"</script>'}, raw=True)")


@attack("<script> printed by a function that a test calls, and in its error")
def script_in_test(it: Attempt) -> None:
    it.everywhere(
        "print(f'<script>{MARK}</script>')",
        "raise ValueError(f'<script>{MARK}</script><img src=x onerror={MARK}>')",
    )


@attack("onerror in markdown")
def onerror(it: Attempt) -> None:
    it.cell(
        f'<img src="x" onerror="{it.marker}()"> <details open ontoggle="{it.marker}()">x</details>',
        kind="markdown",
    )


@attack("onerror behind a parser's mistakes in markdown")
def mutated(it: Attempt) -> None:
    it.cell(
        f"""<math><mtext><table><mglyph><style><!--</style><img title="--><img src=1 onerror={it.marker}()>">
<noscript><p title="</noscript><img src=x onerror={it.marker}()>"></noscript>
<svg><p><style><a id="</style><img src=1 onerror={it.marker}()>"></svg>""", kind="markdown"
    )  # fmt: skip


@attack("an SVG output with a script")
def svg(it: Attempt) -> None:
    it.cell("""
script = f'<script>{MARK}</script><a href="javascript:{MARK}">x</a>'
svg = f'<svg xmlns="http://www.w3.org/2000/svg" onload="{MARK}()">{script}</svg>'
display({'image/svg+xml': svg}, raw=True)""")


@attack("<style> and style attributes that cover the page")
def css(it: Attempt) -> None:
    it.cell(f"<style>body {{ display: none }} /* {it.marker} */</style>", kind="markdown")
    it.cell("display({'text/html': f'<div style=\"position: fixed; inset: 0\" title={MARK}>{MARK}</div>"
            "<style>.x{{background:url(http://{MARK}/)}}</style>'}, raw=True)")  # fmt: skip


@attack("a style attribute that covers the page")
def style_attribute(it: Attempt) -> None:
    it.cell(
        f'<a href="https://example.org" style="position:fixed;inset:0;background:url({it.marker})">x</a>',
        kind="markdown",
    )


@attack("the state of a widget")
def widget(it: Attempt) -> None:
    html = f"<img src=x onerror={it.marker}()><script>{it.marker}</script>"
    state = {
        "m": {
            "model_name": "HTMLModel",
            "model_module": "@jupyter-widgets/controls",
            "state": {"value": html},
        }
    }
    it.notebook.metadata.widgets = {
        "application/vnd.jupyter.widget-state+json": {"version_major": 2, "version_minor": 0, "state": state}
    }
    it.cell(
        "display({'application/vnd.jupyter.widget-view+json': {'model_id': MARK}, 'text/plain': 'x'}, raw=True)"
    )


@attack("JavaScript outputs")
def javascript(it: Attempt) -> None:
    it.cell("display({'application/javascript': f'x = \"{MARK}\"', 'text/plain': 'x'}, raw=True)")


@attack("escape sequences in outputs: titles, links, the screen cleared")
def ansi(it: Attempt) -> None:
    it.cell("""
print(f'\\x1b]0;{MARK}\\x07\\x1b[2J\\x1b]8;;http://{MARK}/\\x1b\\\\link\\x1b]8;;\\x1b\\\\ \\x9b31m', end='')
sys.stderr.write(f'\\x1b]52;c;{MARK}\\x07\\x1b[?1049h')""")


@attack("escape sequences that reach the instructor's terminal through the log")
def ansi_in_log(it: Attempt) -> None:
    it.find("double-hidden").metadata.nbgrader.grade_id = f"\x1b]0;{it.marker}\x07"
    it.find("double").metadata.nbgrader.grade_id = f"\x1b[2J{it.marker}"
    it.file(f"\x1b]0;{it.marker}\x07.txt", "x")
    it.cell("os.write(2, f'\\x1b]0;{MARK}\\x07\\n'.encode())")


@attack("tracebacks and error names with tags")
def traceback(it: Attempt) -> None:
    it.cell("""
kernel = get_ipython().kernel
content = {'ename': f'<script>{MARK}</script>', 'evalue': f'<img src=x onerror={MARK}>',
           'traceback': [f'\\x1b[0;31m<script>{MARK}</script>', f'</pre><script>{MARK}</script>']}
kernel.session.send(kernel.iopub_socket, 'error', content, parent=kernel.get_parent('shell'))""")


@attack("javascript: links, written so that simple filters miss them")
def javascript_link(it: Attempt) -> None:
    m = it.marker
    it.cell(f"""
[a](javascript:{m}) [b](JaVaScRiPt:{m}) [c](&#106;avascript:{m}) <a href="java&#10;script:{m}">d</a>
<a href="data:text/html,<script>{m}</script>">e</a> <a href="vbscript:{m}">f</a>""", kind="markdown")  # fmt: skip


@attack("a link to javascript: in a formula")
def formula_link(it: Attempt) -> None:
    it.cell(rf"$$\href{{javascript:{it.marker}}}{{x}}$$", kind="markdown")
    it.cell("display({'text/latex': fr'$\\href{{javascript:{MARK}}}{{x}}$'}, raw=True)")


@attack("frames, forms, redirections and links to style sheets")
def frames(it: Attempt) -> None:
    m = it.marker
    parts = [
        f'<iframe srcdoc="<script>{m}</script>"></iframe>',
        f'<base href="//{m}/">',
        f'<meta http-equiv="refresh" content="0;url=//{m}/">',
        f'<object data="{m}"></object>',
        f'<form action="//{m}/"><input name="{m}"></form>',
        f'<link rel="stylesheet" href="//{m}/">',
    ]
    it.cell(f"display({{'text/html': {''.join(parts)!r}}}, raw=True)")
    it.cell("\n\n".join(parts), kind="markdown")


@attack("a raw cell that says that it is HTML")
def raw_cell(it: Attempt) -> None:
    cell = it.cell(f"<script>{it.marker}</script>", kind="raw")
    cell.metadata.raw_mimetype = cell.metadata.format = "text/html"


@attack("tags in cell ids, tags and titles")
def ids(it: Attempt) -> None:
    bad = f'"><script>{it.marker}</script>'
    cell = it.cell("1")
    cell.id, cell.metadata.tags, cell.metadata.name = bad, [bad, "x y"], bad
    it.notebook.metadata.title = bad
    it.notebook.metadata.authors = [{"name": bad}]
    it.notebook.metadata.language_info = {"name": bad, "pygments_lexer": bad, "codemirror_mode": bad}


@attack("an image's data, size and name that close its tag")
def image(it: Attempt) -> None:
    it.cell("""
bad = f'"><script>{MARK}</script>'
display({'image/png': bad}, raw=True, metadata={'image/png': {'width': bad, 'height': bad, 'alt': bad}, 'width': bad})
display({'image/jpeg': bad, f'text/{bad}': bad}, raw=True)""")


@attack("an attachment that is an SVG with a script")
def attachment(it: Attempt) -> None:
    bad = f"<svg xmlns='http://www.w3.org/2000/svg' onload='{it.marker}()'/>"
    cell = it.cell('![x](attachment:x.svg) ![y](attachment:y"onerror="x)', kind="markdown")
    data = base64.b64encode(bad.encode()).decode()
    cell.attachments = {
        "x.svg": {"image/svg+xml": data},
        'y"onerror="x': {"image/png": f'"><script>{it.marker}</script>'},
    }


@attack("a script in the source of an answer")
def answer(it: Attempt) -> None:
    m = it.marker
    it.solution("double", f"x = '</code></pre></div><script>{m}</script><img src=x onerror={m}()>'")


@attack("a student's name with a script and a formula", student="m-inject-named")
def first_name(it: Attempt) -> None:
    it.first_name = f"=HYPERLINK('//{it.marker}')<script>{it.marker}</script>"


@attack("a student's id that is a formula", student="=cmd+1")
def formula_id(it: Attempt) -> None:
    it.everywhere("", "return 0")


@attack("a student's id with a tag", student="m<img src=x onerror=mark()>")
def tag_id(it: Attempt) -> None:
    it.first_name = f"<img src=x onerror={it.marker}>"
