"""Takes guards out one at a time and shows what turns red: ``python -m tests.mutants [NAME…]``."""
