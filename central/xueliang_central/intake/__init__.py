"""One intake for what no camera has raised: sensors and stations, residents' and workers' own sightings."""
