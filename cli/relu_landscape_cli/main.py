"""The command ``relu-landscape``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

import relu_landscape
from relu_landscape_cli.assistants import mcp
from relu_landscape_cli.atlas import atlas
from relu_landscape_cli.audit import audit
from relu_landscape_cli.descents import descents
from relu_landscape_cli.doctor import doctor
from relu_landscape_cli.estimate import estimate
from relu_landscape_cli.exits import say_interrupt_unless_said
from relu_landscape_cli.families import families
from relu_landscape_cli.frequencies import frequencies
from relu_landscape_cli.jobs import cancel, submit
from relu_landscape_cli.keeping import backup, restore
from relu_landscape_cli.keys import keys
from relu_landscape_cli.leaks import leaks
from relu_landscape_cli.learning_rates import learning_rates
from relu_landscape_cli.locate import locate
from relu_landscape_cli.looking import export, list_jobs, show, watch
from relu_landscape_cli.perturb import perturb
from relu_landscape_cli.pinning import delete, pin, unpin
from relu_landscape_cli.solve import solve
from relu_landscape_cli.structures import structures
from relu_landscape_cli.sweep import sweep
from relu_landscape_cli.tagging import tag
from relu_landscape_cli.trajectory import trajectory
from relu_landscape_cli.verifying import verify

app = typer.Typer(
    name="relu-landscape",
    help="Loss landscapes of two-layer ReLU networks in the teacher-student setting.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    # Plain help: the boxes cut long names of environment variables at 80 columns.
    rich_markup_mode=None,
)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"relu-landscape {relu_landscape.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and stop."
        ),
    ] = False,
) -> None:
    """Loss landscapes of two-layer ReLU networks in the teacher-student setting."""


@app.command()
def serve(
    host: Annotated[
        str | None,
        typer.Option(
            help="Address to listen on; 0.0.0.0 for every interface.", show_default="127.0.0.1"
        ),
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="TCP port; 0 takes a free one.", show_default="8000")
    ] = None,
    data_dir: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the embedded store and its log.", show_default="the platform's for data"
        ),
    ] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Let others connect although there is no key.")
    ] = False,
) -> None:
    """Run the service until SIGTERM or Ctrl+C.

    Options win over the environment variables RELU_LANDSCAPE_*. Exit status: 0 after a graceful
    stop, 2 where the settings cannot be used or the port is taken.
    """
    # Imported here: the other commands should not wait for the server's libraries.
    from relu_landscape.jobs.pool import forking

    forking.begin()  # it imports beside us
    from relu_landscape.errors import ConfigurationError
    from relu_landscape_api.serve import EXIT_CONFIGURATION
    from relu_landscape_api.serve import serve as run
    from relu_landscape_api.settings import ApiSettings

    given: dict[str, Any] = {"host": host, "port": port, "data_dir": data_dir}
    given["insecure"] = insecure or None
    try:
        chosen = {name: item for name, item in given.items() if item is not None}
        settings = ApiSettings.load(**chosen)
    except ConfigurationError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(EXIT_CONFIGURATION) from error
    raise typer.Exit(run(settings))


_COMMANDS: dict[str, Callable[..., None]] = {
    "solve": solve, "estimate": estimate, "structures": structures, "families": families,
    "leaks": leaks,
    "learning-rates": learning_rates, "trajectory": trajectory, "frequencies": frequencies,
    "perturb": perturb, "descents": descents, "locate": locate, "sweep": sweep, "atlas": atlas,
    "watch": watch,
    "show": show, "list": list_jobs, "export": export, "verify": verify, "doctor": doctor,
    "submit": submit, "cancel": cancel, "tag": tag, "pin": pin, "unpin": unpin, "delete": delete,
    "backup": backup, "restore": restore, "audit": audit, "mcp": mcp,
}  # fmt: skip
for name, command in _COMMANDS.items():
    app.command(name)(command)
app.add_typer(keys)


def main() -> None:
    """Entry point of the console script."""
    try:
        app()
    except SystemExit as end:
        say_interrupt_unless_said(end.code)
        raise


if __name__ == "__main__":
    main()
