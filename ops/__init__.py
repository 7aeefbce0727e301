"""The operator's side: the command line, the local stack and the simulated vendors. Never deployed."""
