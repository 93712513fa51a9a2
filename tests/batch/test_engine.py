"""Where items run: what is asked for in one place, and one clear line where it cannot be had."""

import argparse
import re
import tomllib
from pathlib import Path

import pytest

from stride_nb.batch.engine import (
    JOB_QUEUES,
    Engine,
    add_engine_arguments,
    make_engine,
    open_client,
)
from stride_nb.batch.mapping import map_items
from stride_nb.errors import InputError
from tests.batch import work

SLURM = """
class = "slurm"
[arguments]
queue = "short"
cores = 4
processes = 4
memory = "16GB"
[scale]
jobs = 0
"""


def parse(*words):
    parser = argparse.ArgumentParser()
    add_engine_arguments(parser)
    return make_engine(parser.parse_args(words), 3)


def test_the_options_name_one_engine():
    assert parse() == Engine(threads=3)
    assert parse("--workers", "2") == Engine(workers=2, threads=3)
    assert parse("--scheduler", "tcp://a:1").scheduler == "tcp://a:1"
    assert (
        parse("--slurm", "a.toml") == parse("--jobqueue", "a.toml") == parse("--cluster", "a.toml")
    )
    for words in (["--workers", "0"], ["--workers", "1", "--scheduler", "tcp://a:1"]):
        with pytest.raises(SystemExit):
            parse(*words)
    with pytest.raises(InputError, match="expected one of --workers"):
        Engine(workers=2, scheduler="tcp://a:1")


@pytest.mark.parametrize("address", ["nowhere", "tcp://127.0.0.1:1", "tcp://", "udp://a:8786"])
def test_no_scheduler_there_is_one_line(address, monkeypatch):
    pytest.importorskip("distributed", reason="needs the extra cluster")
    monkeypatch.setattr("stride_nb.batch.engine._ANSWER_SECONDS", 0.3)
    with pytest.raises(InputError) as refused:
        map_items(work.square, [1], Engine(scheduler=address))
    text = str(refused.value)
    assert (
        text.startswith(f"{address}: --scheduler: expected a Dask scheduler") and "\n" not in text
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("class = slurm", "file: expected TOML"),
        ("[arguments]\ncores = 1", "keys: expected class"),
        ('class = "slurm"\nworkers = 3', "keys: expected class"),
        ('class = "Slurm9"', "class: expected slurm, pbs"),
        ('class = "distributed.NoCluster"', "class: expected a class of distributed"),
        ('class = "no_such_package.Cluster"', "module: expected pip install"),
        ('class = "slurm"\n[arguments]\nhats = 3', "cluster: expected a dask_jobqueue.SLURM"),
    ],
)
def test_a_cluster_file_is_refused_in_one_line(text, said, tmp_path):
    pytest.importorskip("dask_jobqueue", reason="needs the extra cluster")
    (tmp_path / "cluster.toml").write_text(text)
    with (
        pytest.raises(InputError, match=said),
        open_client(Engine(cluster=tmp_path / "cluster.toml")),
    ):
        pass


def test_any_class_of_cluster_can_be_named(tmp_path):
    pytest.importorskip("distributed", reason="needs the extra cluster")
    (tmp_path / "cluster.toml").write_text(
        'class = "distributed.LocalCluster"\n[arguments]\nprocesses = false\nn_workers = 0\n'
        'protocol = "tcp://"\nhost = "127.0.0.1"\n[scale]\nn = 1\n'
    )
    assert map_items(work.square, [3, 4], Engine(cluster=tmp_path / "cluster.toml")) == [9, 16]


def test_a_slurm_file_makes_the_job_script(tmp_path):
    pytest.importorskip("dask_jobqueue", reason="needs the extra cluster")
    (tmp_path / "slurm.toml").write_text(SLURM)
    with open_client(Engine(cluster=tmp_path / "slurm.toml")) as client:
        script = client.cluster.job_script()
    assert "#SBATCH -p short" in script and "#SBATCH --cpus-per-task=4" in script
    assert "--nthreads 1" in script and "--nworkers 4" in script


GUIDE = Path(__file__).parents[2] / "book" / "scaling.md"
FILES = re.findall(r"```toml\n# (\w+)[^\n]*\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.S)


@pytest.mark.parametrize(("name", "text"), [pytest.param(*file, id=file[0]) for file in FILES])
def test_the_guides_files_can_be_copied(name, text, tmp_path):
    """Queues make their script; of others only the keys can be looked at."""
    assert {"class", "arguments"} < tomllib.loads(text).keys()
    if name not in JOB_QUEUES:
        return
    pytest.importorskip("dask_jobqueue", reason="needs the extra cluster")
    without = re.sub(r"\[(scale|adapt)\].*", "", text, flags=re.S)
    (tmp_path / "cluster.toml").write_text(without)
    with open_client(Engine(cluster=tmp_path / "cluster.toml")) as client:
        script = client.cluster.job_script()
    arguments = tomllib.loads(text)["arguments"]
    assert arguments["queue"] in script and arguments["walltime"] in script
    assert f"--nworkers {arguments['processes']}" in script and "--nthreads 1" in script
