"""How a function becomes a command: its options, its help page, its console.

A command is a function of a `Console` and of values. `add_command` gives it ``--json``, those that run long also
``--verbose``, ``--quiet`` and ``--log``, and in place of each parameter that stands for settings the options of an
`OptionGroup`. Help pages are plain text with a section per panel, so that the brackets around units stay what they are;
each ends with examples, which a test runs.
"""

from __future__ import annotations

import difflib
import inspect
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from gliofield.cli.console import EXIT_NOT_UNDERSTOOD, Console, ConsoleOptions, describe_run, user_errors
from gliofield.cli.settings_options import OptionGroup
from gliofield.termination import ending_in_order

#: Makes the options that depend on what else is on the command line.
Options = Callable[[Sequence[str]], OptionGroup]

SHARED_PANEL = "Shared"
#: Of every command and group: both spellings of help, and lines that can be read on a wide terminal.
CONTEXT = {"help_option_names": ["--help", "-h"], "max_content_width": 110}

_UsageError: type[Exception] = typer.BadParameter.__mro__[1]  # its place differs between versions of Typer
_NO_BREAK = "\N{NON-BREAKING HYPHEN}"
_WORDS = {"int": "N", "float": "X", "path": "PATH", "Path": "PATH", "str": "NAME", "bool": ""}

_JSON = inspect.Parameter(
    "as_json",
    inspect.Parameter.KEYWORD_ONLY,
    default=False,
    annotation=Annotated[
        bool, typer.Option("--json", help="Print the result as JSON on stdout.", rich_help_panel=SHARED_PANEL)
    ],
)
_MAX_VOXELS = inspect.Parameter(
    "max_voxels",
    inspect.Parameter.KEYWORD_ONLY,
    default=None,
    annotation=Annotated[
        int | None,
        typer.Option(
            min=1, help="Largest image that is read [voxels]; default 512³, 134217728.", rich_help_panel=SHARED_PANEL
        ),
    ],
)
_CONSOLE_GROUP = OptionGroup(settings=ConsoleOptions, panel=SHARED_PANEL)


def add_command(
    app: typer.Typer,
    name: str,
    function: Callable[..., None],
    *,
    examples: Sequence[str],
    runs_long: bool = False,
    resumes: bool = False,
    reads_images: bool = False,
    options: Mapping[str, Options] | None = None,
    explain: Callable[[str, Sequence[str]], str | None] | None = None,
    help_text: str | None = None,
) -> None:
    """Add a function of a `Console` and of values as a command.

    Parameters
    ----------
    app : typer.Typer
        The group it belongs to.
    name : str
        Its name there.
    function : callable
        Takes ``console`` first; its docstring is the help.
    examples : sequence of str
        Command lines, for the end of the help page and for the test that runs them.
    runs_long : bool
        Whether it takes options about what it says while it runs.
    resumes : bool
        Whether the same command goes on after an interruption.
    reads_images : bool
        Whether it reads images of the user, whose size can be limited.
    options : mapping of str to callable, optional
        Parameters of the function that take settings, with what makes their options.
    explain : callable, optional
        What to say of an unknown option, given it and the command line; None: the usual.
    help_text : str, optional
        Help, if it is not the docstring.
    """
    described: dict[str, Any] = {
        "help": _unbroken(help_text or inspect.getdoc(function) or ""),
        "epilog": "\n".join(examples),
        "context_settings": dict(CONTEXT),
    }

    with_console = partial(_with_console, runs_long=runs_long, resumes=resumes, reads_images=reads_images)

    def build(arguments: Sequence[str]) -> Any:
        groups = {parameter: make(arguments) for parameter, make in (options or {}).items()}
        single = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
        callback = with_console(function, groups)
        single.command(name, cls=Command, **described)(callback)
        return typer.main.get_command(single)

    if options is None:
        callback = with_console(function, {})
        app.command(name, cls=Command, **described)(callback)
    else:
        later = {"build": staticmethod(build), "explain": staticmethod(explain or (lambda option, arguments: None))}
        app.command(name, cls=type("Later", (DeferredCommand,), later), **described)(lambda: None)


