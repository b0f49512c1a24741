"""``relu-landscape locate``: where networks in a file stand, from a server or computed here."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from relu_landscape.errors import InputError
from relu_landscape_cli import asking
from relu_landscape_cli.computing import Quiet, ServerIfAny, Timeout, Workers, computed
from relu_landscape_cli.exits import reporting
from relu_landscape_cli.remote import ApiKey, AsJson, connect

if TYPE_CHECKING:
    from relu_landscape_client import Points


def locate(
    file: Annotated[
        Path,
        typer.Argument(
            help="A .npz with weights (K, d) or (n, K, d) and teacher (M, d) or teacher_gram, or "
            "with Q and R; or a .npy of weights alone, the teacher's span first."
        ),
    ],
    teacher_width: Annotated[
        int | None, typer.Option(help="Where the file has no teacher; left out: the students'.")
    ] = None,
    input_dimension: Annotated[
        int | None, typer.Option(help="Of the Gaussian inputs; left out: the teacher's columns.")
    ] = None,
    single_precision: Annotated[
        bool | None,
        typer.Option("--single-precision", help="The numbers were rounded to float32."),
    ] = None,
    sample_size: Annotated[
        int | None, typer.Option(help="Inputs of the training set, if known.")
    ] = None,
    label_noise: Annotated[
        float | None, typer.Option(help="Standard deviation of its labels' noise.")
    ] = None,
    follow: Annotated[
        bool | None, typer.Option("--follow/--no-follow", help="Follow gradient flow?")
    ] = None,
    nearest: Annotated[
        int | None, typer.Option(help="How many of the nearest fixed points to list.")
    ] = None,
    spectrum: Annotated[
        bool | None, typer.Option("--spectrum/--no-spectrum", help="Eigenvalues at the point?")
    ] = None,
    widening: Annotated[
        bool | None,
        typer.Option("--widening/--no-widening", help="What would one more student do?"),
    ] = None,
    certify: Annotated[
        asking.Certify | None, typer.Option(help="Prove the end, and that the flow goes there.")
    ] = None,
    flow_tolerance: Annotated[
        float | None, typer.Option(help="Local error of the integrator.")
    ] = None,
    server: ServerIfAny = None,
    api_key: ApiKey = None,
    workers: Workers = None,
    timeout: Timeout = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Say where networks of your own stand, and where gradient flow takes them.

    With --server through that server, otherwise here; id, digest and every number are the same.
    """
    given = asking.options(
        teacher_width=teacher_width, input_dimension=input_dimension,
        single_precision=single_precision, sample_size=sample_size, label_noise=label_noise,
        follow=follow, nearest=nearest, spectrum=spectrum, widening=widening, certify=certify,
        flow_tolerance=flow_tolerance,
    )  # fmt: skip
    with reporting(as_json=as_json):
        arrays = _arrays(file)
        if server is None:
            found = _compute(arrays, given, workers, quiet)
        else:
            found = _ask(server, api_key, arrays, given, timeout, quiet)
        _show(found, as_json=as_json)


def _arrays(path: Path) -> dict[str, Any]:
    """What a file of NumPy's holds by name; pickled arrays are refused."""
    import numpy as np

    from relu_landscape.wire.points import ARRAYS

    try:
        loaded = np.load(path, allow_pickle=False)
        if not isinstance(loaded, np.lib.npyio.NpzFile):
            return {"weights": loaded}
        with loaded:
            if unknown := sorted(set(loaded.files) - set(ARRAYS)):
                known = ", ".join(ARRAYS)
                raise InputError(f"{path}: there is no array {unknown[0]!r}; the names are {known}")
            return {name: loaded[name] for name in sorted(loaded.files)}
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: no arrays of NumPy can be read from it: {error}") from error


def _show(found: Points, *, as_json: bool) -> None:
    from relu_landscape_cli import located, tables

    if as_json:
        tables.print_json(found.document)
    else:
        tables.show(*located.tables_of(found))


def _ask(
    server: str, api_key: str | None, arrays: dict[str, Any], given: dict[str, Any],
    timeout: float | None, is_quiet: bool,
) -> Points:  # fmt: skip
    from relu_landscape_cli import tables

    with connect(server, api_key) as client, tables.bar(is_quiet=is_quiet) as watch:
        return client.locate(**arrays, **given, progress=watch or False, timeout_seconds=timeout)


def _compute(
    arrays: dict[str, Any], given: dict[str, Any], workers: int | None, is_quiet: bool
) -> Points:
    from relu_landscape.wire.points import PointsRequest
    from relu_landscape_cli.questions import validated
    from relu_landscape_client import Points

    request = validated(PointsRequest, PointsRequest.of_arrays(arrays, given))
    return Points.from_document(computed(request, is_quiet=is_quiet, workers=workers))
