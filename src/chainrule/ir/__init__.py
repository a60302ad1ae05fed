"""The graph of a program: types, nodes, validity, text."""
