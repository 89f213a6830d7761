"""The parts of `./run bench centre`: people who watch the event stream, and what they ask the API."""
