"""MediaPipe's ``.task`` file out of its two networks.

The Tasks API takes a zip, stored rather than compressed, of ``pose_detector.tflite`` and
``pose_landmarks_detector.tflite``, each with metadata that says how its input is normalised. The
networks as published inside packages have none: it is written here, in the schema
``tflite_metadata`` that MediaPipe's wheel brings as generated code.
"""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

from stride_nb.errors import InputError, atomic_path, require

__all__ = ["add_metadata", "write_task_file"]

_TFLITE = b"TFL3"
_METADATA = b"M001"
_ENTRY = b"TFLITE_METADATA"
_DETECTOR_NAME = "pose_detector.tflite"
_LANDMARKS_NAME = "pose_landmarks_detector.tflite"
_NORMALIZATION = {_DETECTOR_NAME: (127.5, 127.5), _LANDMARKS_NAME: (0.0, 255.0)}
"""Mean and standard deviation of the input's bytes, by network."""
_WHEN = (1980, 1, 1, 0, 0, 0)
_ZIP_HEADER, _ALIGNMENT = 30, 16
"""Bytes. The networks are read in place, so they begin at multiples of the second."""
_ALIGNMENT_FIELD = 0xD935


def write_task_file(path: Path, detector: bytes, landmarks: bytes) -> None:
    """Bundle both networks; the same networks give the same bytes.

    Args:
        path: of the ``.task`` file, whole or not at all.
        detector: content of ``pose_detection.tflite``.
        landmarks: content of ``pose_landmark_{lite,full,heavy}.tflite``.

    Raises:
        InputError: what is no tflite file.
    """
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w") as bundle:
        for name, network in ((_DETECTOR_NAME, detector), (_LANDMARKS_NAME, landmarks)):
            content = add_metadata(network, *_NORMALIZATION[name])
            entry = zipfile.ZipInfo(name, _WHEN)
            entry.extra = _pad(bundle.start_dir + _ZIP_HEADER + len(name))
            bundle.writestr(entry, content, zipfile.ZIP_STORED)


def _pad(start: int) -> bytes:
    """An extra field of a zip's entry that ends at an aligned place."""
    size = -(start + 4) % _ALIGNMENT
    return struct.pack("<HH", _ALIGNMENT_FIELD, size) + bytes(size)


def add_metadata(network: bytes, mean: float, std: float) -> bytes:
    """A tflite network whose metadata says that its input is ``(bytes - mean) / std``, and names
    its outputs.

    Raises:
        InputError: what is no tflite file.
    """
    schema = require("mediapipe.tasks.metadata.schema_py_generated", "video")
    if network[4:8] != _TFLITE:
        raise InputError("task file", "network", f"a tflite file ({_TFLITE})", network[4:8])
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(network, 0))
    buffer, entry = schema.BufferT(), schema.MetadataT()
    buffer.data = _pack_metadata(len(model.subgraphs[0].outputs), mean, std)
    model.buffers.append(buffer)
    entry.name, entry.buffer = _ENTRY, len(model.buffers) - 1
    others = [known for known in model.metadata or [] if known.name != _ENTRY]
    model.metadata = [*others, entry]
    return _finish(model, _TFLITE)


def _pack_metadata(outputs: int, mean: float, std: float) -> list[int]:
    """The flatbuffer ``ModelMetadata``: one image in, ``outputs`` tensors out."""
    schema = require("mediapipe.tasks.metadata.metadata_schema_py_generated", "video")
    options = schema.NormalizationOptionsT()
    options.mean, options.std = [mean], [std]
    unit = schema.ProcessUnitT()
    unit.optionsType, unit.options = schema.ProcessUnitOptions.NormalizationOptions, options
    properties = schema.ImagePropertiesT()
    properties.colorSpace = schema.ColorSpaceType.RGB
    content = schema.ContentT()
    content.contentPropertiesType = schema.ContentProperties.ImageProperties
    content.contentProperties = properties
    image = schema.TensorMetadataT()
    image.name, image.content, image.processUnits = "image", content, [unit]
    graph = schema.SubGraphMetadataT()
    graph.inputTensorMetadata = [image]
    graph.outputTensorMetadata = [schema.TensorMetadataT() for _ in range(outputs)]
    model = schema.ModelMetadataT()
    model.name, model.subgraphMetadata = "pose", [graph]
    return list(_finish(model, _METADATA))


def _finish(table, identifier: bytes) -> bytes:
    builder = require("flatbuffers", "video").Builder(0)
    builder.Finish(table.Pack(builder), identifier)
    return bytes(builder.Output())
