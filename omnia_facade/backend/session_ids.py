"""The form of a session id: the same at every door, so that a session works at all of them."""

import re

SESSION_ID_PATTERN = re.compile(r"[A-Za-z0-9._:-]{1,128}")
SESSION_ID_RULE = "1 to 128 letters, digits, dots, colons, dashes, underscores"
