"""`make docs`: write the generated pages anew."""

from tests.docs import pages, stale

for path, text in pages().items():
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
for path in stale():
    path.unlink()
print("docs/ is as the code and the catalogue are")
