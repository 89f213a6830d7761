"""What a shift hands over to the next: facts as they stand, own words, and who has read them."""
