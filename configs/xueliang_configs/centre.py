"""What one centre runs: centre.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from xueliang_configs.node import BrokerConfig, Host
from xueliang_configs.retention import RetentionConfig
from xueliang_configs.values import DatabaseUrl, PathBesideFile, Port, Settings, like, problem

Role = Literal["api", "ingest", "worker"]
ALL_ROLES: tuple[Role, ...] = ("api", "ingest", "worker")


class HttpConfig(Settings):
    """The console and the API."""

    host: Host = Field(default="127.0.0.1", description="Loopback unless told otherwise.")
    port: Port = Field(default=8000, description="TCP port.")
    public_origin: (
        Annotated[str, like(r"https?://[^/\s@]+", "scheme and host, no path", "https://centre.example")] | None
    ) = Field(
        default=None, description="What browsers type, for example https://centre.example; null: the address above."
    )
    secure_cookie: bool = Field(default=False, description="Session cookie by HTTPS only: true behind TLS.")


class CentreSettings(Settings):
    """The centre itself."""

    data_dir: PathBesideFile = Field(description="Database (SQLite) and pictures are kept here.")
    database: DatabaseUrl = Field(
        default=DatabaseUrl("sqlite:///{data_dir}/centre.db"),
        description="sqlite:///PATH for one process, postgresql+asyncpg://… for several. {data_dir} is filled in.",
    )
    http: HttpConfig = Field(default=HttpConfig(), description="The console and the API.")
    broker: BrokerConfig = Field(default=BrokerConfig(), description="The MQTT broker.")
    policies: PathBesideFile = Field(description="The policy table, a file of its own.")
    signing_key: PathBesideFile | None = Field(
        default=None,
        description="Where the key lies that signs what nodes are to run; the process with the role ingest reads it. "
        "Null: signing.key in data_dir. `xueliang-centre signing-key --make` makes it.",
    )
    retention: RetentionConfig = Field(default=RetentionConfig(), description="How long what is kept.")
    roles: tuple[Role, ...] = Field(
        default=ALL_ROLES, min_length=1, description="What this process does; separate processes need PostgreSQL."
    )

    @field_validator("roles")
    @classmethod
    def _separate_roles_need_postgresql(cls, roles: tuple[Role, ...], info: ValidationInfo) -> tuple[Role, ...]:
        if len(set(roles)) != len(roles):
            raise problem("roles", "expected each role once", ", ".join(roles))
        database = info.data.get("database")
        if set(roles) != set(ALL_ROLES) and isinstance(database, DatabaseUrl) and database.scheme.startswith("sqlite"):
            raise problem(
                "roles",
                "expected all of api, ingest and worker with SQLite (it has one writer)",
                f"only {', '.join(roles)}",
                "leave roles out, or name a postgresql+asyncpg:// database",
            )
        return roles

    @property
    def database_url(self) -> str:
        """The database address with {data_dir} filled in. May hold a password: never print it."""
        return self.database.reveal().replace("{data_dir}", str(self.data_dir))

    @property
    def signing_key_path(self) -> Path:
        return self.signing_key or self.data_dir / "signing.key"


class CentreConfig(Settings):
    """centre.yaml: one centre process."""

    centre: CentreSettings
