"""What a process that sends or receives camera images needs in its environment."""

from collections.abc import Mapping
from pathlib import Path

from ament_index_python.packages import get_package_share_directory


def large_images(environment: Mapping[str, str]) -> dict[str, str]:
    """
    Return the settings that large images need and `environment` does not have yet.

    They give Fast DDS a shared-memory segment that camera images fit in, and let the C library
    keep the memory of an image for the next one. The variables must be set before the process
    starts.

    If `environment` chooses the transports of Fast DDS (FASTDDS_BUILTIN_TRANSPORTS, as for
    containers that share no memory), no profile is among them: it would override that choice.
    """
    profile = str(Path(get_package_share_directory('anytime_perception'), 'config', 'fastdds.xml'))
    settings = {
        'MALLOC_MMAP_MAX_': '0',
        'MALLOC_TRIM_THRESHOLD_': '4000000000',
        'MALLOC_TOP_PAD_': '67108864'}
    if 'FASTDDS_BUILTIN_TRANSPORTS' not in environment:
        settings['FASTRTPS_DEFAULT_PROFILES_FILE'] = profile  # Humble, Jazzy
        settings['FASTDDS_DEFAULT_PROFILES_FILE'] = profile   # Kilted and later
    return {name: value for name, value in settings.items() if name not in environment}
