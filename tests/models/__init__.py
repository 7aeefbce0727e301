"""Small models that drive the real code through every schedule of faults there is up to a number of them."""
