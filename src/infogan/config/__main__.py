"""Print the reference of all keys: `python -m infogan.config > docs/configuration.md`."""

from infogan.config.reference import describe

if __name__ == "__main__":
    print(describe(), end="")
