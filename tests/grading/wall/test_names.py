"""Which names of a test cell are the student's, and which no student can put anything in the place of."""

import pytest


def test_a_graded_name_is_the_students_and_its_values_are_data(sides):
    sides.run("def double(x): return 2 * x\nanswer = {'a': [1, (2.5, None)]}")
    sides.passes("assert double(21) == 42 and double('ab') == 'abab' and answer['a'][1] == (2.5, None)")
    sides.fails("assert double(1) == 3, 'twice one'", "twice one")


def test_a_name_that_is_nowhere_is_a_name_error(sides):
    assert sides.fails("double(1)", "double")["error"] == "NameError"
    assert sides.fails("nowhere")["error"] == "NameError"


@pytest.mark.parametrize(
    "name", ["sum", "abs", "isinstance", "len", "float", "all", "AssertionError", "print"]
)
def test_built_in_names_are_the_examiners_unless_they_are_graded(sides, name):
    sides.run(f"{name} = lambda *a: 5\ndef double(x): return 2 * x")
    graded = name in ("sum", "abs", "isinstance", "len")
    sides.passes(f"assert ({name} is not __import__('builtins').{name}) == {graded}")
    sides.passes("total = 0\nfor x in [1, 2]:\n    total += double(x)\nassert total == 6")


def test_what_the_lesson_imports_is_not_what_the_student_put_in_its_place(sides):
    sides.run("""
        class Yes:
            def __getattr__(self, name): return lambda *a, **k: True
        np = torch = checks = F = Yes()
        def isclose(*a): return True
        def sqrt(x): return 3
        import numpy, torch as t, math
        numpy.allclose = t.allclose = t.equal = math.isclose = lambda *a, **k: True
        def double(x): return 0
    """)
    sides.passes("assert np.array([1]).sum() == 1 and F.relu(torch.tensor(-1.0)) == 0 and sqrt(16) == 4")
    sides.fails("assert isclose(double(1), 2), 'a'", "a")
    sides.fails("assert np.allclose(double(1), 2), 'b'", "b")
    sides.fails("assert torch.allclose(torch.as_tensor(double(1)), torch.tensor(2)), 'c'", "c")
    sides.fails("checks.close(double(1), 2, 'd')", "d")


def test_a_module_under_a_name_of_the_students_is_the_examiners_own(sides):
    sides.run(
        "import statistics as st, os as dangerous, sys\nst.mean = lambda x: 7\nmain = sys.modules['__main__']"
    )
    sides.passes("assert st.mean([1, 3]) == 2")
    for source in ("dangerous.getcwd()", "main.anything"):
        sides.fails(source, "this lesson does not use")


def test_no_module_comes_back_from_a_call(sides):
    sides.run("import sys, math\ndef f(): return math\ndef g(): return [sys.modules['__main__']]")
    sides.fails("f().pi", "module")
    sides.fails("g()[0].__name__")


def test_names_can_be_set_and_deleted(sides):
    sides.run("answer = 3\ndef f(): return answer")
    sides.passes("answer = [1, 2]\nassert f() == [1, 2] and answer == [1, 2]")
    sides.passes("answer += [3]\nassert f() == [1, 2, 3]")
    sides.passes("def answer(x): return x + 1\nassert f()(1) == 2")
    sides.passes("del answer\ntry:\n    answer\nexcept NameError:\n    pass\nelse:\n    assert False")
    sides.fails("del answer", "answer")


def test_a_tests_own_names_stay_on_its_side(sides):
    sides.run("secret = 'no'\ndef f(): return [name for name in globals() if 'expected' in name]")
    sides.passes("expected = {1: 2}\ndef helper(): return expected[1]\nassert helper() == 2 and f() == []")
    sides.passes("assert helper() == 2 and expected == {1: 2} and f() == []")


def test_a_name_that_a_failed_test_did_not_make_is_not_the_students(sides):
    sides.run("expected = {1: 0}\ndef helper(x): return 0\ndef f(x): return 0\n__annotations__ = {'x': 1}")
    sides.fails("assert f(1) == 1, 'first'\nexpected = {1: 1}\ndef helper(x): return 1", "first")
    assert sides.fails("assert f(1) == expected[1]")["error"] == "NameError"
    assert sides.fails("assert f(1) == helper(1)")["error"] == "NameError"


def test_names_with_two_underscores_are_never_the_students(sides):
    sides.run("__annotations__ = {'mine': 1}\n__mine__ = 'mine'\n__builtins__ = {}\n__name__ = 'mine'")
    sides.passes("assert __name__ == '__main__' and len")
    assert sides.fails("__mine__")["error"] == "NameError"
    assert "mine" not in sides.test("x: int = 3\nprint(__annotations__)")["printed"]


def test_given_cells_run_on_both_sides_and_their_objects_cross_by_name(sides):
    sides.given("""
        class Thing:
            size = 3
        thing = Thing()
        table = {'a': 1}
        def helper(t): return t.size
    """)
    sides.run("def f(t): return t is thing, helper(t), table['a']")
    sides.passes("assert f(thing) == (True, 3, 1) and table == {'a': 1} and helper(thing) == 3")
    sides.run("table['a'] = 5\nthing.size = 7\nhelper = lambda t: 0")
    sides.passes("assert table == {'a': 1} and helper(thing) == 3")


def test_a_given_cell_never_asks_the_student(sides):
    sides.run("def f(x): return 3\nother = 4")
    for source in ("early = 1\nvalue = f(1)", "value = other"):
        assert "NameError" in sides.examiner.given(source, "setup")["error"]
    sides.passes("assert early == 1")


def test_a_value_is_read_once_while_a_thread_of_the_students_swaps_it(sides):
    sides.run("""
        import itertools, threading
        answer, values = 4, itertools.cycle([4, 9])
        def swap():
            global answer
            while True: answer = next(values)
        threading.Thread(target=swap, daemon=True).start()
    """)
    sides.passes("for _ in range(300):\n    assert answer == answer and (answer != 4 or answer == 4)")


def test_a_value_is_read_again_when_the_students_code_has_run(sides):
    sides.run("answer = 1\ndef f():\n    global answer\n    answer += 1")
    sides.passes("assert answer == 1")
    sides.run("answer = 2")
    sides.passes("assert answer == 2\nf()\nassert answer == 3")
