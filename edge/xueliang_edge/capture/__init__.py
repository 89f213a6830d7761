"""Pictures of a group of cameras: read, decode what is due, compare, and put into shared memory. Pixels stay here."""
