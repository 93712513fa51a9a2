"""One door: the same results in the same order wherever items run; a failing item is one item."""

import pytest
import torch

from stride_nb.batch import mapping
from stride_nb.batch.engine import Engine
from stride_nb.batch.mapping import iterate_items, map_items, stream_items
from stride_nb.errors import InputError
from tests.batch import work

HERE = Engine()


@pytest.fixture(params=["here", "pool", "dask"])
def engine(request, monkeypatch):
    """Every place where items can run; processes of a pool are those of a machine without Dask."""
    if request.param == "dask":
        return Engine(scheduler=request.getfixturevalue("scheduler"))
    monkeypatch.setattr(mapping, "has_dask", lambda: False)
    return Engine(workers=2) if request.param == "pool" else HERE


def test_results_are_those_of_a_loop_in_its_order(engine):
    assert map_items(work.square, range(8), engine) == [x * x for x in range(8)]
    assert map_items(work.square, [], engine) == []


def test_an_error_is_of_its_item_and_the_others_are_done(engine):
    done = {each.index: each for each in iterate_items(work.fail_at_three, range(6), engine)}
    assert [done[i].result for i in (0, 1, 2, 4, 5)] == [0, 1, 4, 16, 25]
    assert isinstance(done[3].error, ValueError) and done[3].result is None
    assert all(done[i].error is None for i in (0, 1, 2, 4, 5))
    with pytest.raises(ValueError, match="three is"):
        map_items(work.fail_at_three, range(6), engine)


def test_what_is_first_comes_first_and_at_once():
    seen = []
    for result in stream_items(lambda x: seen.append(x) or x, range(3)):
        assert seen == list(range(result + 1))


def test_a_worker_has_the_threads_that_were_asked_for(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.setattr(mapping, "has_dask", lambda: False)
    (one,) = map_items(work.look_around, [0], Engine(workers=1, threads=2))
    (other,) = map_items(work.look_around, [0], HERE)
    assert one["OMP_NUM_THREADS"] == "2" and other["OMP_NUM_THREADS"] == "7"
    assert one["process"] != other["process"] and one["worker"] == f"process {one['process']}"


def test_pytorch_has_them_too():
    before = torch.get_num_threads()
    try:
        assert mapping._Call(work.count_threads, before + 1)(0) == before + 1
    finally:
        torch.set_num_threads(before)


def test_two_items_never_share_a_process_at_a_time(scheduler):
    """Its workers have two threads each."""
    assert map_items(work.work_alone, range(12), Engine(scheduler=scheduler)) == list(range(12))


def test_without_dask_a_lost_worker_ends_the_pool_not_the_client(monkeypatch):
    monkeypatch.setattr(mapping, "has_dask", lambda: False)
    done = list(iterate_items(work.end_at_three, range(5), Engine(workers=1)))
    assert sorted(each.index for each in done) == list(range(5))
    assert done[0].error is None or done[-1].error is not None


def test_what_a_lost_worker_had_in_hand_is_done_again_and_a_deadly_item_fails(tmp_path):
    dask = pytest.importorskip("dask", reason="needs the extra cluster")
    items = [*range(5), tmp_path]
    with dask.config.set({"distributed.scheduler.allowed-failures": 1}):
        done = {e.index: e for e in iterate_items(work.end_sometimes, items, Engine(workers=2))}
    assert [done[i].result for i in (0, 1, 2, 4, 5)] == [0, 1, 4, 16, "second try"]
    assert "its worker ended 2 times" in str(done[3].error)


def test_workers_of_another_version_are_refused(scheduler, monkeypatch):
    monkeypatch.setattr(mapping, "_get_version", work.square)  # which takes an argument
    with pytest.raises(InputError, match=r"workers: expected stride_nb .* on every one"):
        map_items(work.square, [1], Engine(scheduler=scheduler))
    monkeypatch.setattr(mapping, "_get_version", str)
    with pytest.raises(InputError, match=r"tcp.*version of stride_nb: expected .* of the client"):
        map_items(work.square, [1], Engine(scheduler=scheduler))


def test_a_worker_of_another_version_that_joins_late_says_so():
    call = mapping._Call(work.square, 1, "0.0.1")
    with pytest.raises(InputError, match=r"expected 0\.0\.1, as of the client"):
        call(3)
