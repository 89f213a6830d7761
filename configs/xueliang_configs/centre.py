"""What one centre runs: centre.yaml."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from xueliang_configs.node import BrokerConfig, Host
from xueliang_configs.notices import NoticesConfig
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


class SingleSignOnConfig(Settings):
    """An OpenID Connect provider that proves who a person is. Roles and areas stay in the centre's own register."""

    issuer: Annotated[
        str,
        like(
            r"(https://[^/\s@?#]+|http://(127\.0\.0\.1|localhost|\[::1\])(:\d+)?)(/[^\s?#]*)?",
            "an https:// address (http:// on loopback only), as the provider writes its own",
            "https://id.example/realms/city",
        ),
    ] = Field(description="The provider's issuer; /.well-known/openid-configuration below it is read.")
    client_id: Annotated[str, Field(min_length=1, max_length=256)] = Field(description="This centre's name there.")
    client_secret: SecretStr | None = Field(
        default=None, description="Write it as ${ENV_NAME}. Null: a public client; PKCE is always used."
    )
    claim: Annotated[str, like(r"[A-Za-z_][A-Za-z0-9_.:/-]{0,127}", "the name of a claim", "sub")] = Field(
        default="sub", description="The claim of the ID token that equals an account's holder."
    )
    scopes: Annotated[str, like(r"openid( [!-~]+)*", "openid first, blanks between", "openid profile")] = Field(
        default="openid", description="What is asked for; more where the claim needs it."
    )
    ca_file: PathBesideFile | None = Field(
        default=None, description="Certificates that vouch for the provider (PEM); null: those this machine trusts."
    )
    label: Annotated[str, Field(max_length=40)] = Field(
        default="", description="What the sign-in page writes on its button; empty: a word of its own."
    )


class AccountsConfig(Settings):
    """How people sign in. docs/accounts.md"""

    second_factor: Literal["optional", "approvers", "everyone"] = Field(
        default="optional",
        description="Of whom one is demanded. Approvers: administrators, supervisors, rule operators. Until they have "
        "enrolled one, they can do nothing else.",
    )
    key: PathBesideFile | None = Field(
        default=None,
        description="The file that seals second factors, the same for every process with the role api; made when it is "
        "missing. Null: accounts.key in data_dir.",
    )
    single_sign_on: SingleSignOnConfig | None = Field(default=None, description="Null: local accounts only.")


_OneLine = Annotated[str, like(r"[^\x00-\x1f\x7f]{1,200}", "one line of 1 to 200 characters", "duty desk, 12345")]


class DisclosureConfig(Settings):
    """Who answers for the cameras, as the pages about them say it. docs/disclosure.md"""

    responsible: _OneLine | None = Field(default=None, description="The authority, in Chinese; null: not stated yet.")
    responsible_en: _OneLine | None = Field(default=None, description="The same in English; null: as in Chinese.")
    contact: _OneLine | None = Field(
        default=None, description="Whom people ask about a camera: a desk, never a person's number."
    )


class NewRulesConfig(Settings):
    """What holds for the first rules that the centre puts in force on a camera. docs/fleet-rules.md"""

    shadow: bool = Field(
        default=True,
        description="They start in the shadow: tried, and nobody is alerted until somebody promotes them. False: they "
        "alert at once.",
    )
    shadow_hours: Annotated[float, Field(ge=1, le=720)] = Field(
        default=24.0,
        description="So long they are to be tried before they are promoted; earlier is refused unless it is said.",
    )


class CentreLiveViewConfig(Settings):
    """Live view of cameras, **unmasked**, for those with the right. docs/live-view.md"""

    minutes: Annotated[int, Field(ge=1, le=15)] = Field(
        default=5, description="So long one view lasts at most; then the purpose is asked again."
    )
    at_once: Annotated[int, Field(ge=1, le=64)] = Field(
        default=4, description="So many views at once in each process with the role api; one more is refused."
    )


class CentreSettings(Settings):
    """The centre itself."""

    data_dir: PathBesideFile = Field(description="Database (SQLite) and pictures are kept here.")
    database: DatabaseUrl = Field(
        default=DatabaseUrl("sqlite:///{data_dir}/centre.db"),
        description="sqlite:///PATH for one process, postgresql+asyncpg://… for several. {data_dir} is filled in.",
    )
    http: HttpConfig = Field(default=HttpConfig(), description="The console and the API.")
    accounts: AccountsConfig = Field(default=AccountsConfig(), description="How people sign in.")
    broker: BrokerConfig = Field(default=BrokerConfig(), description="The MQTT broker.")
    policies: PathBesideFile = Field(description="The policy table, a file of its own.")
    signing_key: PathBesideFile | None = Field(
        default=None,
        description="Where the key lies that signs what nodes are to run; the process with the role ingest reads it. "
        "Null: signing.key in data_dir. `xueliang-centre signing-key --make` makes it.",
    )
    notices: NoticesConfig = Field(
        default=NoticesConfig(), description="Channels beyond the page; the process with the role worker sends."
    )
    retention: RetentionConfig = Field(default=RetentionConfig(), description="How long what is kept.")
    disclosure: DisclosureConfig = Field(
        default=DisclosureConfig(), description="Who answers for the cameras, for the pages about them."
    )
    camera_gate: Literal["enforce", "tell"] | None = Field(
        default=None,
        description="What is done about a camera that nobody has signed for (docs/disclosure.md). enforce: no rules "
        "are sent for it, its alerts are held until somebody has. tell: nothing is stopped. Null: enforce, or tell "
        "where cameras were watched before there was this gate.",
    )
    new_rules: NewRulesConfig = Field(
        default=NewRulesConfig(), description="What holds for the first rules of a camera."
    )
    live_view: CentreLiveViewConfig | None = Field(
        default=None, description="Live view, unmasked. Null: there is none, whatever rights and nodes say."
    )
    roles: tuple[Role, ...] = Field(
        default=ALL_ROLES, min_length=1, description="What this process does; separate processes need PostgreSQL."
    )

    @field_validator("accounts")
    @classmethod
    def _the_provider_must_know_the_way_back(cls, accounts: AccountsConfig, info: ValidationInfo) -> AccountsConfig:
        http = info.data.get("http")
        if accounts.single_sign_on is not None and isinstance(http, HttpConfig) and http.public_origin is None:
            raise problem(
                "accounts",
                "expected http.public_origin with single_sign_on: the provider sends people back there",
                "none",
                "http: {public_origin: https://centre.example}",
            )
        return accounts

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


def one_process(config: CentreConfig, *, roles: Sequence[Role] | None, port: int | None) -> CentreConfig:
    """The settings of one process of several that share a centre.yaml; None: as written there.

    Which roles can share a database is checked by whoever starts them.
    """
    centre = config.centre
    http = centre.http if port is None else centre.http.model_copy(update={"port": port})
    chosen = centre.roles if roles is None else tuple(role for role in ALL_ROLES if role in roles)
    return config.model_copy(update={"centre": centre.model_copy(update={"http": http, "roles": chosen})})
