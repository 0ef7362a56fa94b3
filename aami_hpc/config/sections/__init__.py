"""One file per section of the configuration. aami_hpc/config/table.py lists them."""
