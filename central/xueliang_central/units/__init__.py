"""The managing unit of a fire lane, told first: what it was asked, by which link it replies, how it is told."""
