"""What is counted of files and of voice."""

from omnia_facade.metrics.series import DURATION_BUCKETS, Series

_INGEST_BUCKETS = (0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1)
_SUCCESS = {True: "success", False: "failed"}


class MediaMetrics:
    """Uploads and downloads, over HTTP or WebSocket."""

    def __init__(self, series: Series) -> None:
        self._uploads = series.counters(
            "omnia_facade_uploads_total", "Uploads, by outcome.", "status", _SUCCESS.values()
        )
        self._upload_bytes = series.counter(
            "omnia_facade_upload_bytes_total", "Bytes of uploads that succeeded."
        )
        self._upload_seconds = series.histogram(
            "omnia_facade_upload_duration_seconds", "Time of an upload.", DURATION_BUCKETS
        )
        self._downloads = series.counters(
            "omnia_facade_downloads_total", "Downloads, by outcome.", "status", _SUCCESS.values()
        )
        self._download_bytes = series.counter(
            "omnia_facade_download_bytes_total", "Bytes of downloads that succeeded."
        )

    def uploaded(self, size: int, seconds: float, *, success: bool) -> None:
        """Count an upload that has ended; `size` is in bytes."""
        self._uploads[_SUCCESS[success]].inc()
        self._upload_seconds.observe(seconds)
        if success:
            self._upload_bytes.inc(size)

    def downloaded(self, size: int, *, success: bool) -> None:
        """Count a download that has ended; `size` is in bytes."""
        self._downloads[_SUCCESS[success]].inc()
        if success:
            self._download_bytes.inc(size)


class VoiceMetrics:
    """Media that streams over WebSocket.

    Attributes:
        sessions_active: voice sessions that are open.
        frames_rate_limited: binary frames after which a client was slowed down.
    """

    def __init__(self, series: Series) -> None:
        self._chunks = series.counters(
            "omnia_facade_media_chunks_total",
            "Pieces of media sent to clients, by kind of frame.",
            "type",
            ("json", "binary"),
        )
        self._chunk_bytes = series.counter(
            "omnia_facade_media_chunk_bytes_total", "Bytes of media sent to clients."
        )
        self.frames_rate_limited = series.counter(
            "omnia_facade_media_frames_ratelimited_total",
            "Binary frames after which a client was slowed down.",
        )
        self.sessions_active = series.gauge(
            "omnia_facade_audio_sessions_active", "Voice sessions that are open."
        )
        self._frames = series.counter(
            "omnia_facade_audio_frames_received_total", "Frames of audio that clients sent."
        )
        self._bytes = series.counter(
            "omnia_facade_audio_bytes_received_total", "Bytes of audio that clients sent."
        )
        self._ingest_seconds = series.histogram(
            "omnia_facade_audio_ingest_duration_seconds",
            "Time from a frame of audio to its delivery to the runtime.",
            _INGEST_BUCKETS,
        )

    def sent(self, size: int, *, binary: bool) -> None:
        """Count a piece of media that was sent to a client; `size` is in bytes."""
        self._chunks["binary" if binary else "json"].inc()
        self._chunk_bytes.inc(size)

    def received(self, size: int) -> None:
        """Count a frame of audio; `size` is in bytes."""
        self._frames.inc()
        self._bytes.inc(size)

    def delivered(self, seconds: float) -> None:
        """Note how long a frame of audio took to the runtime."""
        self._ingest_seconds.observe(seconds)
