"""The part that all vendors share: the events, the gate, and the ports behind it. It names no vendor."""
