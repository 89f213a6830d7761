"""The compact detector: a small anchor-free CNN with heads at strides 8, 16 and 32.

Dense 3x3 convolutions on few channels throughout: on a CPU they run near peak, in training with bf16 too, where the
backward pass of depthwise ones takes half of the time. ReLU, because ONNX Runtime fuses it into the convolution.

Input: float, (n, 3, height, width), BGR, 0..255, padding 114 (only scaled by 1/255 here; the first batch norm
takes care of the mean). Raw output per level: (n, 5 + classes, height / stride, width / stride) in the order
cx, cy, w, h, objectness, classes; the last two as logits. How they decode is written in `decode_boxes`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn

STRIDES = (8, 16, 32)
CLASS_NAMES = ("person", "bicycle", "car", "motorcycle", "bus", "truck")


@dataclass(frozen=True)
class NetworkSettings:
    """Widths of the stages (strides 2, 4, 8, 16, 32), blocks in the stages of stride 4 to 32, and width of the neck."""

    width: int = 448
    height: int = 256
    class_count: int = len(CLASS_NAMES)
    stage_channels: tuple[int, ...] = (16, 32, 48, 96, 160)
    stage_blocks: tuple[int, ...] = (1, 2, 2, 1)
    neck_channels: int = 64

    def to_dict(self) -> dict[str, object]:
        """Plain values, for a checkpoint."""
        return asdict(self)


class ConvUnit(nn.Sequential):
    """Convolution, batch norm, ReLU (or none)."""

    def __init__(
        self, c_in: int, c_out: int, size: int = 3, stride: int = 1, groups: int = 1, act: bool = True
    ) -> None:
        layers: list[nn.Module] = [
            nn.Conv2d(c_in, c_out, size, stride, size // 2, groups=groups, bias=False),
            nn.BatchNorm2d(c_out, eps=1e-3, momentum=0.03),
        ]
        if act:
            layers.append(nn.ReLU(inplace=True))
        super().__init__(*layers)


class NarrowUnit(nn.Sequential):
    """1x1 to half the channels, then 3x3: on a CPU this trains twice as fast as a 5x5 depthwise pair, for 1 ms more."""

    def __init__(self, c_in: int, c_out: int, stride: int = 1) -> None:
        super().__init__(ConvUnit(c_in, c_out // 2, 1), ConvUnit(c_out // 2, c_out, 3, stride))


class SplitBlock(nn.Module):
    """Half the channels go through residual 3x3 pairs, every step is kept, a 1x1 joins all."""

    def __init__(self, channels: int, blocks: int) -> None:
        super().__init__()
        self.half = channels // 2
        self.enter = ConvUnit(channels, channels, 1)
        self.pairs = nn.ModuleList(
            nn.Sequential(ConvUnit(self.half, self.half), ConvUnit(self.half, self.half)) for _ in range(blocks)
        )
        self.join = ConvUnit(channels + blocks * self.half, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        parts = list(self.enter(x).split(self.half, dim=1))
        for pair in self.pairs:
            parts.append(parts[-1] + pair(parts[-1]))
        return self.join(torch.cat(parts, 1))  # type: ignore[no-any-return]


class PoolPyramid(nn.Module):
    """Three chained 5x5 max pools beside the input: context of the whole picture for the coarsest level."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.enter = ConvUnit(channels, channels // 2, 1)
        self.pool = nn.MaxPool2d(5, 1, 2)
        self.join = ConvUnit(channels * 2, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        steps = [self.enter(x)]
        for _ in range(3):
            steps.append(self.pool(steps[-1]))
        return self.join(torch.cat(steps, 1))  # type: ignore[no-any-return]


class Backbone(nn.Module):
    """Five stages; gives the features at strides 8, 16 and 32."""

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__()
        c1, c2, c3, c4, c5 = settings.stage_channels
        b2, b3, b4, b5 = settings.stage_blocks
        self.stem = ConvUnit(3, c1, 3, 2)
        self.stage2 = nn.Sequential(ConvUnit(c1, c2, 3, 2), SplitBlock(c2, b2) if b2 else nn.Identity())
        self.stage3 = nn.Sequential(ConvUnit(c2, c3, 3, 2), SplitBlock(c3, b3))
        self.stage4 = nn.Sequential(ConvUnit(c3, c4, 3, 2), SplitBlock(c4, b4))
        self.stage5 = nn.Sequential(ConvUnit(c4, c5, 3, 2), SplitBlock(c5, b5), PoolPyramid(c5))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        p3 = self.stage3(self.stage2(self.stem(x)))
        p4 = self.stage4(p3)
        return p3, p4, self.stage5(p4)


class Neck(nn.Module):
    """Path aggregation: coarse to fine, then fine to coarse, all levels of one width."""

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__()
        n = settings.neck_channels
        self.lateral = nn.ModuleList(ConvUnit(c, n, 1) for c in settings.stage_channels[2:])
        self.grow = nn.Upsample(scale_factor=2, mode="nearest")
        self.down_path = nn.ModuleList(NarrowUnit(2 * n, n) for _ in range(2))
        self.shrink = nn.ModuleList(NarrowUnit(n, n, 2) for _ in range(2))
        self.up_path = nn.ModuleList(NarrowUnit(2 * n, n) for _ in range(2))

    def forward(self, features: tuple[Tensor, Tensor, Tensor]) -> list[Tensor]:
        c3, c4, c5 = (lateral(f) for lateral, f in zip(self.lateral, features, strict=True))
        t4 = self.down_path[0](torch.cat([self.grow(c5), c4], 1))
        p3 = self.down_path[1](torch.cat([self.grow(t4), c3], 1))
        p4 = self.up_path[0](torch.cat([self.shrink[0](p3), t4], 1))
        p5 = self.up_path[1](torch.cat([self.shrink[1](p4), c5], 1))
        return [p3, p4, p5]


class Head(nn.Module):
    """One level: a branch for the box and objectness, a branch for the class."""

    def __init__(self, channels: int, class_count: int) -> None:
        super().__init__()
        self.box_branch = NarrowUnit(channels, channels)
        self.class_branch = NarrowUnit(channels, channels)
        self.box = nn.Conv2d(channels, 5, 1)
        self.classes = nn.Conv2d(channels, class_count, 1)
        nn.init.normal_(self.box.weight, std=0.01)
        nn.init.normal_(self.classes.weight, std=0.01)
        # Boxes start about 3 strides wide around the cell centre; objectness starts at 1 %.
        self.box.bias.data = torch.tensor([0.5, 0.5, 1.0, 1.0, -4.6])
        nn.init.constant_(self.classes.bias, -1.6)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.box(self.box_branch(x)), self.classes(self.class_branch(x))], 1)


