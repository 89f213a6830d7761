"""A month of a city as its incidents, and what a report of it costs."""
