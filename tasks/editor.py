"""training shards + a start -> the fine-tuned editor, by `python -m modeling.train` in a process of its own.

Training resumes from its checkpoints after any kill. The last checkpoint stays beside the result, so a damaged result
can be written again without training.
"""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from modeling.atomic import write_bytes, write_json
from modeling.config import TrainConfig
from modeling.runs.checkpoint_names import CHECKPOINTS, checkpoints, steps_of
from modeling.runs.log import METRICS
from modeling.runs.saving_time import checkpoint_bytes, seconds_to_save
from modeling.runs.watcher import note_of
from modeling.threads import patient_threads
from tasks.artifacts.artifact import Artifact, Outside
from tasks.artifacts.building import StageFailed, code_commit
from tasks.artifacts.gpu import gpus_to_itself
from tasks.artifacts.locks import Holder
from tasks.artifacts.shorter_run import shorter_run, take_up
from tasks.artifacts.sources import REPOSITORY
from tasks.artifacts.stage import end, spawn, stage
from tasks.artifacts.work import Work

CONFIG, FACTS = "train.json", "facts.json"
LOG = "training.log"
SCRATCH = {LOG, CHECKPOINTS, "validation", "tensorboard", "wandb"}
"""Files that are kept beside the result and are no part of it."""
VALIDATION = "validation"
"""Split on which training measures its validation losses, where there is one."""
EARLIER_ENDS_IN = 1.5
"""Times the seconds that a training gets to save, to wait for the training of a stage that was killed before this."""
DATASETS = {"demo": "drawn-kitchen", "hc": "epic-kitchens-100", "lc": "mpii-cooking-2"}
"""Beginning of a label -> the data set that its preset is for."""
MESSAGE = "modeling.train: "
"""Beginning of training's own messages."""
_SHOWN_LINES = 8


def keep_for_repair(folder: Path) -> None:
    """Keep a copy of the metrics beside the last checkpoint, and remove unfinished files."""
    for unfinished in (folder / CHECKPOINTS).glob(".*"):
        shutil.rmtree(unfinished)
    write_bytes(folder / CHECKPOINTS / METRICS, (folder / METRICS).read_bytes())


def repair(folder: Path) -> None:
    """Restore the metrics that belong to the last checkpoint, where a finished run lost them."""
    if (folder / CHECKPOINTS / METRICS).is_file() and not (folder / METRICS).is_file():
        write_bytes(folder / METRICS, (folder / CHECKPOINTS / METRICS).read_bytes())


def training_command(work: Work, config: TrainConfig, shards: Artifact, start: Outside) -> list[str]:
    """Write the files that training reads, and return its command line. Paths are absolute: its working folder is
    another.
    """
    folder, shards_folder = work.path.absolute(), shards.path.absolute()
    write_json(work.path / CONFIG, asdict(config))
    write_json(work.path / FACTS, facts_of(shards, start, work.label) | began_with(work.path / FACTS))
    arguments: dict[str, object] = {
        "--config": folder / CONFIG,
        "--facts": folder / FACTS,
        "--shards": shards_folder / "train",
        "--start-from": start.path.resolve() if start.path.exists() else start.location,
        "--out": folder,
        "--device": work.options.device,
        "--workers": work.options.workers,
        "--keep-checkpoints": 1,
        "--validate-every": work.options.validate_every,
        "--micro-batch": work.options.micro_batch,
        "--ema-on": work.options.ema_on,
        "--cache": work.options.cache,
    }
    switches = ("gradient_checkpointing", "compile")
    chosen = [f"--{name.replace('_', '-')}" for name in switches if getattr(work.options, name)]
    if (shards.path / VALIDATION).is_dir():
        arguments["--validation"] = shards_folder / VALIDATION
    module = ["-m", "modeling.train", *(str(word) for pair in arguments.items() for word in pair), *chosen]
    return [sys.executable, *launcher(work.options.processes), *module]


def go_further(work: Work, config: TrainConfig, shards: Artifact, start: Outside) -> str:
    """Put the checkpoint of an equal but shorter training into the folder, where there is one; say what is done."""
    inputs = {"shards": shards.digest, "start": start.digest}
    shorter = shorter_run(map(Artifact.read, work.offered), config, inputs)
    if shorter is None:
        return ""
    take_up(shorter, work.path)
    work.facts["further"] = shorter.sentence
    return shorter.sentence


def facts_of(shards: Artifact, start: Outside, label: str) -> dict[str, str]:
    """Return the facts about the editor's origin for the model card."""
    return {
        "dataset": next((name for beginning, name in DATASETS.items() if label.startswith(beginning)), "own-videos"),
        "data": f"shards {shards.manifest['key']}, content {shards.digest}",
        "start": f"{start_name(start)} {start.digest}",
        "commit": code_commit() or "unknown",
    }


def began_with(facts: Path) -> dict[str, str]:
    """Return the commit with which a resumed run began: its card must not depend on the interruption."""
    if not facts.is_file():
        return {}
    return {name: value for name, value in json.loads(facts.read_text(encoding="utf-8")).items() if name == "commit"}


def launcher(processes: int) -> list[str]:
    """Return the arguments of Python before the module, which start it in `num` processes of this machine."""
    if processes == 1:
        return []
    return ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]


