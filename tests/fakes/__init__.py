"""Every provider's embedding API on this machine, with its limits, its errors and, on request, its faults."""
