"""The ``.task`` file: what MediaPipe reads of it is what was meant."""

from __future__ import annotations

import zipfile

import pytest

from stride_nb.errors import InputError
from stride_nb.video.task_file import add_metadata, write_task_file

NO_MEDIAPIPE = 'MediaPipe: pip install "stride-nb[video]"'


@pytest.fixture
def schema():
    return pytest.importorskip("mediapipe.tasks.metadata.schema_py_generated", reason=NO_MEDIAPIPE)


@pytest.fixture
def network(schema) -> bytes:
    """A network without layers: two outputs, one buffer of numbers."""
    graph = schema.SubGraphT()
    graph.tensors = [schema.TensorT() for _ in range(3)]
    graph.inputs, graph.outputs, graph.operators = [0], [1, 2], []
    model = schema.ModelT()
    buffer = schema.BufferT()
    buffer.data = list(range(200))
    model.version, model.subgraphs, model.buffers = 3, [graph], [schema.BufferT(), buffer]
    builder = pytest.importorskip("flatbuffers", reason=NO_MEDIAPIPE).Builder(0)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def test_the_metadata_says_how_the_input_is_normalised(schema, network):
    metadata_schema = pytest.importorskip("mediapipe.tasks.metadata.metadata_schema_py_generated")
    twice = add_metadata(add_metadata(network, 1, 2), 127.5, 64.0)
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(twice, 0))
    (entry,) = model.metadata  # the second replaces the first
    assert entry.name == b"TFLITE_METADATA"
    assert model.buffers[1].data.tolist() == list(range(200))
    content = bytes(model.buffers[entry.buffer].data)
    assert content[4:8] == b"M001"
    root = metadata_schema.ModelMetadata.GetRootAs(content, 0)
    (graph,) = metadata_schema.ModelMetadataT.InitFromObj(root).subgraphMetadata
    (image,) = graph.inputTensorMetadata
    options = image.processUnits[0].options
    assert list(options.mean) == [127.5] and list(options.std) == [64.0]
    assert len(graph.outputTensorMetadata) == 2


def test_the_bundle_is_stored_aligned_and_the_same_every_time(network, tmp_path):
    for name in ("a.task", "b.task"):
        write_task_file(tmp_path / name, network, network)
    content = (tmp_path / "a.task").read_bytes()
    assert content == (tmp_path / "b.task").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.task") as bundle:
        assert bundle.testzip() is None
        entries = bundle.infolist()
        networks = [bundle.read(entry) for entry in entries]
    names = [entry.filename for entry in entries]
    assert names == ["pose_detector.tflite", "pose_landmarks_detector.tflite"]
    assert all(entry.compress_type == zipfile.ZIP_STORED for entry in entries)
    assert [content.find(n) % 16 for n in networks] == [0, 0]


def test_what_is_no_network_is_refused_and_nothing_written(tmp_path, schema):
    with pytest.raises(InputError, match="expected a tflite file"):
        write_task_file(tmp_path / "a.task", b"PK\x03\x04 a zip", b"")
    assert list(tmp_path.iterdir()) == []
