"""Pictures on disk, by the hash of their bytes."""
