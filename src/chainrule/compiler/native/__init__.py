"""Loop nests to machine code: the only floor that knows LLVM."""
