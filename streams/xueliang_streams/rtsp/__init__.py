"""Our own RTSP reader."""
