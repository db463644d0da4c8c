"""Test cells that ask a student's process: what honest code sees, and what no answer can bring about."""

import socket
import time

import pytest
from both_sides import BothSides, hostile

from course_utils.grading.wall.channel import Channel, Garbled
from course_utils.grading.wall.peer import DEEPEST
from course_utils.grading.wall.student import Handle, Missing, OutOfTime, Unreachable


@pytest.fixture
def sides():
    """A notebook whose graded names are those that the tests below define."""
    graded = ["double", "mean", "f", "g", "make", "answer", "data", "Stack", "Point", "gen", "quiz", "sum", "abs", "isinstance", "len", "run"]
    imports = {"np": ("numpy", ""), "torch": ("torch", ""), "isclose": ("math", "isclose")}
    imports |= {
        "checks": ("course_utils", "checks"),
        "F": ("torch.nn.functional", ""),
        "* of math": ("math", "*"),
    }
    with BothSides(graded, imports) as both:
        yield both


# -- names --


def test_a_graded_name_is_the_students_and_its_values_are_data(sides):
    sides.run("def double(x): return 2 * x\nanswer = {'a': [1, (2.5, None)]}")
    sides.passes("assert double(21) == 42 and double('ab') == 'abab' and answer['a'][1] == (2.5, None)")
    sides.fails("assert double(1) == 3, 'twice one'", "twice one")


def test_a_name_that_is_nowhere_is_a_name_error(sides):
    said = sides.fails("double(1)", "double")
    assert said["error"] == "NameError"


@pytest.mark.parametrize(
    "name", ["sum", "abs", "isinstance", "len", "float", "all", "AssertionError", "print"]
)
def test_built_in_names_of_the_student_are_its_own(sides, name):
    """Unless they are graded, and then by that name alone."""
    sides.run(f"{name} = lambda *a: 5\ndef double(x): return 2 * x")
    graded = name in ("sum", "abs", "isinstance", "len")
    sides.passes(f"assert ({name} is not __import__('builtins').{name}) == {graded}")
    sides.passes("total = 0\nfor x in [1, 2]:\n    total += double(x)\nassert total == 6")


def test_what_the_lesson_imports_is_not_what_the_student_put_in_its_place(sides):
    sides.run(
        "class Yes:\n    def __getattr__(self, name): return lambda *a, **k: True\n"
        "np = torch = checks = F = Yes()\ndef isclose(*a): return True\ndef sqrt(x): return 3\n"
        "import numpy, torch as t, math\nnumpy.allclose = t.allclose = t.equal = math.isclose = lambda *a, **k: True\n"
        "def double(x): return 0"
    )
    sides.passes("assert np.array([1]).sum() == 1 and F.relu(torch.tensor(-1.0)) == 0 and sqrt(16) == 4")
    sides.fails("assert isclose(double(1), 2), 'a'", "a")
    sides.fails("assert np.allclose(double(1), 2), 'b'", "b")
    sides.fails("assert torch.allclose(torch.as_tensor(double(1)), torch.tensor(2)), 'c'", "c")
    sides.fails("checks.close(double(1), 2, 'd')", "d")


def test_a_name_that_only_the_student_imports_is_this_sides_own_module(sides):
    sides.run(
        "import statistics as st, os as dangerous, sys\nst.mean = lambda x: 7\nmain = sys.modules['__main__']"
    )
    sides.passes("assert st.mean([1, 3]) == 2")
    for source in ("dangerous.getcwd()", "main.anything"):
        sides.fails(source, "this lesson does not use")


def test_no_module_comes_back_from_a_call(sides):
    sides.run("import sys, math\ndef f(): return math\ndef g(): return [sys.modules['__main__']]")
    sides.fails("f()", "module")
    assert sides.test("assert g()[0].__name__ is None")["verdict"] == "fail"


