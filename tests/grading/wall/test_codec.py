"""Values cross as they are; what somebody made up is a value or `NotData`, and never costs much."""

import collections
import copy
import json
import math
import random
import resource
import time
from typing import Any

import numpy as np
import pytest
import torch

from course_utils.grading.wall import codec
from course_utils.grading.wall.channel import MOST_BUFFERS
from course_utils.grading.wall.codec import NotData, decode, encode
from course_utils.tiny import TinyConfig


def crossed(value: Any, **options: Any) -> Any:
    """The value on the other side: JSON and bytes in between, as on the wire."""
    tree, buffers = encode(value, options.pop("refer", None))
    received = [bytearray(memoryview(buffer).cast("B")) for buffer in buffers]
    return decode(json.loads(json.dumps(tree)), received, options.get("resolve"))


def same(a: Any, b: Any) -> bool:
    """Whether two values are alike in every part: type, size, kind of number, content."""
    if type(a) is not type(b):
        return False
    if isinstance(a, torch.Tensor):
        is_alike = (a.dtype, a.shape, a.requires_grad) == (b.dtype, b.shape, b.requires_grad)
        return is_alike and bool(torch.equal(a.nan_to_num(7), b.nan_to_num(7)))
    if isinstance(a, np.ndarray | np.generic):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return same(list(a.items()), list(b.items()))
    return repr(a) == repr(b) if isinstance(a, float | complex) else a == b


# -- what crosses --

PLAIN = [
    None, True, False, 0, -1, 2**63 - 1, 2**63, -(2**64), 10**400, 0.0, 1e-320, math.inf, -math.inf, math.nan, 1 + 2j,
    complex(math.nan, -math.inf), "", "ü\0\ud800 \U0001f600", "x" * 70_000, b"", b"\0\xff", [], [1, [2, (3,)]],
    (), {},
    {"b": 1, "a": {2: None, (1, "x"): [True]}}, set(), {1, "a", (2, 3)}, frozenset({frozenset({1}), 2}), ...,
    slice(None, 3),
    slice(1, None, -2), range(5), range(10, 0, -3), {"l": [1], "h": {"kind": "name"}},
]  # fmt: skip
ARRAYS = [
    np.array(3.5), np.arange(6).reshape(2, 3), np.arange(6).reshape(2, 3).T, np.arange(9)[::-2], np.empty((0, 3)),
    np.array([True, False]), np.array([1 + 2j]), np.array(["ab", "c"]), np.array([b"ab"]), np.array([1, 2], ">i4"),
    np.array(["2020-01-01", "NaT"], "M8[D]"), np.array([5], "m8[s]"), np.float16([1.5]), np.longdouble([1]) / 3,
    np.float64(0.1), np.int8(-3), np.bool_(True), np.datetime64("2020-02-03"), np.str_("a"), np.ones((1,) * 32),
]  # fmt: skip
TENSORS = [
    torch.tensor(2.5), torch.arange(6).reshape(2, 3).T, torch.ones(1).expand(4), torch.empty(0, 3),
    torch.tensor([True, False]),
    torch.tensor([math.nan, math.inf]), torch.ones(2, requires_grad=True), torch.tensor([1 + 2j]).conj(),
    torch.ones(3, 4)[:, 1],
    *(torch.tensor([1, 0]).to(getattr(torch, name)) for name in codec.TENSOR_DTYPES), torch.float32, torch.bool,
]  # fmt: skip


@pytest.mark.parametrize("value", [*PLAIN, *ARRAYS, *TENSORS], ids=lambda value: type(value).__name__)
def test_data_crosses_as_it_is(value):
    expected = value
    if isinstance(value, np.str_):
        expected = str(value)
    if isinstance(value, torch.Tensor):
        expected = value.detach().resolve_conj().clone().requires_grad_(value.requires_grad)
    assert same(crossed(value), expected)
    assert same(crossed({"in": [value]}), {"in": [expected]})


def test_subclasses_cross_as_what_they_are_made_of():
    Point = collections.namedtuple("Point", "x y")

    class Liar(int):
        def __eq__(self, other):
            return True

        __hash__ = int.__hash__

    assert same(crossed(Point(1, 2)), (1, 2))
    assert same(crossed(collections.Counter("aab")), {"a": 2, "b": 1})
    assert same(crossed(Liar(3)), 3)
    assert same(crossed(torch.nn.Parameter(torch.ones(2))), torch.ones(2, requires_grad=True))
    assert same(crossed(np.ma.array([1, 2], mask=[0, 1])), np.array([1, 2]))


