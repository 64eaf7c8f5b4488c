"""Take the docstrings out of a stub: those of `_core` are in src/python, and the module is private."""

import re
import sys
from pathlib import Path

DOCSTRING = r' *"""\n(?:.*\n)*? *"""\n'

stub = Path(sys.argv[1])
text = stub.read_text(encoding="utf-8")
text = re.sub(rf"(def .*):\n{DOCSTRING}", r"\1: ...\n", text)
text = re.sub(rf"^{DOCSTRING}", "", text, flags=re.MULTILINE)
text = re.sub(r"^((?:def|\w+: Final).*\n)\n(?=def|\w+: Final)", r"\1", text.lstrip(), flags=re.MULTILINE)
stub.write_text(text, encoding="utf-8")