def test_names_can_be_set_and_deleted(sides):
    sides.run("answer = 3\ndef f(): return answer")
    sides.passes("answer = [1, 2]\nassert f() == [1, 2] and answer == [1, 2]")
    sides.passes("answer += [3]\nassert f() == [1, 2, 3]")
    sides.passes("def answer(x): return x + 1")
    sides.passes("del answer\ntry:\n    answer\nexcept NameError:\n    pass\nelse:\n    assert False")
    sides.fails("del answer", "answer")


def test_a_tests_own_names_stay_on_its_side(sides):
    sides.run(
        "secret = 'no'\nclass Spy:\n    pass\ndef f(): return sorted(n for n in globals() if 'expected' in n)"
    )
    sides.passes("expected = {1: 2}\ndef helper(): return expected[1]\nassert helper() == 2 and f() == []")
    sides.passes("assert helper() == 2 and expected == {1: 2}")


def test_a_name_that_a_failed_test_did_not_make_is_not_the_students(sides):
    sides.run("expected = {1: 0}\ndef helper(x): return 0\ndef f(x): return 0\n__annotations__ = {'x': 1}")
    sides.fails("assert f(1) == 1, 'first'\nexpected = {1: 1}\ndef helper(x): return 1", "first")
    assert sides.fails("assert f(1) == expected[1]")["error"] == "NameError"
    assert sides.fails("assert f(1) == helper(1)")["error"] == "NameError"
    sides.passes("x: int = 3\nassert __name__ == '__main__' and list(__annotations__) == ['x']")


def test_given_cells_run_on_both_sides_and_their_objects_cross_by_name(sides):
    sides.given("class Thing:\n    size = 3\nthing = Thing()\ntable = {'a': 1}\ndef helper(t): return t.size")
    sides.run("def f(t): return t is thing, helper(t), table['a']")
    sides.passes("assert f(thing) == (True, 3, 1) and table == {'a': 1} and helper(thing) == 3")
    sides.run("table['a'] = 5\nthing.size = 7\nhelper = lambda t: 0")
    sides.passes("assert table == {'a': 1} and helper(thing) == 3")


def test_a_given_cell_that_needs_the_student_fails_without_asking(sides):
    sides.run("def f(x): return 3")
    said = sides.examiner.given("early = 1\nvalue = f(1)\nlate = 2", "setup")
    assert "NameError" in said["error"]
    sides.passes("assert early == 1")


# -- values: when they are read --


def test_a_value_that_is_data_is_read_once_for_one_comparison(sides):
    """A thread of the student's that swaps it, at every request, between two reads."""
    sides.run(
        "import threading, itertools\nclass Names(dict):\n    pass\nvalues = itertools.cycle([4, 9])\nanswer = 4\n"
        "def swap():\n    global answer\n    while True: answer = next(values)\nthreading.Thread(target=swap, daemon=True).start()"
    )
    sides.passes("for _ in range(300):\n    assert answer == answer and (answer != 4 or answer == 4)")


def test_a_value_is_read_again_when_the_students_code_has_run(sides):
    sides.run("answer = 1\ndef f():\n    global answer\n    answer += 1")
    sides.passes("assert answer == 1")
    sides.run("answer = 2")
    sides.passes("assert answer == 2\nf()\nassert answer == 3")


def test_arguments_cross_by_value(sides):
    sides.run("def f(a, t, l):\n    a[0] = t[0] = 9\n    l.append(9)\n    return a, t, l")
    sides.passes(
        "a, t, l = np.zeros(2), torch.zeros(2), [1]\nb, u, m = f(a, t, l=l)\n"
        "assert a.sum() == t.sum() == 0 and l == [1] and b[0] == u[0] == 9 and m == [1, 9]"
    )


# -- objects: handles --


