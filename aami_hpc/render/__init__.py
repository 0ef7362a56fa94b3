"""Results as neutral documents, and the surfaces they are shown on. Outside text is escaped here, once per surface."""
