"""``python -m chainrule.cli``, and the console script `chainrule`."""

import os


def main() -> None:
    """Run the command line; Ctrl-C is answered from the first import on."""
    try:
        from chainrule.cli.app import main as run

        run()
    except KeyboardInterrupt:
        os._exit(130)


if __name__ == "__main__":
    main()
