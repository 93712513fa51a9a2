"""Run a notebook with checked parameters, and store the outputs of a default run in the form that
is compared and published."""

from __future__ import annotations

import ast
import base64
import hashlib
import io
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from stride_nb.errors import InputError, atomic_path

__all__ = [
    "commit",
    "count_figures",
    "normalise",
    "parse_value",
    "read_parameters",
    "reduce_colors",
    "run_notebook",
]

PNG_LIMIT = 100_000  # bytes
_BACKEND = "module://matplotlib_inline.backend_inline"  # servers often set another: no figures
_KEPT = ("text/plain", "text/html", "image/png")
_TYPES = {
    "int": (int,),
    "float": (float, int),
    "str": (str,),
    "bool": (bool,),
    "list": (list, tuple),
    "dict": (dict,),
    "None": (type(None),),
}
_PATH = re.compile(r"(?<![\w.:/<-])/(?:home|root|tmp|usr|Users|mnt|opt|var)/\S*|\b[A-Z]:\\\\\S+")


def read_parameters(notebook: str | os.PathLike) -> dict[str, tuple[str, str]]:
    """What the cell tagged ``read_parameters`` declares: name → (type, default as written)."""
    for cell in _read_notebook(notebook).cells:
        if "parameters" in cell.metadata.get("tags", []):
            return dict(_parse_parameter(statement) for statement in ast.parse(cell.source).body)
    return {}


def run_notebook(
    notebook: str | os.PathLike, out: str | os.PathLike, given: Mapping | None = None
) -> None:
    """Run a notebook with papermill and write the executed copy, whole or not at all.

    It runs in its own folder on the kernel of this environment.

    Args:
        notebook: the notebook.
        out: where the executed copy goes.
        given: parameter → value, for those that differ from the default.

    Raises:
        InputError: a parameter that the notebook does not declare, or a value of another type.
        papermill.PapermillExecutionError: a cell failed.
    """
    import papermill

    given = dict(given or {})
    _check_parameters(notebook, read_parameters(notebook), given)
    with atomic_path(out) as temporary, _set_environment(MPLBACKEND=_BACKEND):
        papermill.execute_notebook(
            str(notebook),
            str(temporary),
            parameters=given,
            kernel_name="python3",
            language="python",
            progress_bar=False,
            cwd=str(Path(notebook).parent),
        )


@contextmanager
def _set_environment(**variables: str) -> Iterator[None]:
    """Variables that hold while a kernel is started, whatever the user's own are."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def count_figures(notebook: str | os.PathLike) -> int:
    """Pictures among a notebook's outputs."""
    import nbformat

    cells = nbformat.read(notebook, nbformat.NO_CONVERT).cells
    return sum("image/png" in o.get("data", {}) for c in cells for o in c.get("outputs", []))


def normalise(notebook, where: object = "notebook"):
    """An executed notebook in the form that is stored: the outputs that readers see and ``nbval``
    compares, nothing else.

    Standard output, text, HTML and PNG (in fewer colours if it is large) stay; times, widths, run
    metadata and injected cells go; ids follow from the source, so that the same notebook gives the
    same file.

    Raises:
        InputError: a cell wrote to standard error, shows an absolute path, or a PNG stays above 100
            kB.
    """
    import nbformat

    written = [c for c in notebook.cells if "injected-parameters" not in c.metadata.get("tags", [])]
    cells, ids = [], set()
    for number, cell in enumerate(written):
        count = 1 + sum(c.cell_type == "code" for c in cells)
        cells.append(_normalise_cell(cell, _make_id(cell.source, ids), count, where, number))
    metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return nbformat.v4.new_notebook(cells=cells, metadata=metadata)


def _make_id(source: str, ids: set[str]) -> str:
    """Eight digits of the source's hash, not among ``ids``, to which they are added."""
    identity = source
    while True:
        identity = hashlib.sha256(identity.encode()).hexdigest()[:8]
        if identity not in ids:
            ids.add(identity)
            return identity


def _normalise_cell(cell, identity: str, count: int, where: object, number: int):
    import nbformat

    tags = {"tags": list(cell.metadata["tags"])} if cell.metadata.get("tags") else {}
    options = {"id": identity, "metadata": tags}
    if cell.cell_type != "code":
        return nbformat.v4.new_markdown_cell(cell.source, **options)
    outputs = _select_outputs(cell, f"{where}: cell {number}")
    for output in outputs:
        if output.output_type == "execute_result":
            output.execution_count = count
    return nbformat.v4.new_code_cell(cell.source, outputs=outputs, execution_count=count, **options)


