"""``python -m chainrule.cli``: the command line without its script."""

from chainrule.cli.app import main

if __name__ == "__main__":
    main()