def test_a_copy_shares_nothing_with_the_original():
    original = [np.zeros(2), torch.zeros(2)]
    copied = crossed(original)
    copied[0][0] = copied[1][0] = 5
    assert original[0][0] == original[1][0] == 0


def test_dataclasses_of_the_course_cross_and_no_others():
    config = TinyConfig(1, 2, 3, 4, 5, 6, seed=7)
    assert crossed([config]) == [config]
    with pytest.raises(NotData, match="cannot cross"):
        encode(codec._Writer)
    with pytest.raises(NotData):
        encode(resource.getrusage(resource.RUSAGE_SELF).__class__)


@pytest.mark.parametrize("bits", [np.random.PCG64, np.random.PCG64DXSM, np.random.SFC64])
def test_a_random_generator_draws_the_same_numbers_and_is_not_advanced(bits):
    original = np.random.Generator(bits(3))
    original.integers(9, size=3, dtype=np.int32)  # an odd number of halves: one is kept for later
    twin = copy.deepcopy(original)
    copied = crossed(original)
    assert (
        copied.integers(2**31, size=5, dtype=np.int32).tolist()
        == twin.integers(2**31, size=5, dtype=np.int32).tolist()
    )
    assert repr(original.bit_generator.state) != repr(twin.bit_generator.state)
    torch_one = torch.Generator().manual_seed(4)
    assert torch.equal(torch.rand(3, generator=crossed(torch_one)), torch.rand(3, generator=torch_one))


def test_everything_else_is_what_refer_and_resolve_make_of_it():
    class Thing:
        pass

    thing = Thing()
    kept: list[Any] = []
    refer = lambda value: kept.append(value) or {"number": len(kept) - 1}  # noqa: E731
    got = crossed(
        {"a": [thing, np.array([None])]}, refer=refer, resolve=lambda reference: kept[reference["number"]]
    )
    assert got["a"][0] is thing and got["a"][1] is kept[1]
    for odd in (
        thing,
        np.zeros(1, "i4,i4"),
        torch.eye(2).to_sparse(),
        torch.ones(2).to(torch.float8_e5m2),
        lambda: 0,
    ):
        with pytest.raises(NotData, match="cannot cross"):
            encode(odd)


# -- what is refused before it is sent --


def test_what_contains_itself_or_is_too_deep_or_too_much_is_refused(monkeypatch):
    circle: list[Any] = []
    circle.append(circle)
    loop: dict[str, Any] = {}
    loop["me"] = (loop,)
    deep: Any = 1
    for _ in range(1000):
        deep = {"a": deep}
    for endless in (circle, loop, deep):
        with pytest.raises(NotData, match="deep"):
            encode(endless)
    with pytest.raises(NotData, match="may cross at once"):
        encode(np.zeros(1000), most=7999)
    with pytest.raises(NotData, match="may cross at once"):
        encode(["x" * 70_000] * 3, most=200_000)
    encode(np.zeros(1000), most=8000)
    monkeypatch.setattr(codec, "MOST_ITEMS", 100)
    with pytest.raises(NotData, match="more than 100 values"):
        encode([[]] * 200)


def test_what_one_side_may_send_the_other_can_read():
    """A frame that the channel refuses would be the end of an honest notebook."""
    for value in ({frozenset([1]): 1}, np.array([], "U"), np.array([], "S"), [b"x"] * codec.MOST_BUFFERS):
        assert same(crossed(value), value)
    assert codec.MOST_BUFFERS <= MOST_BUFFERS
    with pytest.raises(NotData, match="stack them"):
        encode([b"x"] * (codec.MOST_BUFFERS + 1))


# -- what somebody made up --