def test_functions_classes_and_instances_work_through_handles(sides):
    sides.run(
        "class Stack:\n    def __init__(self, *items): self.items = list(items)\n"
        "    def push(self, x): self.items.append(x); return self\n    def __len__(self): return len(self.items)\n"
        "    def __getitem__(self, i): return self.items[i]\n    def __setitem__(self, i, x): self.items[i] = x\n"
        "    def __iter__(self): return iter(self.items)\nclass Point(Stack): pass\n"
        "def make(n):\n    def add(x, *, by=1): return x + n * by\n    return add"
    )
    sides.passes(
        "s = Stack(1)\ns.push(2).push(3)\nassert len(s) == 3 and s[1] == 2 and list(s) == [1, 2, 3] and 2 in s and 7 not in s\n"
        "s[0] = 9\ns.items = s.items + [4]\nassert s.items == [9, 2, 3, 4]\n"
        "assert isinstance(s, Stack) and not isinstance(s, Point) and isinstance(Point(), Stack)\n"
        "assert not isinstance(3, Stack) and make(5)(1, by=2) == 11 and make(5).__name__ == 'add'\n"
        "assert s == s and s != Stack(1) and len({s, s}) == 1"
    )
    sides.fails("Stack()._hidden", "not public")
    sides.fails("Stack().missing", "missing")


def test_iterators_and_generators_are_read_as_they_go(sides):
    sides.run(
        "import itertools\ndef gen(n):\n    for i in range(n):\n        yield i, torch.ones(i)\nimport torch\n"
        "def f(): return itertools.count(1)\ndef g():\n    yield 1\n    raise ValueError('midway')"
    )
    sides.passes(
        "assert [i for i, t in gen(3)] == [0, 1, 2] and next(f()) == 1 and list(zip(f(), 'ab')) == [(1, 'a'), (2, 'b')]"
    )
    sides.fails("list(g())", "midway")


HOSTILE = """
import numpy as np, torch, math
log = []
class Yes:
    def __eq__(self, other): log.append(other); return True
    __ne__ = __lt__ = __gt__ = __le__ = __ge__ = __contains__ = __eq__
    def __float__(self): return 4.0
    def __index__(self): return 4
    __int__ = __index__
    def __bool__(self): return True
    def __array__(self, *a, **k): return np.array(4.0)
    def __hash__(self): return hash(4)
    def __getattr__(self, name): return lambda *a, **k: True
    def __sub__(self, other): return 0
    __add__ = __radd__ = __rsub__ = __mul__ = __rmul__ = __sub__
    def __abs__(self): return 0
    def __call__(self, *a, **k): return True
class Four(int):
    def __eq__(self, other): return True
    __hash__ = int.__hash__
class Tensor(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None): return True
def f(x): return Yes()
def g(x): return Four(5)
def make(x): return torch.zeros(2).as_subclass(Tensor)
"""


@pytest.mark.parametrize(
    "compare",
    [
        "f(2) == 4", "4 == f(2)", "4 in [f(2)]", "f(2) in {4}", "4 in f(2)", "f(2) < 5", "f(2) - 4 == 0",
        "abs(f(2) - 4) < 1",
        "float(f(2)) == 4.0", "int(f(2)) == 4", "isclose(f(2), 4)", "np.isclose(f(2), 4)", "np.allclose(f(2), 4)",
        "np.array_equal(f(2), 4)",
        "np.asarray(f(2)) == np.array(4.0)", "torch.as_tensor(f(2)) == 4", "torch.allclose(f(2), torch.tensor(4.0))",
        "f(2).equal(torch.tensor(4.0))", "f(2).allclose(4)", "(f(2) == torch.tensor(4.0)).all()",
        "(f(2) == np.ones(2)).any()", "[1, 2][f(2):] == []",
        "range(5)[f(2)] == 4", "isinstance(f(2), int)", "g(2) == 4", "make(2).equal(torch.ones(2))",
        "torch.equal(make(2), torch.ones(2))",
        "{4: 'a'}.get(f(2)) == 'a'", "round(f(2)) == 4", "'4' == str(f(2))", "not f(2)",
        "sorted([f(2), 4]) == [4, 4]", "max(f(2), 4) == 4", "f(2) is f(2) == 4",
    ],
)  # fmt: skip
def test_an_object_never_decides_a_comparison(sides, compare):
    sides.run(HOSTILE)
    said = sides.test(f"assert {compare}, 'compared'")
    assert said["verdict"] == "fail", said


