"""``keys create``, ``list``, ``revoke``, ``forget``: who may ask a server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from relu_landscape_cli.exits import reporting
from relu_landscape_cli.remote import AsJson
from relu_landscape_cli.stored import DataDir, Stored, whose, with_store

if TYPE_CHECKING:
    from relu_landscape.jobs.identity import Key
    from relu_landscape.wire.identity import Action

keys = typer.Typer(
    name="keys", help="Keys that let others ask this service.", no_args_is_help=True,
    rich_markup_mode=None,
)  # fmt: skip

#: More days than these are meant for ever, or a slip of the finger.
_MOST_DAYS = 36_500

Which = Annotated[
    str, typer.Argument(metavar="NAME|PREFIX", help="Name of a key, or its first 12 characters.")
]


class Scope(StrEnum):
    """What a key allows."""

    READ = "read"
    SUBMIT = "submit"
    ADMIN = "admin"


@keys.command()
def create(
    name: Annotated[str, typer.Argument(help="Whose key it is; it stands in logs and lists.")],
    scope: Annotated[
        Scope,
        typer.Option(
            help="read: look at what is there; submit: also ask for what is computed, and cancel; "
            "admin: everything."
        ),
    ] = Scope.SUBMIT,
    expires: Annotated[
        str | None,
        typer.Option(
            metavar="DAYS|DATE", show_default="never",
            help="Days from now, or a date such as 2027-03-31, the last day on which it opens.",
        ),
    ] = None,
    rate: Annotated[
        str | None,
        typer.Option(
            metavar="LIMIT", show_default="RELU_LANDSCAPE_RATE_LIMIT",
            help="How often it may ask, such as 60/minute or 60/minute;1000/day.",
        ),
    ] = None,
    core_seconds: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="SECONDS", show_default="RELU_LANDSCAPE_CORE_SECONDS_PER_DAY",
            help="How long its jobs may compute in a day, in seconds of one core.",
        ),
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Make a key. It is printed this once and kept nowhere: what is kept is a digest.

    From the first key on, whoever asks this service needs one; a running one notices within 5 s.
    """
    from relu_landscape_cli import tables

    with reporting(as_json=as_json):
        from relu_landscape.jobs.identity import Wanted, utc_now

        now = utc_now()
        wanted = Wanted(name, scope.value, _end(expires, now), _checked(rate), core_seconds)

        async def make(stored: Stored) -> tuple[Key, str]:
            key, text = await stored.keys.create(wanted, now)
            await _remember(stored, "created key", key)
            return key, text

        key, text = with_store(data_dir, make)
        if as_json:
            tables.print_json({"key": text, **_document(key)})
            return
        typer.echo(text)
        typer.echo(
            f"This is the key of {key.name!r} ({key.scope}), and nobody can show it again. "
            "Whoever asks sends it as RELU_LANDSCAPE_API_KEY, --api-key, Client(api_key=...) or "
            "'Authorization: Bearer KEY'.",
            err=True,
        )


@keys.command("list")
def list_keys(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List every key that was made, with what became of it."""
    from relu_landscape_cli import tables

    async def read(stored: Stored) -> list[Key]:
        return await stored.keys.all()

    with reporting(as_json=as_json):
        found = with_store(data_dir, read)
        if as_json:
            tables.print_json([_document(key) for key in found])
        elif found:
            tables.show(_table(found))
        else:
            typer.echo("there are no keys", err=True)


@keys.command()
def revoke(which: Which, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Let a key open nothing any more; a running service notices within 5 s.

    Jobs that were asked for with it go on. A service whose last key is revoked stays shut.
    """
    from relu_landscape.jobs.identity import utc_now

    async def end(stored: Stored) -> Key:
        key = await stored.keys.revoke(which, utc_now())
        await _remember(stored, "revoked key", key)
        return key

    with reporting(as_json=as_json):
        _tell(with_store(data_dir, end), "revoked", as_json=as_json)


@keys.command()
def forget(which: Which, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Drop a key that is revoked or expired from the list.

    Where no key is left, a service that listens to its own machine alone needs none any more.
    """
    from relu_landscape.jobs.identity import utc_now

    async def drop(stored: Stored) -> Key:
        key = await stored.keys.forget(which, utc_now())
        await _remember(stored, "forgot key", key)
        return key

    with reporting(as_json=as_json):
        _tell(with_store(data_dir, drop), "forgotten", as_json=as_json)


async def _remember(stored: Stored, action: Action, key: Key) -> None:
    from relu_landscape.jobs.identity import Deed

    await stored.trail.add(
        Deed("command line", action, f"{key.name} {key.prefix}", address=whose())
    )


def _tell(key: Key, word: str, *, as_json: bool) -> None:
    from relu_landscape_cli import tables

    if as_json:
        tables.print_json(_document(key))
    else:
        typer.echo(f"{key.name} ({key.prefix}): {word}")


def _end(text: str | None, now: datetime) -> datetime | None:
    """When a key ends: so many days from now, or at the end of a date, in UTC."""
    from relu_landscape.errors import InputError

    if text is None:
        return None
    try:
        if text.isascii() and text.isdigit():
            if not 1 <= int(text) <= _MOST_DAYS:
                raise ValueError
            return now + timedelta(days=int(text))
        return datetime.fromisoformat(text).replace(tzinfo=UTC) + timedelta(days=1)
    except (ValueError, OverflowError):
        raise InputError(
            f"--expires {text!r} is not understood: write days from 1 to {_MOST_DAYS}, or a date "
            "such as 2027-03-31."
        ) from None


def _checked(rate: str | None) -> str | None:
    from limits import parse_many

    from relu_landscape.errors import InputError

    try:
        if rate is not None:
            parse_many(rate)
    except ValueError as error:
        raise InputError(f"--rate {rate!r} is not understood: write such as 60/minute.") from error
    return rate


def _document(key: Key) -> dict[str, Any]:
    """A key as JSON, without its digest."""
    return key.model_dump(mode="json", exclude={"digest"})


def _today(key: Key) -> str:
    limit = "" if key.core_seconds_per_day is None else f" of {key.core_seconds_per_day}"
    return f"{key.core_seconds_today:.0f}{limit}"


def _table(found: list[Key]) -> Any:
    from relu_landscape.jobs.identity import utc_now
    from relu_landscape_cli.fitting import Column, Fitted

    now = utc_now()

    def day(moment: datetime | None) -> str:
        return "–" if moment is None else moment.date().isoformat()

    def minute(moment: datetime | None) -> str:
        return "never" if moment is None else moment.strftime("%Y-%m-%d %H:%M")

    return Fitted([
        Column("name", [key.name for key in found]),
        Column("prefix", [key.prefix for key in found]),
        Column("scope", [key.scope for key in found]),
        Column("state", [key.why_not(now) or "opens" for key in found]),
        Column("created", [day(key.created_at) for key in found], dropped=3),
        Column("expires", [day(key.expires_at) for key in found], dropped=2),
        Column("last used (UTC)", [minute(key.last_used_at) for key in found], dropped=1),
        Column("core-seconds today", [_today(key) for key in found], dropped=5),
        Column("rate", [key.rate or "–" for key in found], dropped=4),
    ])  # fmt: skip
