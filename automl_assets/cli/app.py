"""The command line `automl`. Loads Dagster and the learning libraries only when a command needs them."""

import json
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from automl_assets.cli.found_in_home import champions_of, last_result, model_name, prepared
from automl_assets.cli.progress import progress
from automl_assets.cli.terminal import plain
from automl_assets.cli.weights import app as weights_app
from automl_assets.errors import (
    AutomlError,
    GuessError,
    LearningError,
    SettingError,
    TimeUpWarning,
    holds_secret,
    trace,
)
from automl_assets.masking import mask_logs, masked

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="AutoML that lives in Dagster."
)
app.add_typer(weights_app, name="weights")
console = Console(width=None if sys.stdout.isatty() else 120)
INTERRUPTED = 130  # exit code after Ctrl-C, as shells have it
SHOWN_ROWS = 5  # of contributions

Home = Annotated[Path | None, typer.Option(help="Where runs, models and the MLflow database lie (default: .automl).")]
Groups = Annotated[list[str] | None, typer.Option("--group", help="Of a forecast: this group alone; may be repeated.")]


def entry() -> NoReturn:
    """The command `automl`. Ends at once: all is written, and taking the libraries apart would take seconds."""
    from automl_assets.execution.temporary import remove_own_folder, use_own_folder

    code: Any = 0
    use_own_folder()
    try:
        main()
    except SystemExit as ending:
        code = ending.code
    sys.stdout.flush()
    sys.stderr.flush()
    remove_own_folder()
    os._exit(code if isinstance(code, int) else int(code is not None))


def main() -> None:
    """Runs a command; an error a person can mend is told in one message, without a stack trace."""
    mask_logs()
    try:
        app()
    except AutomlError as error:
        Console(stderr=True).print(Panel(plain(error), title="automl", title_align="left", border_style="red"))
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        Console(stderr=True).print("interrupted")
        sys.exit(INTERRUPTED)
    except Exception as error:
        if not holds_secret(error):
            raise
        sys.stderr.write(trace(error))
        sys.exit(1)


@app.command()
def new(
    data: Annotated[str, typer.Argument(help="A file, folder, glob or URL of rows.")],
    target: Annotated[str, typer.Option(help="The column to predict.")],
    time: Annotated[str | None, typer.Option(help="The column that says when: its target is to be forecast.")] = None,
    task: Annotated[
        str | None, typer.Option(help="The question, such as text_classification (default: inferred).")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", help="The YAML to write (default: named after the data).")
    ] = None,
    force: Annotated[bool, typer.Option(help="Replace the YAML if it is there.")] = False,
) -> None:
    """Looks at the data, infers the task and writes a commented YAML."""
    from automl_assets.cli.drafting import draft
    from automl_assets.experiment.name import check_file

    if output:
        check_file(output)
    name, text = draft(data, target, time, task)
    path = output or Path(f"{name}.yaml")
    if path.exists() and not force:
        raise SettingError(f"{path} is there already; give another name with -o, or replace it with --force")
    path.write_text(text, "utf-8")
    console.print(shown := masked(text), markup=False, highlight=False)
    console.print(Text.assemble("Written to ", plain(path, "bold"), ". Next: ", plain(f"automl run {path}", "bold")))
    if shown != text:
        console.print(f"{path} holds a secret in clear; write ${{NAME}} for it, and set the environment variable NAME.")


