"""The types of message that images come in, by what `image_transport` calls them."""

from sensor_msgs.msg import CompressedImage, Image

IMAGE_TYPES = {'raw': Image, 'compressed': CompressedImage}
TRANSPORTS = {f'sensor_msgs/msg/{kind.__name__}': transport
              for transport, kind in IMAGE_TYPES.items()}
