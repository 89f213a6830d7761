"""Programs of the centre as forks of a Python that has read all its modules: to read them takes two CPU-seconds, and
tests start a centre well over a hundred times.

Command line, environment, log, session, signals and end are as at a start by itself. That one is what
tests/integration/central/test_commands.py and tests/e2e start.
"""