@app.command()
def run(
    experiment: Annotated[str, typer.Argument(help="Name of a known experiment, or a YAML file.")],
    timeout_minutes: Annotated[
        float | None, typer.Option(min=0.01, help="Instead of the experiment's own limit.")
    ] = None,
    home: Home = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write everything about the result here.")] = None,
    resume: Annotated[
        bool, typer.Option(help="Go on with the last run, which was cut off: make what is missing.")
    ] = False,
    changed: Annotated[
        bool, typer.Option(help="Of a forecast: make those groups again whose rows or settings changed, no others.")
    ] = False,
) -> None:
    """Runs an experiment through Dagster, from the rows to a tested ONNX model."""
    import secrets

    name = secrets.token_hex(8)
    with progress(console, experiment, name, home):
        from automl_assets.api.run import run as run_experiment

        with _told_when_interrupted(experiment):
            result = run_experiment(experiment, timeout_minutes, home, resume, changed, journal=name)
    from automl_assets.cli.printing import print_result

    print_result(console, result)
    if json_file:
        json_file.write_text(json.dumps(result.summary(), indent=1), "utf-8")
    if result.lost:
        raise LearningError("\n".join(f"{asset} could not be made: {why}" for asset, why in result.lost.items()))
    if result.is_guess and not result.experiment.register_guess:
        raise GuessError(_told_of_guess(result))


def _told_of_guess(result: Any) -> str:
    """What a model that is no better than a guess means, and what to do."""
    what = "The model was made and not registered:" if result.experiment.onnx else "The model was made, but"
    why = f"{what} {result.told_of_guess}"
    return f"{why} With `register_guess: true` in the YAML it counts all the same."


@contextmanager
def _told_when_interrupted(experiment: str) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        from automl_assets.resources.home import command

        told = f"interrupted; what is made is kept, and `{command(f'automl run {experiment} --resume')}` goes on"
        Console(stderr=True).print(plain(told), soft_wrap=True)
        raise SystemExit(INTERRUPTED) from None


@app.command(name="list")
def list_experiments(home: Home = None) -> None:
    """The experiments there are."""
    from automl_assets.experiment.experiment import load
    from automl_assets.experiments import attempt, files

    prepared(home)
    table = Table("name", "task", "target", "metric", "file", box=None, header_style="bold")
    for file in files([]):
        found = attempt(partial(load, file))
        row: tuple[Any, ...] = (plain(file.stem), "[red]broken[/]", "", "")
        if not isinstance(found, Exception):
            row = (found.name, found.task, plain(found.target), found.metric)
        table.add_row(*row, plain(_short(file)))
    console.print(table)


@app.command()
def leaderboard(experiment: str, group: Groups = None, home: Home = None) -> None:
    """The leaderboard of the last run."""
    from automl_assets.cli.printing import as_table

    console.print(as_table(last_result(experiment, home).printed_leaderboard(*(group or ()))))


@app.command()
def forecast(
    experiment: str,
    output: Annotated[Path, typer.Option("-o", help="A .csv, .parquet or .jsonl file to write.")],
    data: Annotated[
        str | None, typer.Argument(help="New rows of series; a row without its target is to be forecast.")
    ] = None,
    group: Groups = None,
    home: Home = None,
) -> None:
    """What comes after the newest rows that the last run knew, or in DATA: point and quantiles of every series."""
    from automl_assets.steps.predict_batches import check_output, write

    check_output(output)
    result = last_result(experiment, home)
    if data and group:
        raise SettingError("--group: DATA says itself which series are to be forecast; leave one of them out")
    n_rows = write([_answered(result, data) if data else result.forecast_of(*(group or ()))], output)
    _print_written(f"{n_rows} stamps forecast{_by_version(result)}", output)


def _answered(result: Any, data: str) -> Any:
    """Forecasts of the rows of DATA that have no target."""
    import polars as pl

    from automl_assets.steps.read_source import source_like, written

    return pl.from_pandas(result.predict(written(source_like(data, result.schema))))


@app.command()
def predict(
    experiment: str,
    data: Annotated[str, typer.Argument(help="A file, folder, glob or URL of rows.")],
    output: Annotated[Path, typer.Option("-o", help="A .csv, .parquet or .jsonl file to write.")],
    home: Home = None,
) -> None:
    """Predicts the rows of DATA with the last model of an experiment; they need not fit into memory."""
    from automl_assets.steps.predict_batches import BATCH_ROWS, check_output, write
    from automl_assets.steps.read_rows import Notes
    from automl_assets.steps.read_source import source_like, written_batches

    check_output(output)
    result, notes = last_result(experiment, home), Notes()
    with _counting("rows predicted") as told:
        batches = written_batches(source_like(data, result.schema), BATCH_ROWS)
        n_rows = write(result.scored(batches, notes), output, told)
    _print_written(f"{n_rows} rows predicted{_by_version(result)}", output)
    for line in notes.lines:
        console.print(line, markup=False)


