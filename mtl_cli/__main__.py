"""`python -m mtl_cli` does what `mtl-train` does."""

from mtl_cli.main import main

if __name__ == "__main__":
    main()
