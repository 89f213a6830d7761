"""Many cameras at once: a table is read, every camera looked at, all of them shared out among nodes, files written.

`planning.py` is the path through it. Nothing is written before everything was looked at, and then only when asked.
"""
