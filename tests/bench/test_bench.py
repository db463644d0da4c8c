"""`course bench` on the light lesson: the graders really run, agree on the points, and the pictures are drawn."""

import json
import sys
from pathlib import Path

import pytest

from course_utils.bench.hosts import dask_hosts, why_no_hosts
from course_utils.bench.klass import LIGHT, light_course, make_class
from course_utils.bench.meter import measure
from course_utils.bench.pictures import draw
from course_utils.bench.run import Bench
from course_utils.bench.simulate import simulate
from course_utils.errors import ClassError

ROOT = Path(__file__).resolve().parents[2]


def test_a_command_costs_the_time_and_the_work_that_it_does(tmp_path: Path) -> None:
    script = (
        "import time\nend = time.process_time() + 1\nwhile time.process_time() < end: pass\ntime.sleep(1)"
    )
    cost = measure([sys.executable, "-c", script], tmp_path)
    assert cost.wall_s >= 2
    assert 0.8 <= cost.by_role["coordinator"] <= 1.5
    assert cost.busy_s >= 0.8
    assert cost.memory["coordinator"].private > 1


def test_a_command_that_fails_is_told_with_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(ClassError, match="status 3: no such class"):
        measure([sys.executable, "-c", "print('no such class'); raise SystemExit(3)"], tmp_path)


def test_more_cores_help_as_long_as_one_process_can_feed_them() -> None:
    few, many, more = (simulate([5.0, 15.0], 0.5, students=1000, cores=cores) for cores in (2, 64, 256))
    assert few == pytest.approx(5000, rel=0.05)
    assert many == pytest.approx(more) == pytest.approx(500, rel=0.05)


def test_a_class_is_mixed_and_the_same_seed_makes_the_same(tmp_path: Path) -> None:
    root = light_course(ROOT, tmp_path / "course")
    made = [make_class(root, tmp_path / name, LIGHT, 12, seed=3) for name in ("a", "b")]
    texts = [[klass.submission(student).read_text() for student in klass.students] for klass in made]
    assert texts[0] == texts[1]
    assert len(set(texts[0])) > 4


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ClassError, match="--into"):
        Bench(ROOT, tmp_path, print, None)
    assert (tmp_path / "thesis.txt").read_text() == "mine"


@pytest.mark.slow
@pytest.mark.xdist_group("bench")
def test_the_graders_agree_and_what_they_took_is_drawn(tmp_path: Path) -> None:
    said: list[str] = []
    bench = Bench(ROOT, tmp_path / "bench", said.append, None)
    bench.lesson(LIGHT, 4, blocks=2)
    bench.simulate()
    (lesson,) = bench.result["lessons"]
    assert set(lesson["systems"]) == {"stock", "stock, no demo cells", "one job", "all cores", "unchanged"}
    assert lesson["systems"]["one job"]["other_points_than_all_cores"] == {}
    assert lesson["systems"]["stock"]["times_stock"] == 1
    assert len(lesson["examining_s"]) == 4
    damaged = lesson["systems"]["stock"]["other_points_than_all_cores"]  # stock does not put tests back
    assert len(damaged) == 1 and all(theirs < ours for theirs, ours in damaged.values())
    assert len(said) == 8
    bench.save(tmp_path / "bench.json")
    pictures = draw(json.loads((tmp_path / "bench.json").read_text()), tmp_path / "pictures")
    assert [path.stem for path in pictures] == [
        "bench-speed",
        "bench-time",
        "bench-memory",
        "bench-simulation",
    ]
    assert all(path.read_text().lstrip().startswith("<?xml") for path in pictures)
    assert lesson["memory_stock_mb"]["kernel"]["private"] > 10


@pytest.mark.slow
@pytest.mark.xdist_group("bench")
@pytest.mark.skipif(bool(why_no_hosts()), reason=f"no network namespaces: {why_no_hosts()}")
def test_two_hosts_have_a_worker_each_and_see_no_other_network() -> None:
    from distributed import Client

    def route() -> str:
        return Path("/proc/net/route").read_text()

    with dask_hosts(2) as scheduler, Client(scheduler) as client:
        assert len(client.nthreads()) == 2
        routes = client.run(route)
        assert all(len(text.splitlines()) == 2 and "eth0" in text for text in routes.values())
    assert not why_no_hosts()
