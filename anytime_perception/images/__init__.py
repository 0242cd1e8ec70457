"""Pictures and pixels: what they are on disk, in messages and before a network; no ROS."""

from anytime_perception.images.encodings import BadImageError, check_pixels, pixels_to_rgb
from anytime_perception.images.pictures import film, find_pictures, read_picture
from anytime_perception.images.preprocessing import Preprocessing, square

__all__ = ['BadImageError', 'Preprocessing', 'check_pixels', 'film', 'find_pictures',
           'pixels_to_rgb', 'read_picture', 'square']
