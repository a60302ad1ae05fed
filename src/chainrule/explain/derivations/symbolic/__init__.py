"""Scalar functions in full, step by step: the graph unrolled, differentiated rule by rule.

    derive(subject, brute_force=False) -> Derivation      (``derive``; needs SymPy)
    TooLarge                                              (``scalars``) raised by it for functions
                                                          that are shown by layers instead

In the order of the work: ``scalars`` unrolls the graph, ``shifts`` leaves out what only keeps
numbers in range, ``variables`` knows the user's names, ``pieces`` (with ``worth`` and ``naming``)
cuts the composition, ``writing`` and ``numerals`` put it into formulas, ``differentiate`` (with
``functions``) takes derivatives one rule at a time, ``algebra`` (with ``order`` and ``signs``)
expands and factors by SymPy, ``nearby`` and ``selfmade`` choose among forms, ``chain`` and
``brute`` are the two ways to a gradient, ``running`` has the numbers, ``derive`` fills the record.
"""
