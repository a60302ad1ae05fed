"""Functions of arrays: the graph read into larger pieces, backpropagation in matrix notation."""
