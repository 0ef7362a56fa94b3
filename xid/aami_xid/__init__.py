"""Grammar, decoders and grouping of NVIDIA Xid and SXid records: standard library only, Python 3.6."""