@app.command()
def schema(
    experiment: str,
    data: Annotated[str | None, typer.Argument(help="Rows that are to be held against it.")] = None,
    home: Home = None,
) -> None:
    """What the columns hold that the last model learnt from; and what of the rows of DATA does not fit."""
    from automl_assets.cli.printing import as_table
    from automl_assets.steps.read_rows import fit
    from automl_assets.steps.read_source import source_like, written

    result = last_result(experiment, home)
    if data is None:
        console.print(as_table(result.printed_schema()))
        return
    for line in fit(written(source_like(data, result.schema)), result.schema, result.experiment.target):
        console.print(plain(line), soft_wrap=True)


@app.command()
def explain(
    experiment: str,
    data: Annotated[str, typer.Argument(help="A file, folder, glob or URL of rows.")],
    output: Annotated[
        Path | None, typer.Option("-o", help="A .csv, .parquet or .jsonl file to write (default: show the first rows).")
    ] = None,
    seconds: Annotated[float, typer.Option(min=0, help="More time gives steadier figures.")] = 60,
    home: Home = None,
) -> None:
    """Says what each column adds to the answer for each row of DATA (SHAP values)."""
    import polars as pl

    from automl_assets.cli.printing import contributions
    from automl_assets.steps.predict_batches import check_output, write
    from automl_assets.steps.read_source import source_like, written

    if output:
        check_output(output)
    result = last_result(experiment, home)
    rows = written(source_like(data, result.schema))
    with warnings.catch_warnings(record=True) as noticed:
        warnings.simplefilter("always", TimeUpWarning)
        made = pl.from_pandas(result.explain(rows if output else rows.head(SHOWN_ROWS), seconds))
    for one in noticed:
        console.print(str(one.message), markup=False)
    if output is None:
        console.print(contributions(made))
        return
    write([made], output)
    n_rows = made["row"].n_unique() if noticed else rows.height
    _print_written(f"{n_rows} rows explained{_by_version(result)}", output)


@app.command()
def test(
    experiment: str,
    trial: Annotated[str, typer.Argument(help="A trial of the leaderboard, or `ensemble`.")],
    data: Annotated[str | None, typer.Argument(help="Labelled rows instead of the experiment's own test rows.")] = None,
    home: Home = None,
) -> None:
    """Tests one trial of the last run, on the test rows or on the labelled rows of DATA."""
    from automl_assets.api.table_result import printed_scores
    from automl_assets.cli.printing import as_table
    from automl_assets.steps.evaluate import without_value
    from automl_assets.steps.read_source import source_like, written

    result = last_result(experiment, home)
    rows = None if data is None else written(source_like(data, result.schema))
    evaluation = result.test(trial, rows)
    console.print(as_table(printed_scores(evaluation)))
    if why := without_value(evaluation, result.experiment.metric, result.experiment.task):
        console.print(plain(f"{why}."))
    for name, value in evaluation.coverage.items():
        console.print(f"{name}: {value:.5g}")
    if rows is not None and evaluation.n_rows < rows.height:
        n_lost = rows.height - evaluation.n_rows
        console.print(f"{n_lost} rows took no part: their target is missing, or a class that the model has never met.")


@app.command()
def report(
    experiment: str,
    home: Home = None,
    show: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
) -> None:
    """Where the page about the last run of an experiment lies."""
    path = last_result(experiment, home).report_path
    if path is None:
        raise SettingError(f"{experiment} has no report yet; run it, without `report: false`")
    console.print(path, soft_wrap=True)
    if show:
        typer.launch(path.as_uri())


