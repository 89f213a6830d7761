"""The few things the spool asks of a file system, so that tests can make them fail."""

from __future__ import annotations

import os
from pathlib import Path


class Disk:
    """The real one. Every method raises OSError as the system gives it."""

    def create(self, path: Path) -> int:
        """A new file for appending, readable by the owner only (S26). Returns the descriptor."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def write(self, descriptor: int, data: bytes) -> None:
        """All of it, or OSError; after an error part of it may be in the file."""
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]

    def fsync(self, descriptor: int) -> None:
        os.fsync(descriptor)

    def close(self, descriptor: int) -> None:
        os.close(descriptor)

    def truncate(self, path: Path, size_bytes: int) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.ftruncate(descriptor, size_bytes)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def fsync_directory(self, directory: Path) -> None:
        """Make names durable: after a file was made, replaced or removed."""
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def replace(self, source: Path, target: Path) -> None:
        source.replace(target)

    def unlink(self, path: Path) -> None:
        path.unlink(missing_ok=True)

    def read(self, path: Path, offset: int = 0, length: int | None = None) -> bytes:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read() if length is None else file.read(length)

    def write_whole(self, path: Path, data: bytes) -> None:
        """A file that is there whole or not at all: temporary file, fsync, rename, fsync of the folder."""
        temporary = path.with_name(path.name + ".tmp")
        self.unlink(temporary)
        descriptor = self.create(temporary)
        try:
            self.write(descriptor, data)
            self.fsync(descriptor)
        finally:
            self.close(descriptor)
        self.replace(temporary, path)
        self.fsync_directory(path.parent)
