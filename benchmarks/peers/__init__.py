"""One step of plain SGD, measured side by side with what else could be installed."""
