"""The parts of `./run bench edge`: clips, stream server, the systems side by side, accounting, tables."""