def start_name(start: Outside) -> str:
    """Return a hub id, or the name of a folder without its path: the card must not depend on the machine."""
    return start.path.name if start.path.exists() else start.location


@contextmanager
def running_training(command: list[str], log_path: Path, stop_within_s: float) -> Iterator["subprocess.Popen[str]"]:
    """Run training with its stderr in a log; when the block ends for any reason, end training too, saved if possible.

    `stop_within_s`: seconds that it then gets before it is killed.
    """
    named = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    paths = [str(REPOSITORY), *map(os.path.abspath, named)]
    environment = os.environ | patient_threads(os.environ) | {"PYTHONPATH": os.pathsep.join(paths)}
    with log_path.open("a", encoding="utf-8") as log:
        wait_for_earlier_training(log, log_path, EARLIER_ENDS_IN * stop_within_s)
        log.truncate(0)
        # Training inherits the lock with the log, so it keeps the lock until it ends, even if we are killed.
        training = spawn(command, stdout=subprocess.PIPE, stderr=log, env=environment)
        try:
            yield training
        except BaseException:
            end(training, within_s=stop_within_s)
            tell_what_is_kept(log_path.parent)
            raise
        else:
            end(training, within_s=stop_within_s)
        finally:
            if training.stdout is not None:
                training.stdout.close()


def tell_what_is_kept(folder: Path) -> None:
    """Write to stderr after how many steps an interrupted training was saved; the next run continues there."""
    whole = checkpoints(folder / CHECKPOINTS)
    kept = f"saved after step {steps_of(whole[-1])}" if whole else "not saved: no step was finished"
    with suppress(OSError):  # of a reader who is gone
        print(f"editaction: training is {kept}.", file=sys.stderr, flush=True)


def wait_for_earlier_training(log: IO[str], log_path: Path, within_s: float) -> None:
    """Lock the log; wait for the training of a stage that was killed, which may still be saving its checkpoint."""
    give_up_at = time.monotonic() + within_s
    while True:
        try:
            return fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > give_up_at:
                raise StageFailed(f"editor: another training still holds {log_path}. End it, then try again.") from None
            time.sleep(0.1)


def follow(work: Work, training: "subprocess.Popen[str]", num_steps: int) -> dict[str, Any]:
    """Forward progress until training ends; return its last line about a step."""
    latest: dict[str, Any] = {}
    assert training.stdout is not None
    for line in training.stdout:
        told = parse_progress(line)
        if told.get("phase") == "warnings" and told.get("messages"):
            work.warn(*told["messages"])
        if told.get("phase") == "train":
            latest = told
            work.progress(int(told["step"]), num_steps, note_of(told))
    return latest


def parse_progress(line: str) -> dict[str, Any]:
    """Return a progress line's content; {} for a line that a library printed."""
    try:
        told = json.loads(line)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def what_went_wrong(log_path: Path) -> str:
    """Return training's own message in its log or, when there is none, the log's last lines.

    A launcher of several processes writes its own long report after it.
    """
    with log_path.open(encoding="utf-8", errors="replace") as log:
        lines = log.readlines()
    own = [line.removeprefix(MESSAGE) for line in lines if line.startswith(MESSAGE)]
    return own[-1].strip() if own else "".join(lines[-_SHOWN_LINES:]).strip()


def how_it_ended(status: int) -> str:
    """Return a process's exit status in words."""
    if status >= 0:
        return f"ended with status {status}"
    return f"was killed by signal {-status}" + (", perhaps out of memory" if status == -signal.SIGKILL else "")


@stage
def editor(work: Work, config: TrainConfig, *, shards: Artifact, start: Outside) -> None:
    """Fine-tune the start on the training shards."""
    work.scratch |= SCRATCH
    if not (shards.path / "train").is_dir():
        raise ValueError(f"{shards.path} has no training split. Let splits leave pairs for training.")
    repair(work.path)
    further = go_further(work, config, shards, start)

    def wait_for_gpu(holder: Holder, _: float) -> None:
        work.progress(0, config.num_steps, f"waits for the GPU, which {holder} has")

    command = training_command(work, config, shards, start)
    num_bytes = checkpoint_bytes(work.path / CHECKPOINTS, start.path)
    stop_within_s = seconds_to_save(num_bytes)
    told = [note for note in (further, f"a cancelled training gets {stop_within_s:.0f} s to save itself") if note]
    work.progress(0, config.num_steps, "; ".join(told))
    with (
        gpus_to_itself(work.options.device, wait_for_gpu, work.options.processes),
        running_training(command, work.path / LOG, stop_within_s) as training,
    ):
        latest = follow(work, training, config.num_steps)
        status = training.wait()
    if status != 0:
        raise StageFailed(
            f"editor: training {how_it_ended(status)}. {what_went_wrong(work.path / LOG)}\n"
            f"Its log is {work.path / LOG}; the same command goes on from its last checkpoint."
        )
    keep_for_repair(work.path)
    work.facts |= {name: latest[name] for name in ("loss", "samples_per_s") if name in latest}
    num_examples = sum(row["split"] == "train" for row in shards.records())
    work.funnel = {"examples": num_examples}
    work.write_rows([{"editor": work.label, "num_examples": num_examples, "num_steps": config.num_steps}])