def test_no_comparison_tells_what_was_expected(sides):
    sides.run(HOSTILE + "\ndef run(): return [str(x) for x in log]")
    sides.test(
        "expected = 'token'\nf(1) == expected or expected == f(1) or expected in [f(1)] or f(1) != expected"
    )
    sides.test("token = 'token'\ntoken in f(1)")
    sides.test("f(1) in {'token': 1}")
    sides.passes("assert run() == []")


def test_a_false_loop_end_is_an_error(sides):
    """As it is, StopIteration would end the test's own loop, which had compared nothing."""
    sides.run(
        "def f(x): raise StopIteration\ndef g(x): raise GeneratorExit\nclass Stack:\n    def __iter__(self): raise StopIteration"
    )
    for source in (
        "assert all(map(lambda x: f(x) == 2 * x, [1, 2]))",
        "for got, want in zip(map(f, [1, 2]), [2, 4]):\n    assert got == want",
        "assert [f(x) for x in [1]] or True",
        "list(g(x) for x in [1])",
        "for x in Stack():\n    pass",
    ):
        sides.fails(source, "RuntimeError" if "Stack" not in source else "")


def test_what_a_student_returns_does_not_choose_the_points(sides):
    sides.run(
        "import numpy as np, torch\nkinds = [np.int64, np.array, torch.tensor, lambda x: np.array([x]), float, complex, str, lambda x: [x]]\ndef f(x, kind): return kinds[kind](7)"
    )
    for kind in range(8):
        said = sides.test(f"right = sum(f(x, {kind}) == 5 * x for x in [1, 2])\n4 * right / 2")
        assert (said["verdict"], said["shown"]) in (("partial", "0.0"), ("fail", "")), (kind, said)
    sides.run("def f(x): return float('nan')")
    assert sides.test("gap = f(1) - 3\n4 - gap")["shown"] == "0.0"
    assert sides.test("quiz = 1\nf(1)")["verdict"] == "pass", (
        "a value shown as it came is no number of points"
    )


# -- exceptions --


@pytest.mark.parametrize(
    ("raised", "caught"),
    [
        ("ValueError('no ü', 3)", "ValueError"), ("KeyError('k')", "KeyError"), ("IndexError()", "LookupError"),
        ("ZeroDivisionError('z')", "ArithmeticError"),
        ("NotImplementedError", "NotImplementedError"), ("OSError(2, 'x')", "FileNotFoundError"),
        ("type('Own', (ValueError,), {})('mine')", "ValueError"),
        ("AssertionError('a')", "AssertionError"), ("RecursionError('r')", "RecursionError"), ("MemoryError",
        "MemoryError"),
        ("json.JSONDecodeError('m', 'd', 0)", "ValueError"), ("UnicodeDecodeError('a', b'b', 0, 1, 'c')",
        "RuntimeError"),
    ],
)  # fmt: skip
def test_a_students_exception_can_be_caught_by_its_built_in_type(sides, raised, caught):
    sides.run(f"import json\ndef f(): raise {raised}")
    sides.passes(f"try:\n    f()\nexcept {caught}:\n    pass\nelse:\n    assert False")


@pytest.mark.parametrize(
    "raised", ["SystemExit(0)", "KeyboardInterrupt", "GeneratorExit", "BaseException('b')"]
)
def test_an_exception_that_ends_programs_fails_a_test(sides, raised):
    sides.run(f"def f(): raise {raised}")
    assert sides.test("f()")["verdict"] == "fail"
    sides.passes("assert 1 == 1")


