"""From entries of the catalogue to what people read: sections of words, without a surface.

An entry is the dictionary that a catalogue file holds. The command draws the sections as a document, `aami-xid.pyz`
as plain text; the words are the same.
"""