COUNTED = [
    {"a": ["<f8", [3], 0]}, {"a": ["<f8", [2, 2], 0]}, {"a": ["<f8", [-2], 0]}, {"a": ["<f8", [True, 2], 0]},
    {"a": ["<f8", 2, 0]},
    {"a": ["<f8", [2.0], 0]}, {"a": ["<f8", [1] * 33, 0]}, {"a": ["<f8", [2**62, 2**62], 0]}, {"a": ["<f8", [2],
    1]}, {"a": ["<f8", [2], -1]},
    {"a": ["<f8", [2], False]}, {"a": ["<f8", [2], "0"]}, {"a": ["<f8", [2]]}, {"T": ["float32", [3], 0, False]},
    {"T": ["float32", [4, -1], 0, False]}, {"T": ["float32", [2, 2, None], 0, False]}, {"T": ["float32", [4], 0]},
]  # fmt: skip
TYPED = [
    *({"a": [text, [2], 0]} for text in ("O", "|O8", "V8", "f4,f4", "(2,)f4", "U0", "S0", "", "x", "object",
    "<f8" * 20, 8, None, ["<f8"], "(1", "1)f4")),
    *({"T": [name, [2], 0, False]} for name in ("Tensor", "qint8", "load", "__class__", "float", None, ["float32"])),
    {"y": "load"}, {"y": ["float32"]}, {"n": ["O", [], 0]},
]  # fmt: skip
TAGGED = [
    *({tag: [1]} for tag in ("_list", "list", "value", "_bytes", "bytes", "buffers", "resolve", "items",
    "__class__", "__init__", "", "q", "é", "_")),
    {}, {"l": [1], "t": [2]}, [1, 2], [], {"l": 3}, {"l": "ab"}, {"l": {"a": 1}}, {"t": None}, {"d": [[1]]},
    {"d": [[1, 2, 3]]}, {"d": 3},
    {"d": [[{"l": []}, 1]]}, {"s": [{"l": []}]}, {"z": [{"d": []}]}, {"i": "zz"}, {"i": 3}, {"i": None},
    {"i": ["0x1"]}, {"f": "one"}, {"f": []}, {"f": 1.0},
    {"c": [1]}, {"c": ["x", 1]}, {"c": [{"l": []}, 1]}, {"b": None}, {"b": 9}, {"x": [1]}, {"r": []}, {"r": [1, 2,
    0]}, {"r": [1.5, 2, 3]}, {"h": {}},
]  # fmt: skip
NAMED = [
    {"D": ["os", "system", {}]}, {"D": ["builtins", "eval", {}]}, {"D": ["course_utils.tiny", "TinyTransformer", {}]},
    {"D": ["course_utils.tiny", "dataclass", {}]}, {"D": ["course_utils.tiny", "TinyConfig.__init__", {}]},
    {"D": ["course_utils.tiny", "Path", {}]},
    {"D": ["course_utils_evil", "X", {}]}, {"D": ["course_utils.no_such_module", "X", {}]},
    {"D": ["course_utils..tiny", "X", {}]},
    {"D": ["course_utils.tiny", "TinyConfig", {"n_layers": -1}]}, {"D": ["course_utils.tiny", "TinyConfig", []]},
    {"D": ["course_utils.tiny", None, {}]},
    {"D": [None, "X", {}]}, {"D": ["course_utils.tiny"]}, {"D": ["course_utils.\ud800", "X", {}]}, {"g": ["torch",
    3]}, {"g": ["torch", {"T": ["uint8", [16], 0, False]}]},
    {"g": ["Generator", {"d": []}]}, {"g": ["PCG64", {"d": []}]}, {"g": ["PCG64", 3]}, {"g": ["default_rng", 3]},
    {"g": ["PCG64"]},
]  # fmt: skip


@pytest.mark.parametrize("tree", [*COUNTED, *TYPED, *TAGGED, *NAMED], ids=lambda tree: json.dumps(tree)[:40])
@pytest.mark.filterwarnings("ignore")
def test_what_is_no_value_is_not_data(tree):
    for made_up in (tree, {"t": [1, tree]}):
        with pytest.raises(NotData):
            decode(made_up, [bytearray(16)])


def _mt19937(position: int) -> Any:
    words = {"a": ["<u4", [624], 0]}
    state = {"d": [["key", words], ["pos", position]]}
    return {"g": ["MT19937", {"d": [["bit_generator", "MT19937"], ["state", state]]}]}, [bytearray(2496)]


def _philox(position: int) -> Any:
    four, two = {"a": ["<u8", [4], 0]}, {"a": ["<u8", [2], 1]}
    fields = [
        ["bit_generator", "Philox"],
        ["state", {"d": [["counter", four], ["key", two]]}],
        ["buffer", four],
    ]
    fields += [["buffer_pos", position], ["has_uint32", 0], ["uinteger", 0]]
    return {"g": ["Philox", {"d": fields}]}, [bytearray(32), bytearray(16)]


