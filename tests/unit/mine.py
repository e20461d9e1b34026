"""Files that are the user's who runs the tests, where root's would stand."""

import grp
import os
import pwd

from ansible_collections.emperor.flask.plugins.module_utils.host.files import Access

ME = Access(0o644, pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(os.getgid()).gr_name)
