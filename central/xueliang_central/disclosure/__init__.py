"""What may be told of the cameras: the impact assessment, and a notice page for each of them."""