@app.command()
def code(
    experiment: str,
    output: Annotated[Path, typer.Option("-o", help="The folder to write into.")] = Path("."),
    home: Home = None,
) -> None:
    """Writes a script and a notebook that train the last model of an experiment again, without this system. Of a
    forecast they train the models of all groups."""
    from automl_assets.training_code.program import ENSEMBLES_FILE

    made = last_result(experiment, home).training_code
    output.mkdir(parents=True, exist_ok=True)
    requirements = "".join(f"{line}\n" for line in made.requirements).encode()
    files = {"training_code.py": made.script, "training_code.ipynb": made.notebook, "requirements.txt": requirements}
    files |= {ENSEMBLES_FILE: made.ensembles} if made.ensembles else {}
    for name, content in files.items():
        (output / name).write_bytes(content)
        console.print(output / name, soft_wrap=True)


@app.command()
def serve(
    experiment: str,
    port: int = 5001,
    host: Annotated[str, typer.Option(help="0.0.0.0 lets other machines ask, whoever they are.")] = "127.0.0.1",
    home: Home = None,
) -> None:
    """Answers over HTTP with the champion: POST rows as JSON or CSV to /invocations (the protocol of MLflow's server)."""
    from automl_assets.serving.limits import limits_here
    from automl_assets.serving.supervisor import listener

    limits_here()  # raises SettingError
    socket = listener(host, port)
    from automl_assets.resources.tracker import Tracker

    model = model_name(experiment, home)
    folder, surroundings = Tracker().served_copy(model)
    command = [sys.executable, "-m", "automl_assets.serving.supervisor", str(socket.fileno()), str(folder)]
    told = f"models:/{model}@champion answers at http://{host}:{socket.getsockname()[1]}/invocations"
    console.print(told, soft_wrap=True)
    os.execve(sys.executable, command, os.environ | surroundings)  # in place of this process, as with `ui`


@app.command()
def models(experiment: str, home: Home = None) -> None:
    """The versions of an experiment's model: figures, which of them answered when, and why."""
    from automl_assets.cli.printing import versions

    champions = champions_of(experiment, home)
    now = champions.champion()
    console.print(versions(champions.versions(), champions.reigns(), now))


@app.command()
def rollback(
    experiment: str,
    to: Annotated[
        str | None, typer.Option(help="The version to go back to (default: the one whose place the champion took).")
    ] = None,
    home: Home = None,
) -> None:
    """Lets an earlier version of an experiment's model answer again: of all commands, and of servers started from now on."""
    champions = champions_of(experiment, home)
    from automl_assets.api.rollback import rollback as go_back

    reign, has_records = go_back(champions, to)
    console.print(f"{champions.model}: version {reign.version} answers again, instead of version {reign.before}.")
    if not has_records:
        console.print(
            "What its run made is kept here no longer: all commands but `serve` go on with the last run's model."
        )
    console.print("A server that runs already answers with it once it is started anew.")


@app.command()
def labels(
    experiment: str,
    file: Annotated[str, typer.Argument(help="Labels: .csv, .jsonl, .parquet, JSON of Label Studio, COCO, or CoNLL.")],
    key: Annotated[
        list[str] | None, typer.Option(help="A column that tells which row a label belongs to; may be repeated.")
    ] = None,
    rows: Annotated[
        str | None,
        typer.Option(help="What was scored: the rows, or what `automl predict` wrote (default: predict_source)."),
    ] = None,
    new_classes: Annotated[bool, typer.Option(help="Take classes that the source has never had.")] = False,
    home: Home = None,
) -> None:
    """Adds labels that people gave to the source of an experiment; those that it has already are left out."""
    from automl_assets.api.run import find
    from automl_assets.experiment.experiment import load
    from automl_assets.steps.import_labels import import_labels

    prepared(home)
    found = import_labels(load(find(experiment)), file, rows, tuple(key or ()), new_classes)
    left_out = {"known already": found.n_known, "given twice": found.n_twice, "empty": found.n_empty}
    left_out |= {"of no row that was scored": found.n_unmatched}
    told = "".join(f", {number} {what}" for what, number in left_out.items() if number)
    counted = f"{found.n_labels} labels: {found.rows.height} new{told}"
    if found.where:
        _print_written(counted, found.where)
    else:
        console.print(f"{counted}; nothing was written")


