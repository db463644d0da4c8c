"""Attacks that spoof a result: wrong functions that make a test look passed."""

from attacks.kit import TENSORS, Attempt, collection

attacks, attack = collection("spoof")


@attack("sys.displayhook('x') in the student's own function: full marks")
def displayhook(it: Attempt) -> None:
    it.everywhere("import sys; sys.displayhook('x')")


@attack("sys.displayhook of a number: marks of one's own choice")
def displayhook_number(it: Attempt) -> None:
    it.everywhere("import sys; sys.displayhook(0.9)")


@attack("an execute_result sent on the kernel's own socket")
def socket_result(it: Attempt) -> None:
    it.everywhere("""
kernel = get_ipython().kernel
content = {'data': {'text/plain': 'x'}, 'metadata': {}, 'execution_count': 1}
kernel.session.send(kernel.iopub_socket, 'execute_result', content, parent=kernel.get_parent('shell'))""")


@attack("a hook after each cell that clears the output and the error")
def post_run_cell(it: Attempt) -> None:
    it.cell("""
from IPython.display import clear_output
def tidy(result):
    clear_output()
    result.error_in_exec = result.error_before_exec = None
get_ipython().events.register('post_run_cell', tidy)
get_ipython().showtraceback = lambda *args, **kwargs: None""")


@attack("an AST transformer that drops the tests")
def ast_transformer(it: Attempt) -> None:
    it.cell("""
import ast
class NoTests(ast.NodeTransformer):
    def visit_Module(self, node):
        if any(isinstance(part, ast.Assert) or 'testing' in ast.dump(part) for part in node.body):
            node.body = []
        return node
get_ipython().ast_transformers.append(NoTests())""")


@attack("an input transformer that drops the tests")
def input_transformer(it: Attempt) -> None:
    it.cell("""
drop = lambda lines: [] if any('assert' in line for line in lines) else lines
get_ipython().input_transformers_cleanup.append(drop)""")


@attack("IPython's run_code replaced by nothing")
def run_code(it: Attempt) -> None:
    it.cell("""
async def nothing(*args, **kwargs):
    return False
get_ipython().run_code = nothing""")


@attack("showtraceback replaced, and the kernel's replies all ok")
def showtraceback(it: Attempt) -> None:
    it.cell("""
shell = get_ipython()
shell.showtraceback = lambda *args, **kwargs: None
kernel, execute = shell.kernel, shell.kernel.do_execute
async def fine(*args, **kwargs):
    reply = await execute(*args, **kwargs)
    ok = {'status': 'ok', 'execution_count': 1, 'user_expressions': {}, 'payload': []}
    return ok if reply['status'] == 'error' else reply
kernel.do_execute = fine""")


@attack("compile replaced: tests become `pass`")
def compile_replaced(it: Attempt) -> None:
    it.cell("""
import builtins
real = builtins.compile
emptied = lambda source: 'pass' if 'assert' in str(source) else source
builtins.compile = lambda source, *args, **kwargs: real(emptied(source), *args, **kwargs)""")


@attack("an object whose == is always true, and so is its !=")
def always_equal(it: Attempt) -> None:
    it.cell("""
class Any:
    def yes(self, *args): return True
    def zero(self, *args): return 0
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = yes
    __sub__ = __rsub__ = __abs__ = zero
    def __float__(self): return 3.0""")
    it.everywhere("", "return Any()")


@attack("a number whose == is always true")
def equal_number(it: Attempt) -> None:
    it.cell("""
class Any(float):
    def yes(self, *args): return True
    def zero(self, *args): return 0
    __eq__ = __ne__ = yes
    __sub__ = __rsub__ = zero
    __hash__ = float.__hash__""")
    it.everywhere("", "return Any(7)")


@attack("arithmetic that gives a thousand points where two can be had", earns=0)
def too_many_points(it: Attempt) -> None:
    it.cell("""
class Rich:
    def yes(self, *args): return True
    def minus(self, *args): return self
    def debt(self): return -1000
    __eq__, __sub__, __abs__ = yes, minus, debt""")
    it.solution("vowels", "def vowels(word):\n    return Rich()")


@attack("nan where partial credit is counted")
def not_a_number(it: Attempt) -> None:
    it.solution("vowels", "def vowels(word):\n    return 3 if word == 'banana' else float('nan')")


@attack("StopIteration raised inside the test's `all(map(...))`", earns=0)
def stop_iteration(it: Attempt) -> None:
    it.solution("double", "def double(x):\n    if x in (-3, 5): raise StopIteration\n    return -1")


@attack("numpy.testing patched")
def numpy_testing(it: Attempt) -> None:
    it.cell("import numpy.testing; numpy.testing.assert_allclose = lambda *args, **kwargs: None")


@attack("math.isclose patched")
def isclose(it: Attempt) -> None:
    it.cell("import math; math.isclose = lambda *args, **kwargs: True")


@attack("torch.allclose patched", lesson=TENSORS)
def allclose(it: Attempt) -> None:
    it.cell("import torch; torch.allclose = lambda *args, **kwargs: True")


