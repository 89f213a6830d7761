"""What `./run bench rules` is made of: made-up scenes with an exact truth, a detector's noise, peers, and the count."""
