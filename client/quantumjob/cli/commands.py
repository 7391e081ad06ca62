"""The commands. Each is a call of the client and a way to show what it gives."""

from __future__ import annotations

import io
import sys
import traceback
from pathlib import Path
from typing import Annotated, Any

import typer

from quantumjob import errors, models, progress
from quantumjob.cli import circuit_files, exit_codes, printing, result_tables, terminal
from quantumjob.cli.exit_codes import CommandExit
from quantumjob.cli.options import ConnectionOptions
from quantumjob.cli.terminal import Output

JSON = dict[str, Any]
app = typer.Typer(
    name="quantumjob",
    help="Submit quantum jobs, follow them, and read their results, also of jobs that are long gone.",
    epilog="Exit codes: "
    + ", ".join(f"{code.value} {code.name.lower().replace('_', ' ')}" for code in CommandExit)
    + ". QUANTUMJOB_URL, QUANTUMJOB_TOKEN, QUANTUMJOB_TOKEN_FILE, QUANTUMJOB_NAMESPACE and QUANTUMJOB_CA say where the "
    "service is and who asks; left out, the pod's service account or kubeconfig's context does.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
Context = typer.Context
Name = Annotated[str, typer.Argument(help="Name of the job.")]
Space = Annotated[str | None, typer.Option("--namespace", "-n", help="Namespace of the job.")]
Form = Annotated[Output, typer.Option("--output", "-o", help="How to print.")]
Limit = Annotated[int | None, typer.Option(min=1, help="How many, at most.")]
Timeout = Annotated[float | None, typer.Option(min=0, help="Seconds to wait, at most.")]


@app.callback()
def where(
    context: Context,
    url: Annotated[str | None, typer.Option(help="Where the service is.", show_default="QUANTUMJOB_URL")] = None,
    ca: Annotated[str | None, typer.Option(help="File of its authority.", show_default="QUANTUMJOB_CA")] = None,
) -> None:
    """Before every command."""
    context.obj = (context.obj or ConnectionOptions())._replace(url=url, ca=ca)


@app.command()
def submit(
    context: Context,
    file: Annotated[Path, typer.Argument(help="The circuit: .qasm (OpenQASM 2 or 3, by its header) or .qpy.")],
    shots: Annotated[int | None, typer.Option(min=1, help="How often it is run and measured.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of all random numbers.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the job; left out, one is made up.")] = None,
    key: Annotated[str | None, typer.Option(help="Submitted again with the same key, it is the same job.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it is finished.")] = False,
    timeout: Timeout = None,
    namespace: Space = None,
    output: Form = Output.TABLE,
) -> CommandExit:
    """Submit a circuit."""
    circuit = circuit_files.circuit(file)
    asked = {field: value for field, value in (("shots", shots), ("seed", seed)) if value is not None}
    with context.obj.client(namespace) as client:
        body = circuit_files.submission(circuit, asked, lambda data: client.upload(data).key)
        job = client.submit(body | ({} if name is None else {"name": name}), key=key)
        if wait:
            job = progress.wait(client, job.name, timeout)
    printing.status(job, output)
    return exit_codes.of_job(job) if wait else CommandExit.DONE


@app.command("list")
def list_(context: Context, limit: Limit = None, namespace: Space = None, output: Form = Output.TABLE) -> CommandExit:
    """The jobs of a namespace."""
    with context.obj.client(namespace) as client:
        jobs = client.list(limit)
    rows = [
        (job.name, job.phase, job.progress, job.backend, job.shots or "", terminal.age(job.created)) for job in jobs
    ]
    printing.listed(output, jobs, ("NAME", "PHASE", "PROGRESS", "BACKEND", "SHOTS", "AGE"), rows)
    return CommandExit.DONE


@app.command()
def status(context: Context, name: Name, namespace: Space = None, output: Form = Output.TABLE) -> CommandExit:
    """A job as it is now."""
    with context.obj.client(namespace) as client:
        printing.status(client.status(name), output)
    return CommandExit.DONE


@app.command()
def watch(context: Context, name: Name, namespace: Space = None, output: Form = Output.TABLE) -> CommandExit:
    """A line for each change of a job, until it is finished."""
    with context.obj.client(namespace) as client:
        for job in client.changes(name):
            printing.watched(job, output)
    return exit_codes.of_job(job)


@app.command()
def result(
    context: Context,
    name: Annotated[str, typer.Argument(help="Name of the job, or the UID of one in the history.")],
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it is finished.")] = False,
    timeout: Timeout = None,
    partial: Annotated[bool, typer.Option("--partial", help="What is done so far.")] = False,
    arrays: Annotated[
        Path | None, typer.Option(help="Folder for the .npz files of arrays that pubs have saved.", file_okay=False)
    ] = None,
    histogram: Annotated[bool, typer.Option("--histogram", help="Bars in the terminal.")] = False,
    namespace: Space = None,
    output: Form = Output.TABLE,
) -> CommandExit:
    """Counts and values of a job."""
    with context.obj.client(namespace) as client:
        if wait and not printing.UID.fullmatch(name):  # what has a UID in the history is finished
            progress.wait(client, name, timeout)
        found = printing.result(client, name, partial=partial)
        if arrays is not None:
            result_tables.keep_arrays(found, client.arrays, arrays)
    if output is Output.JSON:
        terminal.json(found)
    elif output is Output.NAME:
        terminal.line(found.name)
    else:
        (result_tables.histogram if histogram else result_tables.table)(found.pubs)
        if isinstance(found, models.Result) and found.outcome == "Failed":
            terminal.line(found.message)
    return (
        CommandExit.DONE
        if isinstance(found, models.Partial) or found.outcome == "Succeeded"
        else CommandExit.JOB_FAILED
    )


@app.command()
def cancel(context: Context, name: Name, namespace: Space = None, output: Form = Output.TABLE) -> CommandExit:
    """Stop a job; what is done of it is kept."""
    with context.obj.client(namespace) as client:
        printing.status(client.cancel(name), output)
    return CommandExit.DONE


@app.command()
def upload(
    context: Context,
    file: Annotated[Path, typer.Argument(help="The circuit.")],
    key: Annotated[str | None, typer.Option(help="Its key; left out, its sha256.")] = None,
    namespace: Space = None,
    output: Form = Output.TABLE,
) -> CommandExit:
    """Put a circuit into the bucket, for `circuit.object.key` of a pub."""
    with context.obj.client(namespace) as client:
        found = client.upload(file.read_bytes(), key)
    printing.listed(output, found, ("KEY", "BYTES", "SHA256"), [(found.key, found.bytes, found.sha256 or "")])
    return CommandExit.DONE


@app.command()
def history(context: Context, limit: Limit = 20, namespace: Space = None, output: Form = Output.TABLE) -> CommandExit:
    """Finished jobs, newest first, also those that are deleted."""
    with context.obj.client(namespace) as client:
        jobs = client.history(limit)
    rows = [
        (job.name, job.outcome, f"{job.succeeded}/{job.total}", job.reason, terminal.age(job.stored), job.uid)
        for job in jobs
    ]
    printing.listed(output, jobs, ("NAME", "OUTCOME", "PUBS", "REASON", "AGE", "UID"), rows)
    if output is Output.TABLE and len(jobs) == limit:
        sys.stderr.write(f"The newest {limit}: --limit shows more.\n")
    return CommandExit.DONE


def run(arguments: list[str] | None = None, chosen: ConnectionOptions | None = None) -> int:
    """One command, to its exit code. What goes wrong is told in one line."""
    program = "kubectl quantumjob" if Path(sys.argv[0]).name == "kubectl-quantumjob" else "quantumjob"
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # bars, where the terminal has ASCII alone
    try:
        code = app(arguments, prog_name=program, standalone_mode=False, obj=chosen)
    except typer.TyperException as error:
        return _failed(error.format_message() or "which command? See --help.", CommandExit.USAGE)
    except errors.QuantumJobError as error:
        return _failed(str(error), exit_codes.of_error(error))
    except (OSError, circuit_files.NotACircuit) as error:
        return _failed(str(error), CommandExit.USAGE)
    except Exception as error:  # noqa: BLE001  # Python's own exit code says that the job has failed
        return _failed(_unexpected(error), CommandExit.DEFECT)
    if code == CommandExit.INTERRUPTED:
        return _failed("interrupted; a job that was submitted goes on.", CommandExit.INTERRUPTED)
    return int(code or CommandExit.DONE)


def _unexpected(error: Exception) -> str:
    """With its place, by which whoever mends it begins."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"a defect: {type(error).__name__} in {Path(place.filename).name}, line {place.lineno}: {error}"


def _failed(text: str, code: CommandExit) -> CommandExit:
    sys.stderr.write(f"quantumjob: {terminal.plain(text)}\n")
    return code
