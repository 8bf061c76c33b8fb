"""The MIME types (iana.org/assignments/media-types, and what browsers send) of a pack's formats."""

_MIME: dict[str, tuple[str, ...]] = {
    "jpg": ("image/jpeg",),
    "svg": ("image/svg+xml",),
    "tif": ("image/tiff",),
    "mp3": ("audio/mpeg",),
    "wav": ("audio/wave", "audio/vnd.wave"),
    "opus": ("audio/ogg",),
    "m4a": ("audio/mp4", "audio/aac"),
    "ogg": ("application/ogg",),
    "mov": ("video/quicktime",),
    "avi": ("video/msvideo", "video/vnd.avi"),
    "mkv": ("video/matroska",),
    "txt": ("text/plain",),
    "text": ("text/plain",),
    "md": ("text/markdown",),
    "doc": ("application/msword",),
    "xls": ("application/vnd.ms-excel",),
    "ppt": ("application/vnd.ms-powerpoint",),
    "docx": ("application/vnd.openxmlformats-officedocument.wordprocessingml.document",),
    "xlsx": ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",),
    "pptx": ("application/vnd.openxmlformats-officedocument.presentationml.presentation",),
    "odt": ("application/vnd.oasis.opendocument.text",),
    "ods": ("application/vnd.oasis.opendocument.spreadsheet",),
    "odp": ("application/vnd.oasis.opendocument.presentation",),
}


def matches_format(mime_type: str, allowed: str) -> bool:
    """Whether a MIME type is of a format: a name such as `png`, or a MIME type itself."""
    # x- marks what has no registered name: audio/x-wav
    kind, _, subtype = _plain(mime_type).partition("/x-")
    found = f"{kind}/{subtype}" if subtype else kind
    name = _plain(allowed).removeprefix(".")
    return bool(found) and (
        name in (_plain(mime_type), found.partition("/")[2]) or found in _MIME.get(name, ())
    )


def _plain(text: str) -> str:
    """Without parameters such as `; charset=utf-8`, in small letters."""
    return text.partition(";")[0].strip().lower()