def commit(notebook: str | os.PathLike) -> None:
    """Run a notebook with its default parameters and store the outputs in the notebook itself."""
    import nbformat

    with tempfile.TemporaryDirectory() as folder:
        executed = Path(folder) / Path(notebook).name
        run_notebook(notebook, executed)
        result = normalise(nbformat.read(executed, as_version=4), notebook)
    with atomic_path(notebook) as temporary:
        nbformat.write(result, temporary)


def parse_value(text: str):
    """A command line's word as the Python value that it spells, or as text.

    >>> parse_value("3"), parse_value("True"), parse_value("cmu")
    (3, True, 'cmu')
    """
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _read_notebook(notebook: str | os.PathLike):
    import nbformat

    try:
        return nbformat.read(notebook, as_version=4)
    except FileNotFoundError:
        raise InputError(notebook, "file", "a notebook", "nothing there") from None
    # not JSON, or JSON that is no notebook
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        raise InputError(notebook, "file", "a notebook", error) from error


def _parse_parameter(statement: ast.stmt) -> tuple[str, tuple[str, str]]:
    """Name, type and default of ``name: type = default`` or ``name = default`` (then the default's
    type)."""
    if isinstance(statement, ast.AnnAssign) and statement.value:
        name, annotation = ast.unparse(statement.target), ast.unparse(statement.annotation)
        return name, (annotation, ast.unparse(statement.value))
    if not isinstance(statement, ast.Assign):
        raise InputError("parameters", "cell", "assignments", ast.unparse(statement))
    default = ast.unparse(statement.value)
    kind = type(parse_value(default)).__name__.replace("NoneType", "None")
    return ast.unparse(statement.targets[0]), (kind, default)


def _check_parameters(
    notebook: str | os.PathLike, declared: Mapping[str, tuple[str, str]], given: Mapping
) -> None:
    for name, value in given.items():
        field = f"parameter {name}"
        if name not in declared:
            expected = f"one of {', '.join(declared) or 'none: it has no parameters'}"
            raise InputError(notebook, field, expected, "no such parameter")
        annotation = declared[name][0]
        kinds = [re.sub(r"\[.*", "", k.strip()) for k in annotation.split("|")]
        allowed = tuple(t for k in kinds for t in _TYPES.get(k, (object,)))
        unwanted_bool = (
            isinstance(value, bool) and not {"bool"} & {*kinds} and object not in allowed
        )
        if unwanted_bool or not isinstance(value, allowed):
            raise InputError(notebook, field, annotation, f"{value!r} ({type(value).__name__})")


def _select_outputs(cell, where: str) -> list:
    """The outputs worth storing, streams joined, checked for what must not be stored."""
    import nbformat

    stored = []
    for output in cell.outputs:
        if output.output_type == "stream" and output.name == "stderr":
            if "nbval-ignore-output" not in cell.metadata.get("tags", []):
                expected = "no warnings and no progress bars"
                raise InputError(where, "stderr", expected, output.text.strip()[:300])
        elif output.output_type == "stream" and stored and stored[-1].output_type == "stream":
            stored[-1].text += output.text
        elif output.output_type == "stream":
            stored.append(nbformat.v4.new_output("stream", name="stdout", text=output.text))
        elif output.output_type in ("display_data", "execute_result"):
            data = {kind: output.data[kind] for kind in _KEPT if kind in output.data}
            if _count_bytes(data) > PNG_LIMIT:
                small = reduce_colors(base64.b64decode(data["image/png"]))
                data["image/png"] = base64.b64encode(small).decode()
            stored.append(nbformat.v4.new_output(output.output_type, data=data))
        else:
            stored.append(output)
    for output in stored:
        _check_output(output, where)
    return stored


def _count_bytes(data: Mapping) -> int:
    """Of the PNG."""
    return len(data.get("image/png", "")) * 3 // 4


def reduce_colors(png: bytes) -> bytes:
    """The same picture in 64 colours: enough for lines on white, and a third of the size."""
    from PIL import Image

    small = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").quantize(64).save(small, "png", optimize=True)
    return small.getvalue()


def _check_output(output, where: str) -> None:
    data = output.get("data", {})
    if (size := _count_bytes(data)) > PNG_LIMIT:
        expected = f"a PNG of at most {PNG_LIMIT // 1000} kB"
        raise InputError(where, "figure", expected, f"{size // 1000} kB")
    for text in (output.get("text", ""), data.get("text/plain", ""), data.get("text/html", "")):
        path = _PATH.search(re.sub(r"<script>.*?</script>", "", text, flags=re.S))
        if path:
            raise InputError(where, "output", "no absolute path", path[0][:80])