@pytest.mark.parametrize("made", [_mt19937, _philox])
@pytest.mark.parametrize("position", [-1, -(2**31), 625, 2**31 - 1])
def test_a_generator_never_reads_outside_its_own_state(made, position):
    """NumPy takes any position, and draws from whatever lies there."""
    with pytest.raises(NotData):
        decode(*made(position))


def test_truth_values_are_zero_or_one_whatever_the_bytes_are():
    data = [bytearray([0, 1, 2, 255])]
    for tree in ({"a": ["|b1", [4], 0]}, {"T": ["bool", [4], 0, False]}):
        values = decode(tree, copy.deepcopy(data))
        assert values.sum() == 3 and (~values).sum() == 1
        assert (
            sorted(bytes(values.tolist())) == [0, 1, 1, 1]
            and bytes(np.asarray(values).view("u1")) == b"\0\1\1\1"
        )
    flag = decode({"n": ["|b1", [], 0]}, [bytearray([2])])
    assert flag == np.True_ and int(flag) == 1


def test_depth_and_number_of_values_are_limited(monkeypatch):
    deep: Any = 1
    for _ in range(900):
        deep = {"l": [deep]}
    with pytest.raises(NotData, match="deep"):
        decode(deep, [])
    monkeypatch.setattr(codec, "MOST_ITEMS", 1000)
    with pytest.raises(NotData, match="too many"):
        decode({"l": [{"l": []}] * 2000}, [])


def test_a_small_tree_cannot_become_a_large_value():
    """One buffer, many times: each use would be a copy."""
    tree = {"l": [{"b": 0}] * 3000 + [{"a": ["|b1", [1 << 20], 0]}] * 3000}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(NotData):
        decode(tree, [bytearray(1 << 20)])
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500 << 10


def test_a_range_that_nobody_could_go_through_is_refused():
    """`sum` of it would hang in C, where no alarm is heard."""
    for content in ([0, 10**15, 1], [0, 10**30, 1], [0, -(10**15), -1]):
        with pytest.raises(NotData):
            decode({"r": content}, [])


# -- fuzz --

JUNK = [
    None, True, -1, 0, 1, 2**31, 2**63, -(2**63), 10**30, 1e308, math.nan, math.inf, "", "x", "nan", "<f8", "|O",
    "float32", "torch", "PCG64",
    "\ud800", "0x" + "f" * 99, [], {}, [[]], [1, 2, 3], [0, 2**40], [-1], {"l": []}, {"d": [[1, 2]]},
    {"h": {"kind": "module", "name": "os"}}, {"e": 0},
]  # fmt: skip


def mutate(rng: random.Random, tree: Any) -> Any:
    """The tree with one place changed."""
    if rng.random() < 0.15 or not isinstance(tree, list | dict) or not tree:
        tag = rng.choice("ltszdifcbexryanTgDhq")
        return rng.choice([rng.choice(JUNK), {tag: tree}, {tag: rng.choice(JUNK)}, [tree, tree]])
    if isinstance(tree, dict):
        ((key, value),) = list(tree.items())[:1]
        return (
            {rng.choice("ltszdifcbexryanTgD"): value}
            if rng.random() < 0.2
            else {**tree, key: mutate(rng, value)}
        )
    place = rng.randrange(len(tree))
    how = rng.random()
    if how < 0.15:
        return tree[:place] + tree[place + 1 :]
    if how < 0.3:
        return [*tree, rng.choice(tree)]
    return [*tree[:place], mutate(rng, tree[place]), *tree[place + 1 :]]


@pytest.mark.filterwarnings("ignore")
def test_fuzz_two_thousand_trees_are_values_or_not_data():
    samples = [
        *PLAIN[:-1],
        *ARRAYS,
        *TENSORS,
        TinyConfig(1, 2, 3, 4, 5, 6),
        np.random.default_rng(1),
        torch.Generator(),
    ]
    encoded = [
        (json.dumps(tree), [bytes(memoryview(b)) for b in buffers]) for tree, buffers in map(encode, samples)
    ]
    rng = random.Random("codec")
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    values = refused = 0
    for _ in range(2000):
        text, buffers = rng.choice(encoded)
        tree = json.loads(text)
        for _ in range(rng.randint(1, 4)):
            tree = mutate(rng, tree)
        try:
            value = decode(
                json.loads(json.dumps(tree)), list(map(bytearray, buffers)), lambda reference: object()
            )
        except NotData:
            refused += 1
        else:
            values += 1
            repr(type(value))
    assert values > 200 and refused > 500, (values, refused)
    assert time.process_time() - started < 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300 << 10
