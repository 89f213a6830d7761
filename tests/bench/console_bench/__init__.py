"""The parts of `./run bench console`: the pages in a real browser, at a city's size and on a phone."""