@app.command()
def correct(
    experiment: str,
    file: Annotated[str, typer.Argument(help="Corrected labels: what Label Studio exports of a review, or .csv.")],
    new_classes: Annotated[bool, typer.Option(help="Take classes that the source has never had.")] = False,
    home: Home = None,
) -> None:
    """Puts labels that people corrected in the place of those that the source has; what these were is kept in the home."""
    from automl_assets.api.run import find
    from automl_assets.experiment.experiment import load
    from automl_assets.resources.home import prepare
    from automl_assets.steps.correct_labels import correct_labels, told

    asked = load(find(experiment))
    log = prepare(home) / "corrections" / f"{asked.name}.jsonl"
    found = correct_labels(asked, file, new_classes, log)
    left_out = "".join(f", {number} {what}" for what, number in told(found) if number)
    counted = f"{found.n_labels} labels: {found.n_corrected} rows corrected{left_out}"
    if found.where:
        _print_written(f"{counted} (as they were: {log})", ", ".join(found.where))
    else:
        console.print(f"{counted}; nothing was written")


@app.command()
def convert(
    given: Annotated[str, typer.Argument(metavar="IN", help="Annotations of images: a file or a folder.")],
    to: Annotated[str, typer.Argument(metavar="OUT", help="A new file (.jsonl, .json, .csv), or a new folder.")],
    read_as: Annotated[
        str | None, typer.Option("--from", help="The format that is read (default: by looking).")
    ] = None,
    write_as: Annotated[
        str | None, typer.Option("--to", help="The format that is written (default: by the ending).")
    ] = None,
    may_lose: Annotated[bool, typer.Option(help="Leave out what the new format has no place for.")] = False,
) -> None:
    """Writes annotations of images in another format: jsonl (Azure), coco, voc, yolo, csv, or folders of classes."""
    from automl_assets.steps.convert_annotations import convert_annotations

    done = convert_annotations(given, to, read_as, write_as, may_lose)
    counts = ", ".join(f"{name} {number}" for name, number in done.counts.items())
    title = f"{len(done.annotations.images)} images, {done.read_as.title} to {done.written_as.title}: {counts or 'no labels'}"
    lost = f"; without {', '.join(done.lost)}" if done.lost else ""
    _print_written(f"{title}{lost}", to)


@app.command()
def ui(home: Home = None, port: int = 3000, host: str = "127.0.0.1") -> None:
    """Opens Dagster's UI on everything that ran under the home."""
    from automl_assets.resources.home import open_instance, prepare

    folder = prepare(home)
    open_instance().dispose()  # the server and the daemon find its databases made
    dagster = str(Path(sys.executable).parent / "dagster")
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Dagster stops its services by it; a shell may have had it ignored
    # In place of this process, so that whatever stops it stops Dagster as well.
    os.execv(dagster, [dagster, "dev", "-w", str(folder / "workspace.yaml"), "-h", host, "-p", str(port)])


@contextmanager
def _counting(what: str) -> Iterator[Callable[[int], None]]:
    """Shows on a terminal how far the body has come."""
    if not console.is_terminal:
        yield lambda n: None
        return
    with console.status(f"reading …  0 {what}") as status:
        yield lambda n: status.update(f"{n:,} {what}")


def _print_written(what: str, path: object) -> None:
    console.print(Text.assemble(f"{what}, written to ", plain(path, "bold")), soft_wrap=True)


def _by_version(result: Any) -> str:
    """Which version answered, for who has gone back to one, or has a champion that is not the newest."""
    return f" by version {result.version}" if result.version else ""


def _short(path: Path) -> str:
    inside = path.is_relative_to(Path.cwd())
    return str(path.relative_to(Path.cwd()) if inside else path)