def add_moved(app: typer.Typer, name: str, *, old: str, new: str) -> None:
    """Add a name that a command had before: it says the new one on one line and ends with code 2; no help lists it."""

    def say_where(context: typer.Context) -> None:
        Console(as_json="--json" in context.args).fail(f"`{old}` is now `{new}`.", kind="UsageError")
        raise typer.Exit(EXIT_NOT_UNDERSTOOD)

    anything = {"ignore_unknown_options": True, "allow_extra_args": True}
    app.command(name, hidden=True, add_help_option=False, context_settings=anything)(say_where)


def _with_console(
    function: Callable[..., None],
    groups: Mapping[str, OptionGroup],
    *,
    runs_long: bool,
    resumes: bool,
    reads_images: bool,
) -> Callable[..., None]:
    """What Typer calls: a function of all options, which opens a console and gathers settings of their fields."""
    signature = inspect.signature(function, eval_str=True)
    context = inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    own: list[inspect.Parameter] = []
    for parameter in list(signature.parameters.values())[1:]:
        group = groups.get(parameter.name)
        named = parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        own.extend([named] if group is None else group.parameters())
    limit = [_MAX_VOXELS] if reads_images else []

    def callback(context: typer.Context, as_json: bool, **values: Any) -> None:
        spellings = {param.name: max(param.opts, key=len) for param in context.command.params if param.name}
        given = [name for name in values if _is_given(context, name)]
        with user_errors(Console(as_json=as_json)):
            said = _CONSOLE_GROUP.take(values) if runs_long else None
            log = context.with_resource((said or ConsoleOptions()).open_log())
        context.with_resource(_image_limit(values.pop("max_voxels", None)))
        console = Console(as_json=as_json, options=said, log=log, spellings=spellings, given=given)
        with ending_in_order(), user_errors(console, resumes=resumes):
            if runs_long:
                for line in describe_run(values, spellings):
                    console.detail(line)
            settings = {name: group.take(values) for name, group in groups.items()}
            function(console, **values, **settings)

    spoken = _CONSOLE_GROUP.parameters() if runs_long else []
    callback.__signature__ = inspect.Signature([context, *own, *limit, _JSON, *spoken])  # type: ignore[attr-defined]
    return callback


@contextmanager
def _image_limit(max_voxels: int | None) -> Iterator[None]:
    """Limit the size of images that this process and its workers read; None leaves the limit as it is."""
    from gliofield.nifti import MAX_VOXELS_VARIABLE

    before = os.environ.get(MAX_VOXELS_VARIABLE)
    if max_voxels is not None:
        os.environ[MAX_VOXELS_VARIABLE] = str(max_voxels)
    try:
        yield
    finally:
        if max_voxels is not None:
            os.environ.pop(MAX_VOXELS_VARIABLE)
            os.environ |= {} if before is None else {MAX_VOXELS_VARIABLE: before}


def _is_given(context: typer.Context, name: str) -> bool:
    return getattr(context.get_parameter_source(name), "name", "") == "COMMANDLINE"


class Command(TyperCommand):
    """A command whose help is plain text and whose misspelt options are answered with the closest one."""

    def get_help(self, ctx: Any) -> str:
        return _mended(super().get_help(ctx))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        given = list(args)
        with _usage_errors(given):
            return super().parse_args(ctx, args)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        _write_panels(self.get_params(ctx), ctx, formatter)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        if self.epilog:
            with formatter.section("Examples"):
                for line in self.epilog.splitlines():
                    formatter.write(f"{'':>{formatter.current_indent}}{line}\n")