def test_the_message_and_the_place_in_the_students_code_are_told(sides):
    sides.run("def f(x):\n    return 1 / x")
    said = sides.fails("f(0)", "Your code raised ZeroDivisionError: division by zero")
    assert "in f" in said["student_trace"] and "wall" not in said["student_trace"]


@pytest.mark.parametrize(
    "raised",
    [
        "SyntaxError('m', 'abcdef')", "SyntaxError('m', ('f', 'l', 'o', 't'))",
        "UnicodeEncodeError('a', '', -5, 9, 'r')", "ExceptionGroup('g', [ValueError()])",
        "type('Odd', (Exception,), {'__str__': lambda s: 1 / 0})()", "type('Odd', (Exception,), {'args': 3})()", "ValueError('\\ud800')", "ValueError('x' * 10**7)",
        "BlockingIOError(1, 'x', 10**6)", "OSError(10**40, 'x', 'y', None, 'z')", "ValueError(*range(1000))", "ValueError(type('R', (), {'__str__': lambda s: 1 / 0})())",
    ],
)  # fmt: skip
def test_exceptions_that_are_hard_to_show_fail_a_test_at_once(sides, raised):
    sides.run(f"def f(): raise {raised}")
    said = sides.test("f()", seconds=5)
    assert said["verdict"] == "fail" and said["seconds"] < 2 and len(said["message"]) < 25_000


# -- callbacks, models, generators --


def test_calls_go_both_ways_and_back_again(sides):
    sides.run(
        "def f(g, n): return 1 if n == 0 else n * g(n - 1)\ndef run(hook): return [hook(torch.ones(2), k=i) for i in (1, 2)]\nimport torch"
    )
    sides.passes("def g(n): return f(g, n)\nassert f(g, 6) == 720")
    sides.passes(
        "seen = []\ndef hook(t, k): seen.append((t.sum().item(), k)); return t * k\nout = run(hook)\nassert out[1].tolist() == [2, 2] and seen == [(2, 1), (2, 2)]"
    )
    sides.passes("seen = []\nrun(lambda t, k: seen.append(k))\nassert seen == [1, 2]")


def test_an_error_in_a_tests_function_reaches_the_student_and_comes_back(sides):
    sides.run(
        "def f(g):\n    try:\n        return g(1)\n    except KeyError as error:\n        return 'caught ' + str(error)"
    )
    sides.passes("def bad(x): raise KeyError('k')\nassert 'caught' in f(bad) and 'k' in f(bad)")
    sides.fails("def bad(x): raise ValueError('from the test')\nf(bad)", "from the test")


def test_calls_nested_without_end_are_an_error(sides):
    sides.run("def f(g): return g()")
    said = sides.test("def g(): return f(g)\nf(g)", seconds=2)
    assert said["verdict"] in ("fail", "timeout") and said["seconds"] < 4


def test_installed_functions_cross_by_name_and_others_by_number(sides):
    sides.run("import math, torch\ndef f(g, x): return g is math.sqrt, g is torch.nn.functional.relu, g(x)")
    sides.passes(
        "import math\nassert f(math.sqrt, 4) == (True, False, 2) and f(F.relu, torch.tensor(-1.0))[1:] == (True, 0)"
    )
    sides.passes("assert f(lambda x: x + 1, 4) == (False, False, 5)")


def test_a_generator_draws_the_same_numbers_on_both_sides(sides):
    sides.run(
        "def f(rng): return rng.normal(size=3)\ndef g(gen): import torch; return torch.rand(3, generator=gen)"
    )
    sides.passes("assert (f(np.random.default_rng(5)) == np.random.default_rng(5).normal(size=3)).all()")
    sides.passes("a = torch.Generator().manual_seed(1)\nassert torch.equal(g(a), torch.rand(3, generator=a))")


