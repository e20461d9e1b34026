# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What pip is to install into a virtual environment; decided on the controller, done on the host."""

from __future__ import annotations

import os
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Packages:
    """``installs`` holds pip's arguments, a list for each call; paths in them are relative to the code.

    ``texts`` are requirements files that the controller has made: an argument that is one of their names means that file.
    ``uses_code`` says that something of the code itself is installed. ``origin`` is what messages call all of it, ``environment`` what builds
    are told beside it.
    """

    origin: str = "nothing"
    installs: list[list[str]] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)
    uses_code: bool = False
    environment: dict[str, str] = field(default_factory=dict)

    def arguments(self, folder: str) -> list[list[str]]:
        """``installs`` with the texts' paths, once they stand in ``folder``."""
        return [
            [os.path.join(folder, part) if part in self.texts else part for part in arguments]
            for arguments in self.installs
        ]
