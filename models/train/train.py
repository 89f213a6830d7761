"""Trains the compact detector within a budget of minutes.

    python train.py --data DIR --out DIR --minutes 60 [--rendered scenes.tar ...] [--device cuda] [--resume]

The learning rate follows the share of the budget that is used, so it ends at zero on time, however slow the machine is.
A checkpoint (weights, averaged weights, optimiser, time used) is written every few minutes and at the end; `--resume`
goes on from it and counts only the time spent training.

On a CPU give `--processes` the number of cores: each process then works on its share of the batch with one thread, and
they meet once a step. On a busy machine that is several times faster than one process with many threads, which meet at
every layer and wait for whichever was interrupted.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from augment import training_picture
from dataset import Pool, load_pool
from losses import DetectionLoss
from network import CompactDetector, NetworkSettings, flatten_levels
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

WARMUP_SHARE = 0.015
PLAIN_FROM_SHARE = 0.88
WEIGHT_DECAY = 0.03
GRADIENT_LIMIT = 10.0
AVERAGE_DECAY = 0.9985
LOG_EVERY_STEPS = 50

Batch = tuple[Tensor, Tensor, Tensor]


@dataclass
class Progress:
    """What has been done so far; goes into the checkpoint."""

    steps: int = 0
    pictures: int = 0
    used_s: float = 0.0


class EndlessBatches(IterableDataset[Batch]):
    """Batches for ever: pictures uint8 (b, h, w, 3), labels float32 (b, g, 6) padded, counts int64 (b,)."""

    def __init__(self, pool: Pool, settings: NetworkSettings, batch: int, seed: int, plain_flag: Tensor) -> None:
        self.pool, self.settings, self.batch, self.seed, self.plain_flag = pool, settings, batch, seed, plain_flag

    def __iter__(self) -> Iterator[Batch]:
        worker = get_worker_info()
        cv2.setNumThreads(0)
        torch.set_num_threads(1)
        rng = np.random.default_rng((self.seed, worker.id if worker else 0))
        chances = np.cumsum(self.pool.probabilities)
        size_wh = (self.settings.width, self.settings.height)
        while True:
            plain = bool(self.plain_flag.item())
            pairs = [training_picture(self.pool.training, chances, size_wh, rng, plain) for _ in range(self.batch)]
            counts = torch.tensor([len(table) for _, table in pairs])
            labels = torch.zeros(self.batch, max(1, int(counts.max())), 6)
            for row, (_, table) in zip(labels, pairs, strict=True):
                row[: len(table)] = torch.from_numpy(table)
            yield torch.from_numpy(np.stack([image for image, _ in pairs])), labels, counts


def learning_rate(share: float, peak: float) -> float:
    """Linear warm-up, then cosine to zero, by the share of the budget used."""
    if share < WARMUP_SHARE:
        return peak * (0.05 + 0.95 * share / WARMUP_SHARE)
    return peak * 0.5 * (1 + math.cos(math.pi * min(1.0, (share - WARMUP_SHARE) / (1 - WARMUP_SHARE))))


def make_optimiser(model: nn.Module, peak: float) -> torch.optim.Optimizer:
    """AdamW; norms and biases do not decay."""
    flat = [p for p in model.parameters() if p.ndim <= 1]
    full = [p for p in model.parameters() if p.ndim > 1]
    groups = [{"params": full, "weight_decay": WEIGHT_DECAY}, {"params": flat, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=peak, betas=(0.9, 0.99))


@torch.no_grad()
def follow(average: nn.Module, model: nn.Module, steps: int) -> None:
    """Moves the averaged weights a little towards the model's."""
    decay = AVERAGE_DECAY * (1 - math.exp(-steps / 300))
    source = model.state_dict()
    for name, value in average.state_dict().items():
        if value.dtype.is_floating_point:
            value.lerp_(source[name], 1 - decay)
        else:
            value.copy_(source[name])


def shared_gradients(model: nn.Module, share: float, rank: int) -> float:
    """Averages gradients over the processes, in place; gives the first process's share of the budget to all."""
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    flat = torch.cat([g.reshape(-1) for g in gradients] + [gradients[0].new_tensor([share if rank == 0 else 0.0])])
    dist.all_reduce(flat)
    place = 0
    for gradient in gradients:
        count = gradient.numel()
        gradient.copy_(flat[place : place + count].view_as(gradient) / dist.get_world_size())
        place += count
    return float(flat[-1])


