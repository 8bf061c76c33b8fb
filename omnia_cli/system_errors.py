"""What a person can do about an error of the operating system."""

import errno

_REMEDIES = {
    errno.ENOSPC: "free space, or choose another folder",
    errno.EDQUOT: "free space, or choose another folder",
    errno.ENOTDIR: "choose another name, or delete it",
    errno.EROFS: "choose a folder that can be written",
    errno.EACCES: "correct its permissions, or choose another folder",
    errno.EPERM: "correct its permissions, or choose another folder",
    errno.EMFILE: "raise the limit of open files, ulimit -n",
    errno.ECONNREFUSED: "nothing listens there: start it, or correct the address",
}


def explained(error: OSError) -> str:
    """Return the error in words, with the file that it is about and what to do."""
    text = error.strerror or str(error)
    about = f"{error.filename}: " if error.filename else ""
    remedy = _REMEDIES.get(error.errno or 0, "")
    return f"{about}{text}{f': {remedy}' if remedy else ''}"
