"""The parts of `./run bench ingest`: a city, its nodes, the programs, the phases."""
