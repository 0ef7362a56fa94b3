"""The catalogue of Xids and SXids: YAML under xid/catalog, loaded strictly, one file at a time where that is enough."""
