"""What one edge node runs: node.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, SecretStr, ValidationInfo

from xueliang_configs.cameras import CameraConfig
from xueliang_configs.values import CentreKey, CentreUrl, PathBesideFile, PlainId, Port, Settings, Share, base_of, like

Host = Annotated[str, like(r"[A-Za-z0-9._:-]{1,253}", "a host name or an address", "127.0.0.1")]


class TlsConfig(Settings):
    """TLS to the broker. The server's certificate is always checked; there is no switch for it."""

    ca_file: PathBesideFile | None = Field(default=None, description="Own authority; null: the system's.")
    cert_file: PathBesideFile | None = Field(default=None, description="This side's certificate, when the broker asks.")
    key_file: PathBesideFile | None = Field(default=None, description="Its key.")


class BrokerConfig(Settings):
    """The MQTT broker."""

    host: Host = Field(default="127.0.0.1", description="Host name or address.")
    port: Port = Field(default=1883, description="TCP port; usually 8883 with TLS.")
    username: Annotated[str, Field(max_length=128)] | None = Field(default=None, description="Null: none.")
    password: SecretStr | None = Field(default=None, description="Write it as ${ENV_NAME}.")
    tls: TlsConfig | None = Field(default=None, description="Null: plain TCP, for loopback and closed networks.")


class CentreLinkConfig(Settings):
    """Where evidence pictures go, by HTTP."""

    url: CentreUrl = Field(description="Address of the centre.")
    token: SecretStr = Field(description="What `xueliang-centre add-node` printed. Write it as ${ENV_NAME}.")


class HealthConfig(Settings):
    """The node's own health page and metrics."""

    host: Host = Field(default="127.0.0.1", description="Loopback unless told otherwise.")
    port: Port = Field(default=9101, description="TCP port.")


class SpoolConfig(Settings):
    """Alerts on disk until the centre has them."""

    cap_mb: int = Field(default=512, ge=8, le=1_000_000, description="Megabytes; committed records go first.")
    keep_committed_hours: float = Field(
        default=24.0, ge=0, le=720, description="Hours a committed record stays for replay."
    )


class ObservationLogConfig(Settings):
    """What each camera showed, in numbers, kept so that rules can be tried on it again. No pictures.

    A busy camera (21 boxes, looked at once a second) fills 15.5 MB a day, a calm one about 1 MB.
    """

    days: float = Field(default=7.0, gt=0, le=90, description="Days it is kept; older goes.")
    cap_mb: int = Field(default=4096, ge=64, le=1_000_000, description="Megabytes at most; the oldest goes first.")


class LiveViewConfig(Settings):
    """Which cameras people at the centre may watch live, **unmasked**. docs/live-view.md"""

    cameras: tuple[PlainId, ...] = Field(
        min_length=1, max_length=256, description="Cameras that may be watched; every other one is refused."
    )
    at_once: int = Field(default=2, ge=1, le=4, description="So many views at once; one more is refused.")
    kbit_per_s: int = Field(
        default=1500,
        ge=64,
        le=20_000,
        description="What each view may take of the line to the centre. A camera that sends more loses pictures up to "
        "its next key picture.",
    )


class ProcessConfig(Settings):
    """How the node's work is divided."""

    cameras_per_process: int = Field(
        default=16,
        ge=1,
        le=64,
        description="Cameras that share a capture process: fewer share a fault of one decoder, more share its memory.",
    )
    detector_processes: int = Field(
        default=1, ge=1, le=16, description="Processes with a detector each; one carries about 80 pictures a second."
    )


class NodeSettings(Settings):
    """The node itself."""

    node_id: PlainId = Field(description="Unique in the city; the broker's user and topics carry it.")
    data_dir: PathBesideFile = Field(description="spool/, background/, evidence/ and log/ are kept here.")
    broker: BrokerConfig = Field(default=BrokerConfig(), description="The MQTT broker.")
    centre: CentreLinkConfig | None = Field(default=None, description="Null: no evidence pictures are uploaded.")
    centre_keys: tuple[CentreKey, ...] = Field(
        default=(),
        max_length=4,
        description="Whose rules this node takes over the broker: public keys of the centre (two while one follows "
        "another). None: rules change by the file and by commands only.",
    )
    health: HealthConfig = Field(default=HealthConfig(), description="Health page and metrics.")
    spool: SpoolConfig = Field(default=SpoolConfig(), description="Alerts on disk.")
    observation_log: ObservationLogConfig | None = Field(
        default=ObservationLogConfig(), description="What cameras showed, for trying rules. Null: nothing is kept."
    )
    processes: ProcessConfig = Field(default=ProcessConfig(), description="How the work is divided.")
    live_view: LiveViewConfig | None = Field(
        default=None, description="Live view, unmasked. Null: no camera of this node can be watched live."
    )


def _model(value: object, info: ValidationInfo) -> object:
    base = base_of(info)
    is_relative = isinstance(value, str) and value.endswith(".onnx") and not Path(value).is_absolute()
    return str(base / str(value)) if is_relative and base is not None else value


class DetectorConfig(Settings):
    """One model under a name of its own."""

    model: Annotated[str, BeforeValidator(_model), Field(min_length=1)] = Field(
        description='"embedded", a name of `models_catalogue`, or a path ending in .onnx (relative to this file).'
    )
    card: PathBesideFile | None = Field(
        default=None, description="Model card; null: beside the model, or the catalogue's."
    )
    score: Share | None = Field(
        default=None, description="From this score on a box is believed; null: what the model's card recommends."
    )


EMBEDDED = DetectorConfig(model="embedded")


class NodeConfig(Settings):
    """node.yaml: one edge node, its detectors and its cameras."""

    node: NodeSettings
    detectors: dict[PlainId, DetectorConfig] = Field(
        default={"objects": EMBEDDED}, description="Name to model. `objects` is what rules use by default."
    )
    models_catalogue: PathBesideFile | None = Field(
        default=None, description='JSON, `{"models": [card, …]}`: the models that `detectors` may name. Null: none.'
    )
    cameras: tuple[CameraConfig, ...] = Field(default=(), max_length=256, description="The cameras this node runs.")

    @property
    def data_dir(self) -> Path:
        """Where the node keeps what must survive a restart."""
        return self.node.data_dir
