"""What the two ends of a pod's control line say to each other: typed requests, typed replies."""