def test_a_course_model_crosses_without_its_seed(sides):
    sides.run(
        "def f(model): return model.cfg.seed, type(model).__name__, model(torch.tensor([[1, 2]]))\nimport torch\n"
        "def g(model): return 5 in vars(model.cfg).values() or 'seed' in vars(model)\ndef make(model): return model"
    )
    sides.passes(
        "from course_utils.tiny import TinyConfig, TinyTransformer\nmodel = TinyTransformer(TinyConfig(1, 2, 8, 4, 7, 6, seed=5))\n"
        "seed, kind, logits = f(model)\nassert seed == 0 and kind == 'TinyTransformer' and not g(model)\n"
        "checks.close(logits, model(torch.tensor([[1, 2]])), 'the same weights')\nassert model.cfg.seed == 5"
    )
    sides.fails("f(torch.nn.Linear(2, 2))", "no model of the course")


def test_a_loaded_model_crosses_by_its_name(sides):
    sides.run("def f(model): return model.loaded_as, float(model.W_E.sum())")
    sides.passes(
        "from course_utils import load_model\nfrom course_utils.tiny import tiny_names\nname = tiny_names()[0]\nmodel = load_model(name)\n"
        "assert f(model) == (name, float(model.W_E.sum()))"
    )


def test_checks_call_notices_on_the_other_side(sides):
    sides.run(
        "import torch\ndef double(t): return 2 * t\ndef f(t):\n    t *= 2\n    return t\n"
        "def g(model):\n    model.W_E.data += 1\n    return 1\ndef make(model):\n    model.register_forward_hook(lambda *a: None)\n    return 1\n"
        "def mean(t): return (t @ t.T).sum()"
    )
    model = "from course_utils.tiny import TinyConfig, TinyTransformer\nmodel = TinyTransformer(TinyConfig(1, 2, 8, 4, 7, 6, seed=5)).eval()\n"
    sides.passes("assert checks.call(double, torch.ones(2)).tolist() == [2, 2]")
    sides.fails("checks.call(f, torch.ones(2))", "changed its argument 1")
    sides.fails(model + "checks.call(g, model)", "weights")
    sides.fails(model + "checks.call(make, model)", "hook")
    sides.passes("checks.call(mean, torch.ones(20, 2), max_entries=400)")
    sides.fails("checks.call(mean, torch.ones(30, 2), max_entries=400)", "30")
    sides.passes(
        model + "before = checks.model_state(model)\ndouble(1)\nassert checks.model_state(model) == before"
    )
    left = (
        "before = checks.model_state(model)\nmake(model)\nassert checks.model_state(model) == before, 'left'"
    )
    sides.fails(model + left, "left")


# -- prints, time, seeds --


def test_prints_are_kept_and_stderr_is_no_verdict(sides):
    sides.run("def double(x): return 2 * x")
    said = sides.test("import sys\nprint('got', double(2))\nprint('careful', file=sys.stderr)")
    assert said["verdict"] == "pass" and said["printed"] == "got 4\n"


@pytest.mark.parametrize("source", ["f()", "while True: pass", "while True: g()"])
def test_time_runs_out_wherever_it_is_spent(sides, source):
    sides.run("import time\ndef f(): time.sleep(60)\ndef g(): pass")
    started = time.monotonic()
    assert sides.test(source, seconds=0.5)["verdict"] == "timeout"
    assert time.monotonic() - started < 4


def test_a_late_answer_belongs_to_its_own_turn(sides):
    sides.run("import time\ndef f():\n    time.sleep(1)\n    return 'late'\ndef g(): return 'in time'")
    assert sides.test("f()", seconds=0.3)["verdict"] == "timeout"
    sides.passes("assert g() == 'in time'")


def test_inputs_depend_on_the_test_seed_alone(sides):
    sides.run("import os\ndef f(): return os.environ.get('COURSE_SEED')")
    draw = "import random\nprint(random.random(), np.random.rand(), torch.rand(1).item(), checks.seeded('a').integers(9**9))"
    with BothSides() as again:
        again.examiner.names.imports = sides.examiner.names.imports
        one, two = sides.test(draw)["printed"], again.test(draw)["printed"]
        again.examiner.seeds = {"given": "x", "test": "another"}
        assert one == two != again.test(draw)["printed"]
    sides.passes("import os\nassert os.environ['COURSE_SEED'] == 'test-seed' and f() != 'test-seed'")