class Trainer:
    """Model, averaged model, optimiser and progress of one run; `rank` counts the processes that share it."""

    def __init__(self, options: argparse.Namespace, rank: int = 0) -> None:
        self.options, self.rank = options, rank
        self.device = torch.device(options.device)
        self.settings = NetworkSettings(width=options.width, height=options.height)
        self.model = CompactDetector(self.settings).to(self.device, memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.model).eval()
        self.optimiser = make_optimiser(self.model, options.lr)
        self.loss = DetectionLoss(self.settings, self.device)
        self.progress = Progress()
        self.path = Path(options.out) / "checkpoint.pt"

    def load(self, path: Path, weights_only: bool) -> None:
        """Goes on from a checkpoint, or only takes its averaged weights as a start."""
        state = torch.load(path, map_location=self.device, weights_only=False)
        self.average.load_state_dict(state["average"])
        if weights_only:
            self.model.load_state_dict(state["average"])
            return
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.progress = Progress(**state["progress"])

    def save(self) -> None:
        """Writes the checkpoint so that a crash never leaves half of one."""
        state = {
            "settings": self.settings.to_dict(),
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "progress": vars(self.progress),
            "torch": torch.__version__,
            "options": {k: str(v) for k, v in vars(self.options).items()},
        }
        partial = self.path.with_suffix(".partial")
        torch.save(state, partial)
        partial.replace(self.path)

    def step(self, batch: Batch, share: float) -> tuple[dict[str, float], float]:
        """One batch forward and back. Returns the losses, and the share of the budget that all processes go by."""
        images, labels, counts = (part.to(self.device, non_blocking=True) for part in batch)
        # A view of NHWC memory as NCHW is channels_last already.
        pictures = images.permute(0, 3, 1, 2)
        kind = self.device.type
        with torch.autocast(kind, torch.bfloat16, enabled=not self.options.fp32):
            raw = flatten_levels(self.model(pictures.to(torch.float32 if self.options.fp32 else torch.bfloat16)))
        losses = self.loss(raw.float(), labels, counts)
        self.optimiser.zero_grad(set_to_none=True)
        losses.total.backward()
        if dist.is_initialized():
            share = shared_gradients(self.model, share, self.rank)
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(share, self.options.lr)
        nn.utils.clip_grad_norm_(self.model.parameters(), GRADIENT_LIMIT)
        self.optimiser.step()
        self.progress.steps += 1
        self.progress.pictures += len(images) * self.options.processes
        if self.rank == 0:
            follow(self.average, self.model, self.progress.steps)
        return {"box": losses.box, "obj": losses.objectness, "cls": losses.classes, "pos": losses.positives}, share

    def run(self, pool: Pool) -> None:
        """Trains until the budget is used."""
        options, progress = self.options, self.progress
        plain_flag = torch.zeros(1, dtype=torch.uint8).share_memory_()
        seed = options.seed + progress.steps + 7919 * self.rank
        batches = EndlessBatches(pool, self.settings, options.batch // options.processes, seed, plain_flag)
        loader = DataLoader(batches, batch_size=None, num_workers=options.workers, prefetch_factor=4)
        budget_s, begun, before_s = options.minutes * 60.0, time.monotonic(), progress.used_s
        saved, sums = begun, dict.fromkeys(("box", "obj", "cls", "pos"), 0.0)
        for batch in loader:
            progress.used_s = before_s + time.monotonic() - begun
            losses, share = self.step(batch, progress.used_s / budget_s)
            if share >= 1:
                break
            plain_flag.fill_(share > PLAIN_FROM_SHARE)
            if self.rank > 0:
                continue
            for name, value in losses.items():
                sums[name] += value / LOG_EVERY_STEPS
            if progress.steps % LOG_EVERY_STEPS == 0:
                rate = {"pictures_per_s": round(progress.pictures / max(progress.used_s, 1), 1)}
                line = {"step": progress.steps, "share": round(share, 4), **{k: round(v, 3) for k, v in sums.items()}}
                print(json.dumps({**line, **rate}), flush=True)
                sums = dict.fromkeys(sums, 0.0)
            if time.monotonic() - saved > options.save_minutes * 60:
                self.save()
                saved = time.monotonic()
        if self.rank == 0:
            self.save()


def parse_options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the training tars")
    parser.add_argument("--rendered", type=Path, nargs="*", default=[], help="tars of rendered scenes")
    parser.add_argument("--rendered-share", type=float, default=0.2)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--save-minutes", type=float, default=4.0)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--start-from", type=Path, help="checkpoint whose averaged weights are the start")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--fp32", action="store_true", help="no bf16; for processors without it")
    parser.add_argument("--processes", type=int, default=1, help="share each batch between this many processes (CPU)")
    parser.add_argument("--port", type=int, default=29511, help="where the processes meet, on this machine only")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--width", type=int, default=448)
    parser.add_argument("--height", type=int, default=256)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def work(rank: int, options: argparse.Namespace) -> None:
    """One process: reads the data, starts or goes on, trains."""
    torch.manual_seed(options.seed)
    if options.processes > 1:
        torch.set_num_threads(1)
        meeting = f"tcp://127.0.0.1:{options.port}"
        dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=options.processes)
    pool = load_pool(options.data, options.rendered, options.rendered_share)
    trainer = Trainer(options, rank)
    if options.resume and trainer.path.exists():
        trainer.load(trainer.path, weights_only=False)
    elif options.start_from:
        trainer.load(options.start_from, weights_only=True)
    if rank == 0:
        print(json.dumps({"training": len(pool.training), "held_out": len(pool.held_out)}), flush=True)
    trainer.run(pool)
    if options.processes > 1:
        dist.destroy_process_group()


def main() -> None:
    """The command line; starts the other processes, if any."""
    options = parse_options()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.processes > 1:
        mp.spawn(work, (options,), nprocs=options.processes)
    else:
        work(0, options)


if __name__ == "__main__":
    main()