class CompactDetector(nn.Module):
    """Backbone, neck and three heads. See the module's text for input and output."""

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__()
        self.settings = settings
        self.backbone = Backbone(settings)
        self.neck = Neck(settings)
        self.heads = nn.ModuleList(Head(settings.neck_channels, settings.class_count) for _ in STRIDES)

    def forward(self, images: Tensor) -> list[Tensor]:
        features = self.neck(self.backbone(images * (1.0 / 255.0)))
        return [head(f) for head, f in zip(self.heads, features, strict=True)]


class ExportedDetector(nn.Module):
    """The same network with its output in the YOLOX layout: (n, cells, 5 + classes), scores 0..1, boxes still raw."""

    def __init__(self, detector: CompactDetector) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, images: Tensor) -> Tensor:
        levels = self.detector(images)
        flat = torch.cat([level.flatten(2) for level in levels], 2).transpose(1, 2)
        return torch.cat([flat[..., :4], flat[..., 4:].sigmoid()], 2)


def flatten_levels(levels: list[Tensor]) -> Tensor:
    """Raw levels to (n, cells, 5 + classes), rows ordered by stride, then row-major."""
    return torch.cat([level.flatten(2) for level in levels], 2).transpose(1, 2)


def cell_grid(settings: NetworkSettings, device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
    """Cell corners (cells, 2) in cells of their level (x, y), and strides (cells, 1) in pixels."""
    corners, strides = [], []
    for stride in STRIDES:
        rows, columns = settings.height // stride, settings.width // stride
        y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
        corners.append(torch.stack([x, y], 2).reshape(-1, 2).float())
        strides.append(torch.full((rows * columns, 1), float(stride)))
    return torch.cat(corners).to(device), torch.cat(strides).to(device)


def decode_boxes(raw: Tensor, corners: Tensor, strides: Tensor) -> Tensor:
    """Raw (…, cells, 4) to x1, y1, x2, y2 in input pixels: centre (raw + corner) * stride, size exp(raw) * stride."""
    centres = (raw[..., :2] + corners) * strides
    halves = raw[..., 2:4].clamp(-6.0, 6.0).exp() * strides * 0.5
    return torch.cat([centres - halves, centres + halves], -1)


def fold_batch_norms(module: nn.Module) -> None:
    """Folds each batch norm into the convolution before it, in place; the module must be in evaluation mode."""
    for child in module.modules():
        if isinstance(child, ConvUnit):
            child[0] = torch.nn.utils.fusion.fuse_conv_bn_eval(child[0], child[1])
            child[1] = nn.Identity()
