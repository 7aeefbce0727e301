"""What every vendor shares: the events, the gate, and the three ports behind it. Names no vendor."""
