"""Publish full HD images at best effort until this process is ended; see test_intake.py."""

import array
import time

import rclpy
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

HEIGHT, WIDTH = 1080, 1920

rclpy.init()
node = rclpy.create_node('lossy_camera')
publisher = node.create_publisher(
    Image, 'image', QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT))
image = Image(height=HEIGHT, width=WIDTH, step=3 * WIDTH, encoding='rgb8',
              data=array.array('B', bytes(3 * WIDTH * HEIGHT)))
while True:
    publisher.publish(image)
    time.sleep(0.05)
