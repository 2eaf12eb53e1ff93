"""Train one stack under a Lightning Trainer."""

import logging
import os
import platform
import signal
import warnings
from collections.abc import Sequence

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.exceptions import SIGTERMException

from experiments.core.logger import CurveWriter
from experiments.core.subnormals import are_flushed
from experiments.training.datamodule import StackData
from experiments.training.examples import distinct
from experiments.training.module import StackModule
from experiments.training.outcome import Outcome
from experiments.training.schedule import plan
from experiments.training.settings import TrainerSettings
from experiments.training.stack import Stack


def train(stack: Stack, writers: Sequence[Sequence[CurveWriter]] | None = None) -> list[Outcome]:
    """Train all runs of a stack and return one outcome per run, in order.

    Args:
        stack: what is trained.
        writers: for every run, where its curves are written; None writes none.

    Returns:
        Outcomes; a run whose loss became non-finite has status ``diverged``.

    Raises:
        ConfigurationError: if the device is missing or a batch exceeds the training split.
        KeyboardInterrupt: on Ctrl-C.
        SystemExit: with the status 143 of shells, when the process is told to end (SIGTERM).
    """
    settings = stack.settings
    chunks = plan(settings.max_steps, stack.ledger.every, settings.evaluations)
    data = StackData(stack.datasets, chunks)
    splits = data.splits()
    stack.require_ready(len(splits[0].train))
    for different in distinct(splits):
        stack.loss.check_targets(different.train.t, stack.dataset.outputs)
    module = StackModule(stack, splits, writers or [[] for _ in stack.runs])
    threads_before = torch.get_num_threads()
    threads = threads_before if settings.threads is None else settings.threads
    # Lightning does not reset it
    deterministic_before = torch.are_deterministic_algorithms_enabled()
    if settings.on_gpu:
        # torch looks at this once, at the first product of the process: a later stack may be deterministic
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    trainer = _trainer(settings)
    at_interrupt = signal.getsignal(signal.SIGINT)
    torch.set_num_threads(threads)
    flushed_before = are_flushed()
    flushed = torch.set_flush_denormal(settings.subnormals == "flush")
    try:
        with warnings.catch_warnings():
            # every fit of Lightning 2.6 makes a call that torch >= 2.11 deprecates
            warnings.filterwarnings("ignore", r".*isinstance.treespec, LeafSpec", FutureWarning)
            trainer.fit(module, datamodule=data)
    except SystemExit as leaving:
        # Lightning turns Ctrl-C into an exit, and the process would ignore any further Ctrl-C
        if isinstance(leaving.__context__, KeyboardInterrupt):
            signal.signal(signal.SIGINT, at_interrupt)
            raise leaving.__context__ from None
        if isinstance(leaving, SIGTERMException):  # without a status, as if all had ended well
            raise SystemExit(128 + signal.SIGTERM) from None
        raise
    finally:
        module.release()
        torch.set_flush_denormal(flushed_before)
        torch.set_num_threads(threads_before)
        torch.use_deterministic_algorithms(deterministic_before)
    # a setting of the CPU, which a GPU does not know
    flushed = flushed and module.trained_on.type == "cpu"
    facts = {
        "device": _device_name(module.trained_on),
        "subnormals": settings.subnormals if flushed else "keep",
        "precision": settings.precision,
        "threads": threads,
        "compiled": module.compiled,
        "compiled_sums": module.compiled_sums,
        "widths": list(stack.widths),
        "batch": settings.batch(len(splits[0].train)),
        "stacked_with": len(stack.runs),
    }
    for outcome in module.outcomes:
        outcome.facts = dict(facts)
    return module.outcomes


def _trainer(settings: TrainerSettings) -> pl.Trainer:
    # Lightning announces devices and suggestions on every fit; a sweep calls fit hundreds of times
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "GPU available but not used")
        return pl.Trainer(
            max_epochs=1,
            # Lightning's own "auto" may be a device without float64, which the ledger needs
            accelerator=settings.accelerator if settings.on_gpu else "cpu",
            devices=1,
            precision=settings.precision,  # type: ignore[arg-type]
            deterministic=settings.deterministic,
            logger=False,
            enable_checkpointing=False,
            enable_model_summary=False,
            enable_progress_bar=settings.progress_bar,
            num_sanity_val_steps=0,
        )


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"cpu ({platform.machine()})"
