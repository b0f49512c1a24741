"""``submit`` and ``cancel``: a server's jobs, without waiting for them."""

from __future__ import annotations

import typer

from relu_landscape_cli import asking
from relu_landscape_cli.exits import Exit, reporting
from relu_landscape_cli.ids import job_of
from relu_landscape_cli.remote import DEFAULT_SERVER, ApiKey, AsJson, Id, Server, connect


def submit(
    student_width: asking.StudentWidth,
    teacher_width: asking.TeacherWidth,
    starts: asking.Starts = None,
    seed: asking.Seed = None,
    input_dimension: asking.InputDimension = None,
    init_scale: asking.InitScale = None,
    flow_tolerance: asking.FlowTolerance = None,
    precision: asking.Arithmetic = None,
    leak: asking.Leak = None,
    structured: asking.Structured = None,
    structure: asking.Structures = None,
    saddles: asking.Saddles = None,
    widen: asking.Widen = None,
    learning_rates: asking.LearningRates = None,
    certify: asking.Proofs = None,
    server: Server = DEFAULT_SERVER,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Ask a server for a landscape and come back at once.

    The whole id is printed on standard output, and how to go on from there on standard error. The
    same question always has the same id, and joins a computation that is under way.
    """
    from relu_landscape_cli import tables

    given = asking.options(
        starts=starts, seed=seed, input_dimension=input_dimension, init_scale=init_scale,
        flow_tolerance=flow_tolerance, precision=precision, leak=leak, structured=structured,
        structures=structure, saddles=saddles, widen=widen,
        learning_rates=learning_rates, certify=certify,
    )  # fmt: skip
    with reporting(as_json=as_json), connect(server, api_key) as client:
        status = client.submit(student_width, teacher_width, **given)
        if as_json:
            tables.print_json(tables.status_document(status))
            return
        typer.echo(status.id)
        short = status.id[: tables.ID_DIGITS]
        next_word = "show" if status.state == "finished" else "watch"
        typer.echo(f"{status.state}; go on with: relu-landscape {next_word} {short}", err=True)


def cancel(
    job_id: Id,
    server: Server = DEFAULT_SERVER,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Cancel a job of any kind that is waiting or being computed.

    The exit code is 0 where it is cancelled or is being cancelled, which takes a second or two,
    and 1 where it is over already and there is nothing to cancel.
    """
    from relu_landscape_cli import tables

    with reporting(as_json=as_json), connect(server, api_key) as client:
        status = client.cancel(job_of(client, job_id))
        if as_json:
            tables.print_json(tables.status_document(status))
        else:
            typer.echo(f"{status.id[: tables.ID_DIGITS]}: {status.state}")
        if status.state not in ("cancelling", "cancelled"):
            raise typer.Exit(int(Exit.NO))