# -- a peer that forges --


def answers(*frames):
    """A peer that answers each request with the next of these, with the right number and turn unless told otherwise."""

    def act(channel: Channel) -> None:
        for made in frames:
            message, _ = channel.receive()
            for one in made if isinstance(made, list) else [made]:
                channel.send({"turn": 1, "answer": message.get("number"), **one})

    return act


def test_only_the_answer_to_the_question_counts():
    wrong = [
        {"turn": 0},
        {"turn": 2},
        {"answer": 0},
        {"answer": None},
        {"answer": "1"},
        {"answer": 99},
        {"answer": [1]},
        {"fields": 3},
    ]
    forged = [{"fields": {"value": "forged"}, **one} for one in wrong]
    with hostile(answers([*forged, {"fields": {"value": "true"}}])) as student:
        assert student.get("x") == "true"


@pytest.mark.parametrize(
    "fields",
    [{"value": {"q": 1}}, {"value": [1]}, {}, {"value": {"h": None}}, {"value": {"h": {"kind": "x", "number": True, "type": "t"}}}, {"value": {"h": {"kind": "module", "name": 3}}}],
)  # fmt: skip
def test_an_answer_that_is_no_value_fails_the_test(fields):
    with hostile(answers({"fields": fields}, {"fields": {"value": 3}})) as student:
        with pytest.raises((TypeError, Unreachable)) if fields else pytest.raises(AssertionError):
            assert student.get("x") is not None


@pytest.mark.parametrize(
    "error",
    [
        {}, {"type": None}, {"type": "eval"}, {"type": "Handle"}, {"type": "ValueError", "args": "abc"}, {"type": ["x"], "args": [[1]], "text": {"a": 1}, "trace": 3},
        {"type": "SyntaxError", "args": ["m", "abcdef"]}, {"type": "ExceptionGroup", "args": ["a", "b"]}, {"type": "__import__", "args": ["os"]},
        {"type": "BlockingIOError", "args": [1, "x", 10**30]}, {"type": "OSError", "args": [10**30, "x"]}, {"type": "UnicodeTranslateError", "args": ["", -1, 9, "r"]},
    ],
    ids=str,
)  # fmt: skip
def test_a_forged_exception_is_an_exception(error):
    with hostile(answers({"fields": {"error": error}}, {"fields": {"value": 3}})) as student:
        with pytest.raises(Exception) as caught:
            student.get("x")
        assert not isinstance(caught.value, Missing) and len(str(caught.value)) < 10_000
        assert student.get("x") == 3


@pytest.mark.parametrize(
    "request_",
    [
        {"ask": "call_back", "number": 1, "fields": {"function": 0, "args": {"t": []}, "kwargs": {"d": []}}}, {"ask": "call_back", "number": 1, "fields": {"function": -1}},
        {"ask": "call_back", "number": 1, "fields": {"function": True}}, {"ask": "get", "number": 1, "fields": {"name": "x"}}, {"ask": "_raised", "fields": {}},
        {"ask": ["end"], "fields": {}}, {"ask": None}, {"ask": "call_back", "fields": []},
    ],
)  # fmt: skip
def test_a_request_for_what_no_test_gave_ends_it(request_):
    with hostile(answers([request_, {"fields": {"value": "forged"}}])) as student:
        with pytest.raises(Unreachable, match="no notebook sends"):
            student.get("x")
        with pytest.raises(Unreachable):
            student.get("x")


