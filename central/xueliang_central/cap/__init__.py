"""What is told to other systems: incidents as CAP 1.2 messages."""
