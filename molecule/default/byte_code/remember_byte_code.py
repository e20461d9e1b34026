"""Lets a test host's Python remember the byte-code of what it imports from zip files. Python keeps it of files in folders only.

Ansible sends each module as the source of all that it imports, in a zip file: compiling that is half of the time that a module takes.
"""

import _imp
import hashlib
import marshal
import os
import zipimport

FOLDER = "/var/cache/byte-code"  # prepare.yml makes it
compile_source = zipimport._compile_source


def remembered(path, source):
    """Return the code of a module, which is in the file ``path`` in a zip file, by the digest of its source."""
    kept = os.path.join(FOLDER, hashlib.sha256(source).hexdigest())
    try:
        with open(kept, "rb") as stream:
            code = marshal.loads(stream.read())
        _imp._fix_co_filename(code, path)
        return code
    except OSError:
        code = compile_source(path, source)
    try:
        with open(f"{kept}.{os.getpid()}", "wb") as stream:
            stream.write(marshal.dumps(code))
        os.rename(f"{kept}.{os.getpid()}", kept)
    except OSError:  # not root, or a test has filled the disk
        pass
    return code


zipimport._compile_source = remembered