class DeferredCommand(Command):
    """A command whose options are known when it is called, not before: they may depend on the command line."""

    build: Callable[[Sequence[str]], Any]
    explain: Callable[[str, Sequence[str]], str | None]

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        given = list(args)
        try:
            return self.build(given).make_context(info_name, args, parent=parent, **extra)
        except _UsageError as error:
            option = getattr(error, "option_name", None)
            sentence = self.explain(option, given) if option else None
            if sentence is not None:
                vars(error).update(message=sentence, possibilities=None)
            raise

    def invoke(self, ctx: Any) -> Any:
        """Call what was built, also where this is the only command of its program."""
        return ctx.command.invoke(ctx)


class Group(TyperGroup):
    """A group of commands whose help is plain text."""

    def get_help(self, ctx: Any) -> str:
        return _mended(super().get_help(ctx))

    def format_options(self, ctx: Any, formatter: Any) -> None:
        _write_panels(self.get_params(ctx), ctx, formatter)
        shown = {name: command for name, command in self.commands.items() if not command.hidden}
        if shown:
            with formatter.section("Commands"):
                formatter.write_dl([(name, _first_sentence(command.help)) for name, command in shown.items()])


def make_group(name: str | None, help_text: str, *, kind: type[TyperGroup] = Group) -> typer.Typer:
    """A group of commands."""
    return typer.Typer(
        name=name,
        cls=kind,
        help=help_text,
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings=dict(CONTEXT),
    )


@contextmanager
def _usage_errors(arguments: Sequence[str]) -> Iterator[None]:
    """Errors of the parser, with one suggestion instead of several, and as JSON where that was asked for."""
    try:
        yield
    except _UsageError as error:
        possible = getattr(error, "possibilities", None)
        if possible:
            (option,) = difflib.get_close_matches(vars(error)["option_name"], possible, n=1, cutoff=0.0)
            vars(error).update(message=f"{vars(error)['message']}. Did you mean {option}?", possibilities=None)
        if "--json" in arguments:
            typer.echo(json.dumps({"error": vars(error)["message"], "kind": "UsageError"}))
        raise


def _write_panels(params: Sequence[Any], ctx: Any, formatter: Any) -> None:
    """One section per panel, in the order in which they first occur, what all commands share last."""
    given = {param.name: getattr(param, "rich_help_panel", None) for param in params}
    help_panel = SHARED_PANEL if SHARED_PANEL in given.values() else None
    panels: dict[str, list[tuple[str, str]]] = {}
    for param in params:
        record = param.get_help_record(ctx)
        if record is not None:
            panel = (help_panel if param.name == "help" else given[param.name]) or "Options"
            panels.setdefault(panel, []).append((_styled(_named(param, record[0])), _unbroken(record[1])))
    for panel in sorted(panels, key=lambda panel: panel == SHARED_PANEL):
        with formatter.section(panel):
            formatter.write_dl(panels[panel], col_max=28)


def _named(param: Any, record: str) -> str:
    """The option with a word for its value: a number N or X, a PATH, a NAME; an argument without any."""
    if param.param_type_name == "argument":
        return re.sub(r" <[^>]*>", "", record)
    return re.sub(r"<([^>]*)>(\.\.\.)?", lambda found: _word(found[1]), record).rstrip()


def _word(kind: str) -> str:
    inner = re.sub(r"^list\[(.*)\]$", r"\1", kind.removesuffix(" range"))
    return " ".join(_WORDS.get(part, part) for part in inner.split(","))


def _unbroken(text: str) -> str:
    """The text with words that are not broken at their hyphens; `_mended` brings these back."""
    return text.replace("-", _NO_BREAK)


def _mended(page: str) -> str:
    return page.replace(_NO_BREAK, "-")


def _styled(name: str) -> str:
    """Cyan where colors are wanted; what is no terminal gets none anyway."""
    return name if os.environ.get("NO_COLOR") else typer.style(name, fg="cyan")


def _first_sentence(text: str | None) -> str:
    paragraph = " ".join((text or "").split("\n\n")[0].split())
    return re.split(r"(?<=[.])\s+(?=[A-Z])", paragraph, maxsplit=1)[0]
