"""The machine that Chainrule runs on: what it is, what it can do at most, what is wrong with it."""