def test_a_callback_gets_what_it_can_take_or_an_error():
    def act(channel: Channel) -> None:
        message, _ = channel.receive()
        for args in ({"t": [{"q": 1}]}, {"t": [1, 2, 3]}, 7, {"l": [1]}):
            fields = {"function": 0, "args": args, "kwargs": {"d": []}}
            channel.send({"turn": 1, "ask": "call_back", "number": 5, "fields": fields})
            seen.append(channel.receive()[0]["fields"])
        channel.send({"turn": 1, "answer": message["number"], "fields": {"value": 3}})

    seen: list[dict] = []
    with hostile(act) as student:
        assert student.ask("call", ("args",), target=1, args=[lambda x: x + 1]) == 3
    assert ["error" in fields for fields in seen] == [True, True, True, False] and seen[3]["value"] == 2


def test_calls_nested_too_deep_end_it():
    def act(channel: Channel) -> None:
        channel.receive()
        for _ in range(DEEPEST + 2):
            fields = {"function": 0, "args": {"t": []}, "kwargs": {"d": []}}
            channel.send({"turn": 1, "ask": "call_back", "number": 5, "fields": fields})
            channel.receive()

    with hostile(act) as student, pytest.raises(Unreachable, match="deep"):
        student.ask("call", ("args",), target=1, args=[lambda: student.get("x")])


def _forever(frame: bytes):
    def act(channel: Channel) -> None:
        while True:
            channel.end.sendall(frame)

    return act


@pytest.mark.parametrize(
    ("act", "error"),
    [
        (lambda channel: channel.close(), Unreachable), (lambda channel: channel.end.shutdown(socket.SHUT_RDWR), Unreachable), (lambda channel: [channel.receive() for _ in range(9)], OutOfTime),
        (lambda channel: channel.end.sendall(b"\0\0"), OutOfTime), (_forever(b"\0" * 4096), Unreachable), (_forever(b"\xff" * 4096), Unreachable),
        (_forever(b"\0\0\0\x13\0\0\0\0" + b'{"turn":0,"late":1}'), OutOfTime), (_forever(b"\0\0\0\x15\0\0\0\0" + b'{"turn":1,"answer":7}'), OutOfTime),
    ],
)  # fmt: skip
def test_a_peer_that_is_dead_silent_or_babbling_ends_in_time(act, error):
    started = time.monotonic()
    with hostile(act, seconds=0.5) as student, pytest.raises(error):
        student.get("x")
    assert time.monotonic() - started < 2


def test_a_handle_cannot_be_made_to_be_another_students_or_to_hold_more():
    reference = {"h": {"kind": "k" * 1000, "number": 7, "name": "n" * 1000, "type": "t" * 1000, "more": [1]}}
    with hostile(answers({"fields": {"value": {"t": [reference, reference]}}})) as student:
        one, two = student.get("x")
        assert (
            isinstance(one, Handle)
            and one == two
            and one != 7
            and len(repr(one)) < 200
            and len({one, two}) == 1
        )
        assert bool(one) and not isinstance(7, Handle)


def test_garbled_is_told_apart_from_closed_by_the_message():
    with (
        hostile(lambda channel: channel.end.sendall(b"\xff" * 64)) as student,
        pytest.raises(Unreachable, match="no notebook"),
    ):
        student.get("x")
    with hostile(lambda channel: channel.close()) as student, pytest.raises(Unreachable, match="has ended"):
        student.get("x")
    assert issubclass(Garbled, ConnectionError) and not issubclass(Unreachable, Exception)


def test_large_data_crosses_fast(sides):
    sides.run("def f(x): return x")
    said = sides.test(
        "import time\ndef cost(x, n):\n    started = time.perf_counter()\n    for _ in range(n): f(x)\n    return (time.perf_counter() - started) / n * 1000\n"
        "print(cost(3, 500), cost(torch.ones(2_500_000), 10))"
    )
    small, large = map(float, said["printed"].split())
    print(f"\none call: {small:.3f} ms; with 10 MB each way: {large:.1f} ms")
    assert small < 3 and large < 300