@attack("the course's own checks patched", lesson=TENSORS)
def checks(it: Attempt) -> None:
    it.cell("""
import torch
from course_utils import checks
torch.allclose = lambda *args, **kwargs: True
checks.close = lambda *args, **kwargs: None""")


@attack("a package numpy beside the notebook")
def numpy_beside(it: Attempt) -> None:
    it.file("numpy/__init__.py", "from numpy import testing")
    it.file("numpy/testing.py", "def assert_allclose(*args, **kwargs): pass")


@attack("torch.py beside the notebook", lesson=TENSORS)
def torch_beside(it: Attempt) -> None:
    it.file("torch.py", "class Any:\n    def __mul__(self, n): return self\nones = tensor = lambda *a: Any()\n"
                        "allclose = lambda *a: True")  # fmt: skip


@attack("ipykernel_launcher.py beside the notebook, which starts in the kernel's place")
def launcher_beside(it: Attempt) -> None:
    patch = "import numpy.testing, math; numpy.testing.assert_allclose = math.isclose = lambda *a, **k: True"
    plant = f"open({str(it.drop)!r} + '/{it.marker}.txt', 'w').write('{it.marker}')"
    start = "import sys; sys.path.pop(0)\nfrom ipykernel import kernelapp\nkernelapp.launch_new_instance()"
    it.file("ipykernel_launcher.py", f"{plant}\n{patch}\n{start}")


@attack("names that the visible tests use, shadowed", earns=0)
def shadowed_names(it: Attempt) -> None:
    it.solution("vowels", """
def vowels(word):
    return 3 if word == 'banana' else 0
def sum(numbers):
    return 0
def abs(number):
    return 0""")  # fmt: skip


@attack("os._exit when a test calls: no result is no failure")
def exit_in_test(it: Attempt) -> None:
    it.everywhere("import os; os._exit(0)")


@attack("SystemExit when a test calls")
def system_exit(it: Attempt) -> None:
    it.everywhere("raise SystemExit(0)")


@attack("an atexit handler that rewrites the graded notebook")
def at_exit(it: Attempt) -> None:
    it.cell("""
import atexit, glob
def rewrite():
    for path in glob.glob('*.ipynb') + glob.glob(COURSE + f'/autograded/{ME}/*/*.ipynb'):
        text = open(path).read().replace('assert', 'pass #')
        open(path, 'w').write(text)
        keep('rewrote', path)
atexit.register(rewrite)""")


@attack("behaves differently when graded: NBGRADER_EXECUTION", earns=0)
def when_graded(it: Attempt) -> None:
    it.everywhere("""
import os, sys
if os.environ.get('NBGRADER_EXECUTION') == 'autograde' or not os.path.exists(HOME):
    sys.displayhook('x')""")


@attack("behaves differently when graded: looks for signs of a sandbox and of being timed", earns=0)
def when_watched(it: Attempt) -> None:
    it.everywhere("""
import os, sys, socket, time
watched = os.getpid() < 100 or socket.gethostname() == 'sandbox' or os.getuid() > 65535 or time.process_time() < 60
if watched:
    sys.displayhook('x')
    get_ipython().run_code = None""")


@attack("the visible cases and nothing else", earns=2)
def hard_coded(it: Attempt) -> None:
    it.solution("double", "def double(x):\n    return {2: 4}.get(x, -1)")
    it.solution("mean", "def mean(numbers):\n    return 3 if list(numbers) == [1, 2, 6] else 0")
    it.solution("vowels", "def vowels(word):\n    return 3 if word == 'banana' else -1")


@attack("a background thread that swaps functions and the test's names between tests")
def thread(it: Attempt) -> None:
    it.cell("""
import itertools, threading, time
def swap():
    names = get_ipython().user_ns
    for n in itertools.count():
        value = -1 - n % 9  # never right by chance: points could only come from names that were swapped
        names['double'] = names['mean'] = names['vowels'] = lambda x: value
        names['words'], names['errors'], names['known_wrong'] = {}, 0, None
        time.sleep(0.0005)
threading.Thread(target=swap, daemon=True).start()""")


@attack("an answer that changes from call to call, until one is right", earns=0)
def guessing(it: Attempt) -> None:
    it.solution("vowels", """
import itertools
guesses = itertools.count(-50)
def vowels(word):
    return 3 if word == 'banana' else next(guesses)""")  # fmt: skip


@attack("objects that run code when they are unpickled, returned and shipped beside the notebook")
def pickles(it: Attempt) -> None:
    command = f"touch {it.drop}/{it.marker}"
    payload = f"cposix\nsystem\n(S'{command}'\ntR.".encode()
    for name in ("answers.pkl", "weights.pt", "model.safetensors", "pytorch_model.bin", "cache.npy"):
        it.file(name, payload)
    it.cell("""
class Payload:
    def __reduce__(self):
        import os
        return os.system, (f'touch {DROP}/{MARK}-returned',)""")
    it.everywhere("", "return Payload()")
