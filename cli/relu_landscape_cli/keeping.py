"""``backup`` and ``restore``: every finished job of a store in one file, and back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from relu_landscape_cli.exits import Exit, reporting
from relu_landscape_cli.remote import AsJson

if TYPE_CHECKING:
    from relu_landscape.settings import Settings

DataDir = Annotated[
    Path | None,
    typer.Option(
        help="Folder of the embedded store.", show_default="the one that the service uses"
    ),
]


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The backup, a tar file.")],
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Write every finished job of the store and its archive into one file.

    The store is that of the settings, whether a service runs on it or not. The file is a tar of
    results with their parts and states, each compressed, and a manifest of SHA-256 digests.
    """
    from relu_landscape_cli import tables

    with reporting(as_json=as_json):
        from relu_landscape.jobs.backup import back_up, kept

        with kept(_settings(data_dir)) as source:
            count = back_up(source, file)
        if as_json:
            tables.print_json({"file": str(file), "jobs": count})
        else:
            typer.echo(f"{file}: {count} finished jobs, {file.stat().st_size} bytes")


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What ``backup`` wrote.")],
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Put the jobs of a backup into the store, and into its archive where there is one.

    Every digest is compared first; what is damaged is refused by its id, and the exit code is 1.
    What the store has already stays as it is.
    """
    from relu_landscape_cli import tables

    with reporting(as_json=as_json):
        from relu_landscape.jobs.backup import kept
        from relu_landscape.jobs.backup import restore as put_back

        with kept(_settings(data_dir)) as target:
            done = put_back(target, file)
        if as_json:
            tables.print_json(vars(done))
        else:
            for job, reason in done.refused.items():
                typer.echo(f"{job}: refused: {reason}", err=True)
            typer.echo(
                f"{len(done.restored)} restored, {len(done.there)} there already, "
                f"{len(done.refused)} refused"
            )
        if done.refused:
            raise typer.Exit(int(Exit.NO))


def _settings(data_dir: Path | None) -> Settings:
    from relu_landscape.settings import Settings

    given: dict[str, Any] = {} if data_dir is None else {"data_dir": data_dir}
    return Settings.load(**given)
